package parley.net;

import java.io.IOException;

/**
 * The input cannot become an element of the kind that a {@link Framing} describes: it is too long,
 * malformed, or cut off by the end of the input. Nothing was consumed: the bytes can still be read
 * from the stream.
 *
 * <pre>{@code
 * Intake<byte[]> frames = Intake.elements(stream, Framing.lengthPrefixed(4, ByteOrder.BIG_ENDIAN, 1 << 20), executor);
 * if (frames.cause() instanceof FramingException) {
 *     stream.close(); // the peer speaks another protocol
 * }
 * }</pre>
 */
public final class FramingException extends IOException {
    private static final long serialVersionUID = 1L;

    FramingException(String message) {
        super(message);
    }

    /** With what was found, suppressed, since a REPL would show the message of a cause only. */
    FramingException(String message, Throwable original) {
        super(message);
        addSuppressed(original);
    }
}
