package parley.net;

import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.InvalidPathException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import parley.net.wait.Deadline;
import parley.posix.Resolver.ResolverThreads;
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
    private static final Pattern DECIMAL = Pattern.compile(
            "((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.(?!$)|$)){4}");
    private static final Pattern DIGITS_ONLY = Pattern.compile("(0[xX][0-9a-fA-F.]+|[0-9.]+)");

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

    /** The JDK's address, null for families that it does not know. */
    static SocketAddress of(SockAddr address) {
        if (address.inetAddress() != null) {
            return new InetSocketAddress(address.inetAddress(), address.port());
        }
        return address.path() == null ? null : ofUnix(address.path());
    }

    /** The address of a Unix-domain socket, whatever its name. */
    static SocketAddress ofUnix(String name) {
        try {
            return UnixDomainSocketAddress.of(name);
        } catch (InvalidPathException e) {
            return new Nameless(name);
        }
    }

    /** {@return the port of an address, which may be null; 0 for an address without ports} */
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

    /**
     * Writes where a server listens.
     *
     * @param server open or closed
     * @return such as {@code "127.0.0.1:7007"}, or {@code "127.0.0.1:7007 and [::1]"} for a server on
     *     both loopback addresses
     */
    public static String show(SocketServer server) {
        return show(server.localAddress()) + (server.isOnBothLoopbacks() ? " and [::1]" : "");
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

    // ---- hosts and ports as users write them, and the addresses that they stand for

    static int checkPort(String operation, int port) {
        if (port < 0 || port > 65535) {
            throw new IllegalArgumentException(Errors.name(operation) + ": the port is " + port
                    + ", expected 0 to 65535 (0: the system chooses, for a server only)");
        }
        return port;
    }

    /** Refuses what cannot be a host, or is read differently by different systems. */
    static void checkHost(String operation, String host) {
        String wrong = null;
        if (host == null || host.isEmpty()) {
            wrong = "the host is missing, expected a name or an address; for this machine give"
                    + " \"localhost\"";
        } else if (host.chars().anyMatch(c -> c <= ' ' || c == 127)) {
            wrong = "the host " + show(host) + " has a space or a control character in it,"
                    + " expected a name or an address";
        } else if (host.contains("/") || isHostAndPort(host)) {
            wrong = "the host " + show(host) + " is a URL or has a port in it, expected a name or"
                    + " an address alone; pass the port as the port argument";
        } else if (DIGITS_ONLY.matcher(host).matches() && !DECIMAL.matcher(host).matches()) {
            wrong = "the host " + show(host) + " is read in different ways by different systems,"
                    + " expected four decimal numbers from 0 to 255, such as 127.0.0.1";
        }
        if (wrong != null) {
            throw new IllegalArgumentException(Errors.name(operation) + ": " + wrong);
        }
    }

    private static boolean isHostAndPort(String host) {
        int colon = host.indexOf(':');
        return colon > 0 && colon == host.lastIndexOf(':')
                && host.substring(colon + 1).chars().allMatch(Character::isDigit);
    }

    /** Text of a user in a message: control characters escaped, cut to a bearable length. */
    static String show(String text) {
        StringBuilder shown = new StringBuilder("\"");
        text.chars().limit(200).forEach(c -> {
            if (c < ' ' || c == 127) {
                shown.append(String.format(Locale.ROOT, "\\u%04x", c));
            } else {
                shown.append((char) c);
            }
        });
        return shown.append(text.length() > 200 ? "…\"" : "\"").toString();
    }

    /** All addresses of a host, in the system's order. */
    static List<InetAddress> resolve(String operation, String host, Deadline deadline)
            throws IOException {
        checkHost(operation, host);
        if (DECIMAL.matcher(host).matches() || host.indexOf(':') >= 0) {
            return literal(operation, host);
        }
        try {
            return List.of(ResolverThreads.run(
                    () -> InetAddress.getAllByName(host), deadline.remaining()));
        } catch (TimeoutException e) {
            throw Errors.timeout(operation, deadline, "the addresses of " + show(host),
                    of(host, 0), "the name server does not respond");
        } catch (InterruptedException e) {
            throw Errors.interrupted(operation, "looked up " + show(host),
                    of(host, 0), "");
        } catch (ExecutionException e) {
            throw unknown(operation, host, e.getCause());
        } catch (IOException e) {
            throw ErrorInfo.attach(new IOException(Errors.name(operation) + ": " + show(host) + ": "
                    + Errors.text(e)), ErrorInfo.endOf(operation, of(host, 0)), e);
        }
    }

    private static List<InetAddress> literal(String operation, String host) throws IOException {
        try {
            return List.of(InetAddress.getByName(host)); // a number: needs no name server
        } catch (UnknownHostException e) {
            throw unknown(operation, host, e);
        }
    }

    private static IOException unknown(String operation, String host, Throwable cause) {
        boolean later = ErrorCode.of(cause) == ErrorCode.EAI_AGAIN;
        UnknownHostException error = new UnknownHostException(Errors.name(operation)
                + ": no address for " + show(host) + (later
                ? ": Temporary failure in name resolution: the name server did not respond,"
                        + " try again"
                : ": Name or service not known: check the spelling"));
        return ErrorInfo.attach(error, ErrorInfo.endOf(operation, of(host, 0)), cause);
    }

    /** The order in which to try addresses: families by turns, IPv6 first (RFC 8305, section 4). */
    static List<InetAddress> interleave(List<InetAddress> addresses) {
        List<InetAddress> six = new ArrayList<>();
        List<InetAddress> four = new ArrayList<>();
        addresses.forEach(each -> (each instanceof java.net.Inet6Address ? six : four).add(each));
        List<InetAddress> order = new ArrayList<>();
        for (int i = 0; i < Math.max(six.size(), four.size()); i++) {
            if (i < six.size()) {
                order.add(six.get(i));
            }
            if (i < four.size()) {
                order.add(four.get(i));
            }
        }
        return order;
    }
}
