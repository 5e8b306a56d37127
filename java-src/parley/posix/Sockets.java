package parley.posix;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.locks.ReentrantLock;
import jnr.constants.platform.Shutdown;
import parley.posix.Protocols.SocketTypes;

/**
 * The system calls of {@code sys/socket.h} that make and name sockets; those that move data are in
 * {@link Descriptor} and {@link Datagrams}.
 *
 * <p>Every descriptor made is closed on exec and in non-blocking mode. What has to wait waits in a
 * poll that close and interrupts end.
 */
public final class Sockets {
    /** Serialises changes of the mode of sockets that came in blocking mode. */
    private static final ReentrantLock MODE = new StackSafeLock();

    private Sockets() {}

    /**
     * Makes a socket: socket(2).
     *
     * @param domain {@code inet}, {@code inet6}, {@code unix}, {@code packet} (Linux), or a number
     *     as text
     * @param type {@code stream}, {@code dgram}, {@code raw}, {@code seqpacket}, {@code rdm}, or a
     *     number as text
     * @param protocol the protocol's number, 0 for the usual one; in network order for packets
     * @return the socket
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
     * @return the two sockets
     * @throws IOException when the system call fails
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
        if (!Constants.LINUX) {
            int fd = made.number();
            Fcntl.closeOnExec(fd);
            made.nonblocking(true);
            RawOptions.writeInt(fd, Constants.SOL_SOCKET, Constants.SO_NOSIGPIPE, 1, "socket");
        }
    }

    /**
     * Gives a socket its local address: bind(2).
     *
     * @param socket the socket
     * @param address the address
     * @throws IOException when the system call fails
     */
    public static void bind(Descriptor socket, SockAddr address) throws IOException {
        int fd = socket.acquire("bind");
        try (NativeBuffer buffer = of(address)) {
            int result = LibC.bind(fd, buffer.address, address.bytes().length);
            Posix.check(result, "bind(" + fd + ", " + address + ")");
        } finally {
            socket.release();
        }
    }

    /**
     * Has a socket take connections: listen(2).
     *
     * @param socket the socket
     * @param backlog how many connections may wait to be accepted
     * @throws IOException when the system call fails
     */
    public static void listen(Descriptor socket, int backlog) throws IOException {
        int fd = socket.acquire("listen");
        try {
            Posix.check(LibC.listen(fd, backlog), "listen(" + fd + ")");
        } finally {
            socket.release();
        }
    }

