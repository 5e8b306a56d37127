package parley.net.text;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Looks through the bytes of lines, eight at a time. */
public final class LineScanner {
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(
            long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long ONES = 0x0101010101010101L;
    private static final long HIGHS = 0x8080808080808080L;
    private static final long NEWLINES = ONES * '\n';
    private static final long RETURNS = ONES * '\r';

    private LineScanner() {
    }

    /** Returns the index of the first line feed or carriage return, or -1. */
    public static int find(byte[] bytes, int from, int to) {
        int i = from;
        for (; i <= to - 8; i += 8) {
            long word = (long) LONG.get(bytes, i);
            long hits = zeros(word ^ NEWLINES) | zeros(word ^ RETURNS);
            if (hits != 0) {
                return i + (Long.numberOfTrailingZeros(hits) >>> 3);
            }
        }
        for (; i < to; i++) {
            if (bytes[i] == '\n' || bytes[i] == '\r') {
                return i;
            }
        }
        return -1;
    }

    /** Returns whether all bytes of a range are below 128. */
    public static boolean isAscii(byte[] bytes, int from, int to) {
        long all = 0;
        int i = from;
        for (; i <= to - 8; i += 8) {
            all |= (long) LONG.get(bytes, i);
        }
        for (; i < to; i++) {
            all |= bytes[i];
        }
        return (all & HIGHS) == 0;
    }

    /** The high bit of each byte that is zero; exact up to and including the lowest one. */
    private static long zeros(long word) {
        return word - ONES & ~word & HIGHS;
    }
}
