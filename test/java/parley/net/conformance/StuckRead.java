package parley.net.conformance;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import parley.net.WaitMode;
import parley.net.Direction;
import parley.net.Pollable;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.testing.Case;

/** A read for which the peer has sent nothing, or not enough. */
final class StuckRead extends Stuck {
    /** What is called, and returns what it got. */
    private interface Read {
        Object from(SocketStream stream) throws IOException;
    }

    private final Link link;
    private final Read read;
    private final String rest; // what the peer sends to end the wait
    private final Object result; // what the call then returns

    private StuckRead(Case cell, String before, String rest, Object result, Read read)
            throws IOException {
        link = Link.connected(cell);
        link.peer.send(before);
        this.read = read;
        this.rest = rest;
        this.result = result;
    }

    static Stuck readByte(Case cell) throws IOException {
        return new StuckRead(cell, "", "b", (int) 'b', stream -> stream.in().readByte());
    }

    static Stuck readChar(Case cell) throws IOException {
        return new StuckRead(cell, "", "c", (int) 'c', stream -> stream.in().readChar());
    }

    static Stuck peekChar(Case cell) throws IOException {
        return new StuckRead(cell, "", "p", (int) 'p', stream -> {
            int peeked = stream.in().peekChar();
            return stream.in().readChar() == peeked ? peeked : -2;
        });
    }

    static Stuck readLine(Case cell) throws IOException {
        return new StuckRead(cell, "half a ", "line\n", "half a line",
                stream -> stream.in().readLine());
    }

    static Stuck readBytes(Case cell) throws IOException {
        return new StuckRead(cell, "by", "tes", "bytes", stream -> {
            byte[] five = new byte[5];
            int end = stream.in().readBytes(five, 0, 5, WaitMode.FULL);
            return new String(five, 0, end, StandardCharsets.US_ASCII);
        });
    }

    static Stuck reader(Case cell) throws IOException {
        return new StuckRead(cell, "", "r", (int) 'r', stream -> stream.reader().read());
    }

    static Stuck inputStream(Case cell) throws IOException {
        return new StuckRead(cell, "", "i", (int) 'i', stream -> stream.inputStream().read());
    }

    static Stuck status(Case cell) throws IOException {
        return new StuckRead(cell, "", "s", (int) 's', null);
    }

    @Override
    void call(Duration timeout) throws IOException {
        if (read == null) {
            SocketStatus status = link.stream.status(Direction.INPUT, timeout);
            if (timeout == null && status != SocketStatus.INPUT) {
                throw new AssertionError("status without a timeout gave " + status);
            }
        } else {
            link.stream.readTimeout(timeout);
            Object got = read.from(link.stream);
            if (!result.equals(got)) {
                throw new AssertionError("got " + got + ", expected " + result);
            }
        }
    }

    @Override
    Pollable object() {
        return link.stream;
    }

    @Override
    void release() throws IOException {
        link.peer.send(rest);
    }

    @Override
    void proveUsable() throws IOException {
        release();
        call(null);
        if (read == null) {
            int got = link.stream.in().readByte();
            if (!result.equals(got)) {
                throw new AssertionError("got " + got + ", expected " + result);
            }
        }
        link.roundTrip();
    }

    @Override
    public void close() throws IOException {
        link.close();
    }
}
