package parley.posix;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import parley.posix.Protocols.SocketTypes;

/**
 * The address of a socket, as the bytes that the C library has: {@code struct sockaddr}.
 *
 * <pre>{@code
 * SockAddr address = SockAddr.of(InetAddress.getLoopbackAddress(), 7007);
 * System.out.println(address.family() + " " + address); // inet 127.0.0.1:7007
 * SockAddr.ofPath("/run/app.sock").path();              // "/run/app.sock"
 * }</pre>
 *
 * <p>Prints as host and port, {@code 127.0.0.1:80} or {@code [::1]:80}, or as the path of a
 * Unix-domain socket. Two addresses with the same bytes are equal. Immutable.
 */
public final class SockAddr {
    /** More than any address is long: {@code struct sockaddr_storage}. */
    static final int MAX_SIZE = 128;

    /** The index of the data, after the family (on macOS length and family). */
    private static final int HEADER = 2;
    private static final int INET_SIZE = 16;
    private static final int INET6_SIZE = 28;
    private static final int PACKET_SIZE = 20;
    private static final int GROUPS = 8; // of an address of IPv6
    /** The size of {@code sun_path}. */
    private static final int PATH_SIZE = Posix.MACOS ? 104 : 108;

    private final byte[] bytes; // immutable, never handed out

    private SockAddr(byte[] bytes) {
        this.bytes = bytes;
    }

    /** Takes over what the kernel filled in. */
    static SockAddr ofKernel(byte[] bytes) {
        return new SockAddr(bytes);
    }

    /**
     * Makes an address of any family out of the bytes that follow the family.
     *
     * @param family a name such as {@code inet}
     * @param data at most 126 bytes
     */
    public static SockAddr of(String family, byte[] data) {
        Posix.require("SockAddr.of");
        if (data.length > MAX_SIZE - HEADER) {
            throw new IllegalArgumentException("sockaddr: the data has " + data.length
                    + " bytes, at most " + (MAX_SIZE - HEADER) + " fit");
        }
        byte[] all = header(SocketTypes.domain(family), HEADER + data.length);
        System.arraycopy(data, 0, all, HEADER, data.length);
        return new SockAddr(all);
    }

    /**
     * Makes the address of an internet socket, of version 4 or 6 as the host is.
     *
     * @param port 0 to 65535
     */
    public static SockAddr of(InetAddress host, int port) {
        Posix.require("SockAddr.of");
        if (port < 0 || port > 0xffff) {
            throw new IllegalArgumentException(
                    "sockaddr: the port " + port + " is not between 0 and 65535");
        }
        byte[] address = host.getAddress();
        boolean four = address.length == 4;
        byte[] all = header(
                four ? Constants.AF_INET : Constants.AF_INET6, four ? INET_SIZE : INET6_SIZE);
        all[2] = (byte) (port >> 8);
        all[3] = (byte) port;
        System.arraycopy(address, 0, all, four ? 4 : 8, address.length);
        if (host instanceof java.net.Inet6Address six) {
            Bytes.putInt(all, 24, six.getScopeId());
        }
        return new SockAddr(all);
    }

    /**
     * Makes the address of a Unix-domain socket.
     *
     * @param path a file's name; one that begins with a zero character is abstract (Linux)
     * @throws IllegalArgumentException when it is longer than the system takes
     */
    public static SockAddr ofPath(String path) {
        Posix.require("SockAddr.ofPath");
        byte[] name = path.getBytes(StandardCharsets.UTF_8);
        boolean named = name.length > 0 && name[0] != 0;
        int most = named ? PATH_SIZE - 1 : PATH_SIZE; // a path ends with a zero
        if (name.length > most) {
            throw new IllegalArgumentException("sockaddr: the path " + path.replace('\0', '@')
                    + " has " + name.length + " bytes, at most " + most + " fit");
        }
        byte[] all = header(Constants.AF_UNIX, HEADER + name.length + (named ? 1 : 0));
        System.arraycopy(name, 0, all, HEADER, name.length);
        return new SockAddr(all);
    }

