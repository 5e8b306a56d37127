package parley.net;

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
}
