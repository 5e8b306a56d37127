package parley.net.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Turns characters into bytes, as many as fit. */
public abstract class Encoder {
    /** More bytes than {@link #finish} ever returns. */
    public static final int FINISH = 32;

    private static final byte[] NO_BYTES = {};

    int end; // index behind the last byte that the last encode wrote
    int bad; // how many characters have no bytes where it stopped; 0 when it wanted room

    /** Returns an encoder for a charset, at the beginning of a text. */
    public static Encoder of(Charset charset) {
        if (!charset.canEncode()) {
            throw new IllegalArgumentException("the charset " + charset
                    + " cannot be written, expected one that can");
        }
        if (charset.equals(StandardCharsets.UTF_8)) {
            return new Utf8();
        } else if (charset.equals(StandardCharsets.ISO_8859_1)) {
            return new Narrow(0x100);
        }
        return charset.equals(StandardCharsets.US_ASCII) ? new Narrow(0x80) : new Jdk(charset);
    }

    /** Returns the bytes of a line feed, without the byte order mark that a text may begin with. */
    static byte[] newline(Charset charset) {
        return unmarked(charset, '\n');
    }

    /** Returns the bytes of a character within a text. */
    public static byte[] unmarked(Charset charset, char unit) {
        byte[] one = String.valueOf(unit).getBytes(charset);
        byte[] two = String.valueOf(new char[] {unit, unit}).getBytes(charset);
        return Arrays.copyOfRange(two, one.length, two.length);
    }

    /** Returns the index behind the last byte that the last {@link #encode} wrote. */
    public final int end() {
        return end;
    }

    /** Returns how many characters have no bytes where it stopped; 0 when it wanted room. */
    public final int bad() {
        return bad;
    }

    /** Returns whether an ASCII character is the byte of that number, whatever came before. */
    public abstract boolean isAsciiCompatible();

    /**
     * Encodes characters until all are done, the room is full or one has no bytes.
     *
     * @return the index of the first character that was not encoded
     */
    public abstract int encode(char[] chars, int from, int to, byte[] out, int at, int limit);

    /** Encodes characters below a limit, a power of two, one byte each, up to one that is not. */
    private static int encodeNarrow(char[] chars, int from, int to, int size, byte[] out, int at) {
        int i = from;
        for (; i + 8 <= to && all(chars, i) < size; i += 8) { // one branch for eight
            for (int k = 0; k < 8; k++) {
                out[at + i - from + k] = (byte) chars[i + k];
            }
        }
        while (i < to && chars[i] < size) {
            out[at + i - from] = (byte) chars[i++];
        }
        return i;
    }

    /** Returns the bits that any of eight characters has. */
    private static int all(char[] chars, int i) {
        return chars[i] | chars[i + 1] | chars[i + 2] | chars[i + 3] | chars[i + 4] | chars[i + 5]
                | chars[i + 6] | chars[i + 7];
    }

    /**
     * Ends a text: returns the bytes of characters that were held back, and those that bring the
     * output to its initial state. A byte order mark is not written again.
     */
    public byte[] finish() {
        return NO_BYTES;
    }

    /**
     * Makes a new encoder go on within a text, after these characters of it, or none.
     *
     * @param written true when their bytes are written, although an encoder may hold some back
     */
    public void resume(char[] last, boolean written) {
        // no state
    }

    /** A charset whose characters are the first ones of Unicode, a byte each. */
    private static final class Narrow extends Encoder {
        private final int size;

        Narrow(int size) {
            this.size = size;
        }

        @Override
        public boolean isAsciiCompatible() {
            return true;
        }

        @Override
        public int encode(char[] chars, int from, int to, byte[] out, int at, int limit) {
            bad = 0;
            int stop = from + Math.min(to - from, limit - at);
            int i = encodeNarrow(chars, from, stop, size, out, at);
            end = at + i - from;
            if (i < stop) {
                boolean pair = i + 1 < to && Character.isSurrogatePair(chars[i], chars[i + 1]);
                bad = pair ? 2 : 1;
            }
            return i;
        }
    }

