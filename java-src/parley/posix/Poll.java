package parley.posix;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.spi.AbstractInterruptibleChannel;
import java.util.concurrent.locks.Condition;

/**
 * Readiness of descriptors, by poll(2): now ({@link #check}), or after a wait ({@link #await}).
 * {@link DescriptorWatcher#watch} reports readiness to an observer instead.
 *
 * <pre>{@code
 * Poll.check(descriptor, Poll.IN);             // Poll.IN if a read will not block, else 0
 * Poll.Entry[] entries = {new Poll.Entry(descriptor, Poll.IN | Poll.OUT, "mine")};
 * if (Poll.await(entries, 1, 5_000_000_000L) > 0) {
 *     System.out.println(entries[0].attachment() + " is ready: " + entries[0].found());
 * }
 * }</pre>
 */
public final class Poll {
    /** Something can be read, an end of file included. A server has a connection to accept. */
    public static final int IN = 1;
    /** Urgent data has arrived. */
    public static final int PRI = 2;
    /** Something can be written, or a connect has ended. */
    public static final int OUT = 4;
    /** Result only: the descriptor has an error, or the reading end of the pipe is closed. */
    public static final int ERR = 8;
    /** Result only: the other side has closed. */
    public static final int HUP = 16;
    /** Result only: the descriptor is closed. */
    public static final int NVAL = 32;

    /** The results that come although they were not asked for. */
    static final int ALWAYS = ERR | HUP | NVAL;
    /** The size of {@code struct pollfd}: int fd, short events, short revents. */
    static final int ENTRY = 8;

    /** The most entries of one call, which is what a pooled piece of native memory holds. */
    private static final int CHUNK = NativeBuffer.BLOCK / ENTRY;

    private Poll() {}

    /** A descriptor, the events to look for, and the events that the last check found. */
    public static final class Entry {
        final Descriptor descriptor; // immutable
        private final Object attachment; // immutable
        private volatile int events;
        private int found; // belongs to the thread that checks

        /**
         * Makes an entry.
         *
         * @param descriptor the descriptor to look at
         * @param events a sum of {@link #IN}, {@link #OUT} and {@link #PRI}; 0 to look for nothing,
         *     not even errors
         * @param attachment any object, or null
         */
        public Entry(Descriptor descriptor, int events, Object attachment) {
            this.descriptor = descriptor;
            this.events = events;
            this.attachment = attachment;
        }

        /** {@return the attachment given to the constructor} */
        public Object attachment() {
            return attachment;
        }

        /** {@return the events to look for} */
        public int events() {
            return events;
        }

        /**
         * Sets the events to look for. Running watches do not notice the change.
         *
         * @param wanted a sum of {@link #IN}, {@link #OUT} and {@link #PRI}
         */
        public void events(int wanted) {
            events = wanted;
        }

        /** {@return the events that the last check found} */
        public int found() {
            return found;
        }

        void put(NativeBuffer buffer, int at) {
            int wanted = events;
            boolean asked = wanted != 0 && descriptor.tryAcquire();
            // poll ignores negative numbers, which mark the entries that hold no use
            Poll.put(buffer, at, asked ? descriptor.number() : -1, wanted);
        }

        private boolean take(NativeBuffer buffer, int at) {
            boolean asked = buffer.bytes.getInt(at) >= 0;
            found = asked ? result(buffer, at) : descriptor.isOpen() ? 0 : NVAL;
            return found != 0;
        }
    }

    static void put(NativeBuffer buffer, int at, int fd, int events) {
        buffer.bytes.putInt(at, fd).putInt(at + 4, 0).putShort(at + 4, (short) events);
    }

    static int result(NativeBuffer buffer, int at) {
        return buffer.bytes.getShort(at + 6);
    }

