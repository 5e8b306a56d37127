package parley.net;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import parley.net.wait.Threads;

/**
 * Accepts connections and calls a handler for each on a thread of its own.
 *
 * <pre>{@code
 * Server.Handler echo = stream -> {
 *     for (String line = stream.in().readLine(); line != null; line = stream.in().readLine()) {
 *         stream.out().writeLine(line);
 *         stream.out().flush();
 *     }
 * };
 * try (Server server = Server.builder(echo).port(7007).maxConnections(1000).start()) {
 *     System.out.println("listening on " + server.localAddress());
 *     Thread.sleep(60_000);
 * } // stops accepting, lets idle handlers read the end, allows busy ones a second
 * }</pre>
 *
 * <p>The stream is closed when the handler returns. While {@link ServerBuilder#maxConnections} are
 * open the server does not accept, so that clients wait in the backlog of the system. No failure
 * ends the server: when the process has no descriptors or no memory left it pauses and tries again.
 */
public final class Server implements Closeable {
    private static final long ACCEPTOR_ENDS_MILLIS = 2000;

    private final ServerBuilder options;
    private final SocketServer listener;
    private final String name;
    private final Acceptor acceptor;
    private final Thread thread;
    private final Instant since = Instant.now();
    private final long began = System.nanoTime();
    private final boolean virtual;
    private final Connections connections;
    private final AtomicBoolean closing = new AtomicBoolean();
    private final CountDownLatch unbound = new CountDownLatch(1);
    private final ServerEvents events;

    Server(ServerBuilder options, SocketServer listener) throws IOException {
        this.options = options;
        this.listener = listener;
        this.name = options.name() != null ? options.name()
                : "server-" + (port() > 0 ? String.valueOf(port()) : host());
        this.events = new ServerEvents(name, options);
        this.connections = new Connections(this, options, events);
        this.virtual = options.virtualThreads() && Threads.virtualCanSelect();
        this.acceptor = new Acceptor(this, listener);
        this.thread = Threads.unstarted(name + "-accept", false, acceptor);
    }

    /** Fails with an IOException, as for lack of descriptors, when the system has no thread left. */
    void begin() throws IOException {
        boolean begun = false;
        try {
            thread.start();
            begun = true;
        } catch (OutOfMemoryError e) {
            throw new IOException(Errors.name("serve") + ": the thread that accepts cannot be started: "
                    + e.getMessage() + "; end some threads, or raise the process's limit", e);
        } finally {
            if (!begun) {
                acceptor.neverRan();
            }
        }
    }

    /**
     * Returns a builder for a server that listens on 127.0.0.1, on a port that the system chooses.
     *
     * @param handler called for each connection
     * @return a new builder
     */
    public static ServerBuilder builder(Handler handler) {
        return new ServerBuilder(handler);
    }

    /** Serves one connection. */
    @FunctionalInterface
    public interface Handler {
        /**
         * Serves a connection until it returns or throws; then the stream is closed. Called on a
         * thread of its own. Failures of the connection itself need no treatment: they are reported
         * as events.
         *
         * @param stream of the client
         * @throws Exception if it fails: see {@link ServerBuilder#onError}
         */
        void handle(SocketStream stream) throws Exception;

        /**
         * As {@link #handle}, for handlers that want to know more of the connection; calls that
         * method unless it is overridden.
         *
         * @param connection of the client
         * @throws Exception as {@link #handle}
         */
        default void serve(Connection connection) throws Exception {
            handle(connection.stream());
        }
    }

    /**
     * An event, for audits and logs.
     *
     * @param kind {@code connect}, {@code disconnect}, {@code refused} (or what the admission calls
     *     it), {@code lost} (the connection broke), {@code idle}, {@code failed} (the handler
     *     threw), {@code pause} (accepting failed and is tried again), {@code stuck} (a handler
     *     goes on after close) or {@code stop}
     * @param at wall clock time
     * @param server the server's name
     * @param connection null for {@code pause} and {@code stop}
     * @param reason for people, or null
     * @param cause an exception, or null
     */
    public record Event(String kind, Instant at, String server, Connection connection,
            String reason, Throwable cause) {
    }

