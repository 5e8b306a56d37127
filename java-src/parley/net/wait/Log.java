package parley.net.wait;

import java.time.ZonedDateTime;
import java.util.Locale;

/** Where the library reports what no caller is there to receive: the platform's own logger. */
public final class Log {
    private static final System.Logger LOG = System.getLogger("parley.net");

    private Log() {
    }

    /**
     * Loads what logging takes, before descriptors can run out: the first line that
     * java.util.logging writes loads the time zones and the names of months from files, and if that
     * fails once it can never log again.
     */
    public static void prepare() {
        String.format(Locale.getDefault(), "%tc", ZonedDateTime.now());
    }

    /** Runs a task; whatever it throws is logged, and the caller goes on. */
    public static void guard(Runnable task) {
        try {
            task.run();
        } catch (Throwable e) {
            error("a task or a listener failed", e);
        }
    }

    /** Logs a failure that no caller receives. */
    public static void error(String what, Throwable cause) {
        log(System.Logger.Level.ERROR, what, cause);
    }

    /** Logs an object that was never closed, with the place where it was made. */
    public static void leak(String what, Throwable made) {
        log(System.Logger.Level.WARNING, what, made);
    }

    /** Notes an expected failure, off unless the logger is told to. */
    public static void trace(String what, Throwable cause) {
        log(System.Logger.Level.TRACE, what, cause);
    }

    /** Logs what a user should know. */
    public static void warning(String what) {
        log(System.Logger.Level.WARNING, what, null);
    }

    /** Logs; a logger that fails must not end what had something to report. */
    private static void log(System.Logger.Level level, String what, Throwable cause) {
        try {
            LOG.log(level, "parley: " + what, cause);
        } catch (Throwable e) {
            logFailed(what, cause, e);
        }
    }

    private static void logFailed(String what, Throwable cause, Throwable failure) {
        try {
            System.err.println("parley: " + what + (cause == null ? "" : ": " + cause)
                    + " (and the logger failed: " + failure + ")");
        } catch (Throwable e) {
            failure.addSuppressed(e); // neither a logger nor standard error is left
        }
    }
}
