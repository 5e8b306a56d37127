package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import parley.net.text.Encoder;
import parley.net.wait.Deadline;
import parley.net.wait.ThreadWaits;

/**
 * Bytes that were written and not sent yet, and the way they go: to the transport, which is waited
 * for when it takes no more. Holds memory only while it holds bytes. Guarded by the writer's lock.
 */
final class OutputBuffer {
    private static final int CHUNK = 64 * 1024;
    private static final int QUICK = Math.min(512, Segment.CHARS); // other threads spin meanwhile

    byte[] bytes; // of the segment, null while there is none
    int tail; // index behind the last byte in it

    private final StreamTextOutput side;
    private Segment segment;
    private int head; // index of the first byte that is not sent
    private long sent; // bytes that the system took, ever
    private int recent; // the last four of them
    private boolean growing; // rather than sending what is full
    private boolean full; // the system did not take all of the last write
    private volatile IOException failure; // written under the lock; the error of the system

    OutputBuffer(StreamTextOutput side) {
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

    /** Releases the memory when nothing is in it. */
    void releaseIfEmpty() {
        if (segment != null && head == tail) {
            Segment former = segment;
            drop();
            segment = null;
            bytes = null;
            former.release(); // last: an Error before leaves one owner, not two
        }
    }

    /** Returns the index in {@link #bytes} of a place in the output; 0 for one that is gone. */
    int index(long position) {
        return (int) Math.max(0, position - sent + head);
    }

    /** Returns whether the last bytes that went are these. */
    boolean endsWith(byte[] end) {
        int value = 0;
        int mask = 0;
        for (byte each : end) {
            value = value << 8 | each & 0xff;
            mask = mask << 8 | 0xff;
        }
        return sent >= end.length && (recent & mask) == value;
    }

    /** Returns how many of the next bytes end a character in UTF-8 that has gone in part. */
    int restOfUtf8() {
        int gone = 0;
        while (gone < Math.min(sent, 3) && isContinuation(recent >> 8 * gone)) {
            gone++;
        }
        int lead = gone < sent ? recent >> 8 * gone & 0xff : 0;
        int length = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        int rest = Math.min(pending(), length - 1 - gone);
        int found = 0;
        while (found < rest && isContinuation(bytes[head + found])) {
            found++;
        }
        return found;
    }

    private static boolean isContinuation(int unit) {
        return (unit & 0xc0) == 0x80;
    }

    /** Returns whether nothing has gone yet. */
    boolean isUnused() {
        return sent == 0;
    }

    // ---- writing -----------------------------------------------------------------------------

    /** Makes room for so many bytes behind {@link #tail}. */
    void room(int count) throws IOException {
        if (segment == null) {
            Segment taken = Segment.take();
            bytes = taken.bytes;
            segment = taken;
        } else if (!hasRoom(count)) {
            makeRoom();
        }
    }

    /** Returns whether so many bytes fit behind {@link #tail} without sending any. */
    boolean hasRoom(int count) {
        return segment == null || bytes.length - tail >= count;
    }

    /** Sends what is here, or finds more memory. */
    void makeRoom() throws IOException {
        if (growing) {
            use(new Segment(2 * bytes.length));
        } else {
            drain();
        }
    }

    /** Moves what is here, sent or not, into another segment. */
    private void use(Segment wider) {
        Segment former = segment;
        System.arraycopy(bytes, 0, wider.bytes, 0, tail);
        bytes = wider.bytes;
        segment = wider;
        former.release();
    }

    /** Sets whether memory grows when it is full, so that writing waits for nothing. */
    void grows(boolean grows) {
        growing = grows;
    }

    /** Adds a few bytes without sending any. */
    void keep(byte[] few) {
        if (segment == null && few.length > 0) {
            Segment taken = Segment.take();
            bytes = taken.bytes;
            segment = taken;
        } else if (!hasRoom(few.length)) {
            use(new Segment(2 * bytes.length));
        }
        for (int i = 0; i < few.length; i++) {
            bytes[tail + i] = few[i];
        }
        tail += few.length;
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

    /**
     * Writes a string and a line feed if that takes nothing but memory that is at hand.
     *
     * @param with has no state, and encodes a line feed as a byte
     */
    boolean putQuickLine(String line, Encoder with) {
        int length = line.length();
        if (segment == null || length > QUICK || bytes.length - tail <= length) {
            return false;
        }
        char[] chars = segment.chars();
        line.getChars(0, length, chars, 0);
        if (with.encode(chars, 0, length, bytes, tail, bytes.length - 1) < length) {
            return false;
        }
        bytes[with.end()] = '\n';
        tail = with.end() + 1; // last: an Error before has written nothing
        return true;
    }

    void put(long value, int width, ByteOrder order) throws IOException {
        room(width);
        ElementType.encode(value, bytes, tail, width, order);
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
    int put(long[] from, int start, int end, int width, WaitMode mode) throws IOException {
        for (int at = start; at < end;) {
            int next = (int) Math.min(end, (long) at + CHUNK / width);
            byte[] chunk = ElementType.encode(from, at, next, width, ByteOrder.LITTLE_ENDIAN);
            if (mode == WaitMode.FULL) {
                put(chunk, 0, chunk.length);
            } else {
                int n = putNow(chunk, 0, chunk.length,
                        ByteCursor.mayWait(mode, at > start));
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
        Segment taken = rest <= Segment.SIZE ? Segment.take() : new Segment(rest);
        System.arraycopy(from, start, taken.bytes, 0, rest);
        bytes = taken.bytes;
        segment = taken;
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
        while (!flushed()) {
            side.await();
        }
    }

    /** Has the transport hand over what it holds; true when nothing is left there. */
    private boolean flushed() throws IOException {
        try {
            return side.stream.transport().flush();
        } catch (IOException e) {
            throw broken(e);
        }
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
        return flushed();
    }

    /**
     * One write to the transport, or one wait for it where it is known to be full: that saves the
     * attempt. After the deadline there is one attempt all the same.
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
        note(from, n);
        return n;
    }

    private void note(ByteBuffer from, int count) {
        for (int i = Math.max(0, count - 4); i < count; i++) {
            recent = recent << 8 | from.get(from.position() - count + i) & 0xff;
        }
        sent += count;
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
        long before = sent;
        while (head < tail) {
            int n = writeToClose();
            head += n;
            sent += n;
            if (n == 0) {
                waitToClose(until, before);
            }
        }
        drop();
    }

    /** Sends the peer the end of TLS, while the stream is being closed. */
    void endToClose(Deadline until) throws IOException {
        Transport transport = side.stream.transport();
        try {
            transport.endOutput();
            while (!transport.flush()) {
                waitToClose(until, sent);
            }
        } catch (InterruptedIOException e) { // a timeout is one of these
            throw e;
        } catch (IOException e) {
            return; // the peer has disconnected
        }
    }

    private int writeToClose() throws IOException {
        try {
            return side.stream.transport().write(segment.slice(head, tail));
        } catch (IOException e) {
            throw Errors.lost("close", side.stream, pending(), e);
        }
    }

    private void waitToClose(Deadline until, long before) throws IOException {
        if (until.hasPassed()) {
            throw ErrorInfo.moved(Errors.timeout("close", until, "room for output to "
                    + side.stream, side.stream, lost() + ": the peer takes no more"), sent - before);
        }
        try {
            Errors.ifInterrupted("close", side.stream, lost() + ", the stream is closed");
        } catch (InterruptedIOException e) {
            throw ErrorInfo.moved(e, sent - before);
        }
        ThreadWaits.await(side.stream.source(), SelectionKey.OP_WRITE, until);
    }

    private String lost() {
        int lost = pending();
        return lost > 0 ? Errors.written(lost) + " lost"
                : "the last of what was encrypted, and the end of the TLS connection, are lost";
    }
}
