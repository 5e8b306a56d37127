package parley.net.conformance;

import java.io.IOException;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.testing.Case;
import parley.testing.Task;

/** A connection with Parley on both sides. */
final class Both implements AutoCloseable {
    final SocketStream client;
    final SocketStream server;

    private Both(SocketStream client, SocketStream server) {
        this.client = client;
        this.server = server;
    }

    static Both of(Case cell) throws IOException {
        return of(cell, Sockets.BIVALENT);
    }

    static Both of(Case cell, StreamOptions options) throws IOException {
        try (SocketServer listener = Sockets.listen(cell)) {
            if (cell.family().isTls()) {
                return secured(cell, listener, options);
            }
            SocketStream client = Sockets.connect(cell, listener.localAddress(), options);
            return new Both(client, Sockets.accept(cell, listener, options));
        }
    }

    /** A connect that does a handshake takes a server that answers. */
    private static Both secured(Case cell, SocketServer listener, StreamOptions options)
            throws IOException {
        Task<SocketStream> client = cell.start("client",
                () -> Sockets.connect(cell, listener.localAddress(), options));
        SocketStream server = Sockets.accept(cell, listener, options);
        server.tlsSession();
        try {
            return new Both(client.await(), server);
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException(e);
        }
    }

    /** Fails unless a byte goes each way and arrives as itself. */
    void roundTrip() throws IOException {
        pass(client, server);
        pass(server, client);
    }

    private static void pass(SocketStream from, SocketStream to) throws IOException {
        from.out().writeByte('=');
        from.out().flush();
        int got = to.in().readByte();
        if (got != '=') {
            throw new AssertionError("sent '=', got " + got);
        }
    }

    @Override
    public void close() throws IOException {
        try {
            client.abort();
        } finally {
            server.abort();
        }
    }
}
