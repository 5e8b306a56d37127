package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import parley.net.wait.Deadline;
import parley.net.wait.Poller;
import parley.net.wait.Registration;
import parley.net.wait.ThreadWaits;
import parley.posix.OwnThreads;

/**
 * Makes connections: one address after the other, each a quarter of a second ahead of the next, and
 * the first established connection wins (RFC 8305, section 5). One call of {@link #connect} is one
 * connector, used by one thread.
 */
final class Connector {
    private static final String NAME = "socket-connect";
    private static final long HEAD_START = Duration.ofMillis(250).toNanos();
    private static final long BUSY_PAUSE = Duration.ofMillis(5).toNanos();
    private static final AtomicInteger PAIRS = new AtomicInteger(); // made so far

    private final String host;
    private final int port;
    private final StreamOptions options;
    private final Deadline deadline;
    private final List<ChannelTransport> underWay = new ArrayList<>();
    private final List<IOException> failures = new ArrayList<>();
    private ChannelTransport winner;
    private Poller poller; // opened for the first attempt that has to wait

    private Connector(String host, int port, StreamOptions options) {
        this.host = host;
        this.port = port;
        this.options = options;
        this.deadline = Deadline.in(options.timeout());
    }

    private Connector prepared() throws IOException {
        try {
            DescriptorUsage.prepare();
            return this;
        } catch (IOException e) {
            throw explain(e, host, port);
        }
    }

    static SocketStream connect(String host, int port, StreamOptions options) throws IOException {
        Addresses.checkPort(NAME, port);
        Addresses.checkHost(NAME, host);
        Errors.options(NAME, options);
        if (port == 0) {
            throw ErrorInfo.attach(new ConnectException(Errors.name(NAME) + ": " + Addresses.show(host, port)
                    + ": Connection refused: port 0 is for servers, which get a free port; connect to"
                    + " the port that the server has got"), Addresses.of(host, port));
        }
        return recorded(host, port, () -> connectTcp(host, port, options));
    }

    private static SocketStream connectTcp(String host, int port, StreamOptions options)
            throws IOException {
        Connector connector = new Connector(host, port, options).prepared();
        boolean now = Duration.ZERO.equals(options.timeout());
        List<InetAddress> addresses = Addresses.interleave(Addresses.resolve(NAME, host,
                now ? Deadline.NONE : connector.deadline));
        return connector.stream(connector.race(addresses, now), host, now);
    }

    static SocketStream connect(SocketAddress address, StreamOptions options) throws IOException {
        Errors.options(NAME, options);
        if (address instanceof UnixDomainSocketAddress) {
            UnixDomainSocketAddress unix = (UnixDomainSocketAddress) address;
            return recorded(unix.getPath().toString(), 0, () -> connectUnix(unix, options));
        } else if (!(address instanceof InetSocketAddress)) {
            throw new IllegalArgumentException(Errors.name(NAME) + ": the address is " + address
                    + ", expected an InetSocketAddress or a UnixDomainSocketAddress");
        }
        InetSocketAddress inet = (InetSocketAddress) address;
        return connect(inet.isUnresolved() ? inet.getHostString()
                : Addresses.literal(inet.getAddress()), inet.getPort(), options);
    }

    private interface Attempt {
        SocketStream make() throws IOException;
    }

    private static SocketStream recorded(String host, int port, Attempt attempt)
            throws IOException {
        Object event = FlightEvents.connecting();
        Throwable failure = null;
        try {
            return attempt.make();
        } catch (IOException | RuntimeException e) {
            failure = e;
            throw e;
        } finally {
            FlightEvents.connected(event, host, port, failure);
        }
    }

    /**
     * The stream of a connection, its TLS handshake done unless the caller does not wait.
     *
     * @param name of the server, for TLS; null where it has none
     */
    private SocketStream stream(ChannelTransport transport, String name, boolean now)
            throws IOException {
        SocketStream stream = null;
        boolean made = false;
        try {
            stream = new SocketStream(options.tls() == null ? transport
                    : TlsTransport.client(transport, options.tls(), name, port), host, port, options);
            if (!now) {
                stream.finishHandshake(NAME, deadline);
            } else {
                stream.watchHandshake();
            }
            made = true;
            return stream;
        } finally {
            if (!made && stream != null) {
                stream.abort();
            } else if (!made) {
                transport.close(false);
            }
        }
    }

    // ---- TCP ---------------------------------------------------------------------------------

    private ChannelTransport race(List<InetAddress> addresses, boolean now) throws IOException {
        Deque<InetAddress> left = new ArrayDeque<>(addresses);
        try {
            while (winner == null && !(left.isEmpty() && underWay.isEmpty())) {
                if (!left.isEmpty()) {
                    begin(left.poll(), now);
                }
                if (now && !underWay.isEmpty()) {
                    winner = underWay.get(0);
                }
                waitForOne(left);
            }
        } finally {
            if (poller != null) {
                poller.close();
            }
            closeLosers();
        }
        if (winner == null) {
            throw lastFailure();
        }
        return winner;
    }

