package parley.posix;

import java.security.AccessController;
import java.security.PrivilegedAction;

/** Makes threads that outlive the program that came first, and keep none of its classes. */
public final class OwnThreads {
    private OwnThreads() {
    }

    /**
     * Returns a daemon thread that is not started. It has no context class loader and, on JDKs that record
     * one, no access control context of the callers: either would keep their class loaders.
     *
     * @param name the name of the thread
     * @param body what it runs
     * @return the thread
     */
    @SuppressWarnings("removal") // JDKs up to 23 record the context
    public static Thread daemon(String name, Runnable body) {
        Thread thread = AccessController.doPrivileged(
                (PrivilegedAction<Thread>) () -> new Thread(null, body, name, 0, false));
        thread.setDaemon(true);
        thread.setContextClassLoader(null);
        return thread;
    }
}
