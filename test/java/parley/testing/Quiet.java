package parley.testing;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Collects warnings that would reach the console: a test that provokes one captures it ({@link
 * Reported}). An object that a test forgot is found by the collector later, so that the blame may
 * fall on what ran next; {@code -Dparley.net.trace=true} shows where it was made.
 */
public final class Quiet implements AfterAllCallback {
    private static final Records RECORDS = new Records();

    static {
        Logger.getLogger("").addHandler(RECORDS);
    }

    /** Fails if there was a warning since the last time. */
    public static void check() {
        List<String> told = RECORDS.take();
        if (!told.isEmpty()) {
            throw new AssertionError("logged, and captured by no test:\n" + String.join("\n", told));
        }
    }

    @Override
    public void afterAll(ExtensionContext context) {
        check();
    }

    private static final class Records extends Handler {
        private final List<LogRecord> records = new CopyOnWriteArrayList<>();

        List<String> take() {
            List<LogRecord> all = List.copyOf(records);
            records.removeAll(all);
            return all.stream().map(each -> each.getLoggerName() + ": " + each.getMessage()).toList();
        }

        @Override
        public void publish(LogRecord each) {
            if (each.getLevel().intValue() >= Level.WARNING.intValue()) {
                records.add(each);
            }
        }

        @Override
        public void flush() {
            // Nothing is buffered.
        }

        @Override
        public void close() {
            // There is nothing to free.
        }
    }
}
