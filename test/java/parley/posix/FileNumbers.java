package parley.posix;

import com.sun.jna.Library;
import com.sun.jna.Native;
import java.nio.file.Path;

/** Opens files as bare numbers, which the library itself never does. */
final class FileNumbers {
    interface C extends Library {
        C C = Native.load(null, C.class);

        int open(String path, int flags, Object... mode);
    }

    private FileNumbers() {}

    /** Opens for reading. */
    static int open(Path path) {
        return open(path, 0);
    }

    static int open(Path path, int flags) {
        int number = C.C.open(path.toString(), flags | Constants.O_CLOEXEC);
        if (number < 0) {
            throw new AssertionError("open " + path + ": " + Native.getLastError());
        }
        return number;
    }
}
