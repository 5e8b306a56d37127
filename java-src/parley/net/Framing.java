package parley.net;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import parley.net.ExternalFormat.CodingAction;
import parley.net.ExternalFormat.CodingException;
import parley.net.StreamInput.LineTooLongException;
import parley.net.text.LineScanner;
import parley.net.tls.TlsException;

/**
 * Divides the bytes of a stream into elements for an {@link Intake}, and turns values into bytes
 * for an {@link Outlet}, whatever the element type of the stream. Make a framing for each intake,
 * since it may remember its position.
 *
 * <pre>{@code
 * Intake<String> lines = Intake.elements(stream, Framing.lines(8192), executor);
 * lines.take(line -> System.out.println(line)); // null at the end
 * }</pre>
 *
 * @param <T> the elements
 */
public abstract class Framing<T> {
    final int most; // bytes of an element

    // Names for errors: intakes and outlets fail on threads of this library.
    String reading;
    final String writing;
    final String inputAction;
    final String outputAction;
    private final String plainServer;

    Framing(int most) {
        if (most < 1) {
            throw new IllegalArgumentException(Errors.name("framing") + ": the maximum size is " + most
                    + ", expected a positive number of bytes");
        }
        this.most = most;
        boolean java = Errors.isJavaCalling();
        reading = java ? "Intake.elements" : "elements";
        writing = java ? "Outlet" : "sink";
        inputAction = java ? "inputErrorAction of the ExternalFormat" : ":input-error-action";
        plainServer = TlsException.plainServer(java ? "StreamOptions.tls" : ":tls");
        outputAction = java ? "outputErrorAction of the ExternalFormat" : ":output-error-action";
    }

    /**
     * Returns a framing of the available bytes, in arrays up to a maximum size.
     *
     * @param most bytes in a piece that is read; written ones may have any size
     * @return the framing; its elements are never empty
     */
    public static Framing<byte[]> chunks(int most) {
        return new ChunkFraming(most);
    }

    /**
     * Lines of text in the external format of the stream; read as
     * {@link StreamInput#readLine} reads them, so that the last one needs no end.
     *
     * @param most bytes in a line without its end
     * @return the framing; its elements are without their ends
     */
    public static Framing<String> lines(int most) {
        return new LineFraming(most);
    }

    /**
     * Byte arrays, each behind its length as an unsigned integer.
     *
     * @param width bytes of the length: 1, 2, 4 or 8
     * @param order which byte of the length comes first
     * @param most bytes in an element, the length not counted
     * @return the framing; its elements may be empty
     */
    public static Framing<byte[]> lengthPrefixed(int width, ByteOrder order, int most) {
        return new LengthPrefixFraming(width, order, most);
    }

    /**
     * Forms of EDN in UTF-8, one behind the other.
     *
     * @param <T> the forms
     * @param most bytes in a form, with what is ignored in front of it
     * @param syntax reads and prints one
     * @return the framing
     */
    public static <T> Framing<T> forms(int most, FormSyntax<T> syntax) {
        return new FormFraming<>(most, syntax);
    }

    /**
     * Sets the name that errors of reading have for the operation.
     *
     * @param operation for example the method that reads
     */
    public Framing<T> named(String operation) {
        reading = Errors.need("named", "the operation", operation, "a String");
        return this;
    }

    /** Returns whether the elements are read as characters, not as bytes. */
    boolean isText() {
        return false;
    }

    /**
     * Takes an element; under the lock of the input.
     *
     * @param ended whether no more bytes will come
     * @return null when it has not arrived as a whole
     * @throws FramingException when it never will be; then nothing was consumed
     */
    abstract T take(InputBuffer buffer, CharacterCursor cursor, boolean ended) throws IOException;

    /** As {@link #take}; the error of input that begins with the hello of TLS names it. */
    final T takeNamed(InputBuffer buffer, CharacterCursor cursor, boolean ended) throws IOException {
        try {
            return take(buffer, cursor, ended);
        } catch (FramingException e) {
            throw buffer.beginsWithTls()
                    ? new FramingException(e.getMessage() + "; " + plainServer, e) : e;
        }
    }

    /**
     * The bytes of an element.
     *
     * @throws IllegalArgumentException if it is none
     */
    abstract byte[] encode(T element, ExternalFormat format);

    /**
     * Returns the bytes of an element for an output, which may be offered more than once.
     *
     * @throws IllegalArgumentException if it cannot be
     */
    Prepared prepare(T element, ExternalFormat format) {
        byte[] bytes = encode(element, format);
        return out -> out.offer(bytes, writing);
    }

    /** An element on its way out. */
    @FunctionalInterface
    interface Prepared {
        /** Hands all of it over if the system takes some of it now; else none. */
        Taken offerTo(StreamOutput out) throws IOException;
    }

