package parley.net;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import parley.net.wait.Deadline;
import parley.posix.StackSafeLock;

/** A connection of a {@link Server}, how it is served, and how it ends. */
final class ServedConnection implements Server.Connection, Runnable {
    private static final Duration SILENCE = Duration.ofMillis(300);
    private static final Duration LONGEST = Duration.ofSeconds(2);
    private static final int SKIPPED_AT_MOST = 1 << 20;
    private static final int DROPPED_AT_MOST = 1 << 16;
    private static final int CHUNK = 8192;

    private final Server server;
    private final long id;
    private final ChannelTransport transport;
    private final Instant since = Instant.now();
    private final long began = System.nanoTime();
    private final CountDownLatch done = new CountDownLatch(1);
    private final AtomicBoolean over = new AtomicBoolean();
    private volatile SocketAddress peer;
    private volatile Map<Integer, byte[]> extras = Map.of();
    private volatile SocketStream stream; // null until the proxy's header was read
    private volatile boolean admitted;
    private volatile Thread thread; // null until the handler runs; serves other connections later
    private final StackSafeLock interrupts = new StackSafeLock(); // keeps the thread while it is interrupted
    private volatile boolean counted; // by its address
    private volatile Object attachment;

    ServedConnection(Server server, long id, ChannelTransport transport) throws IOException {
        this.server = server;
        this.id = id;
        this.transport = transport;
        this.peer = transport.peer();
    }

    // ---- what is known -----------------------------------------------------------------------

    @Override
    public long id() {
        return id;
    }

    @Override
    public Server server() {
        return server;
    }

    @Override
    public SocketStream stream() {
        return stream;
    }

    @Override
    public SocketAddress peer() {
        return peer;
    }

    @Override
    public Map<Integer, byte[]> proxyExtras() {
        return extras;
    }

    @Override
    public Instant since() {
        return since;
    }

    /** How long ago the connection was accepted, whatever is done to the clock meanwhile. */
    Duration age() {
        return Duration.ofNanos(System.nanoTime() - began);
    }

    @Override
    public boolean isAdmitted() {
        return admitted;
    }

    @Override
    public Thread thread() {
        return thread;
    }

    @Override
    public long bytesIn() {
        return transport.bytesIn();
    }

    @Override
    public long bytesOut() {
        return transport.bytesOut();
    }

    @Override
    public Object attachment() {
        return attachment;
    }

    @Override
    public void attach(Object object) {
        attachment = object;
    }

    @Override
    public boolean interrupt() {
        interrupts.lock();
        try {
            Thread running = thread;
            if (running == null || over.get()) {
                return false;
            }
            running.interrupt();
            return true;
        } finally {
            interrupts.unlock();
        }
    }

    @Override
    public boolean await(Duration timeout) throws InterruptedException {
        return await(Deadline.in(timeout));
    }

    boolean await(Deadline deadline) throws InterruptedException {
        return done.await(deadline.remaining(), TimeUnit.NANOSECONDS);
    }

    // ---- for the server ----------------------------------------------------------------------

    ChannelTransport transport() {
        return transport;
    }

    /** What {@code maxPerAddress} counts: the address without the port, or null for Unix-domain. */
    Object address() {
        return peer instanceof InetSocketAddress inet ? inet.getAddress() : null;
    }

    void announced(ProxyHeader header) {
        extras = Map.copyOf(header.extras());
        if (header.source() != null) {
            transport.announce(header.source());
            peer = header.source();
        }
    }

    void opened(SocketStream made, Duration idleTimeout) {
        if (made.in().timeout() == null) {
            made.readTimeout(idleTimeout);
        }
        if (made.out().timeout() == null) {
            made.writeTimeout(idleTimeout);
        }
        stream = made;
    }

    /** Notes that the handler starts, or that no thread could be had for it. */
    void admitted(boolean starts) {
        admitted = starts;
    }

    boolean isOver() {
        return over.get();
    }

    /** True for the first caller. */
    boolean end() {
        return over.compareAndSet(false, true);
    }

    void counted() {
        counted = true;
    }

    boolean wasCounted() {
        return counted;
    }

    /** Drops unsent output: it is part of a response that will not be completed. */
    void dropOutput() {
        try {
            stream.out().clear();
        } catch (IOException | IllegalStateException e) {
            server.events.trace("the client of connection " + id + " has gone", e);
        }
    }

    void done() {
        done.countDown();
    }

    /** Makes the handler read the end of input: an idle one returns, a busy one when it reads. */
    void endInput() {
        try {
            stream.shutdown(Direction.INPUT);
        } catch (IOException | IllegalStateException e) {
            server.events.trace("the client of connection " + id + " has gone", e);
        }
    }

