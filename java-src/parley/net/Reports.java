package parley.net;

import java.time.ZonedDateTime;
import java.util.Locale;

/** Where the library says what no caller is there to be told: the platform's own logger. */
final class Reports {
    private static final System.Logger LOG = System.getLogger("parley.net");

    private Reports() {
    }

    /**
     * Before descriptors can run out: the first line that java.util.logging writes loads the time
     * zones and the names of months from files, and if that fails once it can never log again.
     */
    static void prepare() {
        String.format(Locale.getDefault(), "%tc", ZonedDateTime.now());
    }

    static void error(String what, Throwable cause) {
        log(System.Logger.Level.ERROR, what, cause);
    }

    static void leak(String what, Throwable made) {
        log(System.Logger.Level.WARNING, what, made);
    }

    static void warning(String what) {
        log(System.Logger.Level.WARNING, what, null);
    }

    /** A logger that fails must not end what had something to say. */
    private static void log(System.Logger.Level level, String what, Throwable cause) {
        try {
            LOG.log(level, "parley: " + what, cause);
        } catch (RuntimeException | Error e) {
            System.err.println("parley: " + what + (cause == null ? "" : ": " + cause)
                    + " (and the logger failed: " + e + ")");
        }
    }
}
