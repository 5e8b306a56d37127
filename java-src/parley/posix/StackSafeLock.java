package parley.posix;

import java.util.concurrent.locks.ReentrantLock;

/**
 * A lock that a full stack cannot leave locked. Releasing a lock is a call, for which there may be
 * no room: so the room is made sure of before the lock is taken. There is enough for short work
 * under the lock, too, which then is done as a whole or not begun.
 */
public final class StackSafeLock extends ReentrantLock {
    private static final long serialVersionUID = 1;
    private static final int FRAMES = 60; // more than it takes to take a lock, do short work, and release it
    private static final int FRAMES_TO_OPEN = 200; // more than it takes to open and close a selector

    /** Makes a lock that does not care which of the waiting threads is next. */
    public StackSafeLock() {
        this(false);
    }

    /**
     * Makes a lock.
     *
     * @param fair true to let the thread go first that waits longest
     */
    public StackSafeLock(boolean fair) {
        super(fair);
    }

    @Override
    public void lock() {
        reserveStack();
        super.lock();
    }

    @Override
    public boolean tryLock() {
        reserveStack();
        return super.tryLock();
    }

    /**
     * Throws StackOverflowError now, while nothing has begun that must be ended, if the stack has
     * no room for ending it.
     */
    public static void reserveStack() {
        descend(FRAMES, 0, 0, 0, 0, 0, 0, 0, 0);
    }

    /** As {@link #reserveStack}, for what opens a descriptor and has to close it when it fails. */
    public static void reserveStackToOpen() {
        descend(FRAMES_TO_OPEN, 0, 0, 0, 0, 0, 0, 0, 0);
    }

    /** Many arguments, which move, make a frame big, so that few are needed. */
    private static long descend(int frames, long a, long b, long c, long d, long e, long f, long g,
            long h) {
        return frames == 0 ? a + b + c + d + e + f + g + h
                : a + descend(frames - 1, b + frames, c, d, e, f, g, h, a);
    }
}
