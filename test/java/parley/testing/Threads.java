package parley.testing;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;

/** The kinds of thread a case runs on. The library is compiled for 17, hence the reflection. */
public enum Threads {
    /** An operating-system thread, a daemon. */
    PLATFORM,
    /** A virtual thread, where the JDK has them (21 and later). */
    VIRTUAL;

    /** Whether this JDK can make threads of this kind. */
    public boolean available() {
        return this == PLATFORM || Runtime.version().feature() >= 21;
    }

    /** A thread of this kind, not yet started, named {@code test-<name>}. */
    public Thread unstarted(String name, Runnable body) {
        String full = "test-" + name;
        if (this == PLATFORM) {
            Thread thread = new Thread(body, full);
            thread.setDaemon(true);
            return thread;
        }
        return virtual(full, body);
    }

    /** Starts {@code body} on a thread of this kind. */
    public <T> Task<T> start(String name, Callable<T> body) {
        return Task.start(this, name, body);
    }

    /** The platform threads that run now; cheaper than {@link Thread#getAllStackTraces}. */
    public static Stream<Thread> running() {
        ThreadGroup root = Thread.currentThread().getThreadGroup();
        while (root.getParent() != null) {
            root = root.getParent();
        }
        Thread[] all = new Thread[root.activeCount() + 32];
        for (int n = root.enumerate(all); ; n = root.enumerate(all)) {
            if (n < all.length) {
                return Arrays.stream(all, 0, n);
            }
            all = new Thread[all.length * 2];
        }
    }

    /** Whether {@code thread} is a virtual one; false on a JDK without them. */
    public static boolean isVirtual(Thread thread) {
        if (!VIRTUAL.available()) {
            return false;
        }
        try {
            return (Boolean) Thread.class.getMethod("isVirtual").invoke(thread);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError("Thread.isVirtual cannot be called", e);
        }
    }

    private static Thread virtual(String name, Runnable body) {
        try {
            Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
            Class<?> type = Class.forName("java.lang.Thread$Builder$OfVirtual");
            Method named = type.getMethod("name", String.class);
            Method unstarted = type.getMethod("unstarted", Runnable.class);
            return (Thread) unstarted.invoke(named.invoke(builder, name), body);
        } catch (InvocationTargetException e) {
            throw new AssertionError("Thread.ofVirtual failed", e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new AssertionError("this JDK has no virtual threads", e);
        }
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
