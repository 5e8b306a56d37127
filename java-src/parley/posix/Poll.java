package parley.posix;

import java.io.IOException;

/** poll(2): which of some descriptors are ready, now or within a time. */
public final class Poll {
    /** Something can be read, an end of file included; a server has a connection to accept. */
    public static final int IN = 1;
    /** Urgent data is there. */
    public static final int PRI = 2;
    /** Something can be written; a connect has ended. */
    public static final int OUT = 4;
    /** Answer only: the descriptor has an error, or nobody reads the pipe any more. */
    public static final int ERR = 8;
    /** Answer only: the other side has closed. */
    public static final int HUP = 16;
    /** Answer only: the descriptor is closed. */
    public static final int NVAL = 32;

    /** The size of {@code struct pollfd}: int fd, short events, short revents. */
    static final int ENTRY = 8;

    private Poll() {}

    /**
     * Tells which of the descriptors are ready now, with one native call that never waits and,
     * after warm-up, no allocation.
     *
     * @param descriptors the first {@code count} are looked at
     * @param events what is asked of each, a sum of {@link #IN}, {@link #OUT}, {@link #PRI}; 0 asks
     *     for errors only
     * @param found gets the answers; a descriptor that is closed answers {@link #NVAL}
     * @param count how many
     * @return how many answers are not 0
     */
    public static int check(Descriptor[] descriptors, int[] events, int[] found, int count)
            throws IOException {
        Posix.require("Poll.check");
        checkCounts(descriptors, events, found, count);
        try (NativeBuffer buffer = NativeBuffer.take(Math.max(ENTRY, count * ENTRY))) {
            int held = acquire(descriptors, events, buffer, count);
            try {
                retrying(buffer.address, count, 0);
            } finally {
                release(descriptors, buffer, held);
            }
            return collect(buffer, found, count);
        }
    }

    /**
     * Waits until one of the descriptors is ready.
     *
     * @param timeoutNanos at most so long; {@link Long#MAX_VALUE} for ever, 0 or less not at all
     * @return as {@link #check}; 0 when time was up
     * @throws java.io.InterruptedIOException when the thread is interrupted; its flag stays set
     * @throws java.nio.channels.AsynchronousCloseException when one is closed meanwhile
     */
    public static int await(
            Descriptor[] descriptors, int[] events, int[] found, int count, long timeoutNanos)
            throws IOException {
        Posix.require("Poll.await");
        checkCounts(descriptors, events, found, count);
        long start = System.nanoTime();
        for (int i = 0; i < count; i++) {
            if (!descriptors[i].isOpen()) {
                throw new ClosedDescriptorException("poll(" + descriptors[i].number() + ")");
            }
        }
        int ready = check(descriptors, events, found, count);
        if (ready != 0 || timeoutNanos <= 0) {
            return ready;
        }
        return Waiting.await(descriptors, events, found, count, start, timeoutNanos);
    }

    private static void checkCounts(
            Descriptor[] descriptors, int[] events, int[] found, int count) {
        int most = Math.min(descriptors.length, Math.min(events.length, found.length));
        if (count < 0 || count > most) {
            throw new IllegalArgumentException(
                    "poll: the count " + count + " is not between 0 and " + most
                            + ", the length of the shortest array");
        }
    }

    /** Fills the entries and begins a use of each open descriptor; returns how many it saw. */
    static int acquire(Descriptor[] descriptors, int[] events, NativeBuffer buffer, int count) {
        for (int i = 0; i < count; i++) {
            boolean open = descriptors[i].tryAcquire();
            // poll ignores negative numbers, which mark the entries that hold no use
            buffer.bytes.putInt(i * ENTRY, open ? descriptors[i].number() : -1);
            buffer.bytes.putInt(i * ENTRY + 4, 0).putShort(i * ENTRY + 4, (short) events[i]);
        }
        return count;
    }

    static void release(Descriptor[] descriptors, NativeBuffer buffer, int count) {
        for (int i = 0; i < count; i++) {
            if (buffer.bytes.getInt(i * ENTRY) >= 0) {
                descriptors[i].release();
            }
        }
    }

    static int collect(NativeBuffer buffer, int[] found, int count) {
        int ready = 0;
        for (int i = 0; i < count; i++) {
            boolean closed = buffer.bytes.getInt(i * ENTRY) < 0;
            found[i] = closed ? NVAL : buffer.bytes.getShort(i * ENTRY + 6);
            ready += found[i] == 0 ? 0 : 1;
        }
        return ready;
    }

    /** Says what is ready on one number whose owner keeps it open. */
    static int ready(int fd, int events) throws IOException {
        try (NativeBuffer buffer = NativeBuffer.take(ENTRY)) {
            buffer.bytes.putInt(0, fd).putInt(4, 0).putShort(4, (short) events);
            retrying(buffer.address, 1, 0);
            return buffer.bytes.getShort(6);
        }
    }

    /** Calls poll again as long as signals interrupt it; only for calls that do not wait. */
    static int retrying(long address, int count, int milliseconds) throws IOException {
        int n = LibC.poll(address, count, milliseconds);
        while (n < 0 && LibC.errno() == Constants.EINTR) {
            n = LibC.poll(address, count, milliseconds);
        }
        return Posix.check(n, "poll");
    }

    /** Nanoseconds as what poll takes: rounded up, so as never to end early; -1 for ever. */
    static int milliseconds(long nanos) {
        if (nanos == Long.MAX_VALUE) {
            return -1;
        }
        long up = nanos / 1_000_000 + (nanos % 1_000_000 > 0 ? 1 : 0);
        return (int) Math.max(0, Math.min(up, Integer.MAX_VALUE));
    }
}
