package parley.net;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Listens for connections (CLISP {@code SOCKET:SOCKET-SERVER}): TCP or Unix-domain. Any number of
 * threads may accept at once. Close servers: one that becomes unreachable is closed by a
 * {@link java.lang.ref.Cleaner}, but when is up to the garbage collector, and its port cannot be
 * bound again before.
 */
public final class SocketServer extends Pollable {
    private static final String NAME = "socket-server";

    private final ServerSocketChannel channel;
    private final ChannelSource source;
    private final SocketAddress address;
    private final UnixSocketFile file; // null for TCP, and for an adopted channel
    private final Leaks.Guard guard;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final CountDownLatch closing = new CountDownLatch(1); // ends pauses
    private volatile Duration readTimeout; // of accepts, and of streams accepted; null for none
    private volatile Duration writeTimeout; // of streams accepted; null for none

    private SocketServer(ServerSocketChannel channel, SocketAddress address, UnixSocketFile file)
            throws IOException {
        channel.configureBlocking(false);
        ChannelSource mine = ChannelSource.ofOwn(channel);
        this.channel = channel;
        this.source = mine;
        this.address = address;
        this.file = file;
        this.guard = Leaks.guard(this, "a socket server at " + Addresses.show(address),
                () -> release(channel, mine, file));
    }

    // ---- making ------------------------------------------------------------------------------

    /**
     * Listens on a port of all IPv4 interfaces.
     *
     * @param port 0 to 65535; 0 lets the system choose
     * @return the server
     * @throws BindException if the port is in use
     * @throws IOException if it fails otherwise
     */
    public static SocketServer listen(int port) throws IOException {
        return listen(ServerOptions.builder().port(port).build());
    }

    /**
     * Listens where the options say.
     *
     * @param options port and interface, or path
     * @return the server
     * @throws BindException if the address is in use or not this machine's; for a path also when the
     *     file there is no socket
     * @throws java.net.UnknownHostException if the interface's name has no address
     * @throws IOException if it fails otherwise, for example for want of permission
     */
    public static SocketServer listen(ServerOptions options) throws IOException {
        Errors.need(NAME, "the options", options, "ServerOptions");
        prepare(options);
        return options.path() == null ? listenTcp(options) : listenUnix(options);
    }

    private static void prepare(ServerOptions options) throws IOException {
        try {
            BackOff.prepare();
        } catch (IOException e) {
            throw explain(e, options.path() != null ? UnixDomainSocketAddress.of(options.path())
                    : Addresses.of(options.host() == null ? "0.0.0.0" : options.host(),
                    options.port()));
        }
    }

