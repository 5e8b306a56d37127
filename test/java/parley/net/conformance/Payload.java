package parley.net.conformance;

/** Bytes whose value tells their position, so that a loss, a repetition or a swap shows. */
final class Payload {
    private Payload() {
    }

    /** {@code count} printable ASCII bytes of the endless sequence, from position {@code from}. */
    static byte[] bytes(long from, int count) {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) {
            bytes[i] = at(from + i);
        }
        return bytes;
    }

    private static byte at(long position) {
        long mixed = (position + 1) * 0x9E3779B97F4A7C15L;
        return (byte) ('0' + (mixed >>> 32 & 63));
    }

    /** Fails unless {@code bytes} are those from position 0, {@code count} of them. */
    static void check(byte[] bytes, long count) {
        if (bytes.length != count) {
            throw new AssertionError(bytes.length + " bytes came, expected " + count);
        }
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] != at(i)) {
                throw new AssertionError("byte " + i + " is " + bytes[i] + ", expected " + at(i));
            }
        }
    }
}
