package parley.posix;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The options of sockets that getsockopt(2) and setsockopt(2) know, by the names of CLISP's {@code
 * socket-options}, and how their values look. That they are there does not need the C library.
 *
 * <p>Values: a {@link Kind#FLAG} is a {@link Boolean}; a {@link Kind#NUMBER} an {@link Integer};
 * {@link Kind#SECONDS} a {@link Duration}, zero for no limit; {@link Kind#LINGER} the seconds as an
 * {@link Integer}, null for off; {@link Kind#TYPE} one of {@code stream dgram raw rdm seqpacket} or
 * the number as text; {@link Kind#ERROR} the symbolic name of an error, null for none.
 */
public enum DescriptorOption {
    /** Debugging is recorded, where the system can. */
    SO_DEBUG(Kind.FLAG),
    /** The socket listens; can be read only. */
    SO_ACCEPTCONN(Kind.FLAG, Access.READ),
    /** Broadcasts may be sent. */
    SO_BROADCAST(Kind.FLAG),
    /** The local address may be bound again. */
    SO_REUSEADDR(Kind.FLAG),
    /** Several sockets may bind the address. */
    SO_REUSEPORT(Kind.FLAG),
    /** Only to hosts that are connected directly. */
    SO_DONTROUTE(Kind.FLAG),
    /** Probes are sent on an idle connection. */
    SO_KEEPALIVE(Kind.FLAG),
    /** The pending error, which reading clears. */
    SO_ERROR(Kind.ERROR, Access.READ),
    /** macOS counts SO_LINGER in clock ticks and has SO_LINGER_SEC for seconds. */
    SO_LINGER(Kind.LINGER),
    /** Urgent data comes in line. */
    SO_OOBINLINE(Kind.FLAG),
    /** The kind of socket; can be read only. */
    SO_TYPE(Kind.TYPE, Access.READ),
    /** Size of the receive buffer; Linux answers twice what was set. */
    SO_RCVBUF(Kind.NUMBER),
    /** Size of the send buffer; Linux answers twice what was set. */
    SO_SNDBUF(Kind.NUMBER),
    /** Bytes that make the socket readable. */
    SO_RCVLOWAT(Kind.NUMBER),
    /** Linux answers 1 and refuses another value. */
    SO_SNDLOWAT(Kind.NUMBER, Platform.CURRENT == Platform.LINUX ? Access.READ : Access.BOTH),
    /** Bound of a blocking receive. */
    SO_RCVTIMEO(Kind.SECONDS),
    /** Bound of a blocking send. */
    SO_SNDTIMEO(Kind.SECONDS),
    /** Small segments are sent at once. */
    TCP_NODELAY(Kind.FLAG),
    /** Named TCP_KEEPALIVE on macOS. */
    TCP_KEEPIDLE(Kind.NUMBER),
    /** Seconds between probes. */
    TCP_KEEPINTVL(Kind.NUMBER),
    /** Probes before the connection is given up. */
    TCP_KEEPCNT(Kind.NUMBER),
    /** Acknowledgements are sent at once; Linux. */
    TCP_QUICKACK(Kind.FLAG),
    /** Milliseconds, as the kernel counts them. */
    TCP_USER_TIMEOUT(Kind.NUMBER),
    /** Type of service of what is sent. */
    IP_TOS(Kind.NUMBER),
    /** Time to live of what is sent. */
    IP_TTL(Kind.NUMBER),
    /** An IPv6 socket takes no IPv4. */
    IPV6_V6ONLY(Kind.FLAG);

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
        if (OptionNumbers.number(this) == OptionNumbers.MISSING) {
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
            return RawOptions.readBytes(fd, OptionNumbers.level(this), OptionNumbers.number(this),
                    size, call("getsockopt"));
        } catch (PosixException e) {
            if (OptionNumbers.sixth(this) == OptionNumbers.MISSING || Constants.LINUX) {
                throw e;
            }
            // macOS does not answer for the fourth protocol on a socket of the sixth
            return RawOptions.readBytes(fd, OptionNumbers.IPV6, OptionNumbers.sixth(this), size, call("getsockopt"));
        }
    }

    /** Writes the value; what IP has twice, for its versions 4 and 6, is written twice. */
    private void write(int fd, byte[] value) throws IOException {
        boolean both = OptionNumbers.sixth(this) != OptionNumbers.MISSING && Addresses.family(fd) == Constants.AF_INET6;
        if (both) {
            RawOptions.writeBytes(fd, OptionNumbers.IPV6, OptionNumbers.sixth(this), value, call("setsockopt"));
        }
        if (!both || Constants.LINUX) {
            RawOptions.writeBytes(fd, OptionNumbers.level(this), OptionNumbers.number(this),
                    value, call("setsockopt"));
        }
    }

    private String call(String what) {
        return what + " " + name();
    }
}
