package parley.posix;

import java.io.IOException;

/** The uses made here of fcntl(2), on bare numbers. */
final class Fcntl {
    private Fcntl() {}

    /** Makes a second number, at least 3, for what {@code fd} is; closed on exec. */
    static int duplicate(int fd) throws IOException {
        return duplicateAtLeast(fd, 3);
    }

    /** Makes a second number, the lowest that is free and at least {@code least}. */
    static int duplicateAtLeast(int fd, int least) throws IOException {
        int copy = LibC.Variadic.C.fcntl(fd, Constants.F_DUPFD_CLOEXEC, least);
        return Posix.check(copy, "dup(" + fd + ")");
    }

    static void closeOnExec(int fd) throws IOException {
        int result = LibC.Variadic.C.fcntl(fd, Constants.F_SETFD, Constants.FD_CLOEXEC);
        Posix.check(result, "fcntl(" + fd + ", F_SETFD)");
    }

    static boolean isCloseOnExec(int fd) throws IOException {
        int flags = LibC.Variadic.C.fcntl(fd, Constants.F_GETFD);
        return (Posix.check(flags, "fcntl(" + fd + ", F_GETFD)") & Constants.FD_CLOEXEC) != 0;
    }

    /** The flags of the open file: access mode, O_NONBLOCK and others. */
    static int flags(int fd) throws IOException {
        int flags = LibC.Variadic.C.fcntl(fd, Constants.F_GETFL);
        return Posix.check(flags, "fcntl(" + fd + ", F_GETFL)");
    }

    static boolean isNonblocking(int fd) throws IOException {
        return (flags(fd) & Constants.O_NONBLOCK) != 0;
    }

    static void nonblocking(int fd, boolean on) throws IOException {
        int old = flags(fd);
        int flags = on ? old | Constants.O_NONBLOCK : old & ~Constants.O_NONBLOCK;
        if (flags != old) {
            int result = LibC.Variadic.C.fcntl(fd, Constants.F_SETFL, flags);
            Posix.check(result, "fcntl(" + fd + ", F_SETFL)");
        }
    }
}
