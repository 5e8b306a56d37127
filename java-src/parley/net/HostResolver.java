package parley.net;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import parley.net.wait.Deadline;
import parley.posix.Resolver.ResolverThreads;

/** Hosts and ports as users write them, and the addresses that they stand for. */
final class HostResolver {
    private static final Pattern DECIMAL = Pattern.compile(
            "((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.(?!$)|$)){4}");
    private static final Pattern DIGITS_ONLY = Pattern.compile("(0[xX][0-9a-fA-F.]+|[0-9.]+)");

    private HostResolver() {
    }

    static int checkPort(String operation, int port) {
        if (port < 0 || port > 65535) {
            throw new IllegalArgumentException(Errors.name(operation) + ": the port is " + port
                    + ", expected 0 to 65535 (0: the system chooses, for a server only)");
        }
        return port;
    }

    /** Refuses what cannot be a host, or is read differently by different systems. */
    static void check(String operation, String host) {
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
        check(operation, host);
        if (DECIMAL.matcher(host).matches() || host.indexOf(':') >= 0) {
            return literal(operation, host);
        }
        try {
            return List.of(ResolverThreads.run(
                    () -> InetAddress.getAllByName(host), deadline.remaining()));
        } catch (TimeoutException e) {
            throw Errors.timeout(operation, deadline, "the addresses of " + show(host),
                    Addresses.of(host, 0), "the name server does not respond");
        } catch (InterruptedException e) {
            throw Errors.interrupted(operation, "looked up " + show(host),
                    Addresses.of(host, 0), "");
        } catch (ExecutionException e) {
            throw unknown(operation, host, e.getCause());
        } catch (IOException e) {
            throw ErrorInfo.attach(new IOException(Errors.name(operation) + ": " + show(host) + ": "
                    + Errors.text(e)), Addresses.of(host, 0), e);
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
        UnknownHostException error = new UnknownHostException(Errors.name(operation) + ": no address for "
                + show(host) + (later
                ? ": Temporary failure in name resolution: the name server did not respond, try again"
                : ": Name or service not known: check the spelling"));
        return ErrorInfo.attach(error, Addresses.of(host, 0), cause);
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
