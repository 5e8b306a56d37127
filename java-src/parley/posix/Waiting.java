package parley.posix;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.spi.AbstractInterruptibleChannel;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * Waiting for descriptors so that interrupts and close end it.
 *
 * <p>A platform thread waits in poll(2) itself, with a {@link Waker} beside the descriptors. A
 * virtual thread must not hold its carrier in native code, so it parks and the {@link
 * DescriptorWatcher} wakes it.
 */
final class Waiting {
    private Waiting() {}

    static int await(
            Descriptor[] descriptors, int[] events, int[] found, int count, long start,
            long timeoutNanos) throws IOException {
        return Threads.isVirtual(Thread.currentThread())
                ? parked(descriptors, events, found, count, start, timeoutNanos)
                : polled(descriptors, events, found, count, start, timeoutNanos);
    }

    /** What is left of a time that began at {@code start}; for ever stays for ever. */
    static long left(long start, long timeoutNanos) {
        return timeoutNanos == Long.MAX_VALUE
                ? Long.MAX_VALUE
                : timeoutNanos - (System.nanoTime() - start);
    }

    private static int polled(
            Descriptor[] descriptors, int[] events, int[] found, int count, long start,
            long timeoutNanos) throws IOException {
        try (Waker waker = new Waker();
                NativeBuffer buffer = NativeBuffer.take((count + 1) * Poll.ENTRY)) {
            Runnable wake = waker::wake;
            int held = Poll.acquire(descriptors, events, buffer, count);
            try {
                addWaiters(descriptors, count, wake);
                int at = count * Poll.ENTRY;
                buffer.bytes.putInt(at, waker.number()).putInt(at + 4, 0);
                buffer.bytes.putShort(at + 4, (short) Poll.IN);
                pollInterruptibly(buffer, count + 1, start, timeoutNanos, waker);
            } finally {
                removeWaiters(descriptors, count, wake);
                Poll.release(descriptors, buffer, held);
            }
            throwIfClosed(descriptors, count);
            return Poll.collect(buffer, found, count);
        }
    }

    private static void pollInterruptibly(
            NativeBuffer buffer, int count, long start, long timeoutNanos, Waker waker)
            throws IOException {
        InterruptHook hook = new InterruptHook(waker);
        hook.enter();
        try {
            long left = left(start, timeoutNanos);
            int n = LibC.poll(buffer.address, count, Poll.milliseconds(left));
            while ((n < 0 && LibC.errno() == Constants.EINTR)
                    || (n == 0 && left(start, timeoutNanos) > 0)) {
                left = left(start, timeoutNanos);
                n = LibC.poll(buffer.address, count, Poll.milliseconds(left));
            }
            Posix.check(n, "poll");
        } finally {
            hook.leave();
        }
    }

    private static int parked(
            Descriptor[] descriptors, int[] events, int[] found, int count, long start,
            long timeoutNanos) throws IOException {
        Thread waiting = Thread.currentThread();
        AtomicBoolean fired = new AtomicBoolean();
        Runnable wake = () -> {
            fired.set(true);
            LockSupport.unpark(waiting);
        };
        int ready = 0;
        while (ready == 0 && left(start, timeoutNanos) > 0) {
            fired.set(false);
            DescriptorWatcher.Watch[] watches = new DescriptorWatcher.Watch[count];
            try {
                for (int i = 0; i < count; i++) {
                    watches[i] = DescriptorWatcher.shared().watch(descriptors[i], events[i], wake);
                }
                park(fired, start, timeoutNanos);
            } finally {
                cancelAll(watches);
            }
            throwIfClosed(descriptors, count);
            ready = Poll.check(descriptors, events, found, count);
        }
        return ready;
    }

    private static void cancelAll(DescriptorWatcher.Watch[] watches) {
        for (DescriptorWatcher.Watch watch : watches) {
            if (watch != null) {
                watch.cancel();
            }
        }
    }

    private static void park(AtomicBoolean fired, long start, long timeoutNanos)
            throws IOException {
        long left = left(start, timeoutNanos);
        while (!fired.get() && left > 0) {
            if (Thread.currentThread().isInterrupted()) {
                throw interrupted();
            }
            LockSupport.parkNanos(Waiting.class, left);
            left = left(start, timeoutNanos);
        }
    }

    private static void addWaiters(Descriptor[] descriptors, int count, Runnable wake)
            throws IOException {
        for (int i = 0; i < count; i++) {
            if (!descriptors[i].addWaiter(wake)) {
                throw closed();
            }
        }
    }

    private static void removeWaiters(Descriptor[] descriptors, int count, Runnable wake) {
        for (int i = 0; i < count; i++) {
            descriptors[i].removeWaiter(wake);
        }
    }

    private static void throwIfClosed(Descriptor[] descriptors, int count) throws IOException {
        if (!Arrays.stream(descriptors, 0, count).allMatch(Descriptor::isOpen)) {
            throw closed();
        }
    }

    private static AsynchronousCloseException closed() {
        return new AsynchronousCloseException();
    }

    static InterruptedIOException interrupted() {
        return new InterruptedIOException("the thread was interrupted while it waited");
    }

    /**
     * Has an interrupt of this thread wake a poll. The JDK tells no one of interrupts but channels,
     * so this is one: it is "closed" by the interrupt, and means nothing else.
     */
    static final class InterruptHook extends AbstractInterruptibleChannel {
        private final Waker waker; // immutable

        InterruptHook(Waker waker) {
            this.waker = waker;
        }

        void enter() {
            begin();
        }

        void leave() throws IOException {
            try {
                end(true);
            } catch (ClosedByInterruptException e) {
                throw interrupted();
            }
        }

        /** As {@link #leave}, for those who look at the thread's flag themselves. */
        void leaveQuietly() throws IOException {
            try {
                end(true);
            } catch (ClosedByInterruptException e) {
                // what happened, the flag says
                Thread.currentThread().interrupt();
            }
        }

        @Override
        protected void implCloseChannel() {
            waker.wake();
        }
    }
}
