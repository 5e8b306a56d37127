package parley.net;

import java.io.IOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import parley.net.RetryTrigger.BackOff;
import parley.net.wait.ChannelSource;
import parley.net.wait.Deadline;
import parley.net.wait.Log;
import parley.net.wait.Source;
import parley.net.wait.ThreadWaits;
import parley.posix.StackSafeLock;

/**
 * Listens for connections (CLISP {@code SOCKET:SOCKET-SERVER}): TCP or Unix-domain. Any number of
 * threads may accept at once. Close servers: one that becomes unreachable is closed by a
 * {@link java.lang.ref.Cleaner}, but when is up to the garbage collector, and its port cannot be
 * bound again before.
 *
 * <pre>{@code
 * try (SocketServer server = SocketServer.listen(ServerOptions.builder().host("127.0.0.1").build())) {
 *     System.out.println(server.port());
 *     try (SocketStream stream = server.accept()) {
 *         stream.out().writeLine("hello");
 *     } // close flushes
 * }
 * }</pre>
 */
public final class SocketServer extends Pollable {
    private final ServerSocketChannel channel;
    private final ServerSocketChannel twin; // at ::1 beside 127.0.0.1; null for none
    private final ChannelSource source;
    private final SocketAddress address;
    private final UnixSocketFile file; // null for TCP, and for an adopted channel
    private final OpenObjects.Guard guard;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final CountDownLatch closing = new CountDownLatch(1); // ends pauses
    private final Handshakes handshakes = new Handshakes();
    private boolean twinFirst; // whose turn it is; a race on it does no harm
    private volatile Duration readTimeout; // of accepts, and of streams accepted; null for none
    private volatile Duration writeTimeout; // of streams accepted; null for none

    SocketServer(ServerSocketChannel channel, ServerSocketChannel twin,
            SocketAddress address, UnixSocketFile file) throws IOException {
        channel.configureBlocking(false);
        if (twin != null) {
            twin.configureBlocking(false);
        }
        ChannelSource mine = ChannelSource.ofOwn(channel, twin);
        this.channel = channel;
        this.twin = twin;
        this.source = mine;
        this.address = address;
        this.file = file;
        boolean made = false;
        try {
            this.guard = OpenObjects.guard(this, "a socket server at " + Addresses.show(address),
                    () -> release(channel, twin, mine, file));
            made = true;
        } finally {
            if (!made) {
                mine.release(); // the caller closes what it has opened
            }
        }
    }

    // ---- making ------------------------------------------------------------------------------

    /**
     * Listens on a port of all IPv4 interfaces.
     *
     * @param port 0 to 65535; 0 lets the system choose
     * @throws BindException if the port is in use
     * @throws IOException if it fails otherwise
     */
    public static SocketServer listen(int port) throws IOException {
        return listen(ServerOptions.builder().port(port).build());
    }

    /**
     * Listens at the address of the options.
     *
     * @param options port and interface, or path
     * @throws BindException if the address is in use or not this machine's; for a path also when
     *     the file there is no socket
     * @throws java.net.UnknownHostException if the interface's name has no address
     * @throws IOException if it fails otherwise, for example for want of permission
     */
    public static SocketServer listen(ServerOptions options) throws IOException {
        return Listening.listen(options);
    }

    /**
     * Makes a server of a bound channel, which becomes the server's own and non-blocking.
     *
     * @param channel TCP or Unix-domain, for example {@link System#inheritedChannel()}; the file of
     *     a Unix-domain one is left alone on close
     * @throws IllegalArgumentException if the channel is not open and bound
     * @throws IOException if the channel cannot be made non-blocking
     */
    public static SocketServer adopt(ServerSocketChannel channel) throws IOException {
        if (channel == null || !channel.isOpen() || channel.getLocalAddress() == null) {
            throw new IllegalArgumentException(Errors.name("socket-server") + ": the channel is " + channel
                    + ", expected an open and bound ServerSocketChannel");
        }
        return new SocketServer(channel, null, channel.getLocalAddress(), null);
    }

    /**
     * Makes a server of the handle of a socket that listens, such as one that a service manager
     * passes on (socket activation: the first is 3). The server works on a duplicate: closing it
     * leaves the handle open, and the socket listening, until the handle is closed, too.
     *
     * @param handle the number of a descriptor
     * @throws IllegalArgumentException if the handle is no socket of TCP or of the Unix domain that
     *     listens
     * @throws UnsupportedOperationException without JNA, or on a platform other than Linux and
     *     macOS
     * @throws IOException if it fails otherwise
     */
    public static SocketServer ofHandle(int handle) throws IOException {
        return Listening.ofHandle(handle);
    }

    // ---- accepting ---------------------------------------------------------------------------

    /**
     * Waits for a connection and accepts it, with the default options.
     *
     * @throws IOException as {@link #accept(StreamOptions)}
     */
    public SocketStream accept() throws IOException {
        return accept(StreamOptions.DEFAULT);
    }

