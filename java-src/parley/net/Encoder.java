package parley.net;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;

/** Turns characters into bytes, as many as fit. Guarded by the writer's lock. */
abstract class Encoder {
    /** The index behind the last byte that the last {@link #encode} wrote. */
    int end;
    /** How many characters have no bytes where it stopped; 0 when it stopped for want of room. */
    int bad;

    /** An encoder for a charset, at its initial state. */
    static Encoder of(Charset charset) {
        if (!charset.canEncode()) {
            throw new IllegalArgumentException(Errors.name("external format")
                    + ": the charset " + charset
                    + " cannot be written, expected one that can");
        }
        if (charset.equals(StandardCharsets.UTF_8)) {
            return new Utf8();
        } else if (charset.equals(StandardCharsets.ISO_8859_1)) {
            return new Narrow(0x100);
        }
        return charset.equals(StandardCharsets.US_ASCII) ? new Narrow(0x80) : new Jdk(charset);
    }

    /** Tells whether an ASCII character is the byte of that number, whatever came before. */
    abstract boolean isAsciiCompatible();

    /**
     * Encodes characters until all are done, the room is full or one has no bytes.
     *
     * @return the index of the first character that was not encoded
     */
    abstract int encode(char[] chars, int from, int to, byte[] out, int at, int limit);

    /** Encodes characters below a limit, one byte each, up to one that is not. */
    private static int encodeNarrow(char[] chars, int from, int to, int size, byte[] out, int at) {
        int i = from;
        while (i < to && chars[i] < size) {
            out[at + i - from] = (byte) chars[i++];
        }
        return i;
    }

    /** The bytes that bring the output back to its initial state. */
    byte[] reset() {
        return new byte[0];
    }

    /** A charset whose characters are the first ones of Unicode, a byte each. */
    private static final class Narrow extends Encoder {
        private final int size;

        Narrow(int size) {
            this.size = size;
        }

        @Override
        boolean isAsciiCompatible() {
            return true;
        }

        @Override
        int encode(char[] chars, int from, int to, byte[] out, int at, int limit) {
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
        boolean isAsciiCompatible() {
            return true;
        }

        @Override
        int encode(char[] chars, int from, int to, byte[] out, int at, int limit) {
            bad = 0;
            int i = from;
            int o = at;
            while (i < to && o < limit) {
                char c = chars[i];
                if (c < 0x80) {
                    int next = encodeNarrow(chars, i, i + Math.min(to - i, limit - o), 0x80, out, o);
                    o += next - i;
                    i = next;
                    continue;
                }
                int codePoint = Character.codePointAt(chars, i, to);
                int length = codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
                boolean lone = codePoint < 0x10000 && Character.isSurrogate(c);
                if (lone || o + length > limit) {
                    bad = lone ? 1 : 0;
                    break;
                }
                put(codePoint, length, out, o);
                o += length;
                i += length == 4 ? 2 : 1;
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
        private ByteBuffer bytes; // over the array of the last call
        private boolean used;

        Jdk(Charset charset) {
            encoder = charset.newEncoder(); // reports errors, which is its default
        }

        @Override
        int encode(char[] chars, int from, int to, byte[] out, int at, int limit) {
            used = true;
            if (bytes == null || bytes.array() != out) {
                bytes = ByteBuffer.wrap(out);
            }
            bytes.limit(limit).position(at);
            CharBuffer in = CharBuffer.wrap(chars, from, to - from);
            CoderResult result = encoder.encode(in, bytes, false);
            bad = result.isError() ? result.length()
                    : result.isUnderflow() ? in.remaining() : 0; // a lone half of a pair
            end = bytes.position();
            return in.position();
        }

        @Override
        boolean isAsciiCompatible() {
            return false;
        }

        @Override
        byte[] reset() {
            if (!used) {
                return new byte[0];
            }
            used = false;
            ByteBuffer out = ByteBuffer.allocate(32);
            encoder.encode(CharBuffer.allocate(0), out, true);
            encoder.flush(out);
            encoder.reset();
            byte[] bytes = new byte[out.position()];
            out.flip().get(bytes);
            return bytes;
        }
    }
}
