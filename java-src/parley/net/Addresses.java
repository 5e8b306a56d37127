package parley.net;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.InvalidPathException;
import java.util.stream.Collectors;
import parley.posix.SockAddr;

/**
 * Shows addresses as CLISP does.
 *
 * <pre>{@code
 * Addresses.host(stream.peerAddress());     // "127.0.0.1"
 * Addresses.resolved(stream.peerAddress()); // "127.0.0.1 (localhost)"
 * Addresses.port(stream.peerAddress());     // 44055
 * Addresses.show(stream.peerAddress());     // "127.0.0.1:44055"
 * }</pre>
 */
public final class Addresses {
    private static final int SHOWN = 16; // of a machine that may have hundreds

    private Addresses() {
    }

    /**
     * The host of an address as a number.
     *
     * @param address TCP or Unix-domain, or null
     * @return for example {@code "127.0.0.1"}; a path, or {@code ""} for an end without a name
     */
    public static String host(SocketAddress address) {
        if (address instanceof InetSocketAddress) {
            InetSocketAddress inet = (InetSocketAddress) address;
            return inet.isUnresolved() ? inet.getHostString() : literal(inet.getAddress());
        }
        return address instanceof UnixDomainSocketAddress unix ? unix.getPath().toString()
                : address instanceof Nameless nameless ? nameless.toString() : "";
    }

    /**
     * A Unix-domain address that no path of the JDK can be: an abstract name, or other characters.
     */
    private static final class Nameless extends SocketAddress {
        private static final long serialVersionUID = 1L;
        private final String name;

        Nameless(String name) {
            this.name = name;
        }

        @Override
        public String toString() {
            return name.replace('\0', '@'); // as ss(8) and /proc/net/unix show it
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Nameless nameless && name.equals(nameless.name);
        }

        @Override
        public int hashCode() {
            return name.hashCode();
        }
    }

    /** The address of a Unix-domain socket, whatever its name. */
    static SocketAddress ofUnix(String name) {
        try {
            return UnixDomainSocketAddress.of(name);
        } catch (InvalidPathException e) {
            return new Nameless(name);
        }
    }

    /**
     * The port of an address.
     *
     * @param address TCP or Unix-domain, or null
     * @return 0 for an address without ports
     */
    public static int port(SocketAddress address) {
        return address instanceof InetSocketAddress ? ((InetSocketAddress) address).getPort() : 0;
    }

    /** A host that need not be resolved and a port, or the path of a Unix-domain socket. */
    static SocketAddress of(String host, int port) {
        return port == 0 && host.indexOf('/') >= 0 ? UnixDomainSocketAddress.of(host)
                : InetSocketAddress.createUnresolved(host, port);
    }

    /**
     * Writes an address as Parley shows it everywhere.
     *
     * @param address of this machine or of a peer
     * @return such as {@code "127.0.0.1:7007"}, {@code "[::1]:7007"}, the path of a Unix-domain
     *     socket, or {@code "?"} for a socket without a name
     */
    public static String show(SocketAddress address) {
        if (!(address instanceof InetSocketAddress)) {
            String path = host(address);
            return path.isEmpty() ? "?" : path;
        }
        return show(host(address), port(address));
    }

    /** A host and a port, or the path of a Unix-domain socket, whose port is 0. */
    static String show(String host, int port) {
        if (port == 0 && host.indexOf('/') >= 0) {
            return host;
        }
        return (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + port;
    }

    /**
     * The number of an address, an IPv6 one in its short form (RFC 5952) with its zone if it has
     * use.
     */
    static String literal(InetAddress address) {
        String text = address.getHostAddress();
        if (!(address instanceof Inet6Address)) {
            return text;
        }
        int zone = text.indexOf('%');
        boolean needed = zone >= 0 && (address.isLinkLocalAddress() || address.isSiteLocalAddress()
                || address.isMulticastAddress()) && !text.endsWith("%0");
        return SockAddr.ipv6(address.getAddress()) + (needed ? text.substring(zone) : "");
    }

    /** The addresses that this machine has now, as a list for a message. */
    static String ours() {
        try {
            return NetworkInterface.networkInterfaces().flatMap(NetworkInterface::inetAddresses)
                    .map(Addresses::literal).sorted().limit(SHOWN)
                    .collect(Collectors.joining(", "));
        } catch (SocketException e) {
            return "none that can be listed (" + Errors.text(e) + ")";
        }
    }

    /**
     * Returns the numeric host of an address, with the name from the system's resolver.
     *
     * @param address TCP or Unix-domain, or null
     * @return for example {@code "127.0.0.1 (localhost)"}; as {@link #host} when it has no name
     */
    public static String resolved(SocketAddress address) {
        String host = host(address);
        if (!(address instanceof InetSocketAddress)) {
            return host;
        }
        InetAddress inet = ((InetSocketAddress) address).getAddress();
        String name = inet == null ? host : inet.getCanonicalHostName();
        return name.equals(inet == null ? host : inet.getHostAddress()) ? host
                : host + " (" + name + ")";
    }
}
