package parley.posix;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.security.AccessController;
import java.security.PrivilegedAction;

/** Makes threads that outlive the program that came first, and keep none of its classes. */
public final class OwnThreads {
    // Thread.isVirtual came with JDK 21; the baseline is 17.
    private static final MethodHandle IS_VIRTUAL = isVirtualHandle();

    private OwnThreads() {
    }

    /**
     * Returns a daemon thread that is not started. It has no context class loader and, on JDKs that
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
