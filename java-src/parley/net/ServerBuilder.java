package parley.net;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import parley.net.Server.Admission;
import parley.net.wait.Log;

/**
 * Collects the options of a {@link Server}. Nothing is opened before {@link #start()}. A builder
 * can start one server after the other; changing it does not affect those that run.
 *
 * <pre>{@code
 * Server server = Server.builder(handler)
 *         .port(7007)
 *         .maxConnections(1000)
 *         .start();
 * }</pre>
 */
public final class ServerBuilder {
    private static final Duration DRAIN = Duration.ofSeconds(1);

    final Server.Handler handler;
    ServerOptions listen = ServerOptions.builder().host("127.0.0.1").build();
    int handle = -1; // -1 for none
    StreamOptions streamOptions = StreamOptions.DEFAULT;
    String name;
    int maxConnections; // 0 for no limit
    int maxPerAddress; // 0 for no limit
    String perAddressName; // of that limit, as the caller spells it
    Duration idleTimeout;
    Duration drain = DRAIN;
    boolean virtualThreads = true;
    List<Network> proxies; // null: no header is expected; empty: all are trusted
    Admission admission;
    BiConsumer<Throwable, Server.Connection> onError;
    Consumer<Server.Event> audit;
    Consumer<Server.Event> log;
    Runnable onClose;

    ServerBuilder(Server.Handler handler) {
        this.handler = Errors.need("serve", "the handler", handler, "a Server.Handler");
    }

    private ServerBuilder(ServerBuilder other) {
        handler = other.handler;
        listen = other.listen;
        handle = other.handle;
        streamOptions = other.streamOptions;
        name = other.name;
        maxConnections = other.maxConnections;
        maxPerAddress = other.maxPerAddress;
        perAddressName = other.perAddressName;
        idleTimeout = other.idleTimeout;
        drain = other.drain;
        virtualThreads = other.virtualThreads;
        proxies = other.proxies;
        admission = other.admission;
        onError = other.onError;
        audit = other.audit;
        log = other.log;
        onClose = other.onClose;
    }

    // ---- where -------------------------------------------------------------------------------

    /**
     * Listens on a port of 127.0.0.1.
     *
     * @param port 0 to 65535; 0, the default, lets the system choose
     * @return this
     * @throws IllegalArgumentException if it is outside
     */
    public ServerBuilder port(int port) {
        return listen(ServerOptions.builder().host("127.0.0.1").port(port).build());
    }

    /**
     * Listens at a path of the Unix domain.
     *
     * @param path where to make the file of the socket
     * @return this
     */
    public ServerBuilder path(Path path) {
        return listen(ServerOptions.builder()
                .path(Errors.need("serve", "the path", path, "a Path")).build());
    }

    /**
     * Listens at the address of the options.
     *
     * @param options port and interface, or path; without an interface on all of IPv4
     * @return this
     */
    public ServerBuilder listen(ServerOptions options) {
        listen = Errors.need("serve", "the options", options, "ServerOptions");
        handle = -1;
        return this;
    }

    /**
     * Uses a socket that listens already, such as one of systemd's socket activation, whose first
     * handle is 3.
     *
     * @param handle the number of a descriptor; stays open when the server is closed
     * @return this
     */
    public ServerBuilder handle(int handle) {
        this.handle = atLeast("the handle", handle, 0);
        return this;
    }

    /**
     * Sets the options of the streams of clients.
     *
     * @param options their timeout bounds the header of a proxy, 5 seconds by default
     * @return this
     */
    public ServerBuilder streams(StreamOptions options) {
        streamOptions = Errors.options("serve", options);
        return this;
    }

    // ---- limits ------------------------------------------------------------------------------

    /**
     * Limits how many connections are open at once. At the limit the server does not accept:
     * clients wait in the backlog of the system until another one leaves.
     *
     * @param most a positive number; 0, the default, for no limit
     * @return this
     * @throws IllegalArgumentException if it is negative
     */
    public ServerBuilder maxConnections(int most) {
        maxConnections = atLeast("the number of connections", most, 0);
        return this;
    }

    /**
     * Limits how many connections of one address are open at once. More are closed.
     *
     * @param most a positive number; 0, the default, for no limit
     * @return this
     * @throws IllegalArgumentException if it is negative
     */
    public ServerBuilder maxPerAddress(int most) {
        perAddressName = Errors.spell(":max-per-address", "ServerBuilder.maxPerAddress");
        maxPerAddress = atLeast("the number of connections of an address", most, 0);
        return this;
    }

