package parley.net.tls;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.ReentrantLock;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;

/**
 * TLS on a connection that a {@link Carrier} carries. Never waits: what cannot be done now is for
 * the caller to try again. Any thread may call any method. The engine does one thing at a time, and
 * so does this class, under one lock; nothing is done under it that can take long.
 *
 * <pre>{@code
 * TlsConnection tls = new TlsConnection(engine, carrier);
 * while (!tls.isDone()) {
 *     TlsConnection.Need need = tls.handshake(); // what to wait for, or a task to run
 * }
 * }</pre>
 */
public final class TlsConnection {
    /** Carries the encrypted bytes; never waits. */
    public interface Carrier {
        /**
         * Reads what has come.
         *
         * @param into where to put it
         * @return the number of bytes, 0 when nothing has come, -1 at the end
         * @throws IOException if the connection is broken
         */
        int read(ByteBuffer into) throws IOException;

        /**
         * Writes what fits.
         *
         * @param from what to write
         * @return the number of bytes, 0 when there is no room
         * @throws IOException if the connection is broken
         */
        int write(ByteBuffer from) throws IOException;
    }

    /** The need of a handshake that is not over. */
    public enum Need {
        /** Nothing: the handshake is over. */
        NOTHING,
        /** Bytes from the peer. */
        INPUT,
        /** Room for bytes to the peer. */
        OUTPUT,
        /** Computation that may take long: {@link TlsConnection#task}. */
        TASK
    }

    /** Key updates that the peer may request without reading the replies. */
    private static final int MOST_UNANSWERED = 32;

    private final SSLEngine engine;
    private final ReentrantLock lock = new ReentrantLock();
    // All guarded by lock.
    private final RecordReader reader;
    private final RecordWriter writer;
    private final Handshake handshake;
    private boolean closeSent; // close_notify is with the writer, or on its way
    private int unanswered; // messages that the peer wants replies to and takes none
    private IOException failure; // why nothing works any more
    private IOException readFailure; // why nothing more will come, after what is here
    private IOException writeFailure; // why nothing more can be sent

    private volatile boolean done; // the handshake is over; written under lock
    private volatile boolean ended; // the peer has sent close_notify; written under lock
    private volatile boolean holdsInput; // written under lock
    private boolean endTaken; // the end or the failure was returned by read; guarded by lock

    /**
     * Makes a connection whose handshake has not begun.
     *
     * @param engine new
     * @param carrier connected
     */
    public TlsConnection(SSLEngine engine, Carrier carrier) {
        this.engine = engine;
        this.reader = new RecordReader(engine, carrier);
        this.writer = new RecordWriter(engine, carrier);
        this.handshake = new Handshake(engine, reader, writer);
    }

    /**
     * Takes encrypted bytes that came before this connection was made.
     *
     * @param early the bytes
     */
    public void accept(byte[] early) {
        lock.lock();
        try {
            reader.take(early);
        } finally {
            lock.unlock();
        }
    }

    // ---- the handshake -----------------------------------------------------------------------

    /** {@return whether the handshake is over: true for ever once it is} */
    public boolean isDone() {
        return done;
    }

    /**
     * Goes on with the handshake as far as that is possible now.
     *
     * @return what it needs
     * @throws IOException if it failed; the alert was sent as far as the carrier takes it now
     */
    public Need handshake() throws IOException {
        lock.lock();
        try {
            requireSound();
            if (done) {
                return Need.NOTHING;
            }
            Need need = handshake.go();
            done = need == Need.NOTHING;
            return need;
        } catch (SSLException | RuntimeException e) {
            throw broken(e);
        } catch (IOException e) {
            throw broken(handshake.alertOr(e));
        } finally {
            settle();
            lock.unlock();
        }
    }

    /**
     * {@return the computation that the handshake waits for, to be run once, by any thread that may
     * take its time: null when there is none, or another thread runs it}
     */
    public Runnable task() {
        lock.lock();
        try {
            return handshake.claimTasks() ? this::work : null;
        } finally {
            lock.unlock();
        }
    }

    private void work() {
        Throwable thrown = handshake.runTasks();
        lock.lock();
        try {
            handshake.endTasks();
            if (thrown != null && failure == null) {
                failure = new SSLException("a check of the TLS handshake failed: " + thrown, thrown);
            }
        } finally {
            lock.unlock();
        }
    }

    /** {@return what the peers have agreed on: null before the handshake is over} */
    public TlsSession session() {
        return done ? TlsSession.of(engine) : null;
    }

