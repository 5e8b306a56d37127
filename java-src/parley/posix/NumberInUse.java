package parley.posix;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The number of an open descriptor, which goes back to the system when the descriptor is closed and
 * the last call that uses the number has ended.
 *
 * <p>Thread-safe.
 */
abstract sealed class NumberInUse implements AutoCloseable permits Descriptor {
    private static final int CLOSED = Integer.MIN_VALUE;

    final int fd; // immutable
    private final boolean owned; // immutable
    private final AtomicInteger uses = new AtomicInteger(); // running calls; CLOSED bit
    private final CountDownLatch released = new CountDownLatch(1); // the number has returned to the system

    NumberInUse(int fd, boolean owned) {
        Posix.require("Descriptor");
        this.fd = fd;
        this.owned = owned;
    }

    /** {@return the number, which other code may have after {@link #close}} */
    public int number() {
        return fd;
    }

    /** {@return false as soon as {@link #close} was called} */
    public boolean isOpen() {
        return uses.get() >= 0;
    }

    /** Returns whether closing this closes the number. */
    final boolean isOwned() {
        return owned;
    }

    /** A call that uses the number. */
    interface Use<T> {
        T of(int number) throws IOException;
    }

    final <T> T using(String call, Use<T> use) throws IOException {
        acquire(call);
        try {
            return use.of(fd);
        } finally {
            release();
        }
    }

    /** Returns how many calls use the number, or a negative number once closed. */
    final int uses() {
        return uses.get();
    }

    /** Begins a use of the number, which stays ours until {@link #release}. */
    final int acquire(String call) throws ClosedDescriptorException {
        if (!tryAcquire()) {
            throw new ClosedDescriptorException(call + "(" + fd + ")");
        }
        return fd;
    }

    /** Begins a use, or returns false when the descriptor is closed. */
    final boolean tryAcquire() {
        StackSafeLock.reserveStack(); // a use that does not end would keep close waiting for ever
        int count = uses.get();
        while (count >= 0) {
            if (uses.compareAndSet(count, count + 1)) {
                return true;
            }
            count = uses.get();
        }
        return false;
    }

    /** Ends a use. The last use after close returns the number to the system. */
    final void release() {
        if (uses.decrementAndGet() == CLOSED) {
            if (owned) {
                LibC.close(fd);
            }
            released.countDown();
        }
    }

    /**
     * Closes the descriptor: threads that wait on it are woken, running calls end, and when this
     * returns the number has been given back to the system. Idempotent. Never blocks for longer
     * than the running calls need, which are non-blocking.
     */
    @Override
    public void close() {
        StackSafeLock.reserveStack();
        int count = uses.get();
        // this thread's own use keeps the number while the watches fire
        while (count >= 0 && !uses.compareAndSet(count, (count | CLOSED) + 1)) {
            count = uses.get();
        }
        if (count >= 0) {
            try {
                DescriptorWatcher.closed((Descriptor) this, count > 0);
            } finally {
                release();
            }
        }
        awaitRelease();
    }

    private void awaitRelease() {
        boolean interrupted = false;
        while (released.getCount() > 0) {
            try {
                released.await();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
