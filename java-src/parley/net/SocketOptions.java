package parley.net;

import java.io.IOException;
import java.time.Duration;
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
     * writes, as {@link SocketStream#readTimeout} and {@link SocketStream#writeTimeout} do; those of a
     * server bound its accepts without a timeout, and go to the streams accepted, as in the kernel.
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
        if (option == DescriptorOption.SO_RCVTIMEO) {
            reading(object, bound((Duration) value));
        } else if (option == DescriptorOption.SO_SNDTIMEO) {
            writing(object, bound((Duration) value));
        }
        return before;
    }

    private static void reading(Pollable object, Duration limit) {
        if (object instanceof SocketStream stream) {
            stream.readTimeout(limit);
        } else if (object instanceof SocketServer server) {
            server.readTimeout(limit);
        }
    }

    private static void writing(Pollable object, Duration limit) {
        if (object instanceof SocketStream stream) {
            stream.writeTimeout(limit);
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
     * @throws UnsupportedOperationException where they cannot be found
     * @throws IOException if it is closed meanwhile
     */
    public static int[] handles(Pollable object) throws IOException {
        Errors.object("stream-handles", object).requireOpen("stream-handles");
        return object.source().handles();
    }
}