    private void begin(InetAddress address, boolean now) throws IOException {
        InetSocketAddress target = new InetSocketAddress(address, port);
        ChannelTransport transport;
        try {
            transport = ChannelTransport.ofNew(open(address));
        } catch (IOException e) {
            failures.add(explain(e, Addresses.literal(address), port));
            return;
        }
        underWay.add(transport);
        try {
            // Over loopback the connection is made by now, though connect returns false.
            if (transport.channel.connect(target) || !now && transport.finishConnect()) {
                connected(transport);
            } else if (!now) {
                transport.source().join(poller(), SelectionKey.OP_CONNECT, transport);
            }
        } catch (IOException | RuntimeException e) {
            failed(transport, address, e);
        }
    }

    private Poller poller() throws IOException {
        if (poller == null) {
            poller = new Poller(new Unowned());
        }
        return poller;
    }

    private static SocketChannel open(InetAddress address) throws IOException {
        try {
            return SocketChannel.open(address instanceof java.net.Inet6Address
                    ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET);
        } catch (UnsupportedOperationException e) {
            throw Errors.noFamily(NAME, new InetSocketAddress(address, 0), e);
        }
    }

    private void connected(ChannelTransport transport) throws IOException {
        SocketAddress local = transport.local();
        if (local != null && local.equals(transport.peer())) {
            // TCP's simultaneous open: no server listens, and the system chose the destination
            // port as the port of this end.
            throw new ConnectException("Connection refused (no server listens, and the socket had reached itself)");
        }
        winner = transport;
    }

    private void failed(ChannelTransport transport, InetAddress address, Exception e)
            throws IOException {
        underWay.remove(transport);
        transport.close(false);
        IOException error = e instanceof IOException ? (IOException) e
                : new SocketException(Errors.text(e));
        failures.add(explain(error, Addresses.literal(address), port));
    }

    private void waitForOne(Deque<InetAddress> left) throws IOException {
        int failed = failures.size();
        Deadline next = left.isEmpty() ? deadline : deadline.min(Deadline.inNanos(HEAD_START));
        List<ChannelTransport> ready = new ArrayList<>();
        while (winner == null && !underWay.isEmpty() && failures.size() == failed) {
            Errors.ifInterrupted(NAME, "a connection to " + Addresses.show(host, port));
            poller.poll(OwnThreads.boundedWait(next.remaining()),
                    (r, ops) -> ready.add((ChannelTransport) r.attachment));
            ready.forEach(this::finish);
            ready.clear();
            if (winner == null && deadline.hasPassed()) {
                throw Errors.timeout(NAME, deadline, "a connection to " + Addresses.show(host, port),
                        Addresses.of(host, port), "no server responds; check host and port, or allow more time");
            } else if (next.hasPassed()) {
                return;
            }
        }
    }

    private void finish(ChannelTransport transport) {
        if (winner != null) {
            return;
        }
        InetAddress address = null;
        try {
            address = ((InetSocketAddress) transport.peer()).getAddress();
            if (transport.finishConnect()) {
                connected(transport);
            }
        } catch (IOException e) {
            try {
                failed(transport, address, e);
            } catch (IOException second) {
                failures.add(second);
            }
        }
    }

    private void closeLosers() throws IOException {
        for (ChannelTransport each : underWay) {
            if (each != winner) {
                each.close(false);
            }
        }
    }

    private IOException lastFailure() {
        IOException last = failures.remove(failures.size() - 1);
        failures.forEach(last::addSuppressed);
        return last;
    }

    // ---- Unix-domain -------------------------------------------------------------------------

    private static SocketStream connectUnix(UnixDomainSocketAddress address,
            StreamOptions options) throws IOException {
        Connector connector =
                new Connector(address.getPath().toString(), 0, options).prepared();
        return connector.stream(connector.reach(address.getPath()), null,
                Duration.ZERO.equals(options.timeout()));
    }

    private ChannelTransport reach(Path path) throws IOException {
        try (UnixSocketFile.Spelling spelling = UnixSocketFile.spell(NAME, path)) {
            return reach(spelling.address());
        }
    }

    /**
     * Linux returns EAGAIN while the backlog is full, and has no event for room in it. The JDK
     * closes a channel whose connect has failed.
     */
    private ChannelTransport reach(UnixDomainSocketAddress address) throws IOException {
        for (;;) {
            ChannelTransport made = tryToReach(address);
            if (made != null) {
                return made;
            }
            Errors.ifInterrupted(NAME, "a connection to " + host);
            LockSupport.parkNanos(Math.min(BUSY_PAUSE, deadline.remaining()));
        }
    }