    // ---- reading -----------------------------------------------------------------------------

    /**
     * {@return whether {@link #read} can make progress without any byte from the carrier: true when
     * decrypted bytes, a whole record, or the end that was not read yet are here}
     */
    public boolean holdsInput() {
        return holdsInput;
    }

    /**
     * Reads what the peer has sent.
     *
     * @param into where to put it
     * @return the number of bytes, 0 when nothing has come, -1 at the peer's close_notify
     * @throws IOException if the connection is broken, or ended without a close_notify
     */
    public int read(ByteBuffer into) throws IOException {
        if (!into.hasRemaining()) {
            return 0;
        }
        lock.lock();
        try {
            if (reader.holdsPlain()) {
                return reader.takePlain(into);
            }
            int n = ended ? -1 : decrypt(into);
            endTaken |= n < 0;
            return n;
        } catch (IOException | RuntimeException e) {
            endTaken = true;
            throw broken(e);
        } finally {
            settle();
            lock.unlock();
        }
    }

    private int decrypt(ByteBuffer into) throws IOException {
        requireSound();
        int start = into.position();
        while (!reader.holdsPlain() && into.hasRemaining() && !ended) {
            if (reader.isReady()) {
                decryptOne(into);
            } else if (into.position() > start || !fill()) {
                break;
            }
        }
        int n = into.position() - start;
        return n == 0 && ended ? -1 : n;
    }

    /** Reads from the carrier; false when nothing has come. */
    private boolean fill() throws IOException {
        if (readFailure != null) {
            throw readFailure;
        }
        int n;
        try {
            n = reader.fill();
        } catch (IOException e) {
            throw truncated(e.getMessage() + ": ", e);
        }
        if (n < 0) {
            throw truncated("", null);
        }
        return n > 0;
    }

    /** A connection that breaks ends what can be read, not what the peer may still read. */
    private IOException truncated(String how, IOException cause) {
        readFailure = new TlsException("TLS_TRUNCATED", how + "the connection ended without the"
                + " peer's close_notify, so that what came may be incomplete", cause);
        return readFailure;
    }

