package parley.net;

import java.nio.ByteOrder;

/**
 * The type of the elements of a stream (CLISP {@code STREAM-ELEMENT-TYPE}): characters, integers of
 * a width, or both.
 *
 * <pre>{@code
 * String head = stream.in().readLine();
 * stream.elementType(ElementType.UNSIGNED_BYTE_8); // the bytes behind the line are still there
 * int first = stream.in().readByte();
 * }</pre>
 */
public enum ElementType {
    /** Characters, through the stream's external format. */
    CHARACTER(0, false),
    /** Integers 0 to 255. */
    UNSIGNED_BYTE_8(8, false),
    /** Integers 0 to 2<sup>16</sup>-1, two bytes, the least significant first. */
    UNSIGNED_BYTE_16(16, false),
    /** Integers 0 to 2<sup>32</sup>-1, four bytes, the least significant first. */
    UNSIGNED_BYTE_32(32, false),
    /** Integers 0 to 2<sup>64</sup>-1, eight bytes, the least significant first. */
    UNSIGNED_BYTE_64(64, false),
    /** Integers -128 to 127. */
    SIGNED_BYTE_8(8, true),
    /** Signed integers of two bytes, the least significant first. */
    SIGNED_BYTE_16(16, true),
    /** Signed integers of four bytes, the least significant first. */
    SIGNED_BYTE_32(32, true),
    /** Signed integers of eight bytes, the least significant first. */
    SIGNED_BYTE_64(64, true),
    /** Both kinds: every character operation, and byte operations on integers 0 to 255. */
    BIVALENT(8, false);

    // The integers that a byte can be, boxed once.
    private static final int LEAST = -128;
    private static final Long[] SMALL = new Long[128 + 256];

    static {
        for (int i = 0; i < SMALL.length; i++) {
            SMALL[i] = (long) (i + LEAST);
        }
    }

    private final int bits;
    private final boolean signed;

    ElementType(int bits, boolean signed) {
        this.bits = bits;
        this.signed = signed;
    }

    /** {@return the width of the integers: 8, 16, 32 or 64; 0 for {@link #CHARACTER}} */
    public int bits() {
        return bits;
    }

    /** {@return whether the integers are signed: true for the signed types} */
    public boolean isSigned() {
        return signed;
    }

    /**
     * {@return whether character operations are legal: true for {@link #CHARACTER} and {@link
     * #BIVALENT}}
     */
    public boolean hasCharacters() {
        return this == CHARACTER || this == BIVALENT;
    }

    /** {@return whether byte operations are legal: true for every type but {@link #CHARACTER}} */
    public boolean hasBytes() {
        return this != CHARACTER;
    }

    /** Bytes an integer takes. */
    int width() {
        return bits / 8;
    }

    /** Returns whether an integer of this type can have the value; any does for 64 bits. */
    boolean fits(long value) {
        if (bits == 64) {
            return true;
        }
        long limit = 1L << bits - (signed ? 1 : 0);
        return value < limit && value >= (signed ? -limit : 0);
    }

    // ---- integers of any width, 1 to 8 bytes, in either order

    /** A Long, made once for every value that a byte can have. */
    static Long box(long value) {
        return value >= LEAST && value < 256 ? SMALL[(int) value - LEAST] : Long.valueOf(value);
    }

    static long decode(byte[] bytes, int from, int width, boolean signed, ByteOrder order) {
        long value = 0;
        for (int i = 0; i < width; i++) {
            int at = order == ByteOrder.BIG_ENDIAN ? from + i : from + width - 1 - i;
            value = value << 8 | bytes[at] & 0xff;
        }
        int spare = 64 - 8 * width;
        return signed ? value << spare >> spare : value;
    }

    static void encode(long value, byte[] bytes, int from, int width, ByteOrder order) {
        for (int i = 0; i < width; i++) {
            int at = order == ByteOrder.LITTLE_ENDIAN ? from + i : from + width - 1 - i;
            bytes[at] = (byte) (value >>> 8 * i);
        }
    }

    /** The bytes of a range of integers, one behind the other. */
    static byte[] encode(long[] values, int from, int to, int width, ByteOrder order) {
        byte[] bytes = new byte[Math.multiplyExact(to - from, width)];
        for (int i = from; i < to; i++) {
            encode(values[i], bytes, (i - from) * width, width, order);
        }
        return bytes;
    }
}
