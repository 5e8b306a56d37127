package parley.net;

import java.util.concurrent.locks.AbstractQueuedSynchronizer;
import parley.posix.StackSafeLock;

/**
 * A lock as {@link StackSafeLock}, in one object instead of two, for
 * what there is very much of.
 */
final class SmallLock extends AbstractQueuedSynchronizer {
    private static final long serialVersionUID = 1;

    void lock() {
        StackSafeLock.reserveStack();
        if (!tryAcquire(1)) {
            acquire(1);
        }
    }

    boolean tryLock() {
        StackSafeLock.reserveStack();
        return tryAcquire(1);
    }

    void unlock() {
        release(1);
    }

    @Override
    protected boolean tryAcquire(int count) {
        Thread current = Thread.currentThread();
        int holds = getState();
        if (holds == 0 && compareAndSetState(0, count)) {
            setExclusiveOwnerThread(current);
            return true;
        } else if (getExclusiveOwnerThread() == current && holds > 0) {
            setState(holds + count);
            return true;
        }
        return false;
    }

    @Override
    protected boolean tryRelease(int count) {
        if (getExclusiveOwnerThread() != Thread.currentThread()) {
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
}
