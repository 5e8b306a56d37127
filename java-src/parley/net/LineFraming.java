package parley.net;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import parley.net.ExternalFormat.CodingAction;
import parley.net.ExternalFormat.CodingException;
import parley.net.Framing.FramingException;
import parley.net.StreamInput.LineTooLongException;
import parley.net.text.LineScanner;

/** Lines of text. */
final class LineFraming extends Framing<String> {
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
