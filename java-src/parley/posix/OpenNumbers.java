package parley.posix;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The process's open descriptor numbers, and what each is. */
final class OpenNumbers {
    private static final String DIRECTORY = Constants.LINUX ? "/proc/self/fd" : "/dev/fd";
    private static final int LINK_SIZE = 64;

    private OpenNumbers() {}

    /** All numbers open now, ascending; empty where the system does not tell. */
    static int[] all() {
        String[] names = new File(DIRECTORY).list();
        return names == null
                ? new int[0]
                : Arrays.stream(names).filter(name -> name.matches("\\d{1,9}"))
                        .mapToInt(Integer::parseInt).sorted().toArray();
    }

    /**
     * Says what a number is, in words that differ between any two open files: {@code
     * socket:[4711]}, with the inode. Null when it is not open, or on macOS, where sockets have no
     * such words.
     */
    static String identity(int fd) {
        if (!Constants.LINUX) {
            return null;
        }
        byte[] path = (DIRECTORY + "/" + fd).getBytes(StandardCharsets.US_ASCII);
        try (NativeBuffer buffer = NativeBuffer.take(NativeBuffer.SMALL)) {
            int at = buffer.putText(0, path);
            long n = LibC.readlink(buffer.address, buffer.address + at, LINK_SIZE);
            if (n < 0) {
                return null;
            }
            byte[] link = new byte[(int) n];
            buffer.bytes.get(at, link);
            return new String(link, StandardCharsets.ISO_8859_1);
        }
    }
}