    /**
     * Finds which entries are ready now, with one system call that never waits. Allocates nothing
     * after warm-up. An entry whose descriptor is closed has {@link #NVAL}, and does not keep the
     * others from being checked.
     *
     * @param count how many of the entries to check, from the first on
     * @return how many entries have found something
     */
    public static int check(Entry[] entries, int count) throws IOException {
        Posix.require("Poll.check");
        checkCount(entries, count);
        int ready = 0;
        for (int from = 0; from < count; from += CHUNK) {
            ready += check(entries, from, Math.min(count, from + CHUNK));
        }
        return ready;
    }

    static void checkCount(Entry[] entries, int count) {
        if (count < 0 || count > entries.length) {
            throw new IllegalArgumentException("poll: the count " + count
                    + " is not between 0 and " + entries.length + ", the length of the array");
        }
    }

    private static int check(Entry[] entries, int from, int to) throws IOException {
        int ready = 0;
        try (NativeBuffer buffer = NativeBuffer.take((to - from) * ENTRY)) {
            int held = from;
            try {
                for (; held < to; held++) {
                    entries[held].put(buffer, (held - from) * ENTRY);
                }
                retrying(buffer.address, to - from);
            } catch (PosixException e) {
                if (e.errno() != Constants.EINVAL || to - from == 1) {
                    throw e;
                }
                ready = -1; // more entries than the process may have descriptors
            } finally {
                release(entries, buffer, from, held);
            }
            for (int i = from; i < to && ready >= 0; i++) {
                ready += entries[i].take(buffer, (i - from) * ENTRY) ? 1 : 0;
            }
        }
        int middle = (from + to) >>> 1;
        return ready >= 0 ? ready : check(entries, from, middle) + check(entries, middle, to);
    }

    static void release(Entry[] entries, NativeBuffer buffer, int from, int to) {
        for (int i = from; i < to; i++) {
            if (buffer.bytes.getInt((i - from) * ENTRY) >= 0) {
                entries[i].descriptor.release();
            }
        }
    }

    /**
     * Finds what one descriptor is ready for now, as {@link #check(Entry[], int)}.
     *
     * @param descriptor the descriptor to look at
     * @param events a sum of {@link #IN}, {@link #OUT} and {@link #PRI}
     * @return a sum of these and {@link #ERR}, {@link #HUP}, {@link #NVAL}; 0 when not ready
     */
    public static int check(Descriptor descriptor, int events) throws IOException {
        if (!descriptor.tryAcquire()) {
            return NVAL;
        }
        try {
            return ready(descriptor.number(), events);
        } finally {
            descriptor.release();
        }
    }

    /**
     * Finds what a channel's descriptor is ready for. When the channel is closed meanwhile, the
     * result means nothing, and the next operation of the channel fails.
     *
     * @param channel the channel's descriptor
     * @param events what to look for, of {@link #IN} and {@link #OUT}
     * @return those of the events that it is ready for, and errors and hang-ups unasked
     * @throws java.nio.channels.ClosedChannelException when the channel is closed
     */
    public static int check(ChannelDescriptor channel, int events) throws IOException {
        return ready(channel.number(), events);
    }

    /**
     * Waits until an entry is ready.
     *
     * @param count how many of the entries to wait for, from the first on
     * @param timeoutNanos the longest wait; {@link Long#MAX_VALUE} for ever, 0 only to check
     * @return how many entries have found something; 0 when the wait timed out
     * @throws InterruptedIOException when the thread is interrupted, whose flag stays set
     * @throws ClosedDescriptorException when a descriptor is closed at the beginning
     * @throws AsynchronousCloseException when a descriptor is closed during the wait
     */
    public static int await(Entry[] entries, int count, long timeoutNanos) throws IOException {
        long start = System.nanoTime();
        for (int i = 0; i < count; i++) {
            if (!entries[i].descriptor.isOpen()) {
                throw new ClosedDescriptorException(
                        "poll(" + entries[i].descriptor.number() + ")");
            }
        }
        int ready = check(entries, count);
        while (ready == 0 && left(start, timeoutNanos) > 0) {
            if (Thread.currentThread().isInterrupted()) {
                throw interrupted();
            }
            try (DescriptorWatcher.Watch watch = DescriptorWatcher.watch(entries, count)) {
                watch.await(left(start, timeoutNanos));
            }
            ready = check(entries, count);
        }
        for (int i = 0; i < count; i++) {
            if (!entries[i].descriptor.isOpen()) {
                throw new AsynchronousCloseException();
            }
        }
        return ready;
    }

