package parley.net.wait;

import java.time.ZonedDateTime;
import java.util.Locale;

/** Logs events that no caller can receive, to the platform's own loggers. */
public final class Log {
    /** The parts that log, each by a logger of its own; doc/observing.md lists them. */
    public enum Part {
        /** Streams and servers. */
        CORE("parley.net"),
        /** Accepting connections. */
        ACCEPT("parley.net.accept"),
        /** Channels, intakes and outlets, and what runs their listeners. */
        CHANNELS("parley.net.channels"),
        /** Servers that serve connections. */
        SERVER("parley.net.server"),
        /** TLS. */
        TLS("parley.net.tls"),
        /** Unclosed objects. */
        LEAKS("parley.net.leaks"),
        /** The event loop. */
        WAIT("parley.net.wait");

        private final System.Logger logger;

        Part(String name) {
            logger = System.getLogger(name);
        }
    }

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
    public static void guard(Part part, Runnable task) {
        try {
            task.run();
        } catch (Throwable e) {
            error(part, "a task or a listener failed", e);
        }
    }

    /** Logs a failure that no caller receives. */
    public static void error(Part part, String what, Throwable cause) {
        log(part, System.Logger.Level.ERROR, what, cause);
    }

    /** Logs an object that was never closed, with the place where it was made. */
    public static void leak(String what, Throwable made) {
        log(Part.LEAKS, System.Logger.Level.WARNING, what, made);
    }

    /** Logs an expected failure, at a level that is off by default. */
    public static void trace(Part part, String what, Throwable cause) {
        log(part, System.Logger.Level.TRACE, what, cause);
    }

    /** Logs what a user should know. */
    public static void warning(Part part, String what) {
        log(part, System.Logger.Level.WARNING, what, null);
    }

    /** Logs; a logger that fails must not end what had something to report. */
    private static void log(Part part, System.Logger.Level level, String what, Throwable cause) {
        try {
            part.logger.log(level, "parley: " + what, cause);
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
