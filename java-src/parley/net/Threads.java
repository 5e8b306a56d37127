package parley.net;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/** What depends on the kind of the thread that calls. */
final class Threads {
    // Thread.isVirtual came with JDK 21; the baseline is 17.
    private static final MethodHandle IS_VIRTUAL = isVirtualHandle();

    private Threads() {
    }

    private static MethodHandle isVirtualHandle() {
        try {
            return MethodHandles.publicLookup().findVirtual(
                    Thread.class, "isVirtual", MethodType.methodType(boolean.class));
        } catch (NoSuchMethodException | IllegalAccessException e) {
            return null; // a JDK without virtual threads
        }
    }

    /** Tells whether the calling thread is a virtual one. */
    static boolean currentIsVirtual() {
        if (IS_VIRTUAL == null) {
            return false;
        }
        try {
            return (boolean) IS_VIRTUAL.invokeExact(Thread.currentThread());
        } catch (Throwable e) {
            throw new AssertionError(e); // Thread.isVirtual throws nothing
        }
    }

    /** A daemon thread named {@code parley-…}, started. */
    static Thread start(String name, Runnable body) {
        Thread thread = new Thread(null, body, "parley-" + name, 0, false);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }
}
