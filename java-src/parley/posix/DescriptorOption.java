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
import parley.posix.Protocols.SocketTypes;

/**
 * The options of sockets that getsockopt(2) and setsockopt(2) know, by the names of CLISP's {@code
 * socket-options}, and how their values look. Needs no C library.
 *
 * <pre>{@code
 * DescriptorOption.of("so-linger").set(descriptor, 1); // returns null, the value before: off
 * DescriptorOption.SO_RCVTIMEO.get(descriptor);        // PT0S: no limit
 * }</pre>
 *
 * <p>Values: a {@link Kind#FLAG} is a {@link Boolean}; a {@link Kind#NUMBER} an {@link Integer};
 * {@link Kind#SECONDS} a {@link Duration}, zero for no limit; {@link Kind#LINGER} the seconds as an
 * {@link Integer}, null for off; {@link Kind#TYPE} one of {@code stream dgram raw rdm seqpacket} or
 * the number as text; {@link Kind#ERROR} the symbolic name of an error, null for none.
 */
public enum DescriptorOption {
    /** Records debugging information, where the system supports that. */
    SO_DEBUG(Kind.FLAG),
    /** True when the socket listens; read only. */
    SO_ACCEPTCONN(Kind.FLAG, Access.READ),
    /** Allows sending to broadcast addresses. */
    SO_BROADCAST(Kind.FLAG),
    /** Allows binding an address whose last connections are still ending. */
    SO_REUSEADDR(Kind.FLAG),
    /** Allows several sockets to bind one address. */
    SO_REUSEPORT(Kind.FLAG),
    /** Sends only to hosts on a directly connected network. */
    SO_DONTROUTE(Kind.FLAG),
    /** Probes an idle connection, so that a dead peer is noticed. */
    SO_KEEPALIVE(Kind.FLAG),
    /** The pending error, which reading clears; read only. */
    SO_ERROR(Kind.ERROR, Access.READ),
    /** Seconds that a blocking close waits for unsent data; 0 makes close send a reset. */
    SO_LINGER(Kind.LINGER),
    /** Leaves urgent data in the stream of bytes. */
    SO_OOBINLINE(Kind.FLAG),
    /** The kind of socket; read only. */
    SO_TYPE(Kind.TYPE, Access.READ),
    /** Size of the receive buffer; Linux returns twice what was set. */
    SO_RCVBUF(Kind.NUMBER),
    /** Size of the send buffer; Linux returns twice what was set. */
    SO_SNDBUF(Kind.NUMBER),
    /** The number of bytes that make the socket readable. */
    SO_RCVLOWAT(Kind.NUMBER),
    /** The room that makes the socket writable; on Linux 1, read only. */
    SO_SNDLOWAT(Kind.NUMBER, Posix.LINUX ? Access.READ : Access.BOTH),
    /** Limit of each read; of a server, of each accept. */
    SO_RCVTIMEO(Kind.SECONDS),
    /** Limit of each write. */
    SO_SNDTIMEO(Kind.SECONDS),
    /** Sends small segments at once. */
    TCP_NODELAY(Kind.FLAG),
    /** Seconds before the first probe on an idle connection. */
    TCP_KEEPIDLE(Kind.NUMBER),
    /** Seconds between probes. */
    TCP_KEEPINTVL(Kind.NUMBER),
    /** Unanswered probes after which the connection is broken. */
    TCP_KEEPCNT(Kind.NUMBER),
    /** Acknowledges at once; Linux only. */
    TCP_QUICKACK(Kind.FLAG),
    /** Milliseconds that sent data may stay unacknowledged; Linux only. */
    TCP_USER_TIMEOUT(Kind.NUMBER),
    /** Type of service of packets sent. */
    IP_TOS(Kind.NUMBER),
    /** Time to live of packets sent. */
    IP_TTL(Kind.NUMBER),
    /** Keeps an IPv6 socket from taking IPv4 connections. */
    IPV6_V6ONLY(Kind.FLAG);

    /** The kind of the value of an option. */
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

    private static final Map<String, DescriptorOption> BY_KEY = Arrays.stream(values())
            .collect(Collectors.toUnmodifiableMap(DescriptorOption::key, option -> option));

    private final Kind kind; // immutable
    private final Access access; // immutable

    DescriptorOption(Kind kind) {
        this(kind, Access.BOTH);
    }

    DescriptorOption(Kind kind, Access access) {
        this.kind = kind;
        this.access = access;
    }

