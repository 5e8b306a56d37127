package parley.net.tls;

import java.io.IOException;
import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLException;

/** Records on their way to the peer. Guarded by the connection's lock. */
final class RecordWriter {
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);
    private static final byte[] UNEXPECTED_MESSAGE = {21, 3, 1, 0, 2, 2, 10};

    private final SSLEngine engine;
    private final TlsConnection.Carrier carrier;
    private ByteBuffer bytes; // to be sent, between position and limit; null while there are none
    private volatile boolean holds; // written under the lock

    RecordWriter(SSLEngine engine, TlsConnection.Carrier carrier) {
        this.engine = engine;
        this.carrier = carrier;
    }

    /** Returns whether there are bytes that the carrier has not taken yet. */
    boolean holds() {
        return holds;
    }

    /** Takes room for several records, that go out together, if that many bytes need them. */
    void expect(int count) {
        if (bytes == null && count > RecordBuffers.SIZE) {
            bytes = RecordBuffers.takeWide();
        }
    }

    /** Returns whether another record fits behind those that are here. */
    boolean hasRoom() {
        return bytes != null && bytes.capacity() - bytes.limit() >= RecordBuffers.SIZE;
    }

    /** Adds a record of the engine's own: of the handshake, or an alert. */
    SSLEngineResult wrap() throws SSLException {
        return wrap(NOTHING);
    }

    /**
     * Adds a record, with as many of these bytes as fit into one if the engine has none to send.
     */
    SSLEngineResult wrap(ByteBuffer from) throws SSLException {
        if (bytes == null) {
            bytes = RecordBuffers.take();
        }
        for (;;) {
            int start = bytes.position();
            int end = bytes.limit();
            SSLEngineResult result;
            try {
                result = engine.wrap(from, bytes.limit(bytes.capacity()).position(end));
            } finally {
                bytes.limit(bytes.position()).position(start);
            }
            if (result.getStatus() != SSLEngineResult.Status.BUFFER_OVERFLOW) {
                settle();
                return result;
            }
            makeRoom();
        }
    }

    /**
     * Adds the alert unexpected_message, for a peer in plain text. The engine would make it only of
     * what that peer has sent.
     */
    void alertPlainText() {
        bytes = RecordBuffers.take().clear().put(UNEXPECTED_MESSAGE).flip();
        holds = true;
    }

    /** Makes room for another record behind what is here. */
    private void makeRoom() {
        int record = engine.getSession().getPacketBufferSize();
        int wanted = bytes.remaining() + record;
        if (wanted <= bytes.capacity() && bytes.position() > 0) {
            bytes.compact().flip();
            return;
        }
        ByteBuffer wider = ByteBuffer.allocate(Math.max(wanted, bytes.capacity() + record));
        wider.put(bytes).flip();
        RecordBuffers.release(bytes);
        bytes = wider;
    }

    /** Hands over what the carrier takes now; true when nothing is left. */
    boolean flush() throws IOException {
        try {
            while (bytes != null && bytes.hasRemaining()) {
                if (carrier.write(bytes) == 0) {
                    return false;
                }
            }
        } finally {
            settle();
        }
        return true;
    }

    private void settle() {
        if (bytes != null && !bytes.hasRemaining()) {
            RecordBuffers.release(bytes);
            bytes = null;
        }
        holds = bytes != null;
    }

    /** Drops what is here. */
    void drop() {
        if (bytes != null) {
            bytes.position(bytes.limit());
            settle();
        }
    }
}
