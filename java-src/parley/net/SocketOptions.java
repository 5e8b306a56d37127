package parley.net;

import java.io.IOException;
import java.time.Duration;
import java.util.function.Consumer;
import parley.posix.Descriptor;
import parley.posix.DescriptorOption;

/**
 * The options of sockets and the numbers of their descriptors (CLISP
 * {@code SOCKET:SOCKET-OPTIONS} and {@code SOCKET:STREAM-HANDLES}): of streams, servers, and other
 * pollable objects that have a descriptor. On Linux and macOS.
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
     * @throws UnsupportedOperationException where the platform has no such option
     * @throws IOException if this kind of socket has none
     */
    public static Object get(Pollable object, DescriptorOption option) throws IOException {
        check(object, option);
        try (Descriptor descriptor = object.source().duplicate()) {
            return option.get(descriptor);
        }
    }

    /**
     * Sets an option. SO_RCVTIMEO and SO_SNDTIMEO of a stream also bound each of its reads and
     * writes, as {@link SocketStream#readTimeout} and {@link SocketStream#writeTimeout} do.
     *
     * @param object a stream, a server or another pollable object
     * @param option which one
     * @param value the value, as {@link DescriptorOption} describes it
     * @return the value before the call
     * @throws IllegalStateException if the object is closed
     * @throws IllegalArgumentException if the value is not one of the option
     * @throws UnsupportedOperationException where the platform cannot
     * @throws IOException if this kind of socket cannot
     */
    public static Object set(Pollable object, DescriptorOption option, Object value)
            throws IOException {
        check(object, option);
        Object before;
        try (Descriptor descriptor = object.source().duplicate()) {
            before = option.set(descriptor, value);
        }
        if (object instanceof SocketStream) {
            SocketStream stream = (SocketStream) object;
            if (option == DescriptorOption.SO_RCVTIMEO) {
                bound(stream::readTimeout, (Duration) value);
            } else if (option == DescriptorOption.SO_SNDTIMEO) {
                bound(stream::writeTimeout, (Duration) value);
            }
        }
        return before;
    }

    private static void check(Pollable object, DescriptorOption option) {
        Arguments.object("socket-options", object).requireOpen("socket-options");
        Arguments.need("socket-options", "the option", option, "a DescriptorOption");
    }

    /** For the kernel zero is no bound. */
    private static void bound(Consumer<Duration> side, Duration value) {
        side.accept(value == null || value.isZero() ? null : value);
    }

    /**
     * The numbers of the descriptors underneath.
     *
     * @param object a stream, a server or another pollable object
     * @return that for input and that for output, -1 for one that there is not
     * @throws IllegalStateException if the object is closed
     * @throws UnsupportedOperationException where they cannot be found
     * @throws IOException if it is closed meanwhile
     */
    public static int[] handles(Pollable object) throws IOException {
        Arguments.object("stream-handles", object).requireOpen("stream-handles");
        return object.source().handles();
    }
}
