package parley.posix;

import com.sun.jna.Library;
import com.sun.jna.Native;
import java.io.IOException;
import java.nio.file.Path;

/** Descriptors whose number a test chooses, and files as bare numbers, which the library never opens. */
public final class Numbers {
    interface C extends Library {
        C C = Native.load(null, C.class);

        int open(String path, int flags, Object... mode);
    }

    private static final int HIGH = 3_000;

    private Numbers() {}

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

    /**
     * Closes a descriptor and returns the same open file under the lowest free number above 3,000.
     * The kernel gives low numbers to everybody, to threads of the JVM too, so only a number from
     * here is sure to be given again to the next caller.
     */
    public static Descriptor moved(Descriptor descriptor) throws IOException {
        int number = Posix.check(
                LibC.fcntl(descriptor.number(), Constants.F_DUPFD_CLOEXEC, HIGH), "fcntl");
        descriptor.close();
        return Descriptor.own(number);
    }

    /** A pair of Unix-domain stream sockets; the first has the number that {@link #moved} gives. */
    public static Descriptor[] pair() throws IOException {
        Descriptor[] pair = Support.streams();
        pair[0] = moved(pair[0]);
        return pair;
    }
}
