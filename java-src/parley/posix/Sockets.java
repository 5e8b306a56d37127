package parley.posix;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.function.IntSupplier;
import jnr.constants.platform.Shutdown;
import parley.posix.Protocols.SocketTypes;

/**
 * The system calls of {@code sys/socket.h} that make and name sockets; those that move data are in
 * {@link Descriptor} and {@link Datagrams}.
 *
 * <pre>{@code
 * try (Descriptor server = Sockets.socket("inet", "stream", 0)) {
 *     Sockets.bind(server, SockAddr.of(InetAddress.getLoopbackAddress(), 0));
 *     Sockets.listen(server, 16);
 *     System.out.println("listening on " + Sockets.localAddress(server));
 *     Sockets.Accepted accepted = Sockets.accept(server, 5_000_000_000L);
 * }
 * }</pre>
 *
 * <p>Every descriptor made is closed on exec and in non-blocking mode. What has to wait waits in a
 * poll that close and interrupts end.
 */
public final class Sockets {
    /** Serialises changes of the mode of sockets that came in blocking mode. */
    private static final StackSafeLock MODE = new StackSafeLock();

    private Sockets() {}

    /**
     * Makes a socket: socket(2).
     *
     * @param domain {@code inet}, {@code inet6}, {@code unix}, {@code packet} (Linux), or a number
     *     as text
     * @param type {@code stream}, {@code dgram}, {@code raw}, {@code seqpacket}, {@code rdm}, or a
     *     number as text
     * @param protocol the protocol's number, 0 for the usual one; in network order for packets
     * @throws PosixException of the system: EPERM for raw sockets without the privilege
     */
    public static Descriptor socket(String domain, String type, int protocol) throws IOException {
        Posix.require("socket");
        StackSafeLock.reserveStackToOpen();
        int kind = SocketTypes.type(type);
        String call = "socket(" + domain + ", " + type + ", " + protocol + ")";
        int fd = LibC.socket(SocketTypes.domain(domain), kind | Constants.SOCK_FLAGS, protocol);
        if (fd < 0 && (LibC.errno() == Constants.EPERM || LibC.errno() == Constants.EACCES)) {
            throw new PosixException(LibC.errno(), call, "not permitted; raw and packet sockets"
                    + " need root or, on Linux, the capability CAP_NET_RAW, which"
                    + " \"setcap cap_net_raw+ep\" gives to a copy of the java program");
        }
        return prepared(Posix.check(fd, call));
    }

    /**
     * Makes two connected sockets, nearly always of domain {@code unix}: socketpair(2).
     *
     * @param domain as for {@link #socket}
     * @param type as for {@link #socket}
     * @param protocol as for {@link #socket}
     */
    public static Descriptor[] socketpair(String domain, String type, int protocol)
            throws IOException {
        Posix.require("socketpair");
        StackSafeLock.reserveStackToOpen();
        String call = "socketpair(" + domain + ", " + type + ", " + protocol + ")";
        int kind = SocketTypes.type(type) | Constants.SOCK_FLAGS;
        int domainNumber = SocketTypes.domain(domain);
        try (NativeBuffer two = NativeBuffer.take(8)) {
            Posix.check(LibC.socketpair(domainNumber, kind, protocol, two.address), call);
            Descriptor[] both = ownBoth(two.bytes.getInt(0), two.bytes.getInt(4));
            try {
                prepare(both[0]);
                prepare(both[1]);
                return both;
            } catch (IOException e) {
                both[0].close();
                both[1].close();
                throw e;
            }
        }
    }

    /** Takes over two numbers just made, which are both closed if that fails. */
    static Descriptor[] ownBoth(int first, int second) throws IOException {
        Descriptor one = null;
        try {
            Descriptor[] both = new Descriptor[2];
            one = Descriptor.own(first);
            both[0] = one;
            both[1] = Descriptor.own(second);
            return both;
        } catch (IOException | RuntimeException | Error e) {
            if (one == null) {
                LibC.close(first);
            } else {
                one.close();
            }
            LibC.close(second);
            throw e;
        }
    }

    /** Makes a descriptor of a new number. On macOS, sets close-on-exec, too. */
    private static Descriptor prepared(int fd) throws IOException {
        Descriptor made = Descriptor.ownOrClose(fd);
        try {
            prepare(made);
            return made;
        } catch (IOException e) {
            made.close();
            throw e;
        }
    }

    private static void prepare(Descriptor made) throws IOException {
        if (!Posix.LINUX) {
            int fd = made.number();
            RawDescriptor.closeOnExec(fd);
            made.nonblocking(true);
            RawDescriptor.writeInt(fd, Constants.SOL_SOCKET, Constants.SO_NOSIGPIPE, 1, "socket");
        }
    }

