package parley.net.text;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;

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
            return new Utf8();
        }
        SingleByte.Table table = SingleByte.table(charset);
        return table != null ? new SingleByte(charset, table) : new JdkDecoder(charset);
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

    /** A charset in which every byte is one character, such as ASCII and the ISO 8859 family. */
    private static final class SingleByte extends Decoder {
        private static final char BAD = '\uFFFF'; // stands for no character in any charset

        // Immutable once in; empty for charsets of another kind.
        private static final Map<Charset, Optional<Table>> TABLES = new ConcurrentHashMap<>();

        private final Charset charset;
        private final Table table;

        /** The character of each byte. Immutable. */
        static final class Table {
            private final char[] chars = new char[256];
            private final boolean asciiNewlines;
            private final boolean ascii;

            private Table(Charset charset) {
                CharsetDecoder decoder = charset.newDecoder();
                for (int i = 0; i < 256; i++) {
                    chars[i] = one(decoder, (byte) i);
                }
                asciiNewlines = onlyAt('\n') && onlyAt('\r');
                ascii = IntStream.range(0, 128).allMatch(i -> chars[i] == i);
            }

            private static char one(CharsetDecoder decoder, byte value) {
                try {
                    return decoder.decode(ByteBuffer.wrap(new byte[] {value})).get();
                } catch (CharacterCodingException e) {
                    return BAD;
                }
            }

            private boolean onlyAt(char c) {
                return chars[c] == c
                        && IntStream.range(0, 256).filter(i -> chars[i] == c).count() == 1;
            }
        }

        SingleByte(Charset charset, Table table) {
            this.charset = charset;
            this.table = table;
        }

        /** The table of a charset, made once; null when its characters are not one byte each. */
        static Table table(Charset charset) {
            return TABLES.computeIfAbsent(charset, each ->
                    suits(each) ? Optional.of(new Table(each)) : Optional.empty()).orElse(null);
        }

        private static boolean suits(Charset charset) {
            CharsetDecoder decoder = charset.newDecoder();
            return decoder.maxCharsPerByte() == 1 && decoder.averageCharsPerByte() == 1
                    && charset.canEncode() && charset.newEncoder().maxBytesPerChar() == 1;
        }

        @Override
        public int decode(byte[] bytes, int from, int to, boolean atEnd) {
            if (from >= to) {
                return 0;
            }
            char found = table.chars[bytes[from] & 0xff];
            if (found == BAD) {
                return -1;
            }
            unit = found;
            low = -1;
            return 1;
        }

        @Override
        public boolean hasAsciiNewlines() {
            return table.asciiNewlines;
        }

        @Override
        public boolean isAsciiCompatible() {
            return table.ascii;
        }

        @Override
        public String decodeRun(byte[] bytes, int from, int to, Room room) {
            return unlessReplaced(new String(bytes, from, to - from, charset));
        }

        @Override
        public byte[] newline() {
            return charset.canEncode() ? "\n".getBytes(charset) : super.newline();
        }
    }

    /** UTF-8 (RFC 3629) by hand for what is well-formed; the JDK judges the rest. */
    private static final class Utf8 extends Decoder {
        private JdkDecoder judge; // made at the first sequence that is not plainly good

        @Override
        public int decode(byte[] bytes, int from, int to, boolean atEnd) {
            if (from >= to) {
                return 0;
            }
            int first = bytes[from];
            if (first >= 0) {
                unit = first;
                low = -1;
                return 1;
            }
            int length = decodeLong(bytes, from, to, first & 0xff);
            return length > 0 ? length : judge(bytes, from, to, atEnd);
        }

        /** Returns the length of a complete, well-formed sequence of two to four bytes, else 0. */
        private int decodeLong(byte[] bytes, int from, int to, int first) {
            int length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
            if (first < 0xc2 || first > 0xf4 || to - from < length) {
                return 0;
            }
            int codePoint = first & 0x3f >> length - 1;
            for (int i = 1; i < length; i++) {
                int next = bytes[from + i];
                if (!isTrail(next)) {
                    return 0;
                }
                codePoint = codePoint << 6 | next & 0x3f;
            }
            boolean overlong = length == 3 && codePoint < 0x800
                    || length == 4 && codePoint < 0x10000;
            if (overlong || codePoint > 0x10ffff || codePoint >= 0xd800 && codePoint < 0xe000) {
                return 0;
            }
            found(codePoint);
            return length;
        }

        private int judge(byte[] bytes, int from, int to, boolean atEnd) {
            if (judge == null) {
                judge = new JdkDecoder(StandardCharsets.UTF_8);
            }
            judge.reset();
            return judge.decode(bytes, from, Math.min(to, from + 4), atEnd && to <= from + 4);
        }

        @Override
        public boolean hasAsciiNewlines() {
            return true;
        }

        @Override
        public boolean isAsciiCompatible() {
            return true;
        }

        @Override
        public String decodeRun(byte[] bytes, int from, int to, Room room) {
            if (LineScanner.isAscii(bytes, from, to)) {
                // copies only
                return new String(bytes, from, to - from, StandardCharsets.ISO_8859_1);
            } else if (to - from > RUN) {
                return unlessReplaced(new String(bytes, from, to - from, StandardCharsets.UTF_8));
            }
            char[] chars = room.chars(); // a run as short as this is worth decoding by hand
            int length = decodeShort(bytes, from, to, chars);
            return length < 0 ? null : new String(chars, 0, length);
        }

        /**
         * The number of characters, or -1 when some bytes are not plainly good. What is most
         * frequent is done here, without the calls and fields that one character at a time needs.
         */
        private int decodeShort(byte[] bytes, int from, int to, char[] into) {
            int length = 0;
            int at = from;
            while (at < to) {
                int first = bytes[at];
                if (first >= 0) {
                    int end = widen(bytes, at, to, into, length);
                    length += end - at;
                    at = end;
                } else if (first >> 5 == -2 && (first & 0x1e) != 0 && at + 1 < to
                        && isTrail(bytes[at + 1])) {
                    into[length++] = (char) ((first & 0x1f) << 6 | bytes[at + 1] & 0x3f);
                    at += 2;
                } else if (first >> 4 == -2 && at + 2 < to && isPlainThree(bytes, at)) {
                    into[length++] = three(bytes, at);
                    at += 3;
                } else {
                    int n = decodeLong(bytes, at, to, first & 0xff);
                    if (n == 0) {
                        return -1;
                    }
                    at += n;
                    into[length++] = (char) unit;
                    if (low >= 0) {
                        into[length++] = (char) low;
                    }
                }
            }
            return length;
        }

        /**
         * Turns ASCII bytes into characters and returns the index of the first other byte. A
         * separate method, so that the compiler optimises the loop independently of other profiles.
         */
        private static int widen(byte[] bytes, int from, int to, char[] into, int length) {
            int at = from;
            while (at < to && bytes[at] >= 0) {
                into[length + at - from] = (char) bytes[at++];
            }
            return at;
        }

        /** Returns whether three bytes, the first of which begins three, are well-formed. */
        private static boolean isPlainThree(byte[] bytes, int at) {
            int unit = three(bytes, at);
            return isTrail(bytes[at + 1]) && isTrail(bytes[at + 2])
                    && unit >= 0x800 && !Character.isSurrogate((char) unit);
        }

        private static char three(byte[] bytes, int at) {
            return (char) (bytes[at] << 12 | (bytes[at + 1] & 0x3f) << 6 | bytes[at + 2] & 0x3f);
        }

        private static boolean isTrail(int next) {
            return (next & 0xc0) == 0x80;
        }
    }
}
