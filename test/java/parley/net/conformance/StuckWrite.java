package parley.net.conformance;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import parley.net.Direction;
import parley.net.Pollable;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.testing.Case;
import parley.testing.Task;
import parley.testing.Threads;

/**
 * A write to a peer that does not read. It counts what went, by the returns of the calls and by
 * what their exceptions say, and proves in the end that just this came.
 */
final class StuckWrite extends Stuck {
    /** What is called with more than fits. */
    private interface Write {
        void to(SocketStream stream, byte[] bytes) throws IOException;
    }

    private final Link link;
    private final int much; // more than fits
    private final Write write; // null: only the status is asked for
    private final boolean filled; // the buffers are full, and the call adds nothing
    private long went; // confined to the calling thread; bytes accepted from position 0 on
    private Task<byte[]> drain; // confined; the peer's reading, once it reads

    private StuckWrite(Case cell, Write write) throws IOException {
        this(cell, write, false);
    }

    private StuckWrite(Case cell, Write write, boolean filled) throws IOException {
        // with small buffers the little that the kernel takes in the end is less than is pending
        link = filled ? Link.narrow(cell, 4096) : Link.connected(cell);
        much = Link.much(cell);
        this.write = write;
        this.filled = filled;
        if (filled) {
            went = link.fill();
        }
    }

    static Stuck writeBytes(Case cell) throws IOException {
        return new StuckWrite(cell, (stream, b) -> Sockets.write(stream, b));
    }

    static Stuck writeString(Case cell) throws IOException {
        return new StuckWrite(cell, (stream, b) -> stream.out().writeString(ascii(b)));
    }

    static Stuck outputStream(Case cell) throws IOException {
        return new StuckWrite(cell, (stream, b) -> stream.outputStream().write(b));
    }

    static Stuck writer(Case cell) throws IOException {
        return new StuckWrite(cell, (stream, b) -> stream.writer().write(ascii(b)));
    }

    /** The last thing to do with a stream whose buffer and whose kernel buffers are full. */
    static Stuck finish(Case cell) throws IOException {
        StuckWrite stuck = new StuckWrite(cell, (stream, b) -> stream.out().flush(), true);
        stuck.went += stuck.link.leavePending(stuck.went);
        return stuck;
    }

    static Stuck status(Case cell) throws IOException {
        return new StuckWrite(cell, null, true);
    }

    private static String ascii(byte[] bytes) {
        return new String(bytes, StandardCharsets.US_ASCII);
    }

    private void write(Write one) throws IOException {
        byte[] bytes = Payload.bytes(went, much);
        try {
            one.to(link.stream, bytes);
            went += much;
        } catch (InterruptedIOException e) {
            went += e.bytesTransferred;
            throw e;
        }
    }

    @Override
    void call(Duration timeout) throws IOException {
        if (write == null) {
            SocketStatus status = link.stream.status(Direction.OUTPUT, timeout);
            if (timeout == null && status != SocketStatus.OUTPUT) {
                throw new AssertionError("status without a timeout gave " + status);
            }
            return;
        }
        link.stream.writeTimeout(timeout);
        if (filled) {
            write.to(link.stream, null);
        } else {
            write(write);
        }
    }

    @Override
    Pollable object() {
        return link.stream;
    }

    @Override
    void release() {
        drain = Threads.PLATFORM.start("drain", link.peer::receiveAll);
    }

    @Override
    void proveUsable() throws Exception {
        if (drain == null) {
            release();
        }
        link.stream.writeTimeout(null);
        link.stream.shutdown(Direction.OUTPUT);
        Payload.check(drain.await(), went);
        link.peer.send("<");
        if (link.stream.in().readByte() != '<') {
            throw new AssertionError("the input side is out of step");
        }
    }

    @Override
    public void close() throws IOException {
        if (drain != null) { // it ends with the stream, but not when the peer is closed under it
            link.stream.abort();
            drain.ended(Task.PATIENCE);
        }
        link.close();
    }
}
