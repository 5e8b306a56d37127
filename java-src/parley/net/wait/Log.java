package parley.net.wait;

import java.time.ZonedDateTime;
import java.util.Locale;
import java.util.logging.LogRecord;

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

        private final Named logger;

        Part(String name) {
            logger = Named.of(name);
        }
    }

    /** A logger of the platform. */
    public interface Named {
        /** Logs a line, and what was thrown unless that is null. */
        void log(System.Logger.Level level, String line, Throwable cause);

        /** Returns the logger of a name. */
        static Named of(String name) {
            return Utility.isBackEnd() ? Utility.of(name) : System.getLogger(name)::log;
        }
    }

    /**
     * Writes to java.util.logging where that is the back end of System.Logger. Its console handler
     * shows the calling class instead of the logger's name, unless a record has no class.
     */
    private static final class Utility {
        private static final String BACK_END = "sun.util.logging.internal.LoggingProviderImpl";

        private Utility() {
        }

        static boolean isBackEnd() {
            return System.LoggerFinder.getLoggerFinder().getClass().getName().equals(BACK_END);
        }

        static Named of(String name) {
            java.util.logging.Logger logger = java.util.logging.Logger.getLogger(name);
            return (level, line, cause) -> {
                java.util.logging.Level translated = level(level);
                if (logger.isLoggable(translated)) {
                    LogRecord record = new LogRecord(translated, line);
                    record.setLoggerName(name);
                    record.setSourceClassName(null);
                    record.setThrown(cause);
                    logger.log(record);
                }
            };
        }

        private static java.util.logging.Level level(System.Logger.Level level) {
            return level == System.Logger.Level.ERROR ? java.util.logging.Level.SEVERE
                    : level == System.Logger.Level.WARNING ? java.util.logging.Level.WARNING
                    : level == System.Logger.Level.INFO ? java.util.logging.Level.INFO
                    : java.util.logging.Level.FINER;
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
        trace(Part.CORE, "logging is prepared", null); // loads the loggers
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
