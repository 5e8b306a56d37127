package parley.posix;

import java.io.IOException;

/** The native reading and writing of {@link Descriptor}, between it and native memory. */
final class NonblockingIo {
    /** The bytes that a writable pipe takes at least without blocking: PIPE_BUF. */
    private static final int PIPE_BUF = Posix.LINUX ? 4096 : 512;

    private NonblockingIo() {}

    /** Reads from a descriptor of any kind; {@link Descriptor#EOF} at the end. */
    static int read(Descriptor of, long address, int size) throws IOException {
        if (!of.isSocket()) {
            return readFile(of, address, size);
        }
        int n = receive(of, address, size, 0);
        return n == 0 && of.socketType() != Constants.SOCK_DGRAM ? Descriptor.EOF : n;
    }

    static int write(Descriptor of, long address, int size) throws IOException {
        return of.isSocket() ? transmit(of, address, size, 0) : writeFile(of, address, size);
    }

    private static int readFile(Descriptor of, long address, int size) throws IOException {
        int fd = of.acquire("read");
        try {
            if (!of.isNonblocking() && Poll.ready(fd, Poll.IN) == 0) {
                return Descriptor.WOULD_BLOCK;
            }
            long n = LibC.read(fd, address, size);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.read(fd, address, size);
            }
            return n == 0 ? Descriptor.EOF : of.outcome(n, "read");
        } finally {
            of.release();
        }
    }

    private static int writeFile(Descriptor of, long address, int size) throws IOException {
        int fd = of.acquire("write");
        try {
            if (!of.isNonblocking() && Poll.ready(fd, Poll.OUT) == 0) {
                return Descriptor.WOULD_BLOCK;
            }
            int part = of.isNonblocking() ? size : Math.min(size, PIPE_BUF);
            long n = LibC.write(fd, address, part);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.write(fd, address, part);
            }
            return of.outcome(n, "write");
        } finally {
            of.release();
        }
    }

    static int receive(Descriptor of, long address, int size, int flags) throws IOException {
        int fd = of.acquire("recv");
        try {
            long n = LibC.recv(fd, address, size, flags | Constants.MSG_DONTWAIT);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.recv(fd, address, size, flags | Constants.MSG_DONTWAIT);
            }
            return of.endOrReset(of.outcome(n, "recv"), size);
        } finally {
            of.release();
        }
    }

    /** See {@link Descriptor#peek}; makes no exception of a socket that listens. */
    static int peek(Descriptor of, long address) throws IOException {
        int fd = of.acquire("recv");
        try {
            int flags = Constants.MSG_PEEK | Constants.MSG_DONTWAIT;
            long n = LibC.recv(fd, address, 1, flags);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.recv(fd, address, 1, flags);
            }
            int errno = n < 0 ? LibC.errno() : 0;
            if (errno == Constants.ENOTCONN || errno == Constants.EINVAL) {
                return Descriptor.NOT_CONNECTED; // the latter of Unix-domain sockets
            }
            int count = of.endOrReset(of.outcome(n, "recv"), 1);
            return count == 0 ? Descriptor.EOF : count;
        } finally {
            of.release();
        }
    }

    static int transmit(Descriptor of, long address, int size, int flags) throws IOException {
        int all = flags | Constants.MSG_DONTWAIT | Constants.MSG_NOSIGNAL;
        int fd = of.acquire("send");
        try {
            long n = LibC.send(fd, address, size, all);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.send(fd, address, size, all);
            }
            return of.outcome(n, "send");
        } finally {
            of.release();
        }
    }
}