    /** Null when the backlog is full and there is time left. */
    private ChannelTransport tryToReach(UnixDomainSocketAddress address) throws IOException {
        ChannelTransport transport = null;
        boolean connected = false;
        try {
            transport = ChannelTransport.ofNew(SocketChannel.open(StandardProtocolFamily.UNIX));
            connected = transport.channel.connect(address);
            while (!connected) {
                Errors.ifInterrupted(NAME, "a connection to " + host);
                ThreadWaits.await(transport.source(), SelectionKey.OP_CONNECT, deadline);
                connected = transport.finishConnect();
                if (!connected && deadline.hasPassed()) {
                    throw Errors.timeout(NAME, deadline, "a connection to " + host, address,
                            "the server does not respond");
                }
            }
            return transport;
        } catch (InterruptedIOException e) { // a timeout is one of these
            throw e;
        } catch (IOException e) {
            if (ErrorCode.of(e) != ErrorCode.EAGAIN) {
                throw explain(e, host, 0);
            } else if (deadline.hasPassed()) {
                throw Errors.timeout(NAME, deadline, "a connection to " + host, address,
                        "the server's queue is full; allow more time");
            }
            return null;
        } finally {
            if (transport != null && !connected) {
                transport.close(false);
            }
        }
    }

    // ---- errors ------------------------------------------------------------------------------

    /** The failure of one attempt, with the address and a hint in its message. */
    static IOException explain(IOException e, String host, int port) {
        if (ErrorInfo.carriedBy(e) != null) {
            return e;
        }
        String message = Errors.name(NAME) + ": " + Addresses.show(host, port) + ": "
                + Errors.words(e) + hint(e);
        IOException explained;
        if (e instanceof NoRouteToHostException) {
            explained = new NoRouteToHostException(message);
        } else if (e instanceof ConnectException || ErrorCode.of(e) == ErrorCode.ECONNREFUSED) {
            explained = new ConnectException(message);
        } else {
            explained = new SocketException(message);
        }
        return ErrorInfo.attach(explained, Addresses.of(host, port), e);
    }

    private static String hint(IOException e) {
        ErrorCode code = ErrorCode.of(e);
        if (code == null) {
            return "";
        }
        switch (code) {
            case ECONNREFUSED:
                return ": nothing is listening there; check the address, or start the server";
            case EMFILE:
                return ": close some streams, or raise the process's limit";
            case ENOENT:
                return ": there is no such socket file; check the path, or start the server";
            case EACCES:
                return ": this user may not connect there";
            default:
                return "";
        }
    }

    /** The poller of the race serves its thread only. */
    private static final class Unowned implements Poller.Owner {
        @Override
        public void wake(Registration registration) {
            registration.poller.wakeup();
        }

        @Override
        public void sourceClosed(Registration registration) {
            registration.poller.flush();
        }
    }

    // ---- two ends at once ---------------------------------------------------------------------

    /**
     * Makes two streams that are connected to each other: over a Unix-domain socket whose file no
     * other user can reach and that is gone when they are made. socketpair(2) would need the C
     * library.
     */
    static List<SocketStream> pair(StreamOptions options) throws IOException {
        Errors.plainOptions("stream-pair", options);
        Path directory = Files.createTempDirectory("parley", PosixFilePermissions.asFileAttribute(
                PosixFilePermissions.fromString("rwx------")));
        Path file = directory.resolve("pair");
        try (SocketServer server = SocketServer.listen(ServerOptions.builder().path(file).build())) {
            ChannelTransport first =
                    new Connector(file.toString(), 0, options).prepared().reach(file);
            ChannelTransport second = null;
            boolean made = false;
            try {
                second = server.acceptTransport(); // is in the queue
                List<SocketStream> pair = named(first, second, options);
                made = true;
                return pair;
            } finally {
                if (!made) {
                    first.close(false);
                }
                if (!made && second != null) {
                    second.close(false);
                }
            }
        } finally {
            Files.deleteIfExists(file);
            Files.deleteIfExists(directory);
        }
    }

    /** The path of the file, which is gone, would mean nothing to a reader. */
    private static List<SocketStream> named(ChannelTransport first, ChannelTransport second,
            StreamOptions options) throws IOException {
        String pair = "pair-" + PAIRS.incrementAndGet();
        SocketAddress a = UnixDomainSocketAddress.of(pair + "/a");
        SocketAddress b = UnixDomainSocketAddress.of(pair + "/b");
        first.name(a, b);
        second.name(b, a);
        SocketStream one = new SocketStream(first, null, 0, options);
        SocketStream other = null;
        try {
            other = new SocketStream(second, null, 0, options);
            other.accepted();
            return List.of(one, other);
        } finally {
            if (other == null) {
                one.abort();
            }
        }
    }
}
