package parley.posix;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.security.AccessController;
import java.security.PrivilegedAction;

/**
 * Makes the library's threads, and finds what the kind of the calling thread allows. Threads that
 * outlive the program that came first keep none of its classes.
 */
public final class OwnThreads {
    // Thread.isVirtual came with JDK 21; the baseline is 17.
    private static final MethodHandle IS_VIRTUAL = isVirtualHandle();

    private static final boolean LOSES_INTERRUPTS = Runtime.version().feature() < 24;
    private static final long LONGEST_WAIT = 5_000_000_000L;

    private OwnThreads() {
    }

    /**
     * Returns how long a thread may block in a selector or in poll(2) before it looks whether it
     * was interrupted. Up to JDK 23 {@link Thread#interrupt} looks for a blocked call first and
     * then sets the flag: a thread that begins to block in between is not woken.
     *
     * @param nanos how long the thread wants to block
     * @return that, or less
     */
    public static long boundedWait(long nanos) {
        return LOSES_INTERRUPTS ? Math.min(nanos, LONGEST_WAIT) : nanos;
    }

    /**
     * Returns a daemon thread that is not started. It has no context class loader and, on JDKs that
     * record one, no access control context of the callers: either would keep their class loaders.
     */
    @SuppressWarnings("removal") // JDKs up to 23 record the context
    public static Thread daemon(String name, Runnable body) {
        Thread thread = AccessController.doPrivileged(
                (PrivilegedAction<Thread>) () -> new Thread(null, body, name, 0, false));
        thread.setDaemon(true);
        thread.setContextClassLoader(null);
        return thread;
    }

    private static MethodHandle isVirtualHandle() {
        try {
            return MethodHandles.publicLookup().findVirtual(
                    Thread.class, "isVirtual", MethodType.methodType(boolean.class));
        } catch (NoSuchMethodException | IllegalAccessException e) {
            return null; // a JDK without virtual threads
        }
    }

    /** {@return whether the calling thread is a virtual one} */
    public static boolean currentIsVirtual() {
        if (IS_VIRTUAL == null) {
            return false;
        }
        try {
            return (boolean) IS_VIRTUAL.invokeExact(Thread.currentThread());
        } catch (Throwable e) {
            throw new AssertionError(e); // Thread.isVirtual throws nothing
        }
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
    public static Thread start(String name, boolean virtual, Runnable body) {
        Thread thread = virtual ? unstarted(name, true, body)
                : daemon("parley-" + name, body);
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
