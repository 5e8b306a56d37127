package parley.posix;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketOption;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.NetworkChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Finds a channel's number by its addresses, which works for blocking channels and on macOS too.
 *
 * <p>One search through all numbers is remembered, so that asking for thousands of channels
 * searches once; what is remembered is checked against the kernel before it is believed.
 */
final class AddressFinder {
    private static final ReentrantLock LOCK = new ReentrantLock();
    /** Numbers by addresses, of the connections the last search saw; guarded by LOCK. */
    private static final Map<String, Integer> REMEMBERED = new HashMap<>();
    /** How many numbers after the one found last to look at before searching all. */
    private static final int NEAR = 32;

    private static int last; // the number found last; guarded by LOCK

    private AddressFinder() {}

    /** Finds the number of a connection between internet addresses; -1 for others. */
    static int findConnection(SelectableChannel channel) throws IOException {
        if (!(channel instanceof SocketChannel connection)
                || !(connection.getRemoteAddress() instanceof InetSocketAddress)) {
            return -1;
        }
        String key = key(connection);
        begin();
        try {
            int found = known(key);
            if (found < 0) {
                int[] alike = search(key);
                found = alike.length == 1 ? alike[0] : -1;
            }
            last = found < 0 ? last : found;
            return found;
        } finally {
            end();
        }
    }

    /** Finds the number of any channel that has an address. */
    static int find(SelectableChannel channel) throws IOException {
        if (!(channel instanceof NetworkChannel socket)) {
            throw unfindable(channel, "it has no addresses; make it non-blocking");
        }
        begin();
        try {
            int[] alike = search(key(socket));
            if (alike.length == 0) {
                throw unfindable(channel, "no descriptor of this process has its addresses");
            }
            return alike.length == 1 ? alike[0] : marked(socket, channel, alike);
        } finally {
            end();
        }
    }

    /** One finder at a time, and no duplicate of a channel's number that is not known as one. */
    private static void begin() {
        LOCK.lock();
        OwnNumbers.lock();
    }

    private static void end() {
        OwnNumbers.unlock();
        LOCK.unlock();
    }

    private static int known(String key) {
        Integer remembered = REMEMBERED.get(key);
        if (remembered != null && key.equals(key(remembered))) {
            return remembered;
        }
        for (int fd = last; fd < last + NEAR; fd++) {
            if (key.equals(key(fd))) {
                return fd;
            }
        }
        return -1;
    }

    /** Looks at all numbers, remembers their addresses, and returns those that have the key. */
    private static int[] search(String key) {
        REMEMBERED.clear();
        int[] numbers = OpenNumbers.all();
        int count = 0;
        for (int fd : numbers) {
            String seen = key(fd);
            if (key.equals(seen)) {
                numbers[count++] = fd;
            }
            if (seen != null) {
                REMEMBERED.putIfAbsent(seen, fd);
            }
        }
        return Arrays.copyOf(numbers, count);
    }

    /** Tells look-alikes apart by an option changed through the channel, and changed back. */
    private static int marked(NetworkChannel socket, SelectableChannel channel, int[] alike)
            throws IOException {
        long[] before = values(socket, alike);
        long[] between;
        if (socket instanceof SocketChannel) {
            between = changed(socket, StandardSocketOptions.SO_LINGER, 4711, alike);
        } else if (isUnix(socket)) {
            int old = socket.getOption(StandardSocketOptions.SO_RCVBUF);
            between = changed(socket, StandardSocketOptions.SO_RCVBUF, old / 2 + 4096, alike);
        } else {
            boolean old = socket.getOption(StandardSocketOptions.SO_REUSEADDR);
            between = changed(socket, StandardSocketOptions.SO_REUSEADDR, !old, alike);
        }
        long[] after = values(socket, alike);
        int found = -1;
        for (int i = 0; i < alike.length; i++) {
            if (found < 0 && between[i] != before[i] && after[i] == before[i]) {
                found = alike[i];
            }
        }
        if (found < 0) {
            throw unfindable(channel, alike.length + " descriptors look like it");
        }
        return found;
    }

