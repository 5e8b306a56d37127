package parley.net.text;

import java.nio.charset.StandardCharsets;

/** UTF-8 (RFC 3629) by hand for what is well-formed; the JDK judges the rest. */
final class Utf8Decoder extends Decoder {
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
        boolean overlong = length == 3 && codePoint < 0x800 || length == 4 && codePoint < 0x10000;
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
            return new String(bytes, from, to - from, StandardCharsets.ISO_8859_1); // copies only
        } else if (to - from > RUN) {
            return unlessReplaced(new String(bytes, from, to - from, StandardCharsets.UTF_8));
        }
        char[] chars = room.chars(); // a run as short as this is worth decoding by hand
        int length = decodeShort(bytes, from, to, chars);
        return length < 0 ? null : new String(chars, 0, length);
    }

    /**
     * The number of characters, or -1 when some bytes are not plainly good. What is most frequent
     * is done here, without the calls and fields that one character at a time needs.
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
     * Turns ASCII bytes into characters and returns the index of the first other byte. A separate
     * method, so that the compiler optimises the loop independently of other profiles.
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
