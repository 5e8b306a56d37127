package parley.posix;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.spi.AbstractInterruptibleChannel;
import java.util.concurrent.locks.Condition;

/**
 * Blocks platform threads in poll(2), each for the descriptors of its own {@link
 * DescriptorWatcher.Watch}: when one becomes ready, no other thread has to run first.
 *
 * <p>All these threads poll one wake-up descriptor as well, so that none needs a descriptor of its
 * own. A wake-up reaches every thread that is in a poll. The next polls begin when all of these
 * have returned: until then the wake-up descriptor stays readable.
 *
 * <p>Thread-safe.
 */
final class BlockingPoll {
    /** The most threads that poll at once, since a wake-up wakes them all. */
    static final int MOST = 16;
    /** The most entries that a thread polls itself: those of one object. */
    static final int MOST_ENTRIES = 2;

    private final Poll.WakeUp wakeUp = new Poll.WakeUp(); // immutable
    private final StackSafeLock lock = new StackSafeLock();
    private final Condition drained = lock.newCondition();
    private int polling; // threads in a poll; guarded by lock
    private int leaving; // of these, the threads that the wake-up has yet to reach; guarded by lock

    BlockingPoll() throws IOException {
    }

    /** Makes all threads return from their polls. */
    void wake() {
        lock.lock();
        try {
            if (polling > 0 && leaving == 0) { // else a wake-up is under way, and reaches them all
                leaving = polling;
                wakeUp.write();
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Polls once for the calling thread: until a descriptor of the watch is ready, the time has
     * passed, the thread is interrupted or woken.
     *
     * @return whether a descriptor is ready
     */
    boolean poll(DescriptorWatcher.Watch watch, long nanos) throws IOException {
        Interruption interruption = new Interruption();
        interruption.start();
        try (NativeBuffer buffer = NativeBuffer.take((watch.count + 1) * Poll.ENTRY)) {
            int held = 0;
            try {
                for (; held < watch.count; held++) {
                    watch.entries[held].put(buffer, held * Poll.ENTRY);
                }
                Poll.put(buffer, held * Poll.ENTRY, wakeUp.input, Poll.IN);
                return isReady(watch, buffer, nanos);
            } finally {
                Poll.release(watch.entries, buffer, 0, held);
            }
        } finally {
            interruption.stop();
        }
    }

    private boolean isReady(DescriptorWatcher.Watch watch, NativeBuffer buffer, long nanos)
            throws IOException {
        if (!enter(watch)) {
            return false;
        }
        int errno;
        try {
            int n = LibC.poll(buffer.address, watch.count + 1,
                    millis(OwnThreads.boundedWait(nanos)));
            errno = n < 0 ? LibC.errno() : 0;
        } finally {
            leave();
        }
        if (errno != 0 && errno != Constants.EINTR) {
            throw new PosixException(errno, "poll");
        }
        boolean ready = false;
        for (int i = 0; i < watch.count; i++) {
            ready |= Poll.result(buffer, i * Poll.ENTRY) != 0;
        }
        return ready;
    }

    /** Returns the time rounded up, or the wait would end in a few polls that do not wait. */
    private static int millis(long nanos) {
        return nanos == Long.MAX_VALUE ? -1
                : (int) Math.min(Integer.MAX_VALUE, (nanos - 1) / 1_000_000 + 1);
    }

    private boolean enter(DescriptorWatcher.Watch watch) {
        lock.lock();
        try {
            while (leaving > 0) {
                drained.awaitUninterruptibly();
            }
            // A wake-up before this moment did not count this thread.
            boolean enters = !watch.isOver() && !Thread.currentThread().isInterrupted();
            polling += enters ? 1 : 0;
            return enters;
        } finally {
            lock.unlock();
        }
    }

    private void leave() {
        lock.lockToEnd();
        try {
            polling--;
            if (leaving > 0 && --leaving == 0) {
                wakeUp.drain();
                drained.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Makes an interrupt of the thread between {@link #start} and {@link #stop} wake the polls. */
    private final class Interruption extends AbstractInterruptibleChannel {
        void start() {
            begin();
        }

        void stop() {
            try {
                end(true);
            } catch (AsynchronousCloseException e) {
                Thread.currentThread().interrupt(); // it is interrupted, which the caller looks for
            }
        }

        @Override
        protected void implCloseChannel() {
            wake();
        }
    }
}
