package parley.net;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;

/**
 * Turns the bytes at one place of a buffer into one character, never looking at a byte behind it:
 * what makes it possible to change the charset or the element type at any point of a stream. The
 * character found is left in {@link #unit} (and {@link #low} for the second half of a surrogate
 * pair). Guarded by the reader's lock.
 */
abstract class Decoder {
    private static final byte[] LINE_FEED = {'\n'};

    /** The character of the last successful {@link #decode}; -1 when the bytes gave none. */
    int unit;
    /** The second unit that the same bytes gave, or -1. */
    int low = -1;
    /** How many bytes in front of the character only changed the decoder's state. */
    int shift;

    /** A decoder for a charset, at its initial state. */
    static Decoder of(Charset charset) {
        if (charset.equals(StandardCharsets.UTF_8)) {
            return new Utf8Decoder();
        }
        TableDecoder.Table table = TableDecoder.table(charset);
        return table != null ? new TableDecoder(charset, table) : new CharsetDecoding(charset);
    }

    /**
     * Decodes the character at an index.
     *
     * @return how many bytes it took; 0 when more are needed; negated, how many are malformed
     */
    abstract int decode(byte[] bytes, int from, int to, boolean atEnd);

    /** Tells whether the bytes 10 and 13 stand for newline and return, always and nothing else. */
    abstract boolean hasAsciiNewlines();

    /** Tells whether every byte below 128 is the ASCII character of that number. */
    abstract boolean isAsciiCompatible();

    /** All the characters of a run without newlines, or null when some of its bytes are bad. */
    abstract String decodeRun(InputBuffer buffer, int from, int to);

    /** The bytes of a line feed. */
    byte[] newline() {
        return LINE_FEED;
    }

    /**
     * The bytes were read, for good. A decoder with state remembers what they did to it: where the
     * count of shifts is not 0, the first so many of them have changed it.
     */
    void consumed(byte[] bytes, int from, int to, int shifts) {
        // no state
    }

    /** Goes back to where the bytes read end, forgetting what was decoded after that. */
    void reset() {
        // no state
    }

    /** Tells whether bytes were taken in that no character has come of yet. */
    boolean holdsBytes() {
        return false;
    }

    /** At the end, a character whose bytes gave the one before it; -1 when there is none. */
    int heldBack() {
        return -1;
    }

    /** What {@link #consumed} has remembered, for {@link #restore}; null when there is no state. */
    Object state() {
        return null;
    }

    /** Goes back to an earlier {@link #state}. */
    void restore(Object state) {
        // no state
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

    /** A decoded run unless it may hide replaced bytes. */
    static String unlessReplaced(String run) {
        return run.indexOf('\uFFFD') < 0 ? run : null;
    }
}
