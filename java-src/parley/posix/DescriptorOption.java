package parley.posix;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import jnr.constants.Constant;
import jnr.constants.platform.IP;
import jnr.constants.platform.SocketOption;
import jnr.constants.platform.TCP;

/**
 * The options of sockets that getsockopt(2) and setsockopt(2) know, by the names of CLISP's {@code
 * socket-options}: level, number on this platform, and how the value looks.
 *
 * <p>Values: a {@link Kind#FLAG} is a {@link Boolean}; a {@link Kind#NUMBER} an {@link Integer};
 * {@link Kind#SECONDS} a {@link Duration}, zero for no limit; {@link Kind#LINGER} the seconds as an
 * {@link Integer}, null for off; {@link Kind#TYPE} one of {@code stream dgram raw rdm seqpacket} or
 * the number as text; {@link Kind#ERROR} the symbolic name of an error, null for none.
 */
public enum DescriptorOption {
    /** Debugging is recorded, where the system can. */
    SO_DEBUG(Kind.FLAG, SocketOption.SO_DEBUG),
    /** The socket listens; can be read only. */
    SO_ACCEPTCONN(Kind.FLAG, SocketOption.SO_ACCEPTCONN, Access.READ),
    /** Broadcasts may be sent. */
    SO_BROADCAST(Kind.FLAG, SocketOption.SO_BROADCAST),
    /** The local address may be bound again. */
    SO_REUSEADDR(Kind.FLAG, SocketOption.SO_REUSEADDR),
    /** Several sockets may bind the address. */
    SO_REUSEPORT(Kind.FLAG, SocketOption.SO_REUSEPORT),
    /** Only to hosts that are connected directly. */
    SO_DONTROUTE(Kind.FLAG, SocketOption.SO_DONTROUTE),
    /** Probes are sent on an idle connection. */
    SO_KEEPALIVE(Kind.FLAG, SocketOption.SO_KEEPALIVE),
    /** The pending error, which reading clears. */
    SO_ERROR(Kind.ERROR, SocketOption.SO_ERROR, Access.READ),
    /** macOS counts SO_LINGER in clock ticks and has SO_LINGER_SEC for seconds. */
    SO_LINGER(Kind.LINGER, Level.SOCKET, number(SocketOption.SO_LINGER, 0x1080), Access.BOTH),
    /** Urgent data comes in line. */
    SO_OOBINLINE(Kind.FLAG, SocketOption.SO_OOBINLINE),
    /** The kind of socket; can be read only. */
    SO_TYPE(Kind.TYPE, SocketOption.SO_TYPE, Access.READ),
    /** Size of the receive buffer; Linux answers twice what was set. */
    SO_RCVBUF(Kind.NUMBER, SocketOption.SO_RCVBUF),
    /** Size of the send buffer; Linux answers twice what was set. */
    SO_SNDBUF(Kind.NUMBER, SocketOption.SO_SNDBUF),
    /** Bytes that make the socket readable. */
    SO_RCVLOWAT(Kind.NUMBER, SocketOption.SO_RCVLOWAT),
    /** Linux answers 1 and refuses another value. */
    SO_SNDLOWAT(Kind.NUMBER, SocketOption.SO_SNDLOWAT, Constants.LINUX ? Access.READ : Access.BOTH),
    /** Bound of a blocking receive. */
    SO_RCVTIMEO(Kind.SECONDS, SocketOption.SO_RCVTIMEO),
    /** Bound of a blocking send. */
    SO_SNDTIMEO(Kind.SECONDS, SocketOption.SO_SNDTIMEO),
    /** Small segments are sent at once. */
    TCP_NODELAY(Kind.FLAG, Level.TCP, TCP.TCP_NODELAY.intValue(), Access.BOTH),
    /** Named TCP_KEEPALIVE on macOS. */
    TCP_KEEPIDLE(Kind.NUMBER, Level.TCP, number(TCP.TCP_KEEPIDLE, 0x10), Access.BOTH),
    /** Seconds between probes. */
    TCP_KEEPINTVL(Kind.NUMBER, Level.TCP, number(TCP.TCP_KEEPINTVL, 0x101), Access.BOTH),
    /** Probes before the connection is given up. */
    TCP_KEEPCNT(Kind.NUMBER, Level.TCP, number(TCP.TCP_KEEPCNT, 0x102), Access.BOTH),
    /** Acknowledgements are sent at once; Linux. */
    TCP_QUICKACK(Kind.FLAG, Level.TCP, number(TCP.TCP_QUICKACK, Numbers.MISSING), Access.BOTH),
    /** Milliseconds, as the kernel counts them. */
    TCP_USER_TIMEOUT(
            Kind.NUMBER, Level.TCP, number(TCP.TCP_USER_TIMEOUT, Numbers.MISSING), Access.BOTH),
    /** Type of service of what is sent. */
    IP_TOS(Kind.NUMBER, Level.IP, IP.IP_TOS.intValue(), Access.BOTH),
    /** Time to live of what is sent. */
    IP_TTL(Kind.NUMBER, Level.IP, IP.IP_TTL.intValue(), Access.BOTH),
    /** An IPv6 socket takes no IPv4. */
    IPV6_V6ONLY(Kind.FLAG, Level.IPV6, Constants.LINUX ? 26 : 27, Access.BOTH);

    /** How the value of an option looks. */
    public enum Kind {
        /** A {@link Boolean}. */
        FLAG,
        /** An {@link Integer}. */
        NUMBER,
        /** A {@link Duration}, zero for no limit. */
        SECONDS,
        /** The seconds as an {@link Integer}, null for off. */
        LINGER,
        /** A name such as {@code stream}. */
        TYPE,
        /** A symbolic error name such as {@code ECONNREFUSED}, or null. */
        ERROR
    }

