package parley.net.conformance;

import java.io.IOException;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import parley.net.Direction;
import parley.net.Pollable;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.testing.Case;
import parley.testing.Peer;

/** A server to which nobody connects. */
final class StuckAccept extends Stuck {
    /** What is called. */
    private interface Wait {
        void on(StuckAccept self, Duration timeout) throws IOException;
    }

    private final SocketServer server;
    private final SocketAddress address;
    private final Wait wait;
    private final List<AutoCloseable> opened = new ArrayList<>(); // guarded by itself

    private StuckAccept(Case cell, Wait wait) throws IOException {
        server = Sockets.listen(cell);
        address = server.localAddress();
        this.wait = wait;
    }

    static Stuck accept(Case cell) throws IOException {
        return new StuckAccept(cell, (self, timeout) ->
                self.keep(self.server.accept(Sockets.timeout(timeout))));
    }

    static Stuck awaitConnection(Case cell) throws IOException {
        return new StuckAccept(cell, (self, timeout) ->
                expect(timeout, true, self.server.awaitConnection(timeout)));
    }

    static Stuck status(Case cell) throws IOException {
        return new StuckAccept(cell, (self, timeout) -> expect(timeout, SocketStatus.READY,
                self.server.status(Direction.INPUT, timeout)));
    }

    /** Without a timeout there is one answer only. */
    private static void expect(Duration timeout, Object expected, Object got) {
        if (timeout == null && !expected.equals(got)) {
            throw new AssertionError("got " + got + ", expected " + expected);
        }
    }

    private <T extends AutoCloseable> T keep(T one) {
        synchronized (opened) {
            opened.add(one);
        }
        return one;
    }

    @Override
    void call(Duration timeout) throws IOException {
        wait.on(this, timeout);
    }

    @Override
    Pollable object() {
        return server;
    }

    @Override
    void release() throws IOException {
        keep(Peer.connect(address));
    }

    @Override
    void proveUsable() throws IOException {
        Peer peer = keep(Peer.connect(address));
        call(null);
        SocketStream stream = acceptedLast();
        stream.out().writeByte('!');
        stream.out().flush();
        if (peer.receive(1)[0] != '!') {
            throw new AssertionError("another byte came than was sent");
        }
    }

    private SocketStream acceptedLast() throws IOException {
        synchronized (opened) {
            AutoCloseable last = opened.get(opened.size() - 1);
            return last instanceof SocketStream stream ? stream
                    : keep(server.accept(Sockets.BIVALENT));
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        synchronized (opened) {
            for (AutoCloseable each : opened) {
                closeOne(each);
            }
        }
    }

    private static void closeOne(AutoCloseable one) throws IOException {
        try {
            one.close();
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException(e);
        }
    }
}
