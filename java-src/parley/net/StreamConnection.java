package parley.net;

import java.io.IOException;
import java.net.SocketAddress;
import java.nio.channels.AsynchronousCloseException;
import java.time.Duration;
import parley.net.tls.TlsOptions;
import parley.net.tls.TlsSession;
import parley.net.wait.Deadline;
import parley.net.wait.ThreadWaits.HasDeadline;
import parley.posix.StackSafeLock;

/**
 * The connection under a {@link SocketStream}: its addresses, its time limits, the wait until it is
 * established, and TLS.
 */
abstract sealed class StreamConnection extends Pollable permits SocketStream {
    volatile Transport transport; // replaced by startTls
    private final String host; // what the creating call was given; null for the peer's
    private final int port;
    final SocketAddress knownPeer; // as of the beginning; null while connecting
    final SocketAddress knownLocal;
    private final SocketAddress proxy; // null when the peer is the one that the system reports
    private volatile Duration closeTimeout; // null for none
    private boolean accepted; // by a server; written before the stream is published
    private volatile Connecting connecting; // null once connected

    StreamConnection(Transport transport, String host, int port, Duration closeTimeout)
            throws IOException {
        this.transport = transport;
        this.closeTimeout = closeTimeout;
        this.host = host;
        this.port = port;
        this.connecting = transport.isConnecting() ? new Connecting(stream()) : null;
        this.knownPeer = transport.peer();
        this.knownLocal = transport.local();
        this.proxy = transport.proxy();
    }

    private SocketStream stream() {
        return (SocketStream) this; // the only subclass
    }

    abstract StreamInput in();

    abstract StreamOutput out();

    // ---- the connection ----------------------------------------------------------------------

    /**
     * {@return the host that the creating call was given; for an accepted stream, the server's;
     * also once closed}
     */
    public String host() {
        return host != null ? host : Addresses.host(knownPeer);
    }

    /**
     * {@return the port that the creating call was given; for an accepted stream, the server's;
     * also once closed}
     */
    public int port() {
        return port;
    }

    /**
     * Returns the address of the other end, as the operating system reports it.
     *
     * @return the address; once closed, the one known before; null when not connected yet
     * @throws IOException if the system reports none
     */
    public SocketAddress peerAddress() throws IOException {
        return transport.isOpen() ? transport.peer() : knownPeer;
    }

    /**
     * Returns the address of this end, as the operating system reports it.
     *
     * @return the address; once closed, the one known before
     * @throws IOException if the system reports none
     */
    public SocketAddress localAddress() throws IOException {
        return transport.isOpen() ? transport.local() : knownLocal;
    }

    /**
     * Returns the address of the proxy that has announced the peer (PROXY protocol). The system
     * reports this address as the other end, and {@link #peerAddress} the announced one.
     *
     * @return also once closed; null for a stream whose peer was not announced
     */
    public SocketAddress proxyAddress() {
        return proxy;
    }

    /**
     * {@return how many bytes this stream has read from the connection, those in its buffer
     * included, also once closed}
     */
    public long bytesIn() {
        return transport.bytesIn();
    }

    /**
     * {@return how many bytes this stream has written to the connection: a count, also once closed}
     */
    public long bytesOut() {
        return transport.bytesOut();
    }

    // ---- deadlines ---------------------------------------------------------------------------

    /**
     * Bounds every later read, each for itself.
     *
     * @param timeout null for no limit, zero to take available input only
     */
    public void readTimeout(Duration timeout) {
        in().timeout(timeout);
    }

    /**
     * Bounds every later write, each for itself.
     *
     * @param timeout null for no bound
     */
    public void writeTimeout(Duration timeout) {
        out().timeout(timeout);
    }

    /** {@return the bound of each read: null for no bound} */
    public Duration readTimeout() {
        return in().timeout();
    }

    /** {@return the bound of each write: null for no bound} */
    public Duration writeTimeout() {
        return out().timeout();
    }

