package parley.posix;

import java.util.concurrent.locks.AbstractQueuedSynchronizer;
import java.util.concurrent.locks.Condition;

/**
 * A reentrant lock that a full stack cannot leave locked. Releasing a lock is a call, for which
 * there may be no room: so the room is made sure of before the lock is taken. There is enough for
 * short work under the lock, too, which then is done as a whole or not begun.
 *
 * <p>A lock is one object, where a {@link java.util.concurrent.locks.ReentrantLock} is two, since
 * there is one in each of many streams.
 */
public final class StackSafeLock extends AbstractQueuedSynchronizer {
    private static final long serialVersionUID = 1;
    private static final int FRAMES = 3; // more than it takes to lock, do short work, and unlock
    private static final int FRAMES_TO_OPEN = 12; // more than it takes to open and close a selector
    private static final int FRAMES_TO_START = 24; // more than the JDK takes to start a process

    private final boolean fair; // immutable

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
        this.fair = fair;
    }

    /** Takes the lock, waiting for the thread that has it. */
    public void lock() {
        reserveStack();
        lockToEnd();
    }

    /**
     * Takes the lock to end what was begun with enough room on the stack. Reserving once more,
     * from there on, could fail, and then the work would never end.
     */
    public void lockToEnd() {
        if (!tryAcquire(1)) {
            acquire(1);
        }
    }

    /** Takes the lock if no other thread has it, and none waits for a fair one. */
    public boolean tryLock() {
        reserveStack();
        return tryAcquire(1);
    }

    /** Releases the lock. */
    public void unlock() {
        release(1);
    }

    /** {@return a new condition of this lock} */
    public Condition newCondition() {
        return new ConditionObject();
    }

    @Override
    protected boolean tryAcquire(int count) {
        Thread current = Thread.currentThread();
        int holds = getState();
        if (holds == 0) {
            if (fair && hasQueuedPredecessors() || !compareAndSetState(0, count)) {
                return false;
            }
            setExclusiveOwnerThread(current);
            return true;
        } else if (getExclusiveOwnerThread() == current) {
            setState(holds + count);
            return true;
        }
        return false;
    }

    @Override
    protected boolean tryRelease(int count) {
        if (!isHeldExclusively()) {
            throw new IllegalMonitorStateException();
        }
        int holds = getState() - count;
        if (holds == 0) {
            setExclusiveOwnerThread(null);
        }
        setState(holds);
        return holds == 0;
    }

    @Override
    protected boolean isHeldExclusively() {
        return getExclusiveOwnerThread() == Thread.currentThread();
    }

    /**
     * Throws StackOverflowError now, while nothing has begun that must be ended, if the stack has
     * no room for ending it.
     */
    public static void reserveStack() {
        descend(FRAMES);
    }

    /** As {@link #reserveStack}, for what opens a descriptor and has to close it when it fails. */
    public static void reserveStackToOpen() {
        descend(FRAMES_TO_OPEN);
    }

    /** As {@link #reserveStack}, for what starts a process. */
    static void reserveStackToStart() {
        descend(FRAMES_TO_START);
    }

    /**
     * The variables make the frame big: 4 KB in the interpreter. A compiled frame is small, but
     * at its entry HotSpot makes sure of the room that the interpreter needs to go on. The
     * innermost call is recursive, so that no compiler inlines it and leaves it out.
     */
    private static int descend(int frames) {
        long a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0,
                c1, c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1,
                e2, e3, e4, e5, e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2,
                g3, g4, g5, g6, g7, g8, g9, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9, i0, i1, i2, i3,
                i4, i5, i6, i7, i8, i9, j0, j1, j2, j3, j4, j5, j6, j7, j8, j9, k0, k1, k2, k3, k4,
                k5, k6, k7, k8, k9, l0, l1, l2, l3, l4, l5, l6, l7, l8, l9, m0, m1, m2, m3, m4, m5,
                m6, m7, m8, m9, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, o0, o1, o2, o3, o4, o5, o6,
                o7, o8, o9, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, q0, q1, q2, q3, q4, q5, q6, q7,
                q8, q9, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, s0, s1, s2, s3, s4, s5, s6, s7, s8,
                s9, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, u0, u1, u2, u3, u4, u5, u6, u7, u8, u9,
                v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, x0,
                x1, x2, x3, x4, x5, x6, x7, x8, x9, y0, y1, y2, y3, y4, y5, y6, y7, y8, y9;
        return frames == 0 ? 0 : 1 + descend(frames - 1);
    }
}