    /**
     * Counts of a server.
     *
     * @param accepted connections since the start
     * @param open connections now, those waiting for admission included
     * @param waiting connections that have no thread yet
     * @param events how many events of each kind there were, refusals by their cause
     * @param bytesIn received since the start
     * @param bytesOut sent since the start
     * @param oldest age of the oldest open connection, zero when there is none
     * @param full whether the limit of connections is reached, so that clients wait in the backlog
     * @param pausing whether accepting has failed and is tried again
     */
    public record Stats(long accepted, int open, int waiting, Map<String, Long> events,
            long bytesIn, long bytesOut, Duration oldest, boolean full, boolean pausing) {
    }

    // ---- accessors ---------------------------------------------------------------------------

    /**
     * Returns the port that the server listens on.
     *
     * @return 1 to 65535, 0 for a Unix-domain server; also once closed
     */
    public int port() {
        return listener.port();
    }

    /**
     * Returns the address that the server listens on, or the path of its file.
     *
     * @return for example {@code "127.0.0.1"}; also once closed
     */
    public String host() {
        return listener.host();
    }

    /**
     * Returns where the server listens.
     *
     * @return an address of TCP or of the Unix domain; also once closed
     */
    public SocketAddress localAddress() {
        return listener.localAddress();
    }

    /**
     * Returns the name of the server, which is in the names of its threads and in its events.
     *
     * @return never null
     */
    public String name() {
        return name;
    }

    /**
     * Returns when the server was started.
     *
     * @return wall clock time
     */
    public Instant since() {
        return since;
    }

    /**
     * Returns how long ago the server was started, whatever is done to the clock meanwhile.
     *
     * @return zero or more
     */
    public Duration age() {
        return Duration.ofNanos(System.nanoTime() - began);
    }

    /**
     * Returns whether the server accepts.
     *
     * @return false once closing has begun
     */
    public boolean isOpen() {
        return !closing.get();
    }

    /**
     * Returns the open connections, in the order of their arrival.
     *
     * @return a new list
     */
    public List<Connection> connections() {
        return connections.all();
    }

    /**
     * Returns the connection whose handler the calling thread runs.
     *
     * @return null on other threads
     */
    public Connection current() {
        return connections.current();
    }

    /**
     * Counts.
     *
     * @return the numbers of now
     */
    public Stats stats() {
        return connections.stats(acceptor.isResting());
    }

    // ---- for the acceptor --------------------------------------------------------------------

    boolean isClosing() {
        return closing.get();
    }

    boolean isFull() {
        return connections.isFull();
    }

    Duration idleTimeout() {
        return options.idleTimeout();
    }

    StreamOptions streamOptions() {
        return options.streamOptions();
    }

    Connections open() {
        return connections;
    }

    Acceptor acceptor() {
        return acceptor;
    }

    Admission admission() {
        return options.admission();
    }

    ServerEvents events() {
        return events;
    }

    /** Returns whether each connection begins with the header of a proxy. */
    boolean expectsHeader() {
        return options.proxies() != null;
    }

    boolean isTrustedProxy(Connection connection) {
        return options.proxies().isEmpty()
                || options.proxies().stream().anyMatch(each -> each.contains(connection.peer()));
    }

    /** Starts the handler's thread. */
    void start(Connection connection) {
        try {
            Thread own = Threads.unstarted(name + "-" + connection.id(), virtual,
                    () -> run(connection));
            connection.thread(own);
            events.happened(ServerEvents.CONNECT, connection, null, null);
            own.start();
        } catch (Throwable e) { // the system has no more threads, or no more memory
            connection.thread(null);
            connections.refuse(connection, ServerEvents.REFUSED, "no-thread",
                    "there is no thread for it: " + Errors.text(e));
        }
    }

    /**
     * Closes a connection that is not served, or one that has to make room for others. Nothing is
     * sent.
     *
     * @param connection of this server
     * @param event the kind of the event
     * @param reason for people
     */
    public void refuse(Connection connection, String event, String reason) {
        connections.refuse(connection, event, event, reason);
    }


    // ---- serving -----------------------------------------------------------------------------