    void abort() {
        try {
            if (stream != null) {
                stream.abort();
            } else {
                transport.close(true);
            }
        } catch (IOException e) {
            server.events.trace("closing connection " + id, e);
        }
    }

    /**
     * Closes a connection whose handler has returned: sends what is buffered and the end, takes
     * what the client has still sent, within bounds, and closes. Closing with unread input would
     * reset the connection, and the client could lose output that it has not read yet.
     */
    void closeQuietly() {
        Thread.interrupted(); // what interrupted the handler must not cut off its output
        try {
            if (stream.isOpen() && stream.isOutput()) {
                stream.shutdown(Direction.OUTPUT);
                skipInput();
            }
        } catch (IOException | IllegalStateException e) {
            server.events.trace("the client of connection " + id + " has gone", e);
        } finally {
            try {
                stream.close();
            } catch (IOException e) {
                server.events.trace("closing connection " + id, e);
            }
        }
    }

    private void skipInput() throws IOException {
        stream.readTimeout(SILENCE);
        stream.readDeadline(LONGEST);
        InputStream in = stream.inputStream();
        byte[] chunk = new byte[CHUNK];
        int left = SKIPPED_AT_MOST;
        try {
            for (int n = 0; n >= 0 && left > 0; left -= n) {
                n = in.read(chunk);
            }
        } catch (SocketTimeoutException e) {
            server.events.trace("the client of connection " + id + " does not close it", e);
        }
    }

    /** Takes what a refused client has sent, without waiting, so that it sees no reset. */
    void refuse() {
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK);
        try {
            int left = DROPPED_AT_MOST;
            for (int n = 1; n > 0 && left > 0; left -= n) {
                n = transport.read(chunk.clear());
            }
        } catch (IOException e) {
            server.events.trace("the client of connection " + id + " has gone", e);
        } finally {
            abort();
        }
    }

    // ---- serving -----------------------------------------------------------------------------

    /** Lends the thread to the connection, and leaves it as it was found. */
    @Override
    public void run() {
        Thread own = Thread.currentThread();
        String name = own.getName();
        ClassLoader loader = own.getContextClassLoader();
        own.setName(name + "-" + id);
        thread = own;
        try {
            serve();
        } finally {
            own.setContextClassLoader(loader);
            own.setName(name);
        }
    }

    private void serve() {
        try {
            if (!isOver() && isSecure()) {
                server.options.handler.serve(this);
            }
        } catch (Throwable e) {
            failed(e);
        } finally {
            try {
                closeQuietly();
            } finally {
                ended();
            }
        }
    }

    /** Waits for the handshake of TLS, if there is one; refuses the connection when it fails. */
    private boolean isSecure() {
        if (server.options.streamOptions.tls() == null) {
            return true;
        }
        try {
            stream.tlsSession();
            return true;
        } catch (IOException | IllegalStateException e) { // the latter if it was refused meanwhile
            server.connections.refuse(this, ServerEvents.REFUSED, "tls", Errors.text(e));
            return false;
        }
    }

    private void ended() {
        end();
        interrupts.lock(); // waits for an interrupt under way
        interrupts.unlock();
        try {
            // While it is still among the connections, or the stop would be reported before.
            server.events.happened(ServerEvents.DISCONNECT, this, null, null);
        } finally {
            server.connections.forget(this);
            done();
        }
    }

    private void failed(Throwable thrown) {
        Throwable e = thrown instanceof UncheckedIOException ? thrown.getCause() : thrown;
        if (isOver() || !server.isOpen()
                && (e instanceof IOException || e instanceof InterruptedException)) {
            server.events.trace("connection " + id + " was ended by its server", e);
        } else if (!isConnectionFailure(e)) {
            dropOutput();
            server.events.failed(this, thrown);
        } else if (e instanceof SocketTimeoutException) {
            server.events.happened(ServerEvents.IDLE, this, Errors.text(e), null);
        } else if (!(e instanceof ClosedChannelException)) { // closed on this side, by the handler
            server.events.happened(ServerEvents.LOST, this, Errors.text(e), e);
        }
    }

    /** Returns whether the connection failed, not the handler. */
    private boolean isConnectionFailure(Throwable e) {
        if (e instanceof java.io.EOFException) {
            return true;
        }
        ErrorInfo info = e instanceof IOException && !ErrorInfo.isAboutData(e)
                ? ErrorInfo.of(e) : null;
        return info != null && stream.knownPeer != null && stream.knownPeer.equals(info.remote())
                && stream.knownLocal.equals(info.local())
                && (server.options.idleTimeout != null || !(e instanceof SocketTimeoutException));
    }

    @Override
    public String toString() {
        return "#<connection " + id + " of " + Addresses.show(peer) + ">";
    }
}