    private void decryptOne(ByteBuffer into) throws IOException {
        SSLEngineResult result = reader.unwrap(into);
        if (reader.holdsPlain()) {
            reader.takePlain(into);
        }
        if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
            ended = true;
            reader.drop();
            if (!isTls13()) {
                reply(); // with a close_notify, as TLS 1.2 wants it
            }
        } else if (result.getStatus() == SSLEngineResult.Status.BUFFER_UNDERFLOW) {
            throw new TlsException("TLS_PROTOCOL_ERROR", "the peer sent bytes that are no TLS record", null);
        } else if (result.bytesConsumed() == 0 && result.bytesProduced() == 0) {
            throw renegotiation();
        } else if (!closeSent) { // after it the engine waits for the peer's, whatever else comes
            unanswered += result.bytesProduced() == 0 ? 1 : 0;
            goOn(result.getHandshakeStatus());
        }
    }

    /** Does what a message of the peer's asks for, that was no data. */
    private void goOn(HandshakeStatus status) throws IOException {
        if (status == HandshakeStatus.NEED_WRAP && isTls13()) {
            reply(); // to a request for new keys
        } else if (status != HandshakeStatus.NOT_HANDSHAKING && status != HandshakeStatus.FINISHED) {
            throw renegotiation();
        }
    }

    private boolean isTls13() {
        return engine.getSession().getProtocol().equals("TLSv1.3");
    }

    private void reply() throws IOException {
        try {
            if (writer.flush()) {
                unanswered = 0;
                writer.wrap();
                writer.flush();
                return;
            }
        } catch (SSLException e) {
            throw e;
        } catch (IOException e) {
            writeFailure = e; // what the peer has sent can still be read
            writer.drop();
            return;
        }
        if (unanswered > MOST_UNANSWERED) {
            throw new TlsException("TLS_PROTOCOL_ERROR", "the peer asks for new keys again and"
                    + " again, and does not read the replies", null);
        }
    }

    private TlsException renegotiation() throws IOException {
        closeNotify();
        writer.flush();
        return new TlsException("TLS_RENEGOTIATION",
                "the peer wants to renegotiate, which is refused", null);
    }

    // ---- writing -----------------------------------------------------------------------------

    /**
     * {@return whether bytes that were written, or are the engine's own, still have to be sent:
     * false when the carrier has taken everything}
     */
    public boolean holdsOutput() {
        return writer.holds();
    }

    /**
     * Writes what fits. Of what was taken a part may still be held here: {@link #flush}.
     *
     * @param from what to write
     * @return how many bytes were taken, 0 when there is no room
     * @throws IOException if the connection is broken, or this side has ended its output
     */
    public int write(ByteBuffer from) throws IOException {
        lock.lock();
        try {
            requireSound();
            int start = from.position();
            while (from.hasRemaining() && flushNow()) {
                writer.expect(from.remaining());
                do {
                    encryptOne(from);
                } while (from.hasRemaining() && writer.hasRoom());
            }
            flushNow();
            return from.position() - start;
        } catch (IOException | RuntimeException e) {
            throw broken(e);
        } finally {
            lock.unlock();
        }
    }

    private boolean flushNow() throws IOException {
        if (writeFailure != null) {
            throw writeFailure;
        }
        try {
            return writer.flush();
        } catch (IOException e) {
            writeFailure = e;
            writer.drop();
            throw e;
        }
    }

    private void encryptOne(ByteBuffer from) throws IOException {
        SSLEngineResult result = writer.wrap(from);
        if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
            writeFailure = new TlsException("EPIPE",
                    "Broken pipe: the TLS connection has ended, and with it the output", null);
            throw writeFailure;
        } else if (result.bytesConsumed() == 0 && result.bytesProduced() == 0) {
            throw renegotiation();
        }
    }

    /**
     * Hands over what is held.
     *
     * @return true when nothing is left
     * @throws IOException if the connection is broken
     */
    public boolean flush() throws IOException {
        lock.lock();
        try {
            return flushNow();
        } finally {
            lock.unlock();
        }
    }

    // ---- the end -----------------------------------------------------------------------------

    /**
     * Ends this side's output with a close_notify, which {@link #flush} sends.
     *
     * @throws IOException if the connection is broken
     */
    public void endOutput() throws IOException {
        lock.lock();
        try {
            if (done && failure == null && writeFailure == null) {
                closeNotify();
                flushNow();
            }
        } finally {
            lock.unlock();
        }
    }

    private void closeNotify() throws SSLException {
        if (!closeSent) {
            closeSent = true;
            engine.closeOutbound();
            int produced;
            do {
                produced = writer.wrap().bytesProduced();
            } while (produced > 0 && !engine.isOutboundDone());
        }
    }

    /**
     * After {@link #endOutput}, before the carrier is closed: takes in what has come, such as
     * session tickets. Otherwise the system would reset the connection, and the peer lose what is
     * on its way.
     */
    public void deplete() {
        lock.lock();
        try {
            for (int i = 0; closeSent && failure == null && !ended && i < 8; i++) {
                reader.drop();
                if (reader.fill() <= 0) {
                    return;
                }
            }
        } catch (IOException e) {
            return; // the connection is broken: nothing is left to lose
        } finally {
            reader.drop();
            lock.unlock();
        }
    }

    /** Releases all memory. The carrier is closed. */
    public void release() {
        lock.lock();
        try {
            reader.drop();
            reader.dropPlain();
            writer.drop();
            holdsInput = false;
            failure = failure != null ? failure : new IOException("the connection is closed");
        } finally {
            lock.unlock();
        }
    }

    private void requireSound() throws IOException {
        if (failure != null) {
            throw failure;
        }
    }

    private void settle() {
        reader.releaseIfEmpty();
        boolean atEnd = ended || failure != null;
        holdsInput = reader.holdsPlain() || done && (atEnd ? !endTaken : reader.isReady());
    }

    /** Remembers a failure, and makes the engine alert the peer. */
    private IOException broken(Exception e) {
        if (failure != null) {
            return failure;
        } else if (e == readFailure || e == writeFailure) {
            return (IOException) e;
        }
        failure = e instanceof IOException io ? io
                : new SSLException("the TLS engine failed: " + e, e);
        try {
            boolean alert = e instanceof SSLException && !(e instanceof TlsException);
            for (int i = 0; alert && i < 4 && !engine.isOutboundDone()
                    && writer.wrap().bytesProduced() > 0; i++) {
                writer.flush();
            }
            if (e instanceof SSLException) {
                writer.flush(); // an alert that is no engine's
            }
        } catch (IOException | RuntimeException second) {
            failure.addSuppressed(second);
        }
        reader.drop();
        return failure;
    }
}