    /**
     * Makes a link-layer address (Linux, family {@code packet}).
     *
     * @param protocol the protocol of the frames in host order: 0x0003 for all, 0x0800 for IP
     * @param index the interface's index, 0 for any
     * @param hardware the hardware address, at most 8 bytes
     */
    public static SockAddr ofPacket(int protocol, int index, byte[] hardware) {
        Posix.require("SockAddr.ofPacket");
        byte[] all = header(SocketTypes.domain("packet"), PACKET_SIZE);
        if (hardware.length > 8) {
            throw new IllegalArgumentException("sockaddr: the hardware address has "
                    + hardware.length + " bytes, at most 8 fit");
        }
        all[2] = (byte) (protocol >> 8);
        all[3] = (byte) protocol;
        Bytes.putInt(all, 4, index);
        all[11] = (byte) hardware.length;
        System.arraycopy(hardware, 0, all, 12, hardware.length);
        return new SockAddr(all);
    }

    private static byte[] header(int family, int size) {
        byte[] all = new byte[size];
        if (Posix.LINUX) {
            all[0] = (byte) family;
            all[1] = (byte) (family >> 8);
        } else {
            all[0] = (byte) size;
            all[1] = (byte) family;
        }
        return all;
    }

    /** {@return a copy of all the bytes, as the C library has them} */
    public byte[] bytes() {
        return bytes.clone();
    }

    /** {@return a copy of the bytes that follow the family} */
    public byte[] data() {
        return Arrays.copyOfRange(bytes, Math.min(HEADER, bytes.length), bytes.length);
    }

    /** {@return the name of the family: {@code inet}, {@code unix}; or its number as text} */
    public String family() {
        return SocketTypes.domainName(family(bytes));
    }

    /** {@return the internet address, or null for other families} */
    public InetAddress inetAddress() {
        try {
            return switch (kind()) {
                case INET -> InetAddress.getByAddress(Arrays.copyOfRange(bytes, 4, 8));
                case INET6 -> java.net.Inet6Address.getByAddress(
                        null, Arrays.copyOfRange(bytes, 8, 24), Bytes.getInt(bytes, 24));
                default -> null;
            };
        } catch (UnknownHostException e) {
            throw new AssertionError("an address has 4 or 16 bytes", e);
        }
    }

    /** {@return the host in numbers, {@code 127.0.0.1} or {@code ::1}; null for other families} */
    public String host() {
        return switch (kind()) {
            case INET -> inetAddress().getHostAddress();
            case INET6 -> ipv6(Arrays.copyOfRange(bytes, 8, 24)) + scope();
            default -> null;
        };
    }

    /** {@return the port, or -1 for families that have none} */
    public int port() {
        return switch (kind()) {
            case INET, INET6 -> (bytes[2] & 0xff) << 8 | bytes[3] & 0xff;
            default -> -1;
        };
    }

    /**
     * {@return the path of a Unix-domain address: empty for a socket without a name, beginning with
     * a zero character for an abstract one; null for other families}
     */
    public String path() {
        if (kind() != Kind.UNIX) {
            return null;
        }
        int end = HEADER;
        boolean isAbstract = bytes.length > HEADER && bytes[HEADER] == 0 && Posix.LINUX;
        while (end < bytes.length && (isAbstract || bytes[end] != 0)) {
            end++;
        }
        return new String(bytes, HEADER, end - HEADER, StandardCharsets.UTF_8);
    }

    private enum Kind { INET, INET6, UNIX, PACKET, OTHER }

