package parley.net.conformance;

import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import parley.net.WaitMode;
import parley.net.SocketOptions;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.net.tls.TlsOptions;
import parley.posix.DescriptorOption;
import parley.testing.Await;
import parley.testing.Case;
import parley.testing.Keys;
import parley.testing.Peer;
import parley.testing.PeerListener;

/** A connection with Parley on one side and a scripted peer on the other. */
final class Link implements AutoCloseable {
    /** Bytes enough to fill the kernel's buffers of any family. */
    static final int MUCH = 8 * 1024 * 1024;

    /**
     * Kernel buffers under TLS. The quick compiler has no instructions for AES, so filling the
     * megabytes of the usual buffers takes a second of processor time.
     */
    private static final int SMALL = 64 * 1024;

    private static final int PENDING = 15_000;

    // a delayed acknowledgement makes more room after some 40 ms
    private static final long QUIET = Duration.ofMillis(120).toNanos();

    final SocketStream stream;
    final Peer peer;

    private Link(SocketStream stream, Peer peer) {
        this.stream = stream;
        this.peer = peer;
    }

    /** Parley connects, with bivalent elements. */
    static Link connected(Case cell) throws IOException {
        return connected(cell, Sockets.BIVALENT);
    }

    /** Parley connects. */
    static Link connected(Case cell, StreamOptions options) throws IOException {
        try (PeerListener listener = cell.family().isTls()
                ? PeerListener.withReceiveBuffer(cell.family(), SMALL)
                : PeerListener.on(cell.family())) {
            SocketStream stream = narrowUnderTls(cell,
                    Sockets.connect(cell, listener.address(), options));
            Peer peer = listener.accept();
            peer.tls(); // its handshake is over, too
            return new Link(stream, peer);
        }
    }

    /** Parley connects; both sides have kernel buffers of about {@code size} bytes. */
    static Link narrow(Case cell, int size) throws IOException {
        return narrow(cell, size, Sockets.BIVALENT);
    }

    /** As {@link #narrow(Case, int)}. */
    static Link narrow(Case cell, int size, StreamOptions options) throws IOException {
        try (PeerListener listener = PeerListener.withReceiveBuffer(cell.family(), size)) {
            SocketChannel channel = cell.family().open();
            channel.setOption(StandardSocketOptions.SO_SNDBUF, size);
            channel.connect(listener.address());
            SocketStream stream = SocketStream.adopt(channel, Sockets.withoutTls(cell, options));
            if (cell.family().isTls()) {
                stream.startTls(TlsOptions.of(Keys.context()), true);
            }
            return new Link(Sockets.over(cell, stream, options), listener.accept());
        }
    }

    /** Parley accepts, with bivalent elements. */
    static Link accepted(Case cell) throws IOException {
        try (SocketServer server = Sockets.listen(cell)) {
            Peer peer = Sockets.peer(cell, server);
            SocketStream stream = narrowUnderTls(cell, Sockets.accept(cell, server));
            stream.tlsSession(); // drives the handshake, as any operation would
            return new Link(stream, peer);
        }
    }

    private static SocketStream narrowUnderTls(Case cell, SocketStream stream) throws IOException {
        if (cell.family().isTls()) {
            SocketOptions.set(stream, DescriptorOption.SO_SNDBUF, SMALL);
        }
        return stream;
    }

    /**
     * Writes {@link Payload} until the kernel takes not one byte more, since the peer does not
     * read; the stream's own buffer is empty then.
     *
     * @return how many bytes went
     */
    long fill() throws IOException {
        long went = 0;
        long quietSince = System.nanoTime();
        while (System.nanoTime() - quietSince < QUIET) {
            byte[] bytes = Payload.bytes(went, 256 * 1024);
            // no waiting for readiness, which begins only where a third of the buffer is free
            int now = stream.out().writeBytes(bytes, 0, bytes.length, WaitMode.NO_HANG);
            went += now;
            if (now > 0) {
                quietSince = System.nanoTime();
            } else {
                Await.pass(Duration.ofMillis(1));
            }
        }
        return went;
    }

    /**
     * Writes more {@link Payload}, which fits into the stream's own buffer.
     *
     * @return how many bytes these are
     */
    int leavePending(long from) throws IOException {
        Sockets.write(stream, Payload.bytes(from, PENDING));
        return PENDING;
    }

    /** Fails unless a byte goes each way and arrives as itself. */
    void roundTrip() throws IOException {
        stream.out().writeByte('>');
        stream.out().flush();
        expect('>', peer.receive(1)[0]);
        peer.send("<");
        expect('<', stream.in().readByte());
    }

    private static void expect(int sent, int got) {
        if (sent != got) {
            throw new AssertionError("sent " + sent + ", got " + got);
        }
    }

    @Override
    public void close() throws IOException {
        try {
            stream.abort();
        } finally {
            peer.close();
        }
    }
}