    /** {@return the name as a keyword is written: {@code so-linger}} */
    public String key() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** {@return how its value looks} */
    public Kind kind() {
        return kind;
    }

    /**
     * {@return the option of a name such as {@code so-linger}}
     *
     * @param key a name such as {@code so-linger}
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
     * @return the value as the class comment describes it, possibly null
     * @throws UnsupportedOperationException where the platform has no such option
     * @throws PosixException of the system: ENOPROTOOPT or EOPNOTSUPP where this kind of socket
     *     does not have it
     */
    public Object get(Descriptor descriptor) throws IOException {
        requireThere();
        return descriptor.using("getsockopt", fd -> read(descriptor, fd));
    }

    /**
     * Sets the option.
     *
     * @param value as the class comment describes it; a number also as any {@link Number} without a
     *     fraction, null for a flag is false, for seconds no limit
     * @return the value before the call
     * @throws IllegalArgumentException when the value is of another kind, or out of range
     * @throws UnsupportedOperationException where the platform has no such option or cannot set it
     */
    public Object set(Descriptor descriptor, Object value) throws IOException {
        byte[] encoded = encode(value);
        return descriptor.using("setsockopt", fd -> {
            Object before = read(descriptor, fd);
            write(fd, encoded);
            return before;
        });
    }

    /**
     * Throws what {@link #set} would throw because of the value or the platform, and sets nothing.
     * Without the C library only the value is checked.
     *
     * @param value as for {@link #set}
     * @throws IllegalArgumentException when the value is of another kind, or out of range
     * @throws UnsupportedOperationException where the platform has no such option or cannot set it
     */
    public void check(Object value) {
        if (Posix.available()) {
            requireThere();
        }
        checked(value);
    }

    private byte[] encode(Object value) {
        requireThere();
        return checked(value);
    }

    /** Needs no C library, since some options work without. */
    private byte[] checked(Object value) {
        if (access == Access.READ) {
            throw new UnsupportedOperationException("socket option " + key()
                    + ": can be read but not set on " + Posix.platform());
        }
        return Values.encode(this, value);
    }

