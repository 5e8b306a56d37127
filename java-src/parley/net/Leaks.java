package parley.net;

import java.io.IOException;
import java.lang.ref.Cleaner;

/**
 * The safety net below {@code close}: what became unreachable while it was open is closed by a
 * {@link Cleaner} and reported. When that happens is up to the garbage collector; nobody should rely
 * on it. The system property {@value #TRACE}, when true, makes reports tell where the object was
 * made, at the price of a stack trace each.
 */
final class Leaks {
    private static final String TRACE = "parley.net.trace";
    private static final Cleaner CLEANER = Cleaner.create(body -> {
        Thread thread = new Thread(null, body, "parley-cleaner", 0, false);
        thread.setDaemon(true);
        return thread;
    });

    /** Closes the resource; must not reach the object that owns it. */
    interface Closer {
        void close() throws IOException;
    }

    private Leaks() {
    }

    /** As {@link #guard}, for what its owner's user never saw: without a report. */
    static Guard silentGuard(Object owner, Closer closer) {
        return guard(owner, null, closer);
    }

    /** Closes a resource once its owner is unreachable; clean it when it was closed properly. */
    static Guard guard(Object owner, String what, Closer closer) {
        Action action = new Action(what, closer);
        return new Guard(action, CLEANER.register(owner, action));
    }

    /** Holds the net under one object. */
    static final class Guard {
        private final Action action;
        private final Cleaner.Cleanable cleanable;

        Guard(Action action, Cleaner.Cleanable cleanable) {
            this.action = action;
            this.cleanable = cleanable;
        }

        /** The object was closed by its user: nothing is left to do. */
        void release() {
            action.released = true;
            cleanable.clean();
        }
    }

    private static final class Action implements Runnable {
        private final String what;
        private final Closer closer;
        private final Throwable made = Boolean.getBoolean(TRACE)
                ? new Throwable("made here by " + Thread.currentThread().getName()) : null;
        private volatile boolean released;

        Action(String what, Closer closer) {
            this.what = what;
            this.closer = closer;
        }

        @Override
        public void run() {
            if (released) {
                return;
            }
            if (what != null) {
                report();
            }
            try {
                closer.close();
            } catch (IOException e) {
                Reports.error("closing " + what + " failed", e);
            }
        }

        private void report() {
            String message = what + " was never closed and is unreachable: closed now; close it,"
                    + " as with-open-stream does" + (made == null ? " (-D" + TRACE
                    + "=true tells where it was made)" : "");
            Reports.leak(message, made);
        }
    }
}
