package parley.net.text;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;

/**
 * Turns the bytes at one place of an array into one character and never looks at a byte behind it,
 * so that the charset and the element type can change at any point of a stream.
 */
public abstract class Decoder {
    /** The longest run for which {@link #decodeRun} asks for room. */
    public static final int RUN = 512;

    private static final byte[] LINE_FEED = {'\n'};

    int unit; // of the last successful decode; -1 when its bytes make no character
    int low = -1; // the second unit that the same bytes made, or -1
    int shift; // the number of bytes in front of the character that only changed the state

    /** Lends an array while a run is decoded. */
    @FunctionalInterface
    public interface Room {
        /** Returns an array of {@link #RUN} characters or more. */
        char[] chars();
    }

    /** Returns a decoder for a charset, at its initial state. */
    public static Decoder of(Charset charset) {
        if (charset.equals(StandardCharsets.UTF_8)) {
            return new Utf8Decoder();
        }
        SingleByteDecoder.Table table = SingleByteDecoder.table(charset);
        return table != null ? new SingleByteDecoder(charset, table) : new JdkDecoder(charset);
    }

    /**
     * Decodes the character at an index.
     *
     * @return the number of its bytes; 0 when more are needed; negated, how many are malformed
     */
    public abstract int decode(byte[] bytes, int from, int to, boolean atEnd);

    /** Returns the character of the last {@link #decode}; -1 when its bytes make none. */
    public final int unit() {
        return unit;
    }

    /** Returns the second unit that the same bytes made, or -1. */
    public final int low() {
        return low;
    }

    /** Returns the number of bytes in front of the character that only changed the state. */
    public final int shift() {
        return shift;
    }

    /**
     * Returns whether the bytes 10 and 13 stand for newline and return, always and nothing else.
     */
    public abstract boolean hasAsciiNewlines();

    /** Returns whether every byte below 128 is the ASCII character of that number. */
    public abstract boolean isAsciiCompatible();

    /** Returns the characters of a run without newlines, or null when some bytes are bad. */
    public abstract String decodeRun(byte[] bytes, int from, int to, Room room);

    /** Returns the bytes of a line feed. */
    public byte[] newline() {
        return LINE_FEED;
    }

    /** Notes that the bytes of a character were read for good. */
    public void consumed(byte[] bytes, int from, int to) {
        // only a byte order is worth noting
    }

    /** Goes to the initial state; a byte order that was consumed stays. */
    public void reset() {
        // no state
    }

    /**
     * Returns, at the end, a character whose bytes made the one before it; -1 when there is none.
     */
    public int heldBack() {
        return -1;
    }

    /** Sets the result to a code point. */
    final void found(int codePoint) {
        if (codePoint < 0x10000) {
            unit = codePoint;
            low = -1;
        } else {
            unit = Character.highSurrogate(codePoint);
            low = Character.lowSurrogate(codePoint);
        }
    }

    /** Returns a decoded run unless it may hide replaced bytes. */
    static String unlessReplaced(String run) {
        return run.indexOf('\uFFFD') < 0 ? run : null;
    }
}
