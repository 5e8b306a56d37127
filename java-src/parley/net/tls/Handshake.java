package parley.net.tls;

import java.io.IOException;
import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;

/** The handshake of a connection. Guarded by the connection's lock, but for {@link #runTasks}. */
final class Handshake {
    /** More than any certificate chain that the JDK accepts takes. */
    private static final long MOST = 1 << 20;
    private static final ByteBuffer NO_ROOM = ByteBuffer.allocate(0);

    private final SSLEngine engine;
    private final RecordReader reader;
    private final RecordWriter writer;
    private boolean begun;
    private boolean working; // a thread runs the engine's tasks

    Handshake(SSLEngine engine, RecordReader reader, RecordWriter writer) {
        this.engine = engine;
        this.reader = reader;
        this.writer = writer;
    }

    /** Goes on as far as that is possible now. */
    TlsConnection.Need go() throws IOException {
        if (!begun) {
            begun = true;
            engine.beginHandshake();
        }
        for (;;) {
            if (working) {
                return TlsConnection.Need.TASK;
            } else if (!writer.flush()) {
                return TlsConnection.Need.OUTPUT;
            }
            HandshakeStatus status = engine.getHandshakeStatus();
            if (status == HandshakeStatus.NEED_TASK) {
                return TlsConnection.Need.TASK;
            } else if (status == HandshakeStatus.NEED_WRAP) {
                writer.wrap();
            } else if (status != HandshakeStatus.NEED_UNWRAP) {
                return TlsConnection.Need.NOTHING;
            } else if (!shakeOn()) {
                return TlsConnection.Need.INPUT;
            }
        }
    }

    /** A peer that refuses the handshake may have sent an alert before the connection broke. */
    IOException alertOr(IOException e) {
        try {
            while (reader.isReady() || reader.fill() > 0) {
                if (reader.isReady() && reader.unwrap(NO_ROOM).bytesConsumed() == 0) {
                    return e;
                }
            }
            return e;
        } catch (SSLException alert) {
            return alert;
        } catch (IOException second) {
            return e;
        }
    }

    /** Takes a record of the handshake in; false while there is none. */
    private boolean shakeOn() throws IOException {
        if (!reader.isReady()) {
            int n = receive();
            if (!reader.isReady()) {
                return n > 0;
            }
        }
        SSLEngineResult result = reader.unwrap(NO_ROOM);
        if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
            throw new TlsException("TLS_TRUNCATED",
                    "the peer ended the connection during the TLS handshake", null);
        }
        return result.getStatus() == SSLEngineResult.Status.OK || receive() > 0;
    }

    private int receive() throws IOException {
        int n = reader.fill();
        if (n < 0) {
            throw new TlsException("TLS_TRUNCATED",
                    "the peer closed the connection during the TLS handshake"
                    + (reader.received() == 0 && engine.getUseClientMode()
                            ? ", and sent nothing; is it a server with TLS?" : ""), null);
        }
        if (!reader.isTls() && !reader.isSsl2()) {
            if (!engine.getUseClientMode()) {
                writer.alertPlainText();
            }
            throw new TlsException("TLS_PLAIN_TEXT", "the peer does not speak TLS: it sent plain text;"
                    + " use TLS on both sides, or on none", null);
        } else if (reader.received() > MOST) {
            throw new TlsException("TLS_HANDSHAKE", "the peer sent more than " + MOST
                    + " bytes without finishing the TLS handshake", null);
        }
        return n;
    }

    /** Returns whether the calling thread is to run tasks now, outside the lock. */
    boolean claimTasks() {
        if (working || engine.getHandshakeStatus() != HandshakeStatus.NEED_TASK) {
            return false;
        }
        working = true;
        return true;
    }

    /**
     * Runs the tasks; returns what one of them threw, which would leave the engine waiting for it.
     */
    Throwable runTasks() {
        try {
            for (Runnable each; (each = engine.getDelegatedTask()) != null;) {
                each.run();
            }
            return null;
        } catch (RuntimeException | Error e) {
            return e;
        }
    }

    void endTasks() {
        working = false;
    }
}
