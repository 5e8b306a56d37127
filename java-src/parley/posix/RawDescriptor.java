package parley.posix;

import java.io.IOException;
import java.util.Arrays;

/**
 * System calls on bare numbers, whose owner must keep them open: fcntl(2), pipes, getsockopt(2) and
 * setsockopt(2).
 */
final class RawDescriptor {
    private static final int MAX_OPTION = 4096; // bytes of a value

    private RawDescriptor() {}

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
        byte[] name = NativeBuffer.encoded("the path", path);
        try (NativeBuffer buffer = NativeBuffer.take(name.length + 1)) {
            buffer.putText(0, name);
            String call = "open(" + path + ")";
            return Posix.check(LibC.Linux.open(buffer.address, Constants.O_CLOEXEC), call);
        }
    }

    /** Returns the numbers of the reading and the writing end of a new pipe, both non-blocking. */
    static int[] pipe() throws IOException {
        int[] ends = new int[2]; // before the call, whose results must not be lost
        try (NativeBuffer two = NativeBuffer.take(8)) {
            if (Posix.LINUX) {
                int flags = Constants.O_CLOEXEC | Constants.O_NONBLOCK;
                Posix.check(LibC.Linux.pipe2(two.address, flags), "pipe2");
            } else {
                Posix.check(LibC.pipe(two.address), "pipe");
            }
            ends[0] = two.bytes.getInt(0);
            ends[1] = two.bytes.getInt(4);
            if (!Posix.LINUX) {
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

    // ---- sockets

    /** The address family of a socket. */
    static int family(int fd) throws IOException {
        try (NativeBuffer buffer = SockAddr.room()) {
            int result = LibC.getsockname(fd, buffer.address, buffer.address + SockAddr.MAX_SIZE);
            Posix.check(result, "getsockname(" + fd + ")");
            return SockAddr.family(SockAddr.content(buffer));
        }
    }

    static int readInt(int fd, int level, int name, String call) throws IOException {
        try (NativeBuffer buffer = NativeBuffer.take(16)) {
            buffer.bytes.putInt(8, 4).putInt(0, 0);
            long result = LibC.getsockopt(fd, level, name, buffer.address, buffer.address + 8);
            Posix.check(result, call + "(" + fd + ")");
            return buffer.bytes.getInt(0);
        }
    }

    static void writeInt(int fd, int level, int name, int value, String call) throws IOException {
        try (NativeBuffer buffer = NativeBuffer.take(4)) {
            buffer.bytes.putInt(0, value);
            long result = LibC.setsockopt(fd, level, name, buffer.address, 4);
            Posix.check(result, call + "(" + fd + ")");
        }
    }

    /** Reads an option of at most so many bytes; the result has as many as the system gave. */
    static byte[] readBytes(int fd, int level, int name, int size, String call)
            throws IOException {
        if (size < 0 || size > MAX_OPTION) {
            throw new IllegalArgumentException(
                    call + ": the size " + size + " is not between 0 and " + MAX_OPTION);
        }
        try (NativeBuffer buffer = NativeBuffer.take(size + 8)) {
            buffer.zero(size + 8).bytes.putInt(0, size);
            long result = LibC.getsockopt(fd, level, name, buffer.address + 8, buffer.address);
            Posix.check(result, call + "(" + fd + ")");
            byte[] value = new byte[size];
            buffer.bytes.get(8, value);
            return Arrays.copyOf(value, Math.min(size, buffer.bytes.getInt(0)));
        }
    }

    static void writeBytes(int fd, int level, int name, byte[] value, String call)
            throws IOException {
        if (value.length > MAX_OPTION) {
            throw new IllegalArgumentException(
                    call + ": the value has " + value.length + " bytes, more than " + MAX_OPTION);
        }
        try (NativeBuffer buffer = NativeBuffer.take(Math.max(1, value.length))) {
            buffer.bytes.put(0, value);
            long result = LibC.setsockopt(fd, level, name, buffer.address, value.length);
            Posix.check(result, call + "(" + fd + ")");
        }
    }
}