    /**
     * Bounds how long a later {@link #close} may take to hand over what is buffered.
     *
     * @param timeout null for no bound
     */
    public void closeTimeout(Duration timeout) {
        closeTimeout = Errors.timeout("set-close-timeout!", timeout);
    }

    /**
     * {@return how long {@link #close} may take to hand over what is buffered: null for no bound}
     */
    public Duration closeTimeout() {
        return closeTimeout;
    }

    /**
     * Ends all reading at a point in time: a read under way then, and each begun later, times
     * out().
     *
     * @param fromNow when; null takes an earlier deadline back
     */
    public void readDeadline(Duration fromNow) {
        in().deadline(Deadline.in(fromNow));
    }

    /**
     * Ends all writing at a point in time: a write under way then, and each begun later, times
     * out().
     *
     * @param fromNow when; null takes an earlier deadline back
     */
    public void writeDeadline(Duration fromNow) {
        out().deadline(Deadline.in(fromNow));
    }

    // ---- TLS ---------------------------------------------------------------------------------

    /**
     * Begins TLS on this open connection, as commands like STARTTLS want it, and waits until the
     * handshake is over. What is buffered is sent in plain text first. This side is the server if
     * it has accepted the connection.
     *
     * @param options not null
     * @throws IllegalStateException if the stream is closed, or uses TLS already
     * @throws IOException as {@link #startTls(TlsOptions, boolean)}
     */
    public void startTls(TlsOptions options) throws IOException {
        startTls(options, !accepted);
    }

    /**
     * As {@link #startTls(TlsOptions)}, where the caller knows which side this is. The read timeout
     * and the time for a handshake bound the call.
     *
     * @param options not null
     * @param client whether this side is the client
     * @throws IllegalStateException if the stream is closed, or uses TLS already
     * @throws java.net.SocketTimeoutException if it times out
     * @throws IOException if the peer had sent more in plain text, or the handshake fails
     */
    public void startTls(TlsOptions options, boolean client) throws IOException {
        requireOpen("start-tls!");
        Errors.need("start-tls!", "the TLS options", options, "TlsOptions");
        requirePlain();
        Deadline bound = in().ofNow();
        in().secure(out(), early -> {
            requirePlain(); // another thread may have been faster
            TlsTransport tls = client ? TlsTransport.client(transport, options, host(), port)
                    : TlsTransport.server(transport, options, null);
            tls.carries(stream());
            transport = tls.after(early);
            connecting = new Connecting(stream());
        });
        finishHandshake("start-tls!", bound);
    }

    private void requirePlain() {
        if (transport instanceof TlsTransport) {
            throw new IllegalStateException(Errors.name("start-tls!") + ": " + this
                    + " uses TLS already, expected a stream in plain text");
        }
    }

    /** Waits until the TLS handshake is over; the event loop ends one that is given up here. */
    final void finishHandshake(String operation, HasDeadline patient) throws IOException {
        try {
            finishConnecting(operation, patient);
        } catch (IOException e) {
            IOException failure = connectFailure();
            if (failure == null) {
                watchHandshake();
                throw e;
            }
            throw Errors.insecure(operation, this, failure);
        }
    }

    /** Has the event loop end a TLS handshake whose time is over. */
    final void watchHandshake() {
        if (transport instanceof TlsTransport tls) {
            tls.watch();
        }
    }

    /**
     * Returns the result of the TLS handshake. Waits until the handshake is over, within the read
     * timeout.
     *
     * @return null when the stream does not use TLS
     * @throws IllegalStateException if the stream is closed
     * @throws IOException if the handshake fails or times out
     */
    public TlsSession tlsSession() throws IOException {
        requireOpen("tls-session");
        if (transport instanceof TlsTransport tls) {
            Deadline bound = in().ofNow();
            finishConnecting("tls-session", bound);
            return tls.session();
        }
        return null;
    }

    /** Notes that a server has accepted this connection. */
    final void accepted() {
        accepted = true;
    }

    // ---- connecting --------------------------------------------------------------------------

    /** Returns whether a connection begun with timeout zero may still be on its way. */
    final boolean isConnecting() {
        return connecting != null;
    }

