package parley.posix;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.security.AccessController;
import java.security.PrivilegedAction;

/** What Parley's waits have to know of threads, and threads of its own. */
public final class OwnThreads {
    // Thread.isVirtual came with JDK 21; the baseline is 17.
    private static final MethodHandle IS_VIRTUAL = isVirtualHandle();

    private static final boolean LOSES_INTERRUPTS = Runtime.version().feature() < 24;
    private static final long LONGEST_WAIT = 1_000_000_000;

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
     * Returns a daemon thread that is not started, outlives the program that came first and keeps
     * none of its classes. It has no context class loader and, on JDKs that
     * record one, no access control context of the callers: either would keep their class loaders.
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
}
