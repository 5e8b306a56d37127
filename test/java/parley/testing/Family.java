package parley.testing;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.concurrent.ThreadLocalRandom;

/** The kinds of socket a case runs over: loopback addresses, ports of the system's choice. */
public enum Family {
    /** TCP over {@code 127.0.0.1}. */
    TCP4(StandardProtocolFamily.INET, "127.0.0.1"),
    /** TCP over {@code ::1}. */
    TCP6(StandardProtocolFamily.INET6, "::1"),
    /** Unix-domain stream sockets, each on a fresh path. */
    UNIX(StandardProtocolFamily.UNIX, null),
    /** As {@link #TCP4}, with Parley's streams over handles instead of channels. */
    HANDLE(StandardProtocolFamily.INET, "127.0.0.1"),
    /** As {@link #TCP4}, under TLS on both sides. */
    TLS(StandardProtocolFamily.INET, "127.0.0.1"),
    /** As {@link #UNIX}, under TLS on both sides. */
    TLS_UNIX(StandardProtocolFamily.UNIX, null);

    private final StandardProtocolFamily protocol;
    private final String host; // null for UNIX

    Family(StandardProtocolFamily protocol, String host) {
        this.protocol = protocol;
        this.host = host;
    }

    /** Whether this machine can bind an address of this kind. */
    public boolean available() {
        if (protocol == StandardProtocolFamily.INET) {
            return true; // a machine without it should fail loudly
        }
        try (ServerSocketChannel server = listen(1)) {
            return server.isOpen();
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    /** Whether this is TCP, of either version. */
    public boolean isTcp() {
        return protocol != StandardProtocolFamily.UNIX;
    }

    /** Whether streams of this kind are under TLS. */
    public boolean isTls() {
        return this == TLS || this == TLS_UNIX;
    }

    /** The loopback address as text; null for Unix-domain sockets. */
    public String host() {
        return host;
    }

    /** The protocol family in the JDK's terms. */
    public StandardProtocolFamily protocol() {
        return protocol;
    }

    /** An address to bind: port 0 of the loopback, or a path at which nothing is. */
    public SocketAddress unbound() {
        if (!isTcp()) {
            return UnixDomainSocketAddress.of(TemporaryPaths.fresh());
        }
        try {
            return new InetSocketAddress(InetAddress.getByName(host), 0);
        } catch (UnknownHostException e) {
            throw new AssertionError(host + " is a literal address", e);
        }
    }

    /** A blocking channel that listens on {@link #unbound()}. */
    public ServerSocketChannel listen(int backlog) throws IOException {
        ServerSocketChannel channel = ServerSocketChannel.open(protocol);
        try {
            return channel.bind(unbound(), backlog);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** A blocking channel, not yet connected. */
    public SocketChannel open() throws IOException {
        return SocketChannel.open(protocol);
    }

    /**
     * An address where nobody listens, and where a moment ago nobody could have. Its port is below
     * those that the kernel chooses, so that it is given to nobody else in the meantime.
     */
    public SocketAddress deserted() throws IOException {
        if (!isTcp()) {
            try (ServerSocketChannel server = listen(1)) {
                return server.getLocalAddress(); // its file stays
            }
        }
        while (true) {
            InetSocketAddress address = new InetSocketAddress(
                    host, ThreadLocalRandom.current().nextInt(10_000, 32_768));
            try (ServerSocketChannel server = ServerSocketChannel.open(protocol)) {
                server.bind(address, 1);
                return address;
            } catch (BindException e) {
                continue; // in use
            }
        }
    }

    /** A port of 127.0.0.1 for a server that cannot choose one; see {@link #deserted}. */
    public static int freePort() throws IOException {
        return ((InetSocketAddress) TCP4.deserted()).getPort();
    }
}
