package parley.posix;

import java.io.IOException;

/** Pairs of pipe ends, closed on exec. */
final class Pipes {
    private Pipes() {}

    /** Returns the numbers of the reading and the writing end, both non-blocking. */
    static int[] open() throws IOException {
        try (NativeBuffer two = NativeBuffer.take(8)) {
            if (Constants.LINUX) {
                int flags = Constants.O_CLOEXEC | Constants.O_NONBLOCK;
                Posix.check(LinuxC.pipe2(two.address, flags), "pipe2");
            } else {
                Posix.check(LibC.pipe(two.address), "pipe");
            }
            int[] ends = {two.bytes.getInt(0), two.bytes.getInt(4)};
            if (!Constants.LINUX) {
                prepare(ends);
            }
            return ends;
        }
    }

    /** Returns the same as descriptors. */
    static Descriptor[] openDescriptors() throws IOException {
        int[] ends = open();
        Descriptor first;
        try {
            first = Descriptor.ownOrClose(ends[0]);
        } catch (IOException | RuntimeException e) {
            LibC.close(ends[1]);
            throw e;
        }
        try {
            return new Descriptor[] {first, Descriptor.ownOrClose(ends[1])};
        } catch (IOException | RuntimeException e) {
            first.close();
            throw e;
        }
    }

    private static void prepare(int[] ends) throws IOException {
        try {
            for (int end : ends) {
                Fcntl.closeOnExec(end);
                Fcntl.nonblocking(end, true);
            }
        } catch (IOException e) {
            LibC.close(ends[0]);
            LibC.close(ends[1]);
            throw e;
        }
    }
}