    /** How much of a {@link Prepared} element the system has taken. */
    enum Taken {
        /** None. */
        NOTHING,
        /** Some: the rest waits in the stream. */
        IN_PART,
        /** All. */
        WHOLE
    }

    /** Returns whether taking an element runs code of the user's, which may be slow. */
    boolean isForeign() {
        return false;
    }

    /** Returns the exception for an input that has ended without a whole element. */
    IOException atEnd(InputBuffer buffer) {
        if (buffer.remaining() == 0 || isText()) { // such as the shift sequence that ends a text
            return new EOFException(reading + ": the input has ended");
        }
        return new FramingException(reading + ": the input ended within " + this + ", after "
                + Errors.counted(buffer.remaining(), "byte") + " of one, which can still be read");
    }

    /** Returns null at the end of the input; throws when a part of an element is left. */
    final T nothingAt(InputBuffer buffer) throws IOException {
        IOException end = atEnd(buffer);
        if (end instanceof EOFException) {
            return null;
        }
        throw end;
    }

    final FramingException tooLong(long size) {
        return new FramingException(reading + ": " + this + " of " + Errors.counted(size, "byte") + " or more has come,"
                + " expected at most " + most + "; nothing was consumed, set a larger maximum size or"
                + " read the bytes in other ways");
    }

    final IllegalArgumentException tooLongToPut(long size) {
        return new IllegalArgumentException(writing + ": the value is " + this + " of "
                + Errors.counted(size, "byte") + ", expected at most " + most + "; set a larger maximum size");
    }

    /** Bytes in pieces as they come. */
    private static final class ChunkFraming extends Framing<byte[]> {
        ChunkFraming(int most) {
            super(most);
        }

        @Override
        byte[] take(InputBuffer buffer, CharacterCursor cursor, boolean ended) {
            int n = Math.min(buffer.remaining(), most);
            if (n == 0) {
                return null;
            }
            byte[] chunk = new byte[n];
            buffer.take(chunk, 0, n);
            return chunk;
        }

        @Override
        byte[] encode(byte[] element, ExternalFormat format) {
            return element;
        }

        @Override
        public String toString() {
            return "a chunk";
        }
    }

    /** Byte arrays, each behind its length. */
    private static final class LengthPrefixFraming extends Framing<byte[]> {
        private final int width;
        private final ByteOrder order;

        LengthPrefixFraming(int width, ByteOrder order, int most) {
            super(most);
            if (width != 1 && width != 2 && width != 4 && width != 8) {
                throw new IllegalArgumentException(Errors.name("framing") + ": the length has " + width
                        + " bytes, expected 1, 2, 4 or 8");
            }
            this.width = width;
            this.order = Errors.need("framing", "the byte order", order, "BIG_ENDIAN or LITTLE_ENDIAN");
        }

        @Override
        byte[] take(InputBuffer buffer, CharacterCursor cursor, boolean ended) throws IOException {
            if (buffer.remaining() < width) {
                return null;
            }
            long size = ElementType.decode(buffer.bytes, buffer.position, width, width == 8, order);
            if (size < 0 || size > most) {
                throw new FramingException(reading + ": " + this + " announces "
                        + Long.toUnsignedString(size) + " bytes, expected at most " + most
                        + "; nothing was consumed, set a larger maximum size or read the bytes in other"
                        + " ways");
            }
            if (buffer.remaining() - width < size) {
                return null;
            }
            byte[] frame = new byte[(int) size];
            buffer.position += width;
            buffer.take(frame, 0, frame.length);
            return frame;
        }

        @Override
        byte[] encode(byte[] frame, ExternalFormat format) {
            if (frame.length > most) {
                throw tooLongToPut(frame.length);
            }
            requireLengthFits(frame.length);
            byte[] bytes = new byte[width + frame.length];
            ElementType.encode(frame.length, bytes, 0, width, order);
            System.arraycopy(frame, 0, bytes, width, frame.length);
            return bytes;
        }

        private void requireLengthFits(int size) {
            if (width < 4 && size >= 1 << 8 * width) {
                throw new IllegalArgumentException(writing + ": the value is a frame of " + size
                        + " bytes, expected at most " + ((1 << 8 * width) - 1) + ", the most that "
                        + Errors.counted(width, "byte") + " of length can hold; give the"
                        + " length more bytes");
            }
        }

        @Override
        public String toString() {
            return "a frame";
        }
    }

    /**
     * Reads and prints forms of EDN.
     *
     * @param <T> the forms
     */
    public interface FormSyntax<T> {
        /**
         * Reads one form; must not evaluate anything.
         *
         * @param text a form, perhaps behind comments and forms to ignore
         * @return the form, not null
         * @throws Exception if the text is malformed
         */
        T read(String text) throws Exception;

