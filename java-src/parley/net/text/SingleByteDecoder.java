package parley.net.text;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;

/** A charset in which every byte is one character, such as ASCII and the ISO 8859 family. */
final class SingleByteDecoder extends Decoder {
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

    SingleByteDecoder(Charset charset, Table table) {
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