    /**
     * Connects: connect(2), waiting until it is done. For datagram sockets, sets where data goes.
     *
     * @param socket the socket
     * @param address the address
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
        if (errno == Constants.EAGAIN && Constants.LINUX) {
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
        try (NativeBuffer buffer = of(address)) {
            int size = address.bytes().length;
            Call connect = () ->
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
     * @param socket the socket
     * @param call what is called, for messages
     * @param timeoutNanos the longest wait in nanoseconds; {@link Long#MAX_VALUE} for ever, {@link
     *     BlockingIo#OPTION} as long as the option of the socket allows
     * @return false when the wait timed out
     * @throws PosixException when it failed
     */
    public static boolean finishConnect(Descriptor socket, String call, long timeoutNanos)
            throws IOException {
        if (socket.await(Poll.OUT, timeoutNanos) == 0) {
            return false;
        }
        int fd = socket.acquire("connect");
        try {
            int errno = RawOptions.readInt(fd, Constants.SOL_SOCKET, Constants.SO_ERROR, call);
            if (errno != 0) {
                socket.remember(new PosixException(errno, call));
            }
            PosixException failure = socket.error(); // a status check may have seen it first
            if (errno != 0 || failure != null) {
                throw new PosixException(errno != 0 ? errno : failure.errno(), call);
            }
            return true;
        } finally {
            socket.release();
        }
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
        try (NativeBuffer buffer = Addresses.prepared()) {
            long size = buffer.address + Addresses.MAX_SIZE;
            int made = withoutBlocking(server, () -> {
                int accepted = Constants.LINUX
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
                return new Accepted(socket, SockAddr.ofKernel(Addresses.content(buffer)));
            } catch (RuntimeException | Error e) {
                socket.close();
                throw e;
            }
        } finally {
            server.release();
        }
    }

    /** A native call that returns a number, or an error number with a minus. */
    private interface Call {
        int run();
    }

    /**
     * Makes a call that has no MSG_DONTWAIT, where the owner of the descriptor may have it in
     * blocking mode: then the mode is changed for the call, one call at a time.
     */
    private static int withoutBlocking(Descriptor socket, Call call) throws IOException {
        if (socket.isNonblocking()) {
            return call.run();
        }
        MODE.lock();
        try {
            socket.nonblocking(true);
            try {
                return call.run();
            } finally {
                socket.nonblocking(false);
            }
        } finally {
            MODE.unlock();
        }
    }

    /**
     * {@return the socket's local address: getsockname(2)}
     *
     * @param socket the socket
     * @throws IOException when the system call fails
     */
    public static SockAddr localAddress(Descriptor socket) throws IOException {
        return address(socket, "getsockname", LibC::getsockname);
    }

    /**
     * {@return the address of the other side: getpeername(2)}
     *
     * @param socket the socket
     * @throws IOException when the system call fails
     */
    public static SockAddr peerAddress(Descriptor socket) throws IOException {
        return address(socket, "getpeername", LibC::getpeername);
    }

    private interface AddressCall {
        int run(int fd, long address, long size);
    }

    private static SockAddr address(Descriptor socket, String name, AddressCall call) throws IOException {
        int fd = socket.acquire(name);
        try (NativeBuffer buffer = Addresses.prepared()) {
            Posix.check(call.run(fd, buffer.address, buffer.address + Addresses.MAX_SIZE), name + "(" + fd + ")");
            return SockAddr.ofKernel(Addresses.content(buffer));
        } finally {
            socket.release();
        }
    }

    /**
     * Returns whether the next byte to read is the one after urgent data: sockatmark(3).
     *
     * @param socket the socket
     * @return true when the next byte to read follows urgent data
     * @throws IOException when the system call fails
     */
    public static boolean atMark(Descriptor socket) throws IOException {
        int fd = socket.acquire("sockatmark");
        try {
            return Posix.check(LibC.sockatmark(fd), "sockatmark(" + fd + ")") == 1;
        } finally {
            socket.release();
        }
    }

    /**
     * Ends a direction of a connection: shutdown(2).
     *
     * @param socket the socket
     * @param input end receiving
     * @param output end sending; both false does nothing
     * @throws IOException when the system call fails
     */
    public static void shutdown(Descriptor socket, boolean input, boolean output)
            throws IOException {
        Posix.require("Sockets.shutdown");
        Shutdown how = input ? output ? Shutdown.SHUT_RDWR : Shutdown.SHUT_RD : Shutdown.SHUT_WR;
        int fd = socket.acquire("shutdown");
        try {
            if (input || output) {
                Posix.check(LibC.shutdown(fd, how.intValue()), "shutdown(" + fd + ")");
            }
        } finally {
            socket.release();
        }
    }

    /**
     * Sets the mode that the file of a Unix-domain socket has from its bind on, less the umask
     * (Linux): fchmod(2).
     *
     * @param socket the socket
     * @param mode the permission bits, such as 0600
     * @throws IOException when the system call fails
     */
    public static void mode(Descriptor socket, int mode) throws IOException {
        int fd = socket.acquire("fchmod");
        try {
            Posix.check(LibC.fchmod(fd, mode), "fchmod(" + fd + ")");
        } finally {
            socket.release();
        }
    }

    /**
     * Reads any option as bytes: getsockopt(2).
     *
     * @param socket the socket
     * @param level the level, such as that of SOL_SOCKET
     * @param name the number of the option
     * @param size how many bytes the value has
     * @return the bytes of the value
     * @throws IOException when the system call fails
     */
    public static byte[] option(Descriptor socket, int level, int name, int size)
            throws IOException {
        int fd = socket.acquire("getsockopt");
        try {
            return RawOptions.readBytes(fd, level, name, size, "getsockopt");
        } finally {
            socket.release();
        }
    }

    /**
     * Sets any option to bytes: setsockopt(2).
     *
     * @param socket the socket
     * @param level the level, such as that of SOL_SOCKET
     * @param name the number of the option
     * @param value the bytes of the value
     * @throws IOException when the system call fails
     */
    public static void option(Descriptor socket, int level, int name, byte[] value)
            throws IOException {
        int fd = socket.acquire("setsockopt");
        try {
            RawOptions.writeBytes(fd, level, name, value, "setsockopt");
        } finally {
            socket.release();
        }
    }

    /** An address in native memory. */
    static NativeBuffer of(SockAddr address) {
        byte[] bytes = address.bytes();
        NativeBuffer buffer = NativeBuffer.take(Math.max(1, bytes.length));
        buffer.bytes.put(0, bytes);
        return buffer;
    }
}
