package parley.net;

import java.io.IOException;
import java.net.SocketOption;
import java.nio.channels.NetworkChannel;
import java.time.Duration;
import parley.posix.Descriptor;
import parley.posix.DescriptorOption;
import parley.posix.Posix;

/**
 * The options of sockets and the numbers of their descriptors (CLISP
 * {@code SOCKET:SOCKET-OPTIONS} and {@code SOCKET:STREAM-HANDLES}): of streams, servers, and other
 * pollable objects that have a descriptor.
 *
 * <p>All options work on Linux and macOS with JNA and jnr-constants on the class path. Without
 * them, and on other platforms, those work that the JDK supports for the channel, and SO_RCVTIMEO
 * and SO_SNDTIMEO of streams and servers:
 *
 * <pre>{@code
 * SocketOptions.set(stream, DescriptorOption.SO_KEEPALIVE, true); // returns false, the value before
 * SocketOptions.get(stream, DescriptorOption.SO_LINGER);          // null: off
 * }</pre>
 */
public final class SocketOptions {
    private SocketOptions() {
    }

    /**
     * Reads an option.
     *
     * @param object a stream, a server or another pollable object
     * @param option which one
     * @return the value, as {@link DescriptorOption} describes it
     * @throws IllegalStateException if the object is closed
     * @throws UnsupportedOperationException where the platform has no such option, or JNA is needed
     *     and missing
     * @throws IOException if this kind of socket has none
     */
    public static Object get(Pollable object, DescriptorOption option) throws IOException {
        check(object, option);
        if (!Posix.available()) {
            return withoutLibrary(object, option);
        }
        try (Descriptor descriptor = object.source().duplicate()) {
            return option.get(descriptor);
        }
    }

    /**
     * Sets an option. SO_RCVTIMEO and SO_SNDTIMEO of a stream also bound each of its reads and
     * writes, as {@link SocketStream#readTimeout} and {@link SocketStream#writeTimeout} do; those
     * of a server bound its accepts without a timeout, and go to the streams accepted, as in the
     * kernel.
     *
     * @param object a stream, a server or another pollable object
     * @param option which one
     * @param value the value, as {@link DescriptorOption} describes it
     * @return the value before the call
     * @throws IllegalStateException if the object is closed
     * @throws IllegalArgumentException if the value is not one of the option
     * @throws UnsupportedOperationException where the platform cannot set it, or JNA is needed and
     *     missing
     * @throws IOException if this kind of socket cannot
     */
    public static Object set(Pollable object, DescriptorOption option, Object value)
            throws IOException {
        check(object, option);
        Object before;
        if (Posix.available()) {
            try (Descriptor descriptor = object.source().duplicate()) {
                before = option.set(descriptor, value);
            }
        } else {
            option.check(value);
            before = withoutLibrary(object, option);
            if (!isLimit(option)) {
                Object channel = channel(object);
                JdkOptions.write(channel, option, JdkOptions.find(channel, option), value);
            }
        }
        if (isLimit(option)) {
            limit(object, option == DescriptorOption.SO_RCVTIMEO, bound((Duration) value));
        }
        return before;
    }

    private static Object withoutLibrary(Pollable object, DescriptorOption option)
            throws IOException {
        if (isLimit(option) && (object instanceof SocketStream || object instanceof SocketServer)) {
            Duration limit = limit(object, option == DescriptorOption.SO_RCVTIMEO);
            return limit == null ? Duration.ZERO : limit;
        }
        Object channel = channel(object);
        SocketOption<?> found = JdkOptions.find(channel, option);
        if (found == null) {
            Posix.require("socket option " + option.key());
        }
        return JdkOptions.read(channel, option, found);
    }

    private static boolean isLimit(DescriptorOption option) {
        return option.kind() == DescriptorOption.Kind.SECONDS;
    }

    private static Duration limit(Pollable object, boolean ofReads) {
        if (object instanceof SocketServer server) {
            return ofReads ? server.readTimeout() : server.writeTimeout();
        }
        SocketStream stream = (SocketStream) object;
        return ofReads ? stream.in().timeout() : stream.out().timeout();
    }

    /** Returns the NIO channel, or what else the object was made of. */
    private static Object channel(Pollable object) {
        if (object instanceof SocketStream stream) {
            return stream.transport().channel();
        }
        return object instanceof SocketServer server ? server.ownChannel() : object.subject();
    }

    private static void limit(Pollable object, boolean ofReads, Duration limit) {
        if (object instanceof SocketStream stream) {
            (ofReads ? stream.in() : stream.out()).timeout(limit);
        } else if (object instanceof SocketServer server && ofReads) {
            server.readTimeout(limit);
        } else if (object instanceof SocketServer server) {
            server.writeTimeout(limit);
        }
    }

    private static void check(Pollable object, DescriptorOption option) {
        Errors.object("socket-options", object).requireOpen("socket-options");
        Errors.need("socket-options", "the option", option, "a DescriptorOption");
    }

    /** For the kernel zero is no bound. */
    static Duration bound(Duration value) {
        return value == null || value.isZero() ? null : value;
    }

    /**
     * The numbers of the descriptors underneath.
     *
     * @param object a stream, a server or another pollable object
     * @return that for input and that for output, -1 for one that there is not
     * @throws IllegalStateException if the object is closed
     * @throws UnsupportedOperationException where they cannot be found, as without JNA
     * @throws IOException if it is closed meanwhile
     */
    public static int[] handles(Pollable object) throws IOException {
        Errors.object("stream-handles", object).requireOpen("stream-handles");
        Errors.needLibrary("stream-handles");
        return object.source().handles();
    }

    /**
     * Socket options through the JDK, for platforms without the C library and programs without JNA.
     * The channel lists the options that it has, so this class needs no table of kinds and
     * platforms.
     */
    private static final class JdkOptions {
        private static final int NO_LINGER = -1; // the JDK's value for "off"

        private JdkOptions() {
        }

        /** Returns the JDK's option of the channel, null when the JDK has none. */
        static SocketOption<?> find(Object channel, DescriptorOption option) {
            if (channel instanceof NetworkChannel network) {
                for (SocketOption<?> each : network.supportedOptions()) {
                    if (each.name().equals(name(option))) {
                        return each;
                    }
                }
            }
            return null;
        }

        private static String name(DescriptorOption option) {
            return switch (option) {
                case TCP_KEEPINTVL -> "TCP_KEEPINTERVAL";
                case TCP_KEEPCNT -> "TCP_KEEPCOUNT";
                default -> option.name();
            };
        }

        /** Returns the value, as {@link DescriptorOption} describes it. */
        static Object read(Object channel, DescriptorOption option, SocketOption<?> found)
                throws IOException {
            Object value = ((NetworkChannel) channel).getOption(found);
            boolean off = option.kind() == DescriptorOption.Kind.LINGER && (Integer) value < 0;
            return off ? null : value;
        }

        /** Sets a value that {@link DescriptorOption#check} has accepted. */
        static void write(Object channel, DescriptorOption option, SocketOption<?> found, Object value)
                throws IOException {
            Object converted = switch (option.kind()) {
                case FLAG -> Boolean.TRUE.equals(value);
                case LINGER -> value == null ? NO_LINGER : ((Number) value).intValue();
                default -> ((Number) value).intValue();
            };
            write((NetworkChannel) channel, found, converted);
        }

        private static <T> void write(NetworkChannel channel, SocketOption<T> option, Object value)
                throws IOException {
            channel.setOption(option, option.type().cast(value));
        }
    }
}