    /**
     * Waits for a connection and accepts it (CLISP {@code SOCKET:SOCKET-ACCEPT}).
     *
     * @param options of the stream; the timeout bounds the wait and is not inherited by the stream
     * @throws IllegalStateException if the server is closed
     * @throws java.net.SocketTimeoutException if it times out
     * @throws java.nio.channels.AsynchronousCloseException if the server is closed meanwhile
     * @throws java.io.InterruptedIOException if the thread is interrupted; the server stays open
     * @throws IOException if accepting fails; while the process or the system is out of descriptors
     *     or memory the call tries again, ever less often, until it times out
     */
    public SocketStream accept(StreamOptions options) throws IOException {
        Errors.options("socket-accept", options);
        Deadline deadline =
                Deadline.in(options.timeout() == null ? readTimeout : options.timeout());
        requireOpen("socket-accept");
        AcceptBackoff pauses = new AcceptBackoff("socket-accept", this, closing);
        for (;;) {
            try {
                SocketStream stream = acceptNow(options);
                if (stream != null) {
                    return stream;
                } else if (deadline.hasPassed()) {
                    throw Errors.timeout("socket-accept", deadline, "a connection to " + this, this,
                            "no client has connected");
                }
                awaitVisibly("socket-accept", SelectionKey.OP_ACCEPT, deadline);
            } catch (IOException e) {
                if (!ErrorCode.isExhaustion(e) || deadline.hasPassed()) {
                    throw e;
                }
                pauses.pause(e, deadline);
            }
        }
    }

    /**
     * Accepts a connection if one waits.
     *
     * @param options of the stream; the timeout does not matter
     * @return the stream, or null
     * @throws IOException as {@link #accept(StreamOptions)}, but at once also for want of
     *     descriptors: the connection waits on
     */
    public SocketStream acceptNow(StreamOptions options) throws IOException {
        Errors.options("socket-accept", options);
        ChannelTransport transport = acceptTransport();
        return transport == null ? null : stream(transport, options);
    }

    /** Accepts a connection if one has come, as what a stream is made of; null when none has. */
    ChannelTransport acceptTransport() throws IOException {
        SocketChannel accepted;
        try {
            accepted = acceptChannel();
        } catch (ClosedChannelException e) {
            throw Errors.closedMeanwhile("socket-accept", this);
        } catch (IOException e) {
            throw ErrorInfo.attach(new SocketException(Errors.name("socket-accept") + ": " + this + ": "
                    + Errors.words(e) + ": a connection that waits stays in the queue; try again later"),
                    this, e);
        }
        return accepted == null ? null : ChannelTransport.ofNew(accepted);
    }

    private SocketChannel acceptChannel() throws IOException {
        if (twin == null) {
            return channel.accept();
        }
        twinFirst = !twinFirst;
        SocketChannel accepted = (twinFirst ? twin : channel).accept();
        return accepted != null ? accepted : (twinFirst ? channel : twin).accept();
    }

    /**
     * Makes the stream of an accepted connection; closes the connection if that fails. A TLS
     * handshake is left to the first operation of the stream, so that accepting goes on.
     */
    SocketStream stream(ChannelTransport transport, StreamOptions options) throws IOException {
        try {
            SocketStream stream = new SocketStream(options.tls() == null ? transport
                    : TlsTransport.server(transport, options.tls(), handshakes), host(), port(), options);
            stream.accepted();
            stream.watchHandshake();
            if (address instanceof InetSocketAddress) {
                // The kernel hands these options on, for TCP.
                stream.readTimeout(options.readTimeoutOr(readTimeout));
                stream.writeTimeout(options.writeTimeoutOr(writeTimeout));
            }
            FlightEvents.accepted(this, stream);
            return stream;
        } catch (IOException | RuntimeException | Error e) {
            transport.close(true);
            throw e;
        }
    }

    /** The handshakes under way of a server. When there are too many, the oldest fails. */
    static final class Handshakes {
        static final int MOST = 256;

        private final Set<TlsTransport> underWay = new LinkedHashSet<>(); // guarded by lock
        private final StackSafeLock lock = new StackSafeLock();

        void add(TlsTransport newest) {
            TlsTransport oldest = null;
            lock.lock();
            try {
                underWay.add(newest);
                if (underWay.size() > MOST) {
                    oldest = underWay.iterator().next();
                    underWay.remove(oldest);
                }
            } finally {
                lock.unlock();
            }
            if (oldest != null) {
                oldest.giveWay();
            }
        }

        void remove(TlsTransport over) {
            lock.lock();
            try {
                underWay.remove(over);
            } finally {
                lock.unlock();
            }
        }
    }

    /**
     * Waits until an accept will not block (CLISP {@code SOCKET:SOCKET-WAIT}).
     *
     * @param timeout null for ever, zero to poll
     * @return false when it times out
     * @throws IOException as {@link #status}
     */
    public boolean awaitConnection(Duration timeout) throws IOException {
        return status("socket-wait", Direction.INPUT, timeout) == SocketStatus.READY;
    }

