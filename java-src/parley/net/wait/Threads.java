package parley.net.wait;

import parley.posix.OwnThreads;

/** Operations that depend on the kind of the calling thread. */
public final class Threads {
    private Threads() {
    }

    /** Returns whether a virtual thread may wait in a selector without holding its carrier. */
    public static boolean virtualCanSelect() {
        return Runtime.version().feature() >= 24; // JDK-8336254
    }

    /**
     * Starts a daemon thread named {@code parley-…}.
     *
     * @param virtual whether it is to be a virtual one, which takes a JDK that has these
     * @throws OutOfMemoryError if the system has no thread left; then nothing was started
     */
    static Thread start(String name, boolean virtual, Runnable body) {
        Thread thread = virtual ? unstarted(name, true, body)
                : OwnThreads.daemon("parley-" + name, body);
        thread.start();
        return thread;
    }

    /** Returns a daemon thread for code of the caller's, whose context class loader it inherits. */
    public static Thread unstarted(String name, boolean virtual, Runnable body) {
        Thread thread = virtual ? virtual(body) : new Thread(null, body, "", 0, false);
        thread.setName("parley-" + name);
        thread.setDaemon(true);
        return thread;
    }

    private static Thread virtual(Runnable body) {
        try {
            Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
            return (Thread) Class.forName("java.lang.Thread$Builder")
                    .getMethod("unstarted", Runnable.class).invoke(builder, body);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this JDK has no virtual threads", e);
        }
    }
}