        /**
         * Prints one form.
         *
         * @param form not null
         * @return text that reads as the form
         */
        String print(T form);
    }

    /**
     * The input cannot become an element of the kind that a {@link Framing} describes: it is too
     * long, malformed, or cut off by the end of the input. Nothing was consumed: the bytes can
     * still be read from the stream.
     *
     * <pre>{@code
     * Intake<byte[]> frames = Intake.elements(stream, Framing.lengthPrefixed(4, ByteOrder.BIG_ENDIAN, 1 << 20), executor);
     * if (frames.cause() instanceof Framing.FramingException) {
     *     stream.close(); // the peer speaks another protocol
     * }
     * }</pre>
     */
    public static final class FramingException extends IOException {
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

    /** Lines of text. */
    private static final class LineFraming extends Framing<String> {
        private static final int UTF_8_BYTES = 3; // of a character, at most

        // The scanned length, so that a long line in pieces is scanned only once.
        private long scannedFrom = -1; // stream offset
        private int scanned; // bytes from there without an end of line

        LineFraming(int most) {
            super(most);
        }

        @Override
        boolean isText() {
            return true;
        }

        @Override
        String take(InputBuffer buffer, CharacterCursor cursor, boolean ended) throws IOException {
            try {
                return takeLine(buffer, cursor, ended);
            } catch (CodingException e) {
                throw malformed(e);
            } catch (LineTooLongException e) {
                throw tooLong((long) most + 1);
            }
        }

        private FramingException malformed(CodingException e) {
            return new FramingException(reading + ": " + this + " is malformed: at offset "
                    + e.offset() + " of the stream are bytes that are no character; nothing was"
                    + " consumed, read them as bytes, or set an " + inputAction, e);
        }

        private String takeLine(InputBuffer buffer, CharacterCursor cursor, boolean ended)
                throws IOException {
            if (!cursor.hasAsciiNewlines()) {
                return cursor.lines().readWithin(ended, most);
            }
            if (buffer.offset() != scannedFrom) {
                scannedFrom = buffer.offset();
                scanned = 0;
            }
            int end = LineScanner.find(buffer.bytes, buffer.position + scanned, buffer.limit);
            scanned = (end < 0 ? buffer.limit : end) - buffer.position;
            if (scanned > most) {
                throw tooLong(scanned);
            }
            return end < 0 && !ended ? null : cursor.lines().read(ended, Integer.MAX_VALUE);
        }

        /** The encoder of the stream makes the bytes, since they may depend on what came before. */
        @Override
        Prepared prepare(String line, ExternalFormat format) {
            if (!isPlain(line, format)) {
                encode(line, format);
            }
            return out -> out.offerLine(line);
        }

        /** Returns whether a line is certain to have bytes, and not too many. */
        private boolean isPlain(String line, ExternalFormat format) {
            boolean fits = format.charset().equals(StandardCharsets.UTF_8)
                    && line.length() <= most / UTF_8_BYTES - 1;
            return fits && line.chars().allMatch(unit -> unit != '\n' && unit != '\r'
                    && !Character.isSurrogate((char) unit));
        }

        /** The bytes of a line by itself: those that {@link #prepare} sends may be fewer. */
        @Override
        byte[] encode(String line, ExternalFormat format) {
            if (line.indexOf('\n') >= 0 || line.indexOf('\r') >= 0) {
                throw new IllegalArgumentException(writing + ": the line has an end of line inside, expected"
                        + " one line without its end; put each line by itself");
            }
            try {
                ByteBuffer bytes = encoder(format).encode(
                        CharBuffer.wrap(line + format.lineTerminator().text()));
                if (bytes.limit() > most) {
                    throw tooLongToPut(bytes.limit());
                }
                return Arrays.copyOf(bytes.array(), bytes.limit());
            } catch (CharacterCodingException e) {
                throw new IllegalArgumentException(writing + ": the line has a character without bytes in "
                        + format.charset() + "; use another charset or set an " + outputAction, e);
            }
        }

        private static CharsetEncoder encoder(ExternalFormat format) {
            CharsetEncoder encoder = format.charset().newEncoder();
            CodingAction action = format.outputErrorAction();
            if (action.replacement() >= 0 && !encoder.canEncode((char) action.replacement())) {
                throw new IllegalArgumentException("sink: the replacement character "
                        + Errors.character(action.replacement()) + " has no bytes in "
                        + format.charset() + " itself; choose another");
            }
            CodingErrorAction todo = action == CodingAction.ERROR ? CodingErrorAction.REPORT
                    : CodingErrorAction.IGNORE;
            return encoder.onMalformedInput(todo).onUnmappableCharacter(todo);
        }

        @Override
        public String toString() {
            return "a line";
        }
    }
}