    /**
     * Bounds how long a read or a write of a handler may wait for the client. Then the call throws
     * a {@link java.net.SocketTimeoutException}, which may end the handler: it is reported as the
     * event {@code idle}. A handler that computes is not idle.
     *
     * @param timeout null, the default, for ever
     * @return this
     * @throws IllegalArgumentException if it is negative
     */
    public ServerBuilder idleTimeout(Duration timeout) {
        idleTimeout = Errors.timeout("serve", timeout);
        return this;
    }

    /**
     * Bounds how long closing the server waits for handlers that are busy.
     *
     * @param limit one second by default; null for ever
     * @return this
     * @throws IllegalArgumentException if it is negative
     */
    public ServerBuilder drain(Duration limit) {
        drain = Errors.timeout("serve", limit);
        return this;
    }

    private static int atLeast(String what, int number, int least) {
        if (number < least) {
            throw new IllegalArgumentException(Errors.name("serve") + ": " + what + " is " + number
                    + ", expected " + least + " or more");
        }
        return number;
    }

    // ---- proxies -----------------------------------------------------------------------------

    /**
     * Expects the header of the PROXY protocol, version 1 or 2, at the beginning of every
     * connection. The address that it announces is the peer of the stream. Only for endpoints that
     * only proxies can reach; connections of others are closed, since they begin with no
     * header.
     *
     * @return this
     * @see SocketStream#proxyAddress()
     */
    public ServerBuilder proxyProtocol() {
        proxies = List.of();
        return this;
    }

    /**
     * As {@link #proxyProtocol()}, and closes connections of addresses other than the given ones.
     *
     * @param trusted addresses as numbers, such as {@code "10.0.0.7"}, or networks, such as
     *     {@code "10.0.0.0/8"} and {@code "fd00::/8"}
     * @return this
     * @throws IllegalArgumentException if one is neither, or there is none
     */
    public ServerBuilder proxyProtocol(List<String> trusted) {
        List<Network> networks = new ArrayList<>();
        for (String each : Errors.need("serve", "the proxies", trusted, "a list of addresses")) {
            networks.add(Network.parse(each));
        }
        if (networks.isEmpty()) {
            throw new IllegalArgumentException(Errors.name("serve")
                    + ": the list of trusted proxies is empty, expected addresses or networks");
        }
        proxies = networks;
        return this;
    }

    // ---- hooks -------------------------------------------------------------------------------

    /**
     * Sets what is called with an exception that a handler throws, other than a failure of its
     * connection.
     *
     * @param consumer of the exception and the connection; null, the default, for a line in the log
     * @return this
     */
    public ServerBuilder onError(BiConsumer<Throwable, Server.Connection> consumer) {
        onError = consumer;
        return this;
    }

    /**
     * Sets what is called with every event, on the thread where it happens.
     *
     * @param consumer must be quick; null, the default, for none
     * @return this
     */
    public ServerBuilder audit(Consumer<Server.Event> consumer) {
        audit = consumer;
        return this;
    }

    /**
     * Sets what is called with every event in place of the log of the library, which has a line for
     * a refusal, a failed handler, a pause and a handler that cannot be stopped.
     *
     * @param consumer must be quick; null, the default, for the log of the library
     * @return this
     */
    public ServerBuilder log(Consumer<Server.Event> consumer) {
        log = consumer;
        return this;
    }

    /**
     * Sets who decides about new connections before they have a thread.
     *
     * @param admission null, the default, to serve them all
     * @return this
     */
    public ServerBuilder admission(Admission admission) {
        this.admission = admission;
        return this;
    }

    /**
     * Sets what is called once when the server begins to close, before its endpoint is free.
     *
     * @param task null, the default, for nothing
     * @return this
     */
    public ServerBuilder onClose(Runnable task) {
        onClose = task;
        return this;
    }

    /**
     * Chooses the kind of the handlers' threads.
     *
     * @param virtual true, the default, for virtual ones on JDK 24 and later, where a thread that
     *     waits in a monitor does not hold its carrier; false for platform threads
     * @return this
     */
    public ServerBuilder virtualThreads(boolean virtual) {
        virtualThreads = virtual;
        return this;
    }

    /**
     * Sets the name of the server, which is in the names of its threads and in its events.
     *
     * @param name null, the default, for {@code "server-"} and the port
     * @return this
     */
    public ServerBuilder name(String name) {
        this.name = name;
        return this;
    }

    // ---- starting ----------------------------------------------------------------------------

    /**
     * Listens and starts to accept.
     *
     * @return the server
     * @throws IOException as {@link SocketServer#listen(ServerOptions)}
     */
    public Server start() throws IOException {
        rehearsed();
        return begin(listener());
    }

