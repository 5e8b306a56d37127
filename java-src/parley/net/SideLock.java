package parley.net;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import parley.net.wait.Deadline;

/**
 * The one lock of a side of a stream. Taking it when it is free is one compare-and-set. It knows
 * its owner, so that use of a stream from inside its own operation is refused, and what the owner
 * is doing: threads that must not wait do not wait for an owner that waits for the transport or
 * runs code of the user's. All others park until the owner releases the lock.
 *
 * <p>A thread may also hold it for a moment, to move one element. Then {@code owner} is
 * {@link #MOMENT}, nothing but that move happens, and other threads spin for that long.
 *
 * <p>Releasing is a write to {@link #owner} and no call: whatever was thrown, a stack that is full
 * included, {@code finally} can do that.
 */
abstract class SideLock {
    static final Object MOMENT = "a moment";

    private static final VarHandle OWNER;
    private static final VarHandle PARKED;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            OWNER = lookup.findVarHandle(SideLock.class, "owner", Object.class);
            PARKED = lookup.findVarHandle(SideLock.class, "parked", Queue.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** The thread that holds the lock, {@link #MOMENT}, or null when it is free. */
    volatile Object owner;

    /** The owner waits for the transport; written by the owner. */
    volatile boolean waiting;

    /** The owner runs code of the user's; written by the owner. */
    volatile boolean foreign;

    /** A thread that must not wait was turned away; the owner notifies observers at the end. */
    volatile boolean refused;

    private volatile Queue<Thread> parked; // null until there was a first one; through PARKED

    /** Ends a wait for the lock; called before each park. */
    interface Wait {
        /** Returns how long to park at most; throws what ends the wait. */
        long nanos() throws java.io.IOException;
    }

    /** Takes the lock for a moment if it is free. */
    final boolean tryMoment() {
        return OWNER.compareAndSet(this, null, MOMENT);
    }

    /** Ends a moment. A release store is enough, since no thread parks for a moment. */
    final void endMoment() {
        OWNER.setRelease(this, null);
    }

    /** Takes the lock if it is free, or will be in a moment. */
    final boolean tryLock(String operation) {
        Thread current = Thread.currentThread();
        while (!OWNER.compareAndSet(this, null, current)) {
            Object held = owner;
            if (held == current) {
                throw usedFromInside(operation);
            } else if (held == MOMENT) {
                Thread.onSpinWait();
            } else if (held != null) {
                return false;
            }
        }
        if (refused) { // a volatile store costs as much as taking the lock
            refused = false;
        }
        return true;
    }

    /** Takes the lock, parking while another thread has it. */
    final void lock(String operation, Wait wait) throws java.io.IOException {
        if (tryLock(operation)) {
            return;
        }
        Thread current = Thread.currentThread();
        Queue<Thread> queue = parked();
        boolean locked = false;
        queue.add(current);
        try {
            while (!(locked = tryLock(operation))) {
                long nanos = wait.nanos();
                LockSupport.parkNanos(this, nanos);
            }
        } finally {
            leave(queue, current, locked);
        }
    }

    /**
     * Ends the wait of a thread; a full stack may prevent that, and then it must not have the lock.
     */
    private void leave(Queue<Thread> queue, Thread current, boolean locked) {
        boolean left = false;
        try {
            queue.remove(current);
            if (!locked && owner == null) {
                unparkNext(); // this thread was woken to take the lock, and does not
            }
            left = true;
        } finally {
            if (!left && locked) {
                owner = null;
            }
        }
    }

    /**
     * Takes the lock for what must not wait; waits for an owner that runs code of ours.
     *
     * @return false when the owner waits for the transport or runs code of the user's, or at the
     *     deadline
     */
    final boolean lockSoon(String operation, Deadline until) {
        if (tryLock(operation)) {
            return true;
        }
        Thread current = Thread.currentThread();
        Queue<Thread> queue = parked();
        boolean interrupted = false;
        boolean locked = false;
        queue.add(current);
        try {
            while (!(locked = tryLock(operation)) && !refuses() && !until.hasPassed()) {
                LockSupport.parkNanos(this, until.remaining());
                interrupted |= Thread.interrupted();
            }
            return locked;
        } finally {
            leave(queue, current, locked);
            if (interrupted) {
                current.interrupt();
            }
        }
    }

    /** Returns true when a thread that must not wait is refused, and records that for the owner. */
    private boolean refuses() {
        if (!waiting && !foreign) {
            return false;
        }
        refused = true;
        return owner != null && (waiting || foreign); // else it may have ended without seeing it
    }

    /** By the owner: begins or ends a wait for the transport. */
    final void waits(boolean begins) {
        waiting = begins;
        unparkAll(); // threads that must not wait for that
    }

    /** By the owner: begins or ends to run code of the user's. */
    final void runsForeign(boolean begins) {
        foreign = begins;
        unparkAll();
    }

    /** After {@code owner = null}: wakes the next of the threads that are parked. */
    final void unparkNext() {
        Queue<Thread> queue = parked;
        Thread next = queue == null ? null : queue.peek();
        if (next != null) {
            LockSupport.unpark(next);
        }
    }

    /** Has all parked threads look again at what they wait for. */
    final void unparkAll() {
        Queue<Thread> queue = parked;
        if (queue != null) {
            queue.forEach(LockSupport::unpark);
        }
    }

    private Queue<Thread> parked() {
        Queue<Thread> queue = parked;
        if (queue == null) {
            queue = new ConcurrentLinkedQueue<>();
            if (!PARKED.compareAndSet(this, null, queue)) {
                queue = parked;
            }
        }
        return queue;
    }

    private IllegalStateException usedFromInside(String operation) {
        return new IllegalStateException(Errors.name(operation) + ": " + this + " is in use by this very thread,"
                + " inside one of its operations; what such an operation calls (a predicate, a"
                + " framing) must not use the stream");
    }
}
