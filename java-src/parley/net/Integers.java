package parley.net;

import java.nio.ByteOrder;

/** Integers of up to eight bytes, in either order. */
final class Integers {
    private static final int LEAST = -128;
    private static final Long[] SMALL = new Long[128 + 256];

    static {
        for (int i = 0; i < SMALL.length; i++) {
            SMALL[i] = (long) (i + LEAST);
        }
    }

    private Integers() {
    }

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

    /** Returns whether an integer of so many bytes can have the value. */
    static boolean fits(long value, int width, boolean signed) {
        if (width == 8) {
            return true;
        }
        long limit = 1L << 8 * width - (signed ? 1 : 0);
        return value < limit && value >= (signed ? -limit : 0);
    }
}