    private Kind kind() {
        int family = family(bytes);
        if (family == Constants.AF_INET && bytes.length >= 8) {
            return Kind.INET;
        }
        if (family == Constants.AF_INET6 && bytes.length >= INET6_SIZE) {
            return Kind.INET6;
        }
        if (family == Constants.AF_UNIX) {
            return Kind.UNIX;
        }
        return family == Constants.AF_PACKET && bytes.length >= PACKET_SIZE - 8
                ? Kind.PACKET : Kind.OTHER;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof SockAddr address && Arrays.equals(bytes, address.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    /** Returns host and port, a path, or for other families the family with the data in hex. */
    @Override
    public String toString() {
        return switch (kind()) {
            case INET -> host() + ":" + port();
            case INET6 -> "[" + host() + "]:" + port();
            case UNIX -> path().isEmpty() ? "(unnamed)" : path().replace('\0', '@');
            case PACKET -> "packet:" + Bytes.getInt(bytes, 4) + "/"
                    + HexFormat.ofDelimiter(":").formatHex(bytes, 12,
                            Math.min(bytes.length, 12 + Math.min(8, bytes[11] & 0xff)));
            case OTHER -> family() + ":" + HexFormat.of().formatHex(data());
        };
    }

    private String scope() {
        int scope = Bytes.getInt(bytes, 24);
        return scope == 0 ? "" : "%" + scope;
    }

    // ---- text of IPv6

    /**
     * {@return the usual short form of an IPv6 address, as RFC 5952 has it; the JDK prints the long
     * one. Needs no C library}
     *
     * @param address its 16 bytes
     */
    public static String ipv6(byte[] address) {
        int[] groups = new int[GROUPS];
        for (int i = 0; i < GROUPS; i++) {
            groups[i] = (address[2 * i] & 0xff) << 8 | address[2 * i + 1] & 0xff;
        }
        if (isMapped(groups)) {
            return "::ffff:" + (address[12] & 0xff) + "." + (address[13] & 0xff) + "."
                    + (address[14] & 0xff) + "." + (address[15] & 0xff);
        }
        int start = 0;
        int length = 0;
        for (int i = 0; i < GROUPS; i++) {
            int zeros = zerosAt(groups, i);
            if (zeros > length) {
                start = i;
                length = zeros;
            }
        }
        return length < 2
                ? join(groups, 0, GROUPS)
                : join(groups, 0, start) + "::" + join(groups, start + length, GROUPS);
    }

    private static boolean isMapped(int[] groups) {
        return zerosAt(groups, 0) == 5 && groups[5] == 0xffff;
    }

    private static int zerosAt(int[] groups, int from) {
        int i = from;
        while (i < GROUPS && groups[i] == 0) {
            i++;
        }
        return i - from;
    }

    private static String join(int[] groups, int from, int to) {
        StringBuilder text = new StringBuilder();
        for (int i = from; i < to; i++) {
            text.append(i == from ? "" : ":").append(Integer.toHexString(groups[i]));
        }
        return text.toString();
    }

    // ---- in native memory

    /** The family that begins every address; macOS has the length before it. */
    static int family(byte[] address) {
        if (address.length < 2) {
            return Constants.AF_UNSPEC;
        }
        return Posix.LINUX
                ? (address[0] & 0xff) | (address[1] & 0xff) << 8
                : address[1] & 0xff;
    }

    /** Native memory for an address that a call writes, with its size behind. */
    static NativeBuffer room() {
        NativeBuffer buffer = NativeBuffer.take(MAX_SIZE + 8);
        buffer.zero(MAX_SIZE + 8).bytes.putInt(MAX_SIZE, MAX_SIZE);
        return buffer;
    }

    /** The address that a call has written there. */
    static byte[] content(NativeBuffer buffer) {
        byte[] all = new byte[MAX_SIZE];
        buffer.bytes.get(0, all);
        return Arrays.copyOf(all, Math.min(MAX_SIZE, buffer.bytes.getInt(MAX_SIZE)));
    }

    /** A copy in native memory. */
    NativeBuffer inMemory() {
        NativeBuffer buffer = NativeBuffer.take(Math.max(1, bytes.length));
        buffer.bytes.put(0, bytes);
        return buffer;
    }

    /** Integers in byte arrays, in the byte order of this machine. */
    private static final class Bytes {
        private static final VarHandle INT =
                MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.nativeOrder());

        private Bytes() {}

        static int getInt(byte[] bytes, int at) {
            return (int) INT.get(bytes, at);
        }

        static void putInt(byte[] bytes, int at, int value) {
            INT.set(bytes, at, value);
        }
    }
}