    private void run(Connection connection) {
        try {
            if (!connection.isOver() && isSecure(connection)) {
                options.handler().serve(connection);
            }
        } catch (Throwable e) {
            failed(connection, e);
        } finally {
            try {
                connection.closeQuietly();
            } finally {
                ended(connection);
            }
        }
    }

    /** Waits for the handshake of TLS, if there is one; refuses the connection when it fails. */
    private boolean isSecure(Connection connection) {
        if (options.streamOptions().tls() == null) {
            return true;
        }
        connections.handshakeBegins(connection);
        try {
            connection.stream().tlsSession();
            return true;
        } catch (IOException | IllegalStateException e) { // the latter if it was refused meanwhile
            connections.refuse(connection, ServerEvents.REFUSED, "tls", Errors.text(e));
            return false;
        } finally {
            connections.handshakeEnds(connection);
        }
    }

    private void ended(Connection connection) {
        connection.end();
        try {
            // While it is still among the connections, or the stop would be reported before.
            events.happened(ServerEvents.DISCONNECT, connection, null, null);
        } finally {
            connections.forget(connection);
            connection.done();
        }
    }

    private void failed(Connection connection, Throwable thrown) {
        Throwable e = thrown instanceof UncheckedIOException ? thrown.getCause() : thrown;
        if (connection.isOver() || isClosing()
                && (e instanceof IOException || e instanceof InterruptedException)) {
            events.trace("connection " + connection.id() + " was ended by its server", e);
        } else if (!isOfConnection(connection, e)) {
            connection.dropOutput();
            events.failed(connection, thrown);
        } else if (e instanceof SocketTimeoutException) {
            events.happened(ServerEvents.IDLE, connection, Errors.text(e), null);
        } else if (!(e instanceof ClosedChannelException)) { // closed on this side, by the handler
            events.happened(ServerEvents.LOST, connection, Errors.text(e), e);
        }
    }

    /** Returns whether the connection failed, not the handler. */
    private boolean isOfConnection(Connection connection, Throwable e) {
        if (e instanceof java.io.EOFException) {
            return true;
        }
        SocketStream stream = connection.stream();
        ErrorInfo info = e instanceof IOException ? ErrorInfo.of(e) : null;
        return info != null && stream.knownPeer != null && stream.knownPeer.equals(info.remote())
                && stream.knownLocal.equals(info.local())
                && (options.idleTimeout() != null || !(e instanceof SocketTimeoutException));
    }

    // ---- closing -----------------------------------------------------------------------------

    /**
     * Stops accepting, so that the endpoint can be bound again, ends connections whose handlers
     * read, and waits for the other handlers as long as {@link ServerBuilder#drain} allows. Then
     * interrupts them and closes their streams. Called by a handler, it does not wait for that
     * handler. Closing again waits until the endpoint is free.
     */
    @Override
    public void close() throws IOException {
        close(current());
    }

    /**
     * As {@link #close()}, for code that another thread runs for a connection: that connection
     * reads the end of its input, and is not waited for.
     *
     * @param own a connection, or null
     * @throws IOException if closing the listening socket fails
     */
    public void close(Connection own) throws IOException {
        if (!closing.compareAndSet(false, true)) {
            awaitUnbound();
            return;
        }
        try {
            unbind();
        } finally {
            joinAcceptor();
            connections.end(own);
            events.happened(ServerEvents.STOP, null, null, null);
        }
    }

    private void unbind() throws IOException {
        try {
            if (options.onClose() != null) {
                options.onClose().run();
            }
        } finally {
            try {
                listener.close();
            } finally {
                unbound.countDown();
                acceptor.wake();
            }
        }
    }

    private void awaitUnbound() {
        boolean interrupted = false;
        for (boolean waiting = true; waiting;) {
            try {
                unbound.await();
                waiting = false;
            } catch (InterruptedException e) {
                interrupted = true; // the endpoint is free in a moment, whatever happens
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void joinAcceptor() {
        if (thread != Thread.currentThread()) {
            try {
                thread.join(ACCEPTOR_ENDS_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Override
    public String toString() {
        return "#<server " + name + " " + Addresses.show(localAddress()) + " "
                + (isOpen() ? connections.count() + " connections" : "closed") + ">";
    }
}