    /** Sets the local address of a socket: bind(2). */
    public static void bind(Descriptor socket, SockAddr address) throws IOException {
        try (NativeBuffer buffer = address.inMemory()) {
            socket.using("bind", fd -> Posix.check(
                    LibC.bind(fd, buffer.address, address.bytes().length),
                    "bind(" + fd + ", " + address + ")"));
        }
    }

    /**
     * Has a socket take connections: listen(2).
     *
     * @param backlog how many connections may wait to be accepted
     */
    public static void listen(Descriptor socket, int backlog) throws IOException {
        socket.using("listen", fd ->
                Posix.check(LibC.listen(fd, backlog), "listen(" + fd + ")"));
    }

    /**
     * Connects: connect(2), waiting until it is done. For datagram sockets, sets where data goes.
     *
     * @param timeoutNanos at most so long; {@link Long#MAX_VALUE} for ever, 0 not at all; {@link
     *     BlockingIo#OPTION} as long as SO_SNDTIMEO allows
     * @return false when the wait timed out; the connect goes on, and {@link #finishConnect} can be
     *     called
     * @throws PosixException of the system: ECONNREFUSED …
     */
    public static boolean connect(Descriptor socket, SockAddr address, long timeoutNanos)
            throws IOException {
        String call = "connect(" + socket.number() + ", " + address + ")";
        int errno = startConnect(socket, address);
        if (errno == 0) {
            return true;
        }
        if (errno == Constants.EAGAIN && Posix.LINUX) {
            throw new PosixException(errno, call, "the server's queue of connections is full");
        }
        if (errno != Constants.EINPROGRESS && errno != Constants.EALREADY
                && errno != Constants.EINTR) {
            throw new PosixException(errno, call);
        }
        return finishConnect(socket, call, timeoutNanos == BlockingIo.OPTION
                ? BlockingIo.ofOption(socket, DescriptorOption.SO_SNDTIMEO) : timeoutNanos);
    }

    /** Begins to connect; returns 0 when that is all, or the error number. */
    private static int startConnect(Descriptor socket, SockAddr address) throws IOException {
        boolean again = socket.forgetReset();
        int fd = socket.acquire("connect");
        try (NativeBuffer buffer = address.inMemory()) {
            int size = address.bytes().length;
            IntSupplier connect = () ->
                    LibC.connect(fd, buffer.address, size) < 0 ? -LibC.errno() : 0;
            int errno = -withoutBlocking(socket, connect);
            // Linux has the first call after a failure end that connect
            return again && errno == Constants.ECONNABORTED
                    ? -withoutBlocking(socket, connect) : errno;
        } finally {
            socket.release();
        }
    }

    /**
     * Waits until a connect under way has ended.
     *
     * @param call what is called, for messages
     * @return false when the wait timed out
     * @throws PosixException when it failed
     */
    public static boolean finishConnect(Descriptor socket, String call, long timeoutNanos)
            throws IOException {
        if (socket.await(Poll.OUT, timeoutNanos) == 0) {
            return false;
        }
        int errno = socket.using("connect", fd ->
                RawDescriptor.readInt(fd, Constants.SOL_SOCKET, Constants.SO_ERROR, call));
        if (errno != 0) {
            socket.remember(new PosixException(errno, call));
        }
        PosixException failure = socket.error(); // a status check may have seen it first
        if (errno != 0 || failure != null) {
            throw new PosixException(errno != 0 ? errno : failure.errno(), call);
        }
        return true;
    }

    /**
     * An accepted connection, as {@link #accept} returns it.
     *
     * @param socket the socket, open
     * @param peer the address of the peer
     */
    public record Accepted(Descriptor socket, SockAddr peer) {}

    /**
     * Takes a connection: accept(2).
     *
     * @param server a socket that listens
     * @param timeoutNanos at most so long; {@link Long#MAX_VALUE} for ever, 0 not at all; {@link
     *     BlockingIo#OPTION} as long as SO_RCVTIMEO allows
     * @return the connection, or null when the wait timed out
     * @throws InterruptedIOException when the thread is interrupted; its flag stays set
     */
    public static Accepted accept(Descriptor server, long timeoutNanos) throws IOException {
        long start = System.nanoTime();
        long nanos = timeoutNanos == BlockingIo.OPTION
                ? BlockingIo.ofOption(server, DescriptorOption.SO_RCVTIMEO) : timeoutNanos;
        // first of all, for a socket that does not listen fails at once and is never ready
        Accepted accepted = acceptNow(server);
        while (accepted == null) {
            if (server.await(Poll.IN, Poll.left(start, nanos)) == 0) {
                return null;
            }
            accepted = acceptNow(server);
        }
        return accepted;
    }

