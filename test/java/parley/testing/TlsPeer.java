package parley.testing;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLEngineResult.Status;

/**
 * The other side of a TLS connection, on a plain {@link SSLEngine}, so that a test has each record in
 * its hands and can cut, delay or drop it. For use by one thread at a time.
 */
public final class TlsPeer {
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);
    private static final int RECORD = 64 * 1024;

    private final SSLEngine engine;
    private final ByteBuffer in = ByteBuffer.allocate(RECORD).limit(0); // encrypted, to be read
    private final ByteBuffer plain = ByteBuffer.allocate(RECORD).limit(0); // decrypted, to be read
    private boolean ended;

    /** A peer in the given role, which has done nothing yet. */
    public TlsPeer(boolean client) {
        this(Keys.context().createSSLEngine(), client);
    }

    /** A peer with an engine of the test's. */
    public TlsPeer(SSLEngine engine, boolean client) {
        this.engine = engine;
        engine.setUseClientMode(client);
    }

    /** The engine. */
    public SSLEngine engine() {
        return engine;
    }

    // ---- records -----------------------------------------------------------------------------

    /** The records that carry {@code data}. */
    public byte[] encrypt(byte[] data) throws IOException {
        ByteArrayOutputStream records = new ByteArrayOutputStream();
        ByteBuffer from = ByteBuffer.wrap(data);
        while (from.hasRemaining()) {
            wrap(from, records);
        }
        return records.toByteArray();
    }

    /** What the engine itself wants to send now: handshake messages, tickets, replies, alerts. */
    public byte[] own() throws IOException {
        ByteArrayOutputStream records = new ByteArrayOutputStream();
        int before;
        do {
            tasks();
            before = records.size();
            if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP && !ended) {
                wrap(NOTHING, records);
            }
        } while (records.size() > before);
        return records.toByteArray();
    }

    /** A request for new keys, which asks for a reply (TLS 1.3). */
    public byte[] keyUpdate() throws IOException {
        ByteArrayOutputStream records = new ByteArrayOutputStream();
        engine.beginHandshake();
        wrap(NOTHING, records);
        return records.toByteArray();
    }

    /** The end of this side's output. */
    public byte[] closeNotify() throws IOException {
        ByteArrayOutputStream records = new ByteArrayOutputStream();
        engine.closeOutbound();
        while (!engine.isOutboundDone() && wrap(NOTHING, records) > 0) {
            tasks();
        }
        return records.toByteArray();
    }

    private int wrap(ByteBuffer from, ByteArrayOutputStream records) throws IOException {
        byte[] room = new byte[RECORD];
        SSLEngineResult result = engine.wrap(from, ByteBuffer.wrap(room));
        if (result.getStatus() == Status.BUFFER_OVERFLOW) {
            throw new AssertionError("a record of more than " + RECORD + " bytes");
        }
        records.write(room, 0, result.bytesProduced());
        if (from.hasRemaining() && result.bytesProduced() == 0) {
            throw new EOFException("the engine takes no more: " + result);
        }
        return result.bytesProduced();
    }

    private void tasks() {
        for (Runnable task; (task = engine.getDelegatedTask()) != null;) {
            task.run();
        }
    }

    // ---- over a channel ----------------------------------------------------------------------

    /** Does the handshake over a blocking channel, as a program would. */
    public TlsPeer handshake(SocketChannel channel) throws IOException {
        send(channel, handshakeKeepingTicket(channel));
        return this;
    }

    /**
     * As {@link #handshake}; what a server sends after the client has finished is kept back.
     *
     * @return those bytes: a session ticket
     */
    public byte[] handshakeKeepingTicket(SocketChannel channel) throws IOException {
        engine.beginHandshake();
        byte[] kept = {};
        boolean answered = false;
        while (engine.getHandshakeStatus() != HandshakeStatus.NOT_HANDSHAKING) {
            byte[] own = own();
            if (answered && !engine.getUseClientMode()) {
                kept = own;
            } else {
                send(channel, own);
                answered |= own.length > 0;
            }
            if (engine.getHandshakeStatus() == HandshakeStatus.NEED_UNWRAP && !decrypt()
                    && receive(channel) < 0) {
                throw new EOFException("the handshake was cut");
            }
        }
        return kept;
    }

    /** Sends bytes as they are. */
    public static void send(SocketChannel channel, byte[] bytes) throws IOException {
        ByteBuffer from = ByteBuffer.wrap(bytes);
        while (from.hasRemaining()) {
            channel.write(from);
        }
    }

    /** Receives some encrypted bytes; -1 at the end. */
    public int receive(SocketChannel channel) throws IOException {
        in.compact();
        try {
            return channel.read(in);
        } finally {
            in.flip();
        }
    }

    /**
     * Decrypts what has been received, up to the first data.
     *
     * @return true when something was done
     */
    public boolean decrypt() throws IOException {
        if (plain.hasRemaining() || ended || !in.hasRemaining()) {
            return plain.hasRemaining() || ended;
        }
        plain.clear();
        SSLEngineResult result;
        try {
            result = engine.unwrap(in, plain);
        } finally {
            plain.flip();
        }
        tasks();
        ended = result.getStatus() == Status.CLOSED;
        return result.getStatus() == Status.OK || ended;
    }

    /** Decrypts all that can be; true when data or the end is there. */
    public boolean hasInput() throws IOException {
        while (!plain.hasRemaining() && !ended) {
            if (!decrypt()) {
                return false;
            }
        }
        return true;
    }

    /** Takes data that was decrypted; -1 at the end that the other side has announced. */
    public int take(ByteBuffer into) {
        if (!plain.hasRemaining()) {
            return ended ? -1 : 0;
        }
        int n = Math.min(into.remaining(), plain.remaining());
        into.put(plain.slice(plain.position(), n));
        plain.position(plain.position() + n);
        return n;
    }
}
