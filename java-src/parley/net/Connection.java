package parley.net;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import parley.net.wait.Deadline;

/**
 * A connection that a {@link Server} has accepted: its stream, its peer, and the thread in which
 * the handler runs. It exists until the handler has returned and the stream is closed.
 *
 * <pre>{@code
 * for (Connection each : server.connections()) {
 *     System.out.println(each.peer() + " since " + each.since());
 * }
 * }</pre>
 */
public final class Connection {
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
    private volatile Thread thread; // null until it was admitted
    private volatile boolean counted; // by its address
    private volatile Object attachment;

    Connection(Server server, long id, ChannelTransport transport) throws IOException {
        this.server = server;
        this.id = id;
        this.transport = transport;
        this.peer = transport.peer();
    }

    // ---- what is known -----------------------------------------------------------------------

    /**
     * Returns the number of this connection.
     *
     * @return 1 for the first that the server has accepted
     */
    public long id() {
        return id;
    }

    /**
     * Returns the server that has accepted the connection.
     *
     * @return never null
     */
    public Server server() {
        return server;
    }

    /**
     * Returns the stream that the handler is called with.
     *
     * @return null while the header of a proxy is still missing
     */
    public SocketStream stream() {
        return stream;
    }

    /**
     * Returns the address of the client, as a trusted proxy has announced it or as the system
     * reports it.
     *
     * @return an address of TCP or of the Unix domain
     */
    public SocketAddress peer() {
        return peer;
    }

    /**
     * Returns the further fields of the header of a proxy (the TLVs of version 2 of the PROXY
     * protocol).
     *
     * @return values by type, such as 2 for the host name that a client of TLS has asked for
     */
    public Map<Integer, byte[]> proxyExtras() {
        return extras;
    }

    /**
     * Returns when the connection was accepted.
     *
     * @return a point in wall clock time
     */
    public Instant since() {
        return since;
    }

    /** How long ago the connection was accepted, whatever is done to the clock meanwhile. */
    Duration age() {
        return Duration.ofNanos(System.nanoTime() - began);
    }

    /**
     * Returns whether the handler was started.
     *
     * @return false while the connection waits for a proxy's header or for its admission
     */
    public boolean isAdmitted() {
        return thread != null;
    }

    /**
     * Returns the thread of the handler.
     *
     * @return null before it was started
     */
    public Thread thread() {
        return thread;
    }

    /**
     * Returns how many bytes were received.
     *
     * @return bytes, a proxy's header included
     */
    public long bytesIn() {
        return transport.bytesIn();
    }

    /**
     * Returns how many bytes were sent.
     *
     * @return bytes, those still in the buffer of the stream not included
     */
    public long bytesOut() {
        return transport.bytesOut();
    }

    /**
     * Returns what was attached.
     *
     * @return null or any object
     */
    public Object attachment() {
        return attachment;
    }

    /**
     * Keeps an object with this connection, for the code that serves it.
     *
     * @param object null or any object
     */
    public void attach(Object object) {
        attachment = object;
    }

    /**
     * Interrupts the handler, or what it waits for.
     *
     * @return false when the handler does not run
     */
    public boolean interrupt() {
        Thread running = thread;
        if (running == null || over.get()) {
            return false;
        }
        running.interrupt();
        return true;
    }

    /**
     * Waits until the connection is over.
     *
     * @param timeout null to wait for ever
     * @return false when it was not over in time
     * @throws InterruptedException if the calling thread is interrupted
     */
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

    /** Makes the handler's thread known, before it starts; null when it cannot be started. */
    void thread(Thread started) {
        thread = started;
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
            server.events().trace("the client of connection " + id + " has gone", e);
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
            server.events().trace("the client of connection " + id + " has gone", e);
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
            server.events().trace("closing connection " + id, e);
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
            server.events().trace("the client of connection " + id + " has gone", e);
        } finally {
            try {
                stream.close();
            } catch (IOException e) {
                server.events().trace("closing connection " + id, e);
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
            server.events().trace("the client of connection " + id + " does not close it", e);
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
            server.events().trace("the client of connection " + id + " has gone", e);
        } finally {
            abort();
        }
    }

    @Override
    public String toString() {
        return "#<connection " + id + " of " + Addresses.show(peer) + ">";
    }
}
