package parley.net;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A lock for what takes a moment, such as moving one character out of a buffer: one atomic
 * instruction to take, none to give back. Whoever wants to hold it for longer holds the full lock
 * around it, so that nobody spins for longer than a moment.
 */
final class QuickLock {
    private static final VarHandle HELD;

    static {
        try {
            HELD = MethodHandles.lookup().findVarHandle(QuickLock.class, "held", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private boolean held; // through HELD only

    boolean tryLock() {
        return HELD.compareAndSet(this, false, true);
    }

    /** Takes it, the holder being about to give it back. */
    void lock() {
        while (!tryLock()) {
            Thread.yield();
        }
    }

    void unlock() {
        HELD.setRelease(this, false);
    }
}