    /** Takes a connection if one waits, and was not aborted; else returns null. */
    private static Accepted acceptNow(Descriptor server) throws IOException {
        StackSafeLock.reserveStackToOpen();
        int fd = server.acquire("accept");
        try (NativeBuffer buffer = SockAddr.room()) {
            long size = buffer.address + SockAddr.MAX_SIZE;
            int made = withoutBlocking(server, () -> {
                int accepted = Posix.LINUX
                        ? LibC.Linux.accept4(fd, buffer.address, size, Constants.SOCK_FLAGS)
                        : LibC.accept(fd, buffer.address, size);
                return accepted < 0 ? -LibC.errno() : accepted;
            });
            if (made == -Constants.EAGAIN || made == -Constants.EINTR
                    || made == -Constants.ECONNABORTED) {
                return null;
            }
            if (made < 0) {
                throw new PosixException(-made, "accept(" + fd + ")");
            }
            Descriptor socket = prepared(made);
            try {
                return new Accepted(socket, SockAddr.ofKernel(SockAddr.content(buffer)));
            } catch (RuntimeException | Error e) {
                socket.close();
                throw e;
            }
        } finally {
            server.release();
        }
    }

    /**
     * Makes a call that has no MSG_DONTWAIT, where the owner of the descriptor may have it in
     * blocking mode: then the mode is changed for the call, one call at a time. The call returns a
     * number, or an error number with a minus.
     */
    private static int withoutBlocking(Descriptor socket, IntSupplier call) throws IOException {
        if (socket.nonblocking) {
            return call.getAsInt();
        }
        MODE.lock();
        try {
            socket.nonblocking(true);
            try {
                return call.getAsInt();
            } finally {
                socket.nonblocking(false);
            }
        } finally {
            MODE.unlock();
        }
    }

    /** {@return the socket's local address: getsockname(2)} */
    public static SockAddr localAddress(Descriptor socket) throws IOException {
        return address(socket, "getsockname", LibC::getsockname);
    }

    /** {@return the address of the other side: getpeername(2)} */
    public static SockAddr peerAddress(Descriptor socket) throws IOException {
        return address(socket, "getpeername", LibC::getpeername);
    }

    private interface AddressCall {
        int run(int fd, long address, long size);
    }

    private static SockAddr address(Descriptor socket, String name, AddressCall call)
            throws IOException {
        return socket.using(name, fd -> {
            try (NativeBuffer buffer = SockAddr.room()) {
                long size = buffer.address + SockAddr.MAX_SIZE;
                Posix.check(call.run(fd, buffer.address, size), name + "(" + fd + ")");
                return SockAddr.ofKernel(SockAddr.content(buffer));
            }
        });
    }

    /** {@return whether the next byte to read is the one after urgent data: sockatmark(3)} */
    public static boolean atMark(Descriptor socket) throws IOException {
        return socket.using("sockatmark", fd ->
                Posix.check(LibC.sockatmark(fd), "sockatmark(" + fd + ")") == 1);
    }

    /**
     * Ends a direction of a connection: shutdown(2).
     *
     * @param input end receiving
     * @param output end sending; both false does nothing
     */
    public static void shutdown(Descriptor socket, boolean input, boolean output)
            throws IOException {
        Posix.require("Sockets.shutdown");
        Shutdown how = input ? output ? Shutdown.SHUT_RDWR : Shutdown.SHUT_RD : Shutdown.SHUT_WR;
        socket.using("shutdown", fd -> !input && !output ? 0
                : Posix.check(LibC.shutdown(fd, how.intValue()), "shutdown(" + fd + ")"));
    }

    /**
     * Sets the mode that the file of a Unix-domain socket has from its bind on, less the umask
     * (Linux): fchmod(2).
     *
     * @param mode the permission bits, such as 0600
     */
    public static void mode(Descriptor socket, int mode) throws IOException {
        socket.using("fchmod", fd -> Posix.check(LibC.fchmod(fd, mode), "fchmod(" + fd + ")"));
    }

    /**
     * Reads any option as bytes: getsockopt(2).
     *
     * @param level the level, such as that of SOL_SOCKET
     * @param name the number of the option
     * @param size how many bytes the value has
     */
    public static byte[] option(Descriptor socket, int level, int name, int size)
            throws IOException {
        return socket.using("getsockopt", fd ->
                RawDescriptor.readBytes(fd, level, name, size, "getsockopt"));
    }

    /**
     * Sets any option to bytes: setsockopt(2).
     *
     * @param level the level, such as that of SOL_SOCKET
     * @param name the number of the option
     */
    public static void option(Descriptor socket, int level, int name, byte[] value)
            throws IOException {
        socket.using("setsockopt", fd -> {
            RawDescriptor.writeBytes(fd, level, name, value, "setsockopt");
            return null;
        });
    }
}
