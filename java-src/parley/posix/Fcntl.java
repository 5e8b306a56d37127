package parley.posix;

import java.io.IOException;

/** The uses made here of fcntl(2) on bare numbers, and pipes. */
final class Fcntl {
    private Fcntl() {}

    /** Makes a second number, at least 3, for what {@code fd} is; closed on exec. */
    static int duplicate(int fd) throws IOException {
        String call = "dup(" + fd + ")"; // before the call, whose result must not be lost
        return Posix.check(LibC.fcntl(fd, Constants.F_DUPFD_CLOEXEC, 3), call);
    }

    static void closeOnExec(int fd) throws IOException {
        int result = LibC.fcntl(fd, Constants.F_SETFD, Constants.FD_CLOEXEC);
        Posix.check(result, "fcntl(" + fd + ", F_SETFD)");
    }

    static boolean isCloseOnExec(int fd) throws IOException {
        int flags = LibC.fcntl(fd, Constants.F_GETFD, 0);
        return (Posix.check(flags, "fcntl(" + fd + ", F_GETFD)") & Constants.FD_CLOEXEC) != 0;
    }

    /** The flags of the open file: access mode, O_NONBLOCK and others. */
    static int flags(int fd) throws IOException {
        int flags = LibC.fcntl(fd, Constants.F_GETFL, 0);
        return Posix.check(flags, "fcntl(" + fd + ", F_GETFL)");
    }

    static boolean isNonblocking(int fd) throws IOException {
        return (flags(fd) & Constants.O_NONBLOCK) != 0;
    }

    static void nonblocking(int fd, boolean on) throws IOException {
        int old = flags(fd);
        int flags = on ? old | Constants.O_NONBLOCK : old & ~Constants.O_NONBLOCK;
        if (flags != old) {
            int result = LibC.fcntl(fd, Constants.F_SETFL, flags);
            Posix.check(result, "fcntl(" + fd + ", F_SETFL)");
        }
    }

    static int openDirectory(String path) throws IOException {
        byte[] name = NativeText.bytes("the path", path);
        try (NativeBuffer buffer = NativeBuffer.take(name.length + 1)) {
            buffer.putText(0, name);
            return Posix.check(LibC.Linux.open(buffer.address, Constants.O_CLOEXEC),
                    "open(" + path + ")");
        }
    }

    /** Returns the numbers of the reading and the writing end of a new pipe, both non-blocking. */
    static int[] pipe() throws IOException {
        int[] ends = new int[2]; // before the call, whose results must not be lost
        try (NativeBuffer two = NativeBuffer.take(8)) {
            if (Constants.LINUX) {
                int flags = Constants.O_CLOEXEC | Constants.O_NONBLOCK;
                Posix.check(LibC.Linux.pipe2(two.address, flags), "pipe2");
            } else {
                Posix.check(LibC.pipe(two.address), "pipe");
            }
            ends[0] = two.bytes.getInt(0);
            ends[1] = two.bytes.getInt(4);
            if (!Constants.LINUX) {
                prepare(ends);
            }
            return ends;
        }
    }

    private static void prepare(int[] ends) throws IOException {
        try {
            for (int end : ends) {
                closeOnExec(end);
                nonblocking(end, true);
            }
        } catch (IOException e) {
            LibC.close(ends[0]);
            LibC.close(ends[1]);
            throw e;
        }
    }
}