    private enum Access { READ, BOTH }

    /** Levels of setsockopt; those of protocols have the protocol's number everywhere. */
    private static final class Level {
        static final int SOCKET = Constants.SOL_SOCKET;
        static final int IP = 0;
        static final int TCP = 6;
        static final int IPV6 = 41;
    }

    private static final class Numbers {
        static final int MISSING = -1;
        static final int IPV6_TCLASS = Constants.LINUX ? 67 : 36;
        static final int IPV6_UNICAST_HOPS = Constants.LINUX ? 16 : 4;
    }

    private static final Map<String, DescriptorOption> BY_KEY = Arrays.stream(values())
            .collect(Collectors.toUnmodifiableMap(DescriptorOption::key, option -> option));

    private final Kind kind; // immutable
    private final int level; // immutable
    private final int number; // immutable; MISSING where the platform has no such option
    private final Access access; // immutable

    DescriptorOption(Kind kind, SocketOption option) {
        this(kind, option, Access.BOTH);
    }

    DescriptorOption(Kind kind, SocketOption option, Access access) {
        this(kind, Level.SOCKET, option.defined() ? option.intValue() : -1, access);
    }

    DescriptorOption(Kind kind, int level, int number, Access access) {
        this.kind = kind;
        this.level = level;
        this.number = number;
        this.access = access;
    }

    /** The number on Linux, which jnr-constants knows, or the one of macOS, which it does not. */
    private static int number(Constant linux, int macos) {
        return Constants.LINUX ? linux.intValue() : macos;
    }

    /** Returns the name as a keyword is written: {@code so-linger}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Returns how its value looks. */
    public Kind kind() {
        return kind;
    }

    /**
     * Returns the option of a name such as {@code so-linger}.
     *
     * @throws IllegalArgumentException naming it and all that there are
     */
    public static DescriptorOption of(String key) {
        DescriptorOption found = BY_KEY.get(key);
        if (found == null) {
            throw new IllegalArgumentException("socket option: unknown option " + key
                    + ", known are " + Arrays.stream(values()).map(DescriptorOption::key)
                            .collect(Collectors.joining(" ")));
        }
        return found;
    }

    /**
     * Reads the option. Reading {@link #SO_ERROR} clears it, as the system has it; a reset is
     * remembered by the descriptor.
     *
     * @return the value as the class comment says, possibly null
     * @throws UnsupportedOperationException where the platform has no such option
     * @throws PosixException of the system: ENOPROTOOPT or EOPNOTSUPP where this kind of socket
     *     does not have it
     */
    public Object get(Descriptor descriptor) throws IOException {
        requireThere();
        int fd = descriptor.acquire("getsockopt");
        try {
            return read(descriptor, fd);
        } finally {
            descriptor.release();
        }
    }

    /**
     * Sets the option.
     *
     * @param value as the class comment says; a number also as any {@link Number} without a
     *     fraction, null for a flag is false, for seconds no limit
     * @return the value before the call
     * @throws IllegalArgumentException when the value is of another kind, or out of range
     * @throws UnsupportedOperationException where the platform has no such option or cannot set it
     */
    public Object set(Descriptor descriptor, Object value) throws IOException {
        requireThere();
        if (access == Access.READ) {
            throw new UnsupportedOperationException("socket option " + key()
                    + ": can be read but not set on " + Posix.platform());
        }
        byte[] encoded = OptionValues.encode(this, value);
        int fd = descriptor.acquire("setsockopt");
        try {
            Object before = read(descriptor, fd);
            write(fd, encoded);
            return before;
        } finally {
            descriptor.release();
        }
    }

    private void requireThere() {
        Posix.require("socket option " + key());
        if (number == Numbers.MISSING) {
            throw new UnsupportedOperationException("socket option " + key() + ": "
                    + Posix.platform() + " has no such option");
        }
    }

    private Object read(Descriptor descriptor, int fd) throws IOException {
        int size = kind == Kind.SECONDS ? 16 : kind == Kind.LINGER ? 8 : 4;
        ByteBuffer raw = ByteBuffer.wrap(Arrays.copyOf(readBytes(fd, size), size))
                .order(ByteOrder.nativeOrder());
        if (kind == Kind.ERROR && raw.getInt(0) != 0) {
            descriptor.remember(new PosixException(raw.getInt(0), "recv(" + fd + ")"));
        }
        return OptionValues.decode(kind, raw);
    }

    private byte[] readBytes(int fd, int size) throws IOException {
        try {
            return RawOptions.readBytes(fd, level, number, size, call("getsockopt"));
        } catch (PosixException e) {
            if (sixth() == Numbers.MISSING || Constants.LINUX) {
                throw e;
            }
            // macOS does not answer for the fourth protocol on a socket of the sixth
            return RawOptions.readBytes(fd, Level.IPV6, sixth(), size, call("getsockopt"));
        }
    }

    /** Writes the value; what IP has twice, for its versions 4 and 6, is written twice. */
    private void write(int fd, byte[] value) throws IOException {
        boolean both = sixth() != Numbers.MISSING && Addresses.family(fd) == Constants.AF_INET6;
        if (both) {
            RawOptions.writeBytes(fd, Level.IPV6, sixth(), value, call("setsockopt"));
        }
        if (!both || Constants.LINUX) {
            RawOptions.writeBytes(fd, level, number, value, call("setsockopt"));
        }
    }

    /** The number of the same thing for IP version 6. */
    private int sixth() {
        return switch (this) {
            case IP_TOS -> Numbers.IPV6_TCLASS;
            case IP_TTL -> Numbers.IPV6_UNICAST_HOPS;
            default -> Numbers.MISSING;
        };
    }

    private String call(String what) {
        return what + " " + name();
    }
}