    OpenObjects.Guard guard() {
        return guard;
    }

    // ---- accessors ---------------------------------------------------------------------------

    /**
     * {@return the address that the server listens on, as a number, or the path of its file: for
     * example {@code "0.0.0.0"}; also once closed}
     */
    public String host() {
        return Addresses.host(address);
    }

    /**
     * {@return the port that the server listens on: 1 to 65535, 0 for a Unix-domain server; also
     * once closed}
     */
    public int port() {
        return Addresses.port(address);
    }

    /** {@return the address that the server listens on, also once closed} */
    public SocketAddress localAddress() {
        return address;
    }

    /**
     * Returns the NIO channel underneath. After this call the garbage collector does not close it,
     * so that it can be used without the server: close one of the two.
     *
     * @return the channel, always the same one
     */
    public ServerSocketChannel channel() {
        guard.handOut();
        return channel;
    }

    /** As {@link #channel}, for use while this server is reachable. */
    ServerSocketChannel ownChannel() {
        return channel;
    }

    /** Returns SO_RCVTIMEO as it was set, null for none. */
    Duration readTimeout() {
        return readTimeout;
    }

    /** Returns SO_SNDTIMEO as it was set, null for none. */
    Duration writeTimeout() {
        return writeTimeout;
    }

    /** SO_RCVTIMEO as it was set, null for none. */
    void readTimeout(Duration timeout) {
        readTimeout = timeout;
    }

    /** SO_SNDTIMEO as it was set, null for none. */
    void writeTimeout(Duration timeout) {
        writeTimeout = timeout;
    }

    // ---- status and closing ------------------------------------------------------------------

    @Override
    Source source() {
        return source;
    }

    @Override
    int interest(Direction direction) {
        return SelectionKey.OP_ACCEPT;
    }

    @Override
    SocketStatus evaluate(Direction direction, int ready) throws IOException {
        int found = ready == UNKNOWN ? ThreadWaits.ready(source, SelectionKey.OP_ACCEPT) : ready;
        return (found & SelectionKey.OP_ACCEPT) != 0 ? SocketStatus.READY : SocketStatus.NONE;
    }

    @Override
    public boolean isOpen() {
        return !closed.get();
    }

    /**
     * Stops listening; connections accepted before are left alone. When this returns the port or
     * path can be bound again. Closing again does nothing.
     */
    @Override
    public void close() throws IOException {
        if (closed.compareAndSet(false, true)) {
            noteClosing();
            closing.countDown();
            try {
                release(channel, twin, source, file);
            } finally {
                guard.release();
                tellObservers();
            }
        }
    }

    static void release(ServerSocketChannel channel, ServerSocketChannel twin,
            ChannelSource source, UnixSocketFile file) throws IOException {
        try {
            if (file != null) {
                file.delete(); // while the address is still ours
            }
        } finally {
            try {
                channel.close();
                if (twin != null) {
                    twin.close();
                }
            } finally {
                if (source != null) {
                    source.release();
                }
            }
        }
    }

    @Override
    public String toString() {
        return "#<socket-server " + Addresses.show(this) + (isOpen() ? ">" : " closed>");
    }

    boolean isOnBothLoopbacks() {
        return twin != null;
    }

    /**
     * The rests of one blocking accept while nothing is left to accept with: within its deadline,
     * ended by close and interrupt, and logged once a second at most, however many threads accept.
     */
    static final class AcceptBackoff {
        private static final AtomicLong LAST_REPORT =
                new AtomicLong(System.nanoTime() - BackOff.LONGEST.toNanos());

        private final String operation;
        private final Pollable object;
        private final CountDownLatch closing; // released when the object is closed
        private final BackOff backOff = new BackOff(); // of the accepting thread

        AcceptBackoff(String operation, Pollable object, CountDownLatch closing) {
            this.operation = operation;
            this.object = object;
            this.closing = closing;
        }

        /**
         * Waits before the next attempt, within the deadline; ends early when the object is closed.
         */
        void pause(IOException cause, Deadline deadline) throws IOException {
            report(cause);
            long nanos = Math.min(backOff.next().toNanos(), deadline.remaining());
            FlightEvents.acceptPaused(object, nanos, cause);
            try {
                closing.await(nanos, TimeUnit.NANOSECONDS);
            } catch (InterruptedException e) {
                throw Errors.interrupted(operation, "waited for descriptors to accept with: " + object,
                        object, "");
            }
            if (!object.isOpen()) {
                throw Errors.closedMeanwhile(operation, object);
            }
        }

        private void report(IOException cause) {
            long now = System.nanoTime();
            long last = LAST_REPORT.get();
            if (now - last >= BackOff.LONGEST.toNanos() && LAST_REPORT.compareAndSet(last, now)) {
                Log.warning(Log.Part.ACCEPT, operation + " pauses, connections wait: " + Errors.text(cause));
            }
        }
    }
}