    private static final class Utf8 extends Encoder {
        @Override
        public boolean isAsciiCompatible() {
            return true;
        }

        @Override
        public int encode(char[] chars, int from, int to, byte[] out, int at, int limit) {
            int stop = from + Math.min(to - from, limit - at);
            int i = encodeNarrow(chars, from, stop, 0x80, out, at);
            bad = 0;
            end = at + i - from;
            return i == stop ? i : encodeMixed(chars, i, to, out, end, limit);
        }

        /** Behind the first character that is not ASCII the next one is near: one by one. */
        private int encodeMixed(char[] chars, int from, int to, byte[] out, int at, int limit) {
            int i = from;
            int o = at;
            for (; i < to && o < limit; i++) {
                char c = chars[i];
                if (c < 0x80) {
                    out[o++] = (byte) c;
                } else if (c < 0x800 && o + 2 <= limit) {
                    out[o++] = (byte) (0xc0 | c >> 6);
                    out[o++] = (byte) (0x80 | c & 0x3f);
                } else {
                    int codePoint = Character.codePointAt(chars, i, to);
                    int length = codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
                    bad = length == 3 && Character.isSurrogate(c) ? 1 : 0;
                    if (bad > 0 || o + length > limit) {
                        break;
                    }
                    put(codePoint, length, out, o);
                    o += length;
                    i += length == 4 ? 1 : 0; // the other half
                }
            }
            end = o;
            return i;
        }

        private static void put(int codePoint, int length, byte[] out, int at) {
            int rest = codePoint;
            for (int i = length - 1; i > 0; i--) {
                out[at + i] = (byte) (0x80 | rest & 0x3f);
                rest >>>= 6;
            }
            out[at] = (byte) (0xf00 >>> length | rest);
        }
    }

    private static final class Jdk extends Encoder {
        private final CharsetEncoder encoder;
        private final byte[] newline;
        private ByteBuffer bytes; // over the array of the last call
        private boolean used; // since the last finish

        Jdk(Charset charset) {
            encoder = charset.newEncoder(); // reports errors, which is its default
            newline = newline(charset);
        }

        @Override
        public int encode(char[] chars, int from, int to, byte[] out, int at, int limit) {
            if (bytes == null || bytes.array() != out) {
                bytes = ByteBuffer.wrap(out);
            }
            bytes.limit(limit).position(at);
            CharBuffer in = CharBuffer.wrap(chars, from, to - from);
            CoderResult result = encoder.encode(in, bytes, false);
            used |= in.position() > from;
            bad = result.isError() ? result.length()
                    : result.isUnderflow() ? in.remaining() : 0; // a lone half of a pair
            end = bytes.position();
            return in.position();
        }

        @Override
        public boolean isAsciiCompatible() {
            return false;
        }

        /** A newline brings the encoder to its initial state: the bytes before its own do so. */
        @Override
        public byte[] finish() {
            if (!used) {
                return NO_BYTES;
            }
            ByteBuffer out = ByteBuffer.allocate(2 * FINISH);
            CoderResult result = encoder.encode(CharBuffer.wrap("\n"), out, false);
            used = false;
            int end = out.position() - newline.length;
            boolean whole = result.isUnderflow() && end > 0;
            return whole ? Arrays.copyOf(out.array(), end) : NO_BYTES;
        }

        @Override
        public void resume(char[] last, boolean written) {
            ByteBuffer out = ByteBuffer.allocate(2 * FINISH);
            encoder.encode(CharBuffer.wrap("\n"), out, false); // it has the byte order mark
            int start = out.position();
            encoder.encode(CharBuffer.wrap(last), out, false);
            used = last.length > 0;
            if (written && used && out.position() == start) {
                encoder.reset();
                resume(new char[0], false);
            }
        }
    }
}
