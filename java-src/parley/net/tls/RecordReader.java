package parley.net.tls;

import java.io.IOException;
import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLException;

/**
 * The encrypted bytes that have come and were not decrypted yet, and of a record that was decrypted
 * the bytes that were not read yet. Guarded by the connection's lock.
 */
final class RecordReader {
    private static final int HEADER = 5;
    private static final int MOST_ENCRYPTED = (1 << 14) + 2048; // of a record's content
    private static final int FIRST_TYPE = 20; // change_cipher_spec
    private static final int LAST_TYPE = 23; // application_data
    private static final int SSL2_HELLO = 0x80;
    private static final int MAJOR_VERSION = 3; // of SSL 3 and all of TLS

    private final SSLEngine engine;
    private final TlsConnection.Carrier carrier;
    private ByteBuffer plain; // decrypted and not read yet; null while there is nothing
    private ByteBuffer bytes; // between its position and its limit; null while there are none
    private long received;

    RecordReader(SSLEngine engine, TlsConnection.Carrier carrier) {
        this.engine = engine;
        this.carrier = carrier;
    }

    /** Returns how many bytes have come, ever. */
    long received() {
        return received;
    }

    /**
     * Returns whether decrypting can make progress with what is here: a whole record, or nonsense.
     */
    boolean isReady() {
        if (bytes == null || bytes.remaining() < HEADER) {
            return false;
        }
        int length = length();
        return bytes.remaining() >= HEADER + length || length > MOST_ENCRYPTED || !isTls();
    }

    /** Returns whether a part of a record is here, or more. */
    boolean isEmpty() {
        return bytes == null || !bytes.hasRemaining();
    }

    /** The content's length, by the header. */
    private int length() {
        int at = bytes.position();
        return (bytes.get(at + 3) & 0xff) << 8 | bytes.get(at + 4) & 0xff;
    }

    /** Returns whether what is here begins as records of TLS do; true while nothing is here. */
    boolean isTls() {
        if (isEmpty()) {
            return true;
        }
        int at = bytes.position();
        return bytes.get(at) >= FIRST_TYPE && bytes.get(at) <= LAST_TYPE
                && (bytes.remaining() == 1 || bytes.get(at + 1) == MAJOR_VERSION);
    }

    /** Returns whether the first byte is that of a hello of SSL 2, which old clients begin with. */
    boolean isSsl2() {
        return !isEmpty() && (bytes.get(bytes.position()) & SSL2_HELLO) != 0;
    }

    /** Takes bytes that came before this connection began. */
    void take(byte[] early) {
        bytes = early.length <= RecordBuffers.SIZE ? RecordBuffers.take()
                : ByteBuffer.allocate(early.length);
        bytes.clear().put(early).flip();
        received = early.length;
    }

    /** Reads once from the carrier; returns as {@link TlsConnection.Carrier#read}. */
    int fill() throws IOException {
        if (bytes == null) {
            bytes = RecordBuffers.take();
        } else if (bytes.position() > 0) {
            bytes.compact().flip();
        }
        if (bytes.limit() == bytes.capacity()) {
            grow();
        }
        int end = bytes.limit();
        int n;
        try {
            n = carrier.read(bytes.limit(bytes.capacity()).position(end));
        } finally {
            bytes.limit(bytes.position()).position(0);
        }
        received += Math.max(0, n);
        return n;
    }

    /** For a record larger than the buffer, which the engine is configured to accept. */
    private void grow() {
        ByteBuffer wider = ByteBuffer.allocate(bytes.capacity() * 2);
        wider.put(bytes).flip();
        RecordBuffers.release(bytes);
        bytes = wider;
    }

    /** Decrypts a record; what does not fit is kept, for {@link #takePlain}. */
    SSLEngineResult unwrap(ByteBuffer into) throws SSLException {
        SSLEngineResult result = engine.unwrap(bytes, into);
        if (result.getStatus() != SSLEngineResult.Status.BUFFER_OVERFLOW) {
            return result;
        }
        int size = engine.getSession().getApplicationBufferSize();
        ByteBuffer room = size <= RecordBuffers.SIZE ? RecordBuffers.take().clear()
                : ByteBuffer.allocate(size);
        try {
            return engine.unwrap(bytes, room);
        } finally {
            plain = room.flip();
            dropPlainIfEmpty();
        }
    }

    /** Returns whether decrypted bytes are here. */
    boolean holdsPlain() {
        return plain != null;
    }

    /** Moves decrypted bytes, as many as fit; returns how many. */
    int takePlain(ByteBuffer into) {
        int n = Math.min(into.remaining(), plain.remaining());
        int end = plain.limit();
        into.put(plain.limit(plain.position() + n));
        plain.limit(end);
        dropPlainIfEmpty();
        return n;
    }

    /** Drops the decrypted bytes. */
    void dropPlain() {
        if (plain != null) {
            plain.position(plain.limit());
            dropPlainIfEmpty();
        }
    }

    private void dropPlainIfEmpty() {
        if (!plain.hasRemaining()) {
            RecordBuffers.release(plain);
            plain = null;
        }
    }

    /** Releases the memory when nothing is in it. */
    void releaseIfEmpty() {
        if (bytes != null && !bytes.hasRemaining()) {
            RecordBuffers.release(bytes);
            bytes = null;
        }
    }

    /** Drops what is here. */
    void drop() {
        if (bytes != null) {
            bytes.position(bytes.limit());
            releaseIfEmpty();
        }
    }
}
