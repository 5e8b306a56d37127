package parley.net;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.ByteOrder;

/**
 * Bytes that were written and not sent yet, and the way they go: to the transport, which is waited
 * for when it takes no more. Holds memory only while it holds bytes. Guarded by the writer's lock.
 */
final class OutputBuffer {
    private static final int CHUNK = 64 * 1024;

    byte[] bytes; // of the segment, null while there is none
    int tail; // index behind the last byte in it

    private final StreamOutput side;
    private Segment segment;
    private int head; // index of the first byte that is not sent
    private long sent; // bytes that the system took, ever
    private boolean full; // the system did not take all of the last write
    private volatile IOException failure; // written under the lock; what the system said

    OutputBuffer(StreamOutput side) {
        this.side = side;
    }

    IOException failure() {
        return failure;
    }

    long sent() {
        return sent;
    }

    int pending() {
        return tail - head;
    }

    /** The number of bytes written, sent or not. */
    long accepted() {
        return sent + tail - head;
    }

    /** Drops what was written behind a position in the stream and is not sent. */
    void dropAfter(long position) {
        tail -= (int) (accepted() - position);
    }

    void drop() {
        head = 0;
        tail = 0;
    }

    /** Gives the memory back when nothing is in it. */
    void releaseIfEmpty() {
        if (segment != null && head == tail) {
            drop();
            segment.release();
            segment = null;
            bytes = null;
        }
    }

    // ---- writing -----------------------------------------------------------------------------

    /** Makes room for so many bytes behind {@link #tail}. */
    void room(int count) throws IOException {
        if (segment == null) {
            segment = Segment.take();
            bytes = segment.bytes;
        } else if (bytes.length - tail < count) {
            drain();
        }
    }

    /** Room for characters, once {@link #room} was made; good until the end of the operation. */
    char[] chars() {
        return segment.chars();
    }

    void put(int value) throws IOException {
        room(1);
        bytes[tail++] = (byte) value;
    }

    /** Writes a byte if that takes nothing but memory that is at hand. */
    boolean putQuick(int value) {
        if (segment == null || tail == bytes.length) {
            return false;
        }
        bytes[tail++] = (byte) value;
        return true;
    }

    void put(long value, int width, ByteOrder order) throws IOException {
        room(width);
        Integers.encode(value, bytes, tail, width, order);
        tail += width;
    }

    /** Big ranges go straight to the transport. */
    void put(byte[] from, int start, int end) throws IOException {
        int at = start;
        while (at < end) {
            if (end - at >= Segment.SIZE) {
                drain(); // or the rest of one range would make small pieces of the next
                at += transfer(ByteBuffer.wrap(from, at, Math.min(CHUNK, end - at)));
            } else {
                room(1);
                int n = Math.min(end - at, bytes.length - tail);
                System.arraycopy(from, at, bytes, tail, n);
                tail += n;
                at += n;
            }
        }
    }

    /**
     * Hands to the system what it takes now, first what is here.
     *
     * @param mayWait whether to wait until it takes anything
     * @return the index of the first byte that it did not take
     */
    int putNow(byte[] from, int start, int end, boolean mayWait) throws IOException {
        int at = start;
        if (mayWait) {
            drain();
        } else if (!drainNow()) {
            return at;
        }
        while (at < end) {
            ByteBuffer chunk = ByteBuffer.wrap(from, at, Math.min(CHUNK, end - at));
            boolean wait = mayWait && at == start;
            int n = wait ? transfer(chunk) : write(chunk);
            if (n == 0 && !wait) {
                break;
            }
            at += n;
        }
        return at;
    }

    /**
     * Writes integers, all of them or what the system takes now; of one that it takes in part, the
     * rest stays here.
     *
     * @return the index of the first integer that was not written
     */
    int put(long[] from, int start, int end, int width, Blocking blocking) throws IOException {
        for (int at = start; at < end;) {
            int next = (int) Math.min(end, (long) at + CHUNK / width);
            byte[] chunk = Integers.encode(from, at, next, width, ByteOrder.LITTLE_ENDIAN);
            if (blocking == Blocking.FULL) {
                put(chunk, 0, chunk.length);
            } else {
                int n = putNow(chunk, 0, chunk.length,
                        ByteCursor.mayWait(blocking, at > start));
                int whole = (n + width - 1) / width * width;
                put(chunk, n, whole); // takes no more than memory: putNow has left nothing here
                if (whole < chunk.length) {
                    return at + whole / width;
                }
            }
            at = next;
        }
        return end;
    }

    /** Takes all of an array over if the system takes some of it now; else false, and none. */
    boolean offer(byte[] from) throws IOException {
        int at = putNow(from, 0, from.length, false);
        if (at == 0 && from.length > 0) {
            return false;
        }
        if (at < from.length) {
            keep(from, at);
        }
        return true;
    }

    private void keep(byte[] from, int start) {
        releaseIfEmpty();
        int rest = from.length - start;
        segment = rest <= Segment.SIZE ? Segment.take() : new Segment(rest);
        bytes = segment.bytes;
        System.arraycopy(from, start, bytes, 0, rest);
        head = 0;
        tail = rest;
    }

    // ---- sending -----------------------------------------------------------------------------

    /** Sends everything. */
    void drain() throws IOException {
        while (head < tail) {
            head += transfer(segment.slice(head, tail));
        }
        drop();
    }

    /** Sends what the system takes now; true when nothing is left. */
    boolean drainNow() throws IOException {
        while (head < tail) {
            int n = write(segment.slice(head, tail));
            if (n == 0) {
                return false;
            }
            head += n;
        }
        drop();
        return true;
    }

    /**
     * One write to the transport, or one wait for it where it is known to be full: that saves the
     * attempt. When time is up there is an attempt all the same.
     *
     * @return how many bytes it took
     */
    private int transfer(ByteBuffer from) throws IOException {
        if (!full || side.deadline().hasPassed()) {
            int n = write(from);
            if (n > 0) {
                return n;
            }
        }
        side.await();
        full = false;
        if (side.isShut()) {
            throw Errors.outputShut(side.operation(), side.stream);
        }
        return 0;
    }

    private int write(ByteBuffer from) throws IOException {
        int asked = from.remaining();
        int n;
        try {
            n = side.stream.transport().write(from);
        } catch (IOException e) {
            throw broken(e);
        }
        full = n < asked;
        sent += n;
        return n;
    }

    private IOException broken(IOException e) {
        if (side.isShut() && side.stream.isOpen()) {
            return Errors.outputShut(side.operation(), side.stream);
        }
        if (!side.stream.isOpen()) {
            return Errors.closedMeanwhile(side.operation(), side.stream);
        }
        failure = e;
        return Errors.again(side.operation(), side.stream, e);
    }

    /** Sends everything while the stream is being closed, within a deadline. */
    void drainToClose(Deadline until) throws IOException {
        while (head < tail) {
            int n = writeToClose();
            head += n;
            sent += n;
            if (n == 0) {
                waitToClose(until);
            }
        }
        drop();
    }

    private int writeToClose() throws IOException {
        try {
            return side.stream.transport().write(segment.slice(head, tail));
        } catch (IOException e) {
            throw Errors.lost("close", side.stream, pending(), e);
        }
    }

    private void waitToClose(Deadline until) throws IOException {
        if (until.hasPassed()) {
            throw StreamSide.withTransferred(Errors.timeout("close", side.stream, pending()
                    + " bytes that were written are lost, the peer takes no more"), 0);
        }
        Errors.ifInterrupted("close", side.stream);
        Waits.await(side.stream.source(), SelectionKey.OP_WRITE, until);
    }
}