    private void requireThere() {
        Posix.require("socket option " + key());
        if (Numbers.number(this) == Numbers.MISSING) {
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
        return Values.decode(kind, raw);
    }

    private byte[] readBytes(int fd, int size) throws IOException {
        try {
            return RawDescriptor.readBytes(fd, Numbers.level(this), Numbers.number(this),
                    size, call("getsockopt"));
        } catch (PosixException e) {
            if (Numbers.sixth(this) == Numbers.MISSING || Posix.LINUX) {
                throw e;
            }
            // macOS has no value of IPv4 for a socket of IPv6
            return RawDescriptor.readBytes(
                    fd, Numbers.IPV6, Numbers.sixth(this), size, call("getsockopt"));
        }
    }

    /** Writes the value; what IP has twice, for its versions 4 and 6, is written twice. */
    private void write(int fd, byte[] value) throws IOException {
        boolean both = Numbers.sixth(this) != Numbers.MISSING
                && RawDescriptor.family(fd) == Constants.AF_INET6;
        if (both) {
            RawDescriptor.writeBytes(fd, Numbers.IPV6, Numbers.sixth(this), value, call("setsockopt"));
        }
        if (!both || Posix.LINUX) {
            RawDescriptor.writeBytes(fd, Numbers.level(this), Numbers.number(this),
                    value, call("setsockopt"));
        }
    }

    private String call(String what) {
        return what + " " + name();
    }

    /**
     * Level and number of each {@link DescriptorOption} on this platform. Apart from the options
     * themselves, since those must be known where jnr-constants is not there.
     */
    private static final class Numbers {
        /** In place of the number of an option that the platform does not have. */
        static final int MISSING = -1;
        /** The level of version 6 of IP. Levels have the number of their protocol everywhere. */
        static final int IPV6 = 41;

        private static final int TCP_LEVEL = 6;
        private static final int IP_LEVEL = 0;

        private Numbers() {}

        static int level(DescriptorOption option) {
            return switch (option) {
                case TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_QUICKACK,
                        TCP_USER_TIMEOUT -> TCP_LEVEL;
                case IP_TOS, IP_TTL -> IP_LEVEL;
                case IPV6_V6ONLY -> IPV6;
                default -> Constants.SOL_SOCKET;
            };
        }

        static int number(DescriptorOption option) {
            return switch (option) {
                // macOS counts SO_LINGER in clock ticks and has SO_LINGER_SEC for seconds
                case SO_LINGER -> number(SocketOption.SO_LINGER, 0x1080);
                case TCP_NODELAY -> TCP.TCP_NODELAY.intValue();
                case TCP_KEEPIDLE -> number(TCP.TCP_KEEPIDLE, 0x10); // TCP_KEEPALIVE on macOS
                case TCP_KEEPINTVL -> number(TCP.TCP_KEEPINTVL, 0x101);
                case TCP_KEEPCNT -> number(TCP.TCP_KEEPCNT, 0x102);
                case TCP_QUICKACK -> number(TCP.TCP_QUICKACK, MISSING);
                case TCP_USER_TIMEOUT -> number(TCP.TCP_USER_TIMEOUT, MISSING);
                case IP_TOS -> IP.IP_TOS.intValue();
                case IP_TTL -> IP.IP_TTL.intValue();
                case IPV6_V6ONLY -> Posix.LINUX ? 26 : 27;
                default -> ofSocket(SocketOption.valueOf(option.name()));
            };
        }

        /** The number of the same thing for IP version 6, where there are two. */
        static int sixth(DescriptorOption option) {
            return switch (option) {
                case IP_TOS -> Posix.LINUX ? 67 : 36; // IPV6_TCLASS
                case IP_TTL -> Posix.LINUX ? 16 : 4; // IPV6_UNICAST_HOPS
                default -> MISSING;
            };
        }

        private static int ofSocket(SocketOption option) {
            return option.defined() ? option.intValue() : MISSING;
        }

        /** The number on Linux, which jnr-constants knows, or that of macOS. */
        private static int number(Constant linux, int macos) {
            return Posix.LINUX ? linux.intValue() : macos;
        }
    }

    /** The values of socket options between Java and what the C library has in memory. */
    private static final class Values {
        private Values() {}

        static Object decode(DescriptorOption.Kind kind, ByteBuffer raw) {
            int number = raw.getInt(0);
            return switch (kind) {
                case FLAG -> number != 0;
                case NUMBER -> number;
                case SECONDS -> Duration.ofSeconds(raw.getLong(0)).plusNanos(raw.getInt(8) * 1000L);
                case LINGER -> number == 0 ? null : raw.getInt(4);
                case TYPE -> SocketTypes.name(number);
                case ERROR -> number == 0 ? null : PosixException.name(number);
            };
        }

        static byte[] encode(DescriptorOption option, Object value) {
            return switch (option.kind()) {
                case FLAG -> ints(flag(option, value) ? 1 : 0);
                case NUMBER -> ints(number(option, value));
                case SECONDS -> time(option, value);
                case LINGER -> value == null ? ints(0, 0) : ints(1, number(option, value));
                case TYPE, ERROR -> throw new IllegalStateException(option + " is read-only");
            };
        }

        private static boolean flag(DescriptorOption option, Object value) {
            if (value == null || value instanceof Boolean) {
                return Boolean.TRUE.equals(value);
            }
            throw wrong(option, value, "true, false or null");
        }

        private static int number(DescriptorOption option, Object value) {
            if (value instanceof Number n && n.doubleValue() == Math.rint(n.doubleValue())
                    && n.doubleValue() >= 0 && n.doubleValue() <= Integer.MAX_VALUE) {
                return n.intValue();
            }
            throw wrong(option, value, "a whole number from 0 to " + Integer.MAX_VALUE);
        }

        /** A struct timeval, rounded up to microseconds, since 0 stands for no limit. */
        private static byte[] time(DescriptorOption option, Object value) {
            if (value != null && !(value instanceof Duration d && !d.isNegative())) {
                throw wrong(option, value, "a duration that is not negative, or null");
            }
            Duration time = value == null ? Duration.ZERO : (Duration) value;
            Duration up = time.plusNanos(999);
            return ByteBuffer.allocate(16).order(ByteOrder.nativeOrder())
                    .putLong(0, up.getSeconds()).putLong(8, up.getNano() / 1000).array();
        }

        private static byte[] ints(int... values) {
            ByteBuffer buffer =
                    ByteBuffer.allocate(4 * values.length).order(ByteOrder.nativeOrder());
            for (int value : values) {
                buffer.putInt(value);
            }
            return buffer.array();
        }

        private static IllegalArgumentException wrong(
                DescriptorOption option, Object value, String expected) {
            String type = value == null ? "" : " of " + value.getClass().getName();
            return new IllegalArgumentException("socket option " + option.key() + ": the value " + value
                    + type + " does not fit, expected " + expected);
        }
    }
}