    private static <T> long[] changed(
            NetworkChannel socket, SocketOption<T> option, T value, int[] alike)
            throws IOException {
        T old = socket.getOption(option);
        socket.setOption(option, value);
        try {
            return values(socket, alike);
        } finally {
            socket.setOption(option, old);
        }
    }

    /** The values of the option that marks this kind of socket, for all the look-alikes. */
    private static long[] values(NetworkChannel socket, int[] alike) throws IOException {
        jnr.constants.platform.SocketOption option = socket instanceof SocketChannel
                ? jnr.constants.platform.SocketOption.SO_LINGER
                : isUnix(socket)
                        ? jnr.constants.platform.SocketOption.SO_RCVBUF
                        : jnr.constants.platform.SocketOption.SO_REUSEADDR;
        long[] values = new long[alike.length];
        for (int i = 0; i < alike.length; i++) {
            byte[] value = RawOptions.readBytes(
                    alike[i], Constants.SOL_SOCKET, option.intValue(), 8, "getsockopt");
            // a linger that is off keeps its seconds
            values[i] = Bytes.getInt(value, 0) == 0 ? 0 : Arrays.hashCode(value);
        }
        return values;
    }

    private static boolean isUnix(NetworkChannel socket) throws IOException {
        return socket.getLocalAddress() instanceof UnixDomainSocketAddress;
    }

    // ---- addresses as text, the same from the JDK and from the kernel: local>peer

    private static String key(NetworkChannel socket) throws IOException {
        SocketAddress local = socket.getLocalAddress();
        SocketAddress peer =
                socket instanceof SocketChannel connected ? connected.getRemoteAddress() : null;
        return text(local) + ">" + (peer == null ? "" : text(peer));
    }

    /** The key of a number that can be a channel's, else null. */
    private static String key(int fd) {
        byte[] local = OwnNumbers.contains(fd) ? null : Addresses.local(fd);
        if (local == null) {
            return null;
        }
        byte[] peer = Addresses.peer(fd);
        return text(local) + ">" + (peer == null ? "" : text(peer));
    }

    private static String text(SocketAddress address) {
        if (address instanceof InetSocketAddress inet) {
            return inet(inet.getAddress().getAddress(), inet.getPort());
        }
        if (address instanceof UnixDomainSocketAddress unix) {
            return "unix " + unix.getPath();
        }
        return "unbound";
    }

    private static String text(byte[] address) {
        int family = Addresses.family(address);
        if (family == Constants.AF_UNIX) {
            int end = 2;
            while (end < address.length && address[end] != 0) {
                end++;
            }
            return "unix " + new String(address, 2, end - 2, NativeText.JDKS);
        }
        int at = family == Constants.AF_INET ? 4 : 8;
        int size = family == Constants.AF_INET ? 4 : 16;
        boolean inet = family == Constants.AF_INET || family == Constants.AF_INET6;
        int port = inet ? (address[2] & 0xff) << 8 | address[3] & 0xff : 0;
        return inet ? inet(Arrays.copyOfRange(address, at, at + size), port) : "unbound";
    }

    /** The JDK shows an IPv4 address that is mapped into IPv6 as the IPv4 address that it is. */
    private static String inet(byte[] address, int port) {
        byte[] plain = address;
        try {
            plain = InetAddress.getByAddress(address).getAddress();
        } catch (java.net.UnknownHostException e) {
            throw new AssertionError("an address has 4 or 16 bytes", e);
        }
        boolean any = true;
        for (byte b : plain) {
            any &= b == 0;
        }
        return any && port == 0
                ? "unbound"
                : "inet " + (any ? "any" : Arrays.toString(plain)) + " " + port;
    }

    private static UnsupportedOperationException unfindable(SelectableChannel channel, String why) {
        return new UnsupportedOperationException(
                "descriptor of " + channel + ": cannot be found, " + why);
    }
}