    /** Waits until a connection begun with timeout zero is established. */
    final void finishConnecting(String operation, HasDeadline patient) throws IOException {
        Connecting pending = connecting;
        if (pending != null) {
            pending.finish(operation, patient);
            connecting = null;
        }
    }

    /** Takes a step of a connection begun with timeout zero; returns whether it is established. */
    final boolean isConnectedNow(String operation) throws IOException {
        Connecting pending = connecting;
        if (pending != null && !pending.isDoneNow(operation)) {
            return false;
        }
        connecting = null;
        return true;
    }

    /** Takes a step at connecting; returns null once established, else the status meanwhile. */
    final SocketStatus stepConnecting() {
        Connecting pending = connecting;
        if (pending == null) {
            return null;
        } else if (!pending.step(false)) {
            return SocketStatus.NONE;
        } else if (pending.failure() != null) {
            return SocketStatus.ERROR;
        }
        connecting = null;
        return null;
    }

    /** Takes a step at connecting because its time is over. */
    final void stepAtConnecting() {
        Connecting pending = connecting;
        if (pending != null) {
            pending.step(false);
        }
    }

    final IOException connectFailure() {
        Connecting pending = connecting;
        return pending == null ? null : pending.failure();
    }

    /**
     * The connecting of a stream that was made without waiting for it, with a timeout of zero, or
     * whose TLS handshake is to come: each use or check of the stream takes it further. Streams
     * that are connected have none.
     */
    private static final class Connecting {
        private final SocketStream stream;
        private final StackSafeLock failing = new StackSafeLock(); // held from a failure to the close
        private volatile boolean done;
        private volatile IOException failure; // why it came to nothing

        Connecting(SocketStream stream) {
            this.stream = stream;
        }

        /** Why the connection came to nothing, or null. Its descriptor is free. */
        IOException failure() {
            if (failure != null) {
                failing.lock(); // the thread that found it may still close the connection
                failing.unlock();
            }
            return failure;
        }

        /** Waits until the connection is established. */
        void finish(String operation, HasDeadline patient) throws IOException {
            Transport transport = stream.transport();
            for (;;) {
                int seen = transport.changes();
                if (step(true)) {
                    break;
                } else if (patient.deadline().hasPassed()) {
                    throw Errors.timeout(operation, patient.deadline(),
                            "the connection of " + stream, stream, "it is still being connected, the call can be made again");
                }
                // Asked once the wait can be woken, so that no change falls in between.
                await(operation, () -> transport.changes() != seen ? Deadline.PASSED
                        : patient.deadline().min(transport.connectDeadline()));
            }
            requireSuccess(operation);
        }

        private void await(String operation, HasDeadline patient) throws IOException {
            try {
                stream.await(operation, stream.transport().connectOps(), patient);
            } catch (AsynchronousCloseException e) {
                if (failure == null) { // else it was closed for that reason
                    throw e;
                }
            }
        }

        /** Returns whether the connection is established; throws when it has failed. */
        boolean isDoneNow(String operation) throws IOException {
            boolean decided = step(false);
            requireSuccess(operation);
            return decided;
        }

        private void requireSuccess(String operation) throws IOException {
            IOException why = failure();
            if (why != null) {
                throw Errors.again(operation, stream, why);
            }
        }

        /**
         * Takes a step: true when it is decided what becomes of the connection.
         *
         * @param here whether the calling thread may compute for some time
         */
        boolean step(boolean here) {
            if (done || failure != null) {
                return true;
            }
            try {
                Transport transport = stream.transport();
                done = here ? transport.finishConnectHere() : transport.finishConnect();
                return done;
            } catch (IOException e) {
                fail(e);
                return true;
            }
        }

        private void fail(IOException e) {
            failing.lock();
            try {
                if (failure != null || !stream.isOpen()) {
                    return;
                }
                failure = stream.transport().explain(e, stream.host(), stream.port());
                stream.transport().close(false);
            } catch (IOException notClosed) {
                failure.addSuppressed(notClosed);
            } finally {
                failing.unlock();
            }
            stream.tellObservers();
        }
    }
}
