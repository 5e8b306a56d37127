package parley.net.tls;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;

/** Two engines that shake hands in memory. */
final class Engines {
    private static final int ROOM = 1 << 20;

    /** What became of a handshake: null failures when both ends finished it. */
    record Outcome(SSLEngine client, SSLEngine server, IOException clientFailure,
            IOException serverFailure) {
        boolean isDone() {
            return clientFailure == null && serverFailure == null;
        }
    }

    private final SSLEngine engine;
    private final ByteBuffer out = ByteBuffer.allocate(ROOM); // filled
    private IOException failure;

    private Engines(SSLEngine engine) {
        this.engine = engine;
    }

    static Outcome shake(SSLEngine client, SSLEngine server) throws IOException {
        Engines a = new Engines(client);
        Engines b = new Engines(server);
        client.beginHandshake();
        server.beginHandshake();
        for (int i = 0; i < 100 && (a.step(b) | b.step(a)); i++) {
            // until neither moves
        }
        return new Outcome(client, server, a.failure, b.failure);
    }

    /** What an engine makes of bytes that are no TLS. */
    static IOException shakeWith(SSLEngine engine, String bytes) throws IOException {
        Engines alone = new Engines(engine);
        Engines peer = new Engines(engine);
        peer.out.put(bytes.getBytes(StandardCharsets.ISO_8859_1));
        engine.beginHandshake();
        for (int i = 0; i < 10 && alone.failure == null; i++) {
            alone.step(peer);
        }
        return alone.failure;
    }

    /** Takes in what the peer has sent and sends what there is; false when nothing moved. */
    private boolean step(Engines peer) {
        boolean moved = false;
        for (int i = 0; i < 100; i++) {
            try {
                if (!move(peer)) {
                    break;
                }
                moved = true;
            } catch (IOException e) {
                if (failure != null) {
                    break;
                }
                failure = e; // the alert is still to be sent
            }
        }
        return moved;
    }

    private boolean move(Engines peer) throws IOException {
        Runnable task = engine.getDelegatedTask();
        if (task != null) {
            task.run();
            return true;
        }
        if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
            int before = out.position();
            SSLEngineResult result = engine.wrap(ByteBuffer.allocate(0), out);
            return out.position() > before || result.getStatus() != SSLEngineResult.Status.CLOSED;
        }
        if (peer.out.position() == 0 || engine.isInboundDone()) {
            return false;
        }
        peer.out.flip();
        try {
            int before = peer.out.remaining();
            engine.unwrap(peer.out, ByteBuffer.allocate(ROOM));
            return peer.out.remaining() < before;
        } finally {
            peer.out.compact();
        }
    }
}
