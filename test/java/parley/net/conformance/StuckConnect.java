package parley.net.conformance;

import java.io.IOException;
import java.time.Duration;
import parley.net.Pollable;
import parley.net.SocketStream;
import parley.testing.Case;
import parley.testing.Peer;
import parley.testing.PeerListener;

/** A read on a stream whose connect is still under way, since the server's queue is full. */
final class StuckConnect extends Stuck {
    private final PeerListener listener;
    private final SocketStream stream;

    StuckConnect(Case cell) throws IOException {
        listener = PeerListener.full(cell.family());
        stream = SocketStream.connect(listener.address(), Sockets.timeout(Duration.ZERO));
    }

    @Override
    void call(Duration timeout) throws IOException {
        stream.readTimeout(timeout);
        int got = stream.in().readByte();
        if (got != 'c') {
            throw new AssertionError("got " + got);
        }
    }

    @Override
    Pollable object() {
        return stream;
    }

    @Override
    void release() throws IOException {
        try (Peer late = listener.acceptLate()) {
            late.send("c");
        }
    }

    @Override
    void proveUsable() throws IOException {
        release();
        call(null);
    }

    @Override
    public void close() throws IOException {
        stream.abort();
        listener.close();
    }
}