    private static SocketServer listenTcp(ServerOptions options) throws IOException {
        String host = options.host() == null ? "0.0.0.0" : options.host();
        InetAddress address = Hosts.resolve(NAME, host, Deadline.NONE).get(0);
        InetSocketAddress target = new InetSocketAddress(address, options.port());
        ServerSocketChannel channel = open(address);
        try {
            channel.bind(target, options.backlog());
            return new SocketServer(channel, channel.getLocalAddress(), null);
        } catch (IOException e) {
            channel.close();
            throw explain(e, target);
        } catch (RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static ServerSocketChannel open(InetAddress address) throws IOException {
        try {
            return ServerSocketChannel.open(address instanceof java.net.Inet6Address
                    ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET);
        } catch (UnsupportedOperationException e) {
            throw Errors.noFamily(NAME, new InetSocketAddress(address, 0), e);
        } catch (IOException e) {
            throw explain(e, new InetSocketAddress(address, 0));
        }
    }

    private static SocketServer listenUnix(ServerOptions options) throws IOException {
        try (UnixSocketFile.Spelling spelling = UnixSocketFile.spell(NAME, options.path())) {
            return listenUnix(options, spelling);
        }
    }

    private static SocketServer listenUnix(ServerOptions options, UnixSocketFile.Spelling spelling)
            throws IOException {
        Path path = options.path().toAbsolutePath();
        UnixDomainSocketAddress target = UnixDomainSocketAddress.of(spelling.shown());
        UnixSocketFile.makeWay(NAME, path);
        ServerSocketChannel channel = openUnix(target);
        UnixSocketFile file = null;
        try {
            channel.configureBlocking(false);
            UnixSocketFile.restrict(channel, options.mode());
            channel.bind(spelling.address(), options.backlog());
            file = UnixSocketFile.made(path);
            Files.setPosixFilePermissions(path, options.mode());
            refuseEarlyBirds(channel);
            return new SocketServer(channel, target, file);
        } catch (IOException e) {
            release(channel, null, file);
            throw explain(e, target);
        } catch (RuntimeException e) {
            release(channel, null, file);
            throw e;
        }
    }

    private static ServerSocketChannel openUnix(SocketAddress target) throws IOException {
        try {
            return ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        } catch (IOException e) {
            throw explain(e, target);
        }
    }

    /** Whoever connected before the file's permissions were set may be anybody. */
    private static void refuseEarlyBirds(ServerSocketChannel channel) throws IOException {
        for (SocketChannel early = channel.accept(); early != null; early = channel.accept()) {
            early.close();
        }
    }

    /**
     * Makes a server of a bound channel, which becomes the server's own and non-blocking.
     *
     * @param channel TCP or Unix-domain, for example {@link System#inheritedChannel()}; the file of
     *     a Unix-domain one is left alone on close
     * @return the server
     * @throws IllegalArgumentException if the channel is not open and bound
     * @throws IOException if the channel cannot be made non-blocking
     */
    public static SocketServer adopt(ServerSocketChannel channel) throws IOException {
        if (channel == null || !channel.isOpen() || channel.getLocalAddress() == null) {
            throw new IllegalArgumentException(Errors.name(NAME) + ": the channel is " + channel
                    + ", expected an open and bound ServerSocketChannel");
        }
        return new SocketServer(channel, channel.getLocalAddress(), null);
    }

    private static IOException explain(IOException e, SocketAddress target) {
        if (ErrorInfo.carriedBy(e) != null) {
            return e;
        }
        ErrorCode code = ErrorCode.of(e);
        String hint = "";
        if (code == ErrorCode.EADDRINUSE) {
            hint = "; choose another, or 0 to let the system choose";
        } else if (code == ErrorCode.EADDRNOTAVAIL) {
            hint = ": it is not an address of this machine, which has " + Addresses.ours();
        } else if (code == ErrorCode.EACCES || code == ErrorCode.EPERM) {
            hint = target instanceof InetSocketAddress ? ": ports below 1024 need privilege"
                    : ": this user may not make a file there";
        } else if (code == ErrorCode.EMFILE) {
            hint = ": close some streams, or raise the process's limit";
        }
        String message = Errors.name(NAME) + ": " + Addresses.show(target) + ": "
                + Errors.words(e) + hint;
        IOException explained = e instanceof BindException ? new BindException(message)
                : new SocketException(message);
        return ErrorInfo.attach(explained, target, e);
    }

    // ---- accepting ---------------------------------------------------------------------------

    /**
     * Waits for a connection and accepts it, with the default options.
     *
     * @return the stream
     * @throws IOException as {@link #accept(StreamOptions)}
     */
    public SocketStream accept() throws IOException {
        return accept(StreamOptions.DEFAULT);
    }

    /**
     * Waits for a connection and accepts it (CLISP {@code SOCKET:SOCKET-ACCEPT}).
     *
     * @param options of the stream; the timeout bounds the wait and is not inherited by the stream
     * @return the stream
     * @throws IllegalStateException if the server is closed
     * @throws java.net.SocketTimeoutException if time is up
     * @throws java.nio.channels.AsynchronousCloseException if the server is closed meanwhile
     * @throws java.io.InterruptedIOException if the thread is interrupted; the server stays open
     * @throws IOException if accepting fails; while the process or the system is out of descriptors
     *     or memory the call tries again, ever less often, until its time is up
     */
    public SocketStream accept(StreamOptions options) throws IOException {
        Errors.options("socket-accept", options);
        Deadline deadline =
                Deadline.in(options.timeout() == null ? readTimeout : options.timeout());
        requireOpen("socket-accept");
        AcceptPauses pauses = new AcceptPauses("socket-accept", this, closing);
        for (;;) {
            try {
                SocketStream stream = acceptNow(options);
                if (stream != null) {
                    return stream;
                } else if (deadline.hasPassed()) {
                    throw Errors.timeout("socket-accept", this, "nobody has connected");
                }
                await("socket-accept", SelectionKey.OP_ACCEPT, deadline);
            } catch (IOException e) {
                if (!BackOff.isExhaustion(e) || deadline.hasPassed()) {
                    throw e;
                }
                pauses.pause(e, deadline);
            }
        }
    }

    /**
     * Accepts a connection if one is there.
     *
     * @param options of the stream; the timeout does not matter
     * @return the stream, or null
     * @throws IOException as {@link #accept(StreamOptions)}, but at once also for want of
     *     descriptors: the connection waits on
     */
    public SocketStream acceptNow(StreamOptions options) throws IOException {
        Errors.options("socket-accept", options);
        SocketChannel accepted;
        try {
            accepted = channel.accept();
        } catch (ClosedChannelException e) {
            throw Errors.closedMeanwhile("socket-accept", this);
        } catch (IOException e) {
            throw ErrorInfo.attach(new SocketException(Errors.name("socket-accept") + ": " + this + ": "
                    + Errors.words(e) + ": the connection, if any, waits on; try again later"),
                    this, e);
        }
        if (accepted == null) {
            return null;
        }
        try {
            SocketStream stream =
                    new SocketStream(new ChannelTransport(accepted), host(), port(), options);
            if (address instanceof InetSocketAddress) {
                stream.readTimeout(readTimeout); // the kernel hands these options on, for TCP
                stream.writeTimeout(writeTimeout);
            }
            return stream;
        } catch (IOException | RuntimeException e) {
            accepted.close();
            throw e;
        }
    }

    /**
     * Waits until an accept will not block (CLISP {@code SOCKET:SOCKET-WAIT}).
     *
     * @param timeout null for ever, zero to poll
     * @return false when time is up
     * @throws IOException as {@link #status}
     */
    public boolean awaitConnection(Duration timeout) throws IOException {
        return status("socket-wait", Direction.INPUT, timeout) == SocketStatus.READY;
    }

    // ---- accessors ---------------------------------------------------------------------------

    /**
     * The address that the server listens on, as a number, or the path of its file.
     *
     * @return for example {@code "0.0.0.0"}; also once closed
     */
    public String host() {
        return Addresses.host(address);
    }

    /**
     * The port that the server listens on.
     *
     * @return 1 to 65535, 0 for a Unix-domain server; also once closed
     */
    public int port() {
        return Addresses.port(address);
    }

    /**
     * The address that the server listens on.
     *
     * @return also once closed
     */
    public SocketAddress localAddress() {
        return address;
    }

    /**
     * The NIO channel underneath.
     *
     * @return always the same one
     */
    public ServerSocketChannel channel() {
        return channel;
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
                release(channel, source, file);
            } finally {
                guard.release();
                tellObservers();
            }
        }
    }

    private static void release(ServerSocketChannel channel, ChannelSource source,
            UnixSocketFile file) throws IOException {
        try {
            if (file != null) {
                file.delete(); // while the address is still ours
            }
        } finally {
            try {
                channel.close();
            } finally {
                if (source != null) {
                    source.release();
                }
            }
        }
    }

    @Override
    public String toString() {
        return "#<socket-server " + Addresses.show(address) + (isOpen() ? ">" : " closed>");
    }
}
