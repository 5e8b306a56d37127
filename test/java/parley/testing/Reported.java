package parley.testing;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** What the library logs from when this is made until it is closed; kept off the console. */
public final class Reported extends Handler implements AutoCloseable {
    private final Logger logger; // held, since the log manager holds loggers weakly
    private final List<LogRecord> records = new CopyOnWriteArrayList<>();

    /** Begins to listen. */
    public Reported() {
        this("parley.net");
    }

    /** As {@link #Reported()}, to a logger and those below. */
    public Reported(String name) {
        logger = Logger.getLogger(name);
        logger.addHandler(this);
        logger.setUseParentHandlers(false);
    }

    /** All so far, in the order they came. */
    public List<LogRecord> records() {
        return List.copyOf(records);
    }

    /** What they say. */
    public List<String> messages() {
        return records.stream().map(LogRecord::getMessage).toList();
    }

    /** How many of them speak of {@code what}. */
    public long about(String what) {
        return messages().stream().filter(message -> message.contains(what)).count();
    }

    @Override
    public void publish(LogRecord each) {
        records.add(each);
    }

    @Override
    public void flush() {
        // Nothing is buffered.
    }

    @Override
    public void close() {
        logger.removeHandler(this);
        logger.setUseParentHandlers(true);
    }
}