    /** Returns what is left of a timeout that began at {@code start}. */
    static long left(long start, long timeoutNanos) {
        return timeoutNanos == Long.MAX_VALUE
                ? Long.MAX_VALUE
                : timeoutNanos - (System.nanoTime() - start);
    }

    static InterruptedIOException interrupted() {
        return new InterruptedIOException("the thread was interrupted while it waited");
    }

    /** Returns what one number, whose owner keeps it open, is ready for. */
    static int ready(int fd, int events) throws IOException {
        try (NativeBuffer buffer = NativeBuffer.take(ENTRY)) {
            put(buffer, 0, fd, events);
            retrying(buffer.address, 1);
            return result(buffer, 0);
        }
    }

    /** Checks without waiting, again as long as signals interrupt the call. */
    private static void retrying(long address, int count) throws IOException {
        int n = LibC.poll(address, count, 0);
        while (n < 0 && LibC.errno() == Constants.EINTR) {
            n = LibC.poll(address, count, 0);
        }
        Posix.check(n, "poll");
    }

    /** A descriptor that polls watch, so that other threads can make them return. Never closed. */
    static final class WakeUp {
        final int input; // immutable; readable between write and drain
        private final int output; // immutable; the same number for an eventfd

        WakeUp() throws IOException {
            if (Posix.LINUX) {
                int flags = Constants.O_CLOEXEC | Constants.O_NONBLOCK;
                input = Posix.check(LibC.Linux.eventfd(0, flags), "eventfd");
                output = input;
            } else {
                int[] ends = RawDescriptor.pipe();
                input = ends[0];
                output = ends[1];
            }
        }

        void write() {
            try (NativeBuffer one = NativeBuffer.take(8)) {
                one.bytes.putLong(0, 1);
                LibC.write(output, one.address, 8);
            }
        }

        /** Takes what one {@link #write} has written. */
        void drain() {
            try (NativeBuffer some = NativeBuffer.take(8)) {
                LibC.read(input, some.address, 8);
            }
        }
    }

    /**
     * Blocks platform threads in poll(2), each for the descriptors of its own {@link
     * DescriptorWatcher.Watch}: when one becomes ready, no other thread has to run first.
     *
     * <p>All these threads poll one wake-up descriptor as well, so that none needs a descriptor of
     * its own. A wake-up reaches every thread that is in a poll. The next polls begin when all of
     * these have returned: until then the wake-up descriptor stays readable.
     *
     * <p>Thread-safe.
     */
    static final class Blocking {
        /** The most threads that poll at once, since a wake-up wakes them all. */
        static final int MOST = 16;
        /** The most entries that a thread polls itself: those of one object. */
        static final int MOST_ENTRIES = 2;

        private final Poll.WakeUp wakeUp = new Poll.WakeUp(); // immutable
        private final StackSafeLock lock = new StackSafeLock();
        private final Condition drained = lock.newCondition();
        private int polling; // threads in a poll; guarded by lock
        private int leaving; // of these, those that the wake-up has yet to reach; guarded by lock

        Blocking() throws IOException {
        }

        /** Makes all threads return from their polls. */
        void wake() {
            lock.lock();
            try {
                if (polling > 0 && leaving == 0) { // else a wake-up is under way and reaches all
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

        /**
         * Makes an interrupt of the thread between {@link #start} and {@link #stop} wake the polls.
         */
        private final class Interruption extends AbstractInterruptibleChannel {
            void start() {
                begin();
            }

            void stop() {
                try {
                    end(true);
                } catch (AsynchronousCloseException e) {
                    Thread.currentThread().interrupt(); // the caller looks for the flag
                }
            }

            @Override
            protected void implCloseChannel() {
                wake();
            }
        }
    }
}
