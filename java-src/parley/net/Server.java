package parley.net;

import java.io.Closeable;
import java.io.IOException;
import java.net.SocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import parley.posix.OwnThreads;

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

    final ServerBuilder options;
    private final SocketServer listener;
    final String name;
    final Acceptor acceptor;
    private final Thread thread;
    private final Instant since = Instant.now();
    private final long began = System.nanoTime();
    final boolean virtual;
    final ServedConnections connections;
    private final AtomicBoolean closing = new AtomicBoolean();
    private final CountDownLatch unbound = new CountDownLatch(1);
    final ServerEvents events;

    Server(ServerBuilder options, SocketServer listener) throws IOException {
        this.options = options;
        this.listener = listener;
        this.name = options.name != null ? options.name
                : "server-" + (port() > 0 ? String.valueOf(port()) : host());
        this.events = new ServerEvents(name, options);
        this.connections = new ServedConnections(this, options, events);
        this.virtual = options.virtualThreads && OwnThreads.virtualCanSelect();
        this.acceptor = new Acceptor(this, listener);
        this.thread = OwnThreads.unstarted(name + "-accept", false, acceptor);
    }

    /**
     * Fails with an IOException, as for lack of descriptors, when the system has no thread left.
     */
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
         * thread of its own. A platform thread serves other connections later, without starting
         * anew: name, interrupt and context class loader are set back, but the values of a
         * {@link ThreadLocal} stay unless the handler removes them. Failures of the connection
         * itself need no treatment: they are reported as events.
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
     * A connection that the server has accepted: its stream, its peer, and the thread in which the
     * handler runs. It exists until the handler has returned and the stream is closed.
     *
     * <pre>{@code
     * Server.Handler greet = stream -> stream.out().writeLine("hello");
     * try (Server server = Server.builder(greet).port(7007).start()) {
     *     for (Server.Connection each : server.connections()) {
     *         System.out.println(each.peer() + " since " + each.since());
     *     }
     * }
     * }</pre>
     */
    public interface Connection {
        /** {@return the number of this connection: 1 for the first that the server accepted} */
        long id();

        /** {@return the server that accepted the connection} */
        Server server();

        /** {@return the stream of the handler; null while the header of a proxy is missing} */
        SocketStream stream();

        /** {@return the address of the client: announced by a trusted proxy, or the system's} */
        SocketAddress peer();

        /**
         * {@return the further fields of the header of a proxy (the TLVs of version 2 of the PROXY
         * protocol) by type, such as 2 for the host name that a client of TLS has requested}
         */
        Map<Integer, byte[]> proxyExtras();

        /** {@return when the connection was accepted, in wall clock time} */
        Instant since();

        /**
         * {@return whether the handler was started: false while the connection waits for the header
         * of a proxy or for its admission}
         */
        boolean isAdmitted();

        /**
         * {@return the thread of the handler; null before it was started; once the connection is
         * over, the thread may serve another one}
         */
        Thread thread();

        /** {@return how many bytes were received, the header of a proxy included} */
        long bytesIn();

        /** {@return how many bytes were sent, without those in the buffer of the stream} */
        long bytesOut();

        /** {@return the attached object, or null} */
        Object attachment();

        /**
         * Keeps an object with this connection, for the code that serves it.
         *
         * @param object null or any object
         */
        void attach(Object object);

        /**
         * Interrupts the handler, or what it waits for.
         *
         * @return false when the handler does not run
         */
        boolean interrupt();

        /**
         * Waits until the connection is over.
         *
         * @param timeout null to wait for ever
         * @return false when the wait timed out
         * @throws InterruptedException if the calling thread is interrupted
         */
        boolean await(Duration timeout) throws InterruptedException;
    }

    /**
     * Decides which connections are served, before they have a thread. All methods are called on
     * the accepting thread, one at a time, and must not block: they take from the stream only what
     * has come.
     *
     * <pre>{@code
     * public Server.Admission.Verdict arrived(Server.Connection connection) {
     *     return isKnown(connection.peer()) ? Server.Admission.Verdict.ADMIT
     *             : Server.Admission.Verdict.refuse("unknown", "the address is not in the list");
     * }
     * }</pre>
     */
    public interface Admission {
        /**
         * Looks at a new connection.
         *
         * @param connection its stream is open, and nothing was read from it
         * @return what to do with it
         * @throws IOException if the connection fails; it is refused
         */
        Verdict arrived(Connection connection) throws IOException;

        /**
         * Looks at a waiting connection of which something can be read, the end of file included.
         * It must take what it waits for, or decide; what is left unread is reported again at once.
         *
         * @param connection one that waits
         * @return what to do with it
         * @throws IOException if the connection fails; it is refused
         */
        Verdict readable(Connection connection) throws IOException;

        /**
         * Looks at a waiting connection whose time has passed.
         *
         * @param connection one that waits
         * @return what to do with it
         */
        Verdict late(Connection connection);

        /**
         * The decision of an {@link Admission}.
         *
         * @param event null to admit or to wait, else the kind of the event of the refusal
         * @param reason of a refusal, for people
         * @param within how long a connection may wait, null for ever; counts from the first time
         *     that the verdict is to wait
         */
        public record Verdict(String event, String reason, Duration within) {
            /** Starts the handler. */
            public static final Verdict ADMIT = new Verdict(null, "", null);

            /**
             * Lets a connection wait for input.
             *
             * @param within how long; null for ever
             * @return the verdict
             */
            public static Verdict waitFor(Duration within) {
                return new Verdict(null, null, within);
            }

            /**
             * Closes a connection; nothing is sent.
             *
             * @param event the kind of the event, such as {@code "refused"}
             * @param reason for people
             * @return the verdict
             */
            public static Verdict refuse(String event, String reason) {
                return new Verdict(Errors.need("refuse", "the event", event, "a kind of event"),
                        reason, null);
            }

            boolean isAdmit() {
                return event == null && reason != null;
            }

            boolean isWait() {
                return event == null && reason == null;
            }
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
     * {@return the port that the server listens on, 0 for a Unix-domain server; also once closed}
     */
    public int port() {
        return listener.port();
    }

    /**
     * {@return the address that the server listens on, such as {@code "127.0.0.1"}, or the path of
     * its file; also once closed}
     */
    public String host() {
        return listener.host();
    }

    /**
     * {@return the address of TCP or of the Unix domain that the server listens on; also once
     * closed}
     */
    public SocketAddress localAddress() {
        return listener.localAddress();
    }

    /** {@return the name of the server, which is in the names of its threads and in its events} */
    public String name() {
        return name;
    }

    /** {@return when the server was started, in wall clock time} */
    public Instant since() {
        return since;
    }

    /** {@return how long ago the server was started, whatever is done to the clock meanwhile} */
    public Duration age() {
        return Duration.ofNanos(System.nanoTime() - began);
    }

    /** {@return whether the server accepts: false once closing has begun} */
    public boolean isOpen() {
        return !closing.get();
    }

    /** {@return a new list of the open connections, in the order of their arrival} */
    public List<Connection> connections() {
        return new ArrayList<>(connections.all());
    }

    /** {@return the connection whose handler the calling thread runs; null on other threads} */
    public Connection current() {
        return connections.current();
    }

    /** {@return the counts of now} */
    public Stats stats() {
        return connections.stats(acceptor.isResting());
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
        connections.refuse((ServedConnection) connection, event, event, reason);
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
            if (options.onClose != null) {
                options.onClose.run();
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
        int count = connections.count();
        return "#<server " + name + " " + Addresses.show(listener) + " "
                + (!isOpen() ? "closed" : count == 1 ? "1 connection" : count + " connections") + ">";
    }
}
