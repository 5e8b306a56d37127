package parley.posix;

/**
 * The usual short form of an IPv6 address, as RFC 5952 has it; the JDK prints the long one. Needs
 * no C library.
 */
public final class Ipv6Text {
    private static final int GROUPS = 8;

    private Ipv6Text() {}

    /**
     * Writes an address.
     *
     * @param address its 16 bytes
     * @return for example {@code ::1}
     */
    public static String format(byte[] address) {
        int[] groups = new int[GROUPS];
        for (int i = 0; i < GROUPS; i++) {
            groups[i] = (address[2 * i] & 0xff) << 8 | address[2 * i + 1] & 0xff;
        }
        if (isMapped(groups)) {
            return "::ffff:" + (address[12] & 0xff) + "." + (address[13] & 0xff) + "."
                    + (address[14] & 0xff) + "." + (address[15] & 0xff);
        }
        int start = 0;
        int length = 0;
        for (int i = 0; i < GROUPS; i++) {
            int zeros = zerosAt(groups, i);
            if (zeros > length) {
                start = i;
                length = zeros;
            }
        }
        return length < 2
                ? join(groups, 0, GROUPS)
                : join(groups, 0, start) + "::" + join(groups, start + length, GROUPS);
    }

    private static boolean isMapped(int[] groups) {
        return zerosAt(groups, 0) == 5 && groups[5] == 0xffff;
    }

    private static int zerosAt(int[] groups, int from) {
        int i = from;
        while (i < GROUPS && groups[i] == 0) {
            i++;
        }
        return i - from;
    }

    private static String join(int[] groups, int from, int to) {
        StringBuilder text = new StringBuilder();
        for (int i = from; i < to; i++) {
            text.append(i == from ? "" : ":").append(Integer.toHexString(groups[i]));
        }
        return text.toString();
    }
}