    private SocketServer listener() throws IOException {
        return handle >= 0 ? SocketServer.ofHandle(handle) : SocketServer.listen(listen);
    }

    /**
     * Starts to accept on a server socket, in place of the endpoint that was set.
     *
     * @param listener becomes the server's own
     * @return the server
     * @throws IOException if the process is out of descriptors or threads; the listener is closed
     */
    public Server start(SocketServer listener) throws IOException {
        Errors.need("serve", "the listener", listener, "a SocketServer");
        rehearsed();
        return begin(listener);
    }

    private Server begin(SocketServer listener) throws IOException {
        boolean begun = false;
        try {
            Server server = new Server(new ServerBuilder(this), listener);
            server.begin();
            begun = true;
            return server;
        } finally {
            if (!begun) {
                listener.close();
            }
        }
    }

    /** Returns true when the rehearsal is complete. The first call begins it. */
    static boolean rehearsed() {
        return Rehearsal.DONE;
    }

    /**
     * Serves, refuses and pauses once, on a server of its own: a class that is first needed while
     * the process has no descriptors or no memory cannot be loaded then, and never will be.
     */
    private static final class Rehearsal {
        private static final boolean DONE = rehearse();

        private static boolean rehearse() {
            Part part = new Part();
            ServerBuilder builder =
                    new ServerBuilder(part).name("rehearsal").log(part).admission(part);
            try (Server server = builder.begin(builder.listener())) {
                for (int i = 0; i < 2; i++) {
                    try (SocketStream stream = SocketStream.connect("127.0.0.1", server.port(),
                            StreamOptions.DEFAULT)) {
                        stream.readTimeout(Duration.ofSeconds(10));
                        stream.in().readLine();
                    }
                }
                server.events.pausing(new OutOfMemoryError("a rehearsal"));
                return true;
            } catch (IOException e) {
                // There is no loopback here: the first clients will have all that loaded.
                Log.trace(Log.Part.SERVER, "the rehearsal of a server failed", e);
                return false;
            }
        }

        /**
         * Admits the first connection and refuses the second. It is a class because the server's
         * threads call it: the code of a lambda would be in the class above, and would wait for
         * the end of its initialization, which waits for those threads.
         */
        private static final class Part
                implements Server.Handler, Consumer<Server.Event>, Admission {
            @Override
            public void handle(SocketStream stream) {
                // The connection ends at once.
            }

            @Override
            public void accept(Server.Event event) {
                // A rehearsal has no observer.
            }

            @Override
            public Admission.Verdict arrived(Server.Connection connection) {
                return connection.id() == 1 ? Admission.Verdict.ADMIT
                        : Admission.Verdict.refuse(ServerEvents.REFUSED, "a rehearsal");
            }

            @Override
            public Admission.Verdict readable(Server.Connection connection) {
                return Admission.Verdict.ADMIT;
            }

            @Override
            public Admission.Verdict late(Server.Connection connection) {
                return Admission.Verdict.ADMIT;
            }
        }
    }

    /** Addresses that begin with the same bits. */
    record Network(byte[] address, int bits) {
        boolean contains(SocketAddress peer) {
            if (!(peer instanceof InetSocketAddress inet)) {
                return true; // the permissions of its file decide which users may connect
            }
            byte[] other = inet.getAddress().getAddress();
            boolean same = other.length == address.length;
            for (int i = 0; same && i < bits; i++) {
                int mask = 0x80 >> (i & 7);
                same = (other[i >> 3] & mask) == (address[i >> 3] & mask);
            }
            return same;
        }

        /** Reads an address as a number, or a network: {@code 10.0.0.0/8}. */
        static Network parse(String text) {
            String[] parts = String.valueOf(text).split("/", 2);
            try {
                if (parts[0].matches(ProxyHeader.FOUR + "|" + ProxyHeader.SIX)) {
                    byte[] address = ProxyHeader.ofDigits(parts[0]).getAddress();
                    int most = address.length * Byte.SIZE;
                    int bits = parts.length == 1 ? most : Integer.parseInt(parts[1]);
                    if (bits >= 0 && bits <= most) {
                        return new Network(address, bits);
                    }
                }
            } catch (UnknownHostException | NumberFormatException e) {
                throw noNetwork(text);
            }
            throw noNetwork(text);
        }

        private static IllegalArgumentException noNetwork(String text) {
            return new IllegalArgumentException(Errors.name("serve") + ": the trusted proxy is \""
                    + text + "\", expected an address as a number or a network, such as \"10.0.0.0/8\"");
        }
    }
}
