package parley.net;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import parley.net.wait.Deadline;
import parley.posix.ChannelDescriptor;
import parley.posix.Descriptor;
import parley.posix.DescriptorOption;
import parley.posix.Handles;
import parley.posix.Sockets;

/** Makes the sockets of servers: TCP, both loopback addresses, Unix-domain, or a handle. */
final class Listening {
    private static final String NAME = "socket-server";
    private static final int PORTS_TRIED = 20; // for one that is free on both loopback addresses

    private Listening() {
    }

    static SocketServer listen(ServerOptions options) throws IOException {
        Errors.need(NAME, "the options", options, "ServerOptions");
        prepare(options);
        return options.path() != null ? listenUnix(options)
                : options.loopback() ? listenLoopback(options) : listenTcp(options);
    }

    private static void prepare(ServerOptions options) throws IOException {
        try {
            DescriptorUsage.prepare();
        } catch (IOException e) {
            throw explain(e, options.path() != null ? UnixDomainSocketAddress.of(options.path())
                    : Addresses.of(options.host() == null ? "0.0.0.0" : options.host(),
                    options.port()));
        }
    }

    private static SocketServer listenTcp(ServerOptions options) throws IOException {
        String host = options.host() == null ? "0.0.0.0" : options.host();
        InetAddress address = Addresses.resolve(NAME, host, Deadline.NONE).get(0);
        ServerSocketChannel channel =
                bind(new InetSocketAddress(address, options.port()), options);
        try {
            return new SocketServer(channel, null, channel.getLocalAddress(), null);
        } catch (IOException | RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    private static ServerSocketChannel bind(InetSocketAddress target, ServerOptions options)
            throws IOException {
        ServerSocketChannel channel = open(target.getAddress());
        try {
            if (options.reusePort()) {
                channel.setOption(StandardSocketOptions.SO_REUSEPORT, true);
            }
            return channel.bind(target, options.backlog());
        } catch (IOException e) {
            channel.close();
            throw explain(e, target);
        } catch (RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    /** Listens on both loopback addresses; on that of IPv4 alone where there is no IPv6. */
    private static SocketServer listenLoopback(ServerOptions options) throws IOException {
        InetAddress four = InetAddress.getByAddress("localhost", new byte[] {127, 0, 0, 1});
        for (int tries = 1;; tries++) {
            ServerSocketChannel channel =
                    bind(new InetSocketAddress(four, options.port()), options);
            ServerSocketChannel twin = null;
            try {
                twin = bindTwin(Addresses.port(channel.getLocalAddress()), options);
                return new SocketServer(channel, twin, channel.getLocalAddress(), null);
            } catch (IOException | RuntimeException | Error e) {
                SocketServer.release(channel, twin, null, null);
                boolean taken = options.port() == 0 && e instanceof BindException;
                if (!taken || tries == PORTS_TRIED) {
                    throw e;
                }
            }
        }
    }

    /** Returns null where there is no IPv6. */
    private static ServerSocketChannel bindTwin(int port, ServerOptions options)
            throws IOException {
        byte[] one = new byte[16];
        one[15] = 1;
        try {
            return bind(new InetSocketAddress(InetAddress.getByAddress("localhost", one), port),
                    options);
        } catch (IOException e) {
            ErrorCode code = ErrorCode.of(e);
            if (code == ErrorCode.EADDRNOTAVAIL || code == ErrorCode.EAFNOSUPPORT) {
                return null;
            }
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
            return new SocketServer(channel, null, target, file);
        } catch (IOException e) {
            SocketServer.release(channel, null, null, file);
            throw explain(e, target);
        } catch (RuntimeException | Error e) {
            SocketServer.release(channel, null, null, file);
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

    /**
     * Closes connections made before the file's permissions were set: any user may have made them.
     */
    private static void refuseEarlyBirds(ServerSocketChannel channel) throws IOException {
        for (SocketChannel early = channel.accept(); early != null; early = channel.accept()) {
            early.close();
        }
    }

    /** As {@link SocketServer#ofHandle}. */
    static SocketServer ofHandle(int handle) throws IOException {
        DescriptorUsage.prepare();
        try (Descriptor copy = Handles.duplicate(NAME, handle)) {
            SocketAddress bound = listeningAddress(copy, handle);
            ServerSocketChannel channel = standIn(bound);
            try {
                ChannelDescriptor.find(channel).become(copy);
                return new SocketServer(channel, null, bound, null);
            } catch (IOException | RuntimeException | Error e) {
                channel.close();
                throw e;
            }
        }
    }

    private static SocketAddress listeningAddress(Descriptor copy, int handle) throws IOException {
        SocketAddress bound = copy.isSocket()
                && Boolean.TRUE.equals(DescriptorOption.SO_ACCEPTCONN.get(copy))
                ? Addresses.of(Sockets.localAddress(copy)) : null;
        if (bound == null) {
            throw new IllegalArgumentException(Errors.name(NAME) + ": the handle " + handle
                    + " is no socket that listens, expected one of TCP or of the Unix domain, such"
                    + " as 3, the first that a service manager passes on");
        }
        return bound;
    }

    /** Returns a channel of the family, bound somewhere, whose socket another one can replace. */
    private static ServerSocketChannel standIn(SocketAddress bound) throws IOException {
        if (bound instanceof InetSocketAddress inet) {
            byte[] any = inet.getAddress().getAddress();
            return bind(new InetSocketAddress(InetAddress.getByAddress(new byte[any.length]), 0),
                    ServerOptions.builder().build());
        }
        ServerSocketChannel channel = openUnix(bound);
        channel.bind(null);
        Files.deleteIfExists(((UnixDomainSocketAddress) channel.getLocalAddress()).getPath());
        return channel;
    }

    private static IOException explain(IOException e, SocketAddress target) {
        if (ErrorInfo.carriedBy(e) != null) {
            return e;
        }
        ErrorCode code = ErrorCode.of(e);
        String hint = "";
        if (code == ErrorCode.EADDRINUSE) {
            hint = "; choose another port, or 0 for a free one";
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
        return ErrorInfo.attach(explained, ErrorInfo.endOf(NAME, target), e);
    }
}
