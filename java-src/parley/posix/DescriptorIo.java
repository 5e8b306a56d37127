package parley.posix;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The calls on the number of a {@link Descriptor}, which goes back to the system when the descriptor
 * is closed and the last call that uses the number has ended; and the reading and writing among
 * them, from and to native memory.
 *
 * <p>Thread-safe.
 */
abstract sealed class DescriptorIo implements AutoCloseable permits Descriptor {
    private static final int CLOSED = Integer.MIN_VALUE;
    /** The bytes that a writable pipe takes at least without blocking: PIPE_BUF. */
    private static final int PIPE_BUF = Posix.LINUX ? 4096 : 512;

    final int fd; // immutable
    private final boolean owned; // immutable
    private final AtomicInteger uses = new AtomicInteger(); // running calls; CLOSED bit
    private final CountDownLatch released = new CountDownLatch(1); // the number has returned to the system
    final int socketType; // immutable; 0 for what is no socket
    volatile boolean nonblocking; // whether O_NONBLOCK was set at first, or as changed here
    final ResetMemory reset; // thread-safe; shared by duplicates, as the socket is

    DescriptorIo(int fd, boolean owned, ResetMemory reset) throws IOException {
        Posix.require("Descriptor");
        this.fd = fd;
        this.owned = owned;
        DescriptorWatcher.shared(); // opens what waiting needs, while there is a descriptor for it
        this.reset = reset;
        this.nonblocking = RawDescriptor.isNonblocking(fd);
        this.socketType = typeOf(fd);
    }

    private static int typeOf(int fd) throws IOException {
        try {
            return RawDescriptor.readInt(fd, Constants.SOL_SOCKET, Constants.SO_TYPE, "getsockopt");
        } catch (PosixException e) {
            if (e.errno() == Constants.ENOTSOCK) {
                return 0;
            }
            throw e;
        }
    }

    /** {@return the number, which other code may have after {@link #close}} */
    public int number() {
        return fd;
    }

    /** {@return false as soon as {@link #close} was called} */
    public boolean isOpen() {
        return uses.get() >= 0;
    }

    /** {@return true for sockets that listen, connect and accept: streams and sequenced packets} */
    public boolean hasConnections() {
        return socketType == Constants.SOCK_STREAM || socketType == Constants.SOCK_SEQPACKET;
    }

    /** {@return the reset that a call on this descriptor, or a duplicate, met, or null} */
    public PosixException error() {
        return reset.first();
    }

    /** Returns whether closing this closes the number. */
    final boolean isOwned() {
        return owned;
    }

    /** A call that uses the number. */
    interface Use<T> {
        T of(int number) throws IOException;
    }

    final <T> T using(String call, Use<T> use) throws IOException {
        acquire(call);
        try {
            return use.of(fd);
        } finally {
            release();
        }
    }

    /** Returns how many calls use the number, or a negative number once closed. */
    final int uses() {
        return uses.get();
    }

    /** Begins a use of the number, which stays ours until {@link #release}. */
    final int acquire(String call) throws ClosedDescriptorException {
        if (!tryAcquire()) {
            throw new ClosedDescriptorException(call + "(" + fd + ")");
        }
        return fd;
    }

    /** Begins a use, or returns false when the descriptor is closed. */
    final boolean tryAcquire() {
        StackSafeLock.reserveStack(); // a use that does not end would keep close waiting for ever
        int count = uses.get();
        while (count >= 0) {
            if (uses.compareAndSet(count, count + 1)) {
                return true;
            }
            count = uses.get();
        }
        return false;
    }

    /** Ends a use. The last use after close returns the number to the system. */
    final void release() {
        if (uses.decrementAndGet() == CLOSED) {
            if (owned) {
                LibC.close(fd);
            }
            released.countDown();
        }
    }

    /**
     * Closes the descriptor: threads that wait on it are woken, running calls end, and when this
     * returns the number has been given back to the system. Idempotent. Never blocks for longer
     * than the running calls need, which are non-blocking.
     */
    @Override
    public void close() {
        StackSafeLock.reserveStack();
        int count = uses.get();
        // this thread's own use keeps the number while the watches fire
        while (count >= 0 && !uses.compareAndSet(count, (count | CLOSED) + 1)) {
            count = uses.get();
        }
        if (count >= 0) {
            try {
                DescriptorWatcher.closed((Descriptor) this, count > 0);
            } finally {
                release();
            }
        }
        awaitRelease();
    }

    private void awaitRelease() {
        boolean interrupted = false;
        while (released.getCount() > 0) {
            try {
                released.await();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- reading and writing

    /** Reads from a descriptor of any kind; {@link Descriptor#EOF} at the end. */
    final int readAt(long address, int size) throws IOException {
        if (socketType == 0) {
            return readFile(address, size);
        }
        int n = receive(address, size, 0);
        return n == 0 && socketType != Constants.SOCK_DGRAM ? Descriptor.EOF : n;
    }

    final int writeAt(long address, int size) throws IOException {
        return socketType != 0 ? transmit(address, size, 0) : writeFile(address, size);
    }

    private int readFile(long address, int size) throws IOException {
        int fd = acquire("read");
        try {
            if (!nonblocking && Poll.ready(fd, Poll.IN) == 0) {
                return Descriptor.WOULD_BLOCK;
            }
            long n = LibC.read(fd, address, size);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.read(fd, address, size);
            }
            return n == 0 ? Descriptor.EOF : outcome(n, "read");
        } finally {
            release();
        }
    }

    private int writeFile(long address, int size) throws IOException {
        int fd = acquire("write");
        try {
            if (!nonblocking && Poll.ready(fd, Poll.OUT) == 0) {
                return Descriptor.WOULD_BLOCK;
            }
            int part = nonblocking ? size : Math.min(size, PIPE_BUF);
            long n = LibC.write(fd, address, part);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.write(fd, address, part);
            }
            return outcome(n, "write");
        } finally {
            release();
        }
    }

    final int receive(long address, int size, int flags) throws IOException {
        int fd = acquire("recv");
        try {
            long n = LibC.recv(fd, address, size, flags | Constants.MSG_DONTWAIT);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.recv(fd, address, size, flags | Constants.MSG_DONTWAIT);
            }
            return endOrReset(outcome(n, "recv"), size);
        } finally {
            release();
        }
    }

    /** See {@link Descriptor#peek}; makes no exception of a socket that listens. */
    final int peekAt(long address) throws IOException {
        int fd = acquire("recv");
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
            int count = endOrReset(outcome(n, "recv"), 1);
            return count == 0 ? Descriptor.EOF : count;
        } finally {
            release();
        }
    }

    final int transmit(long address, int size, int flags) throws IOException {
        int all = flags | Constants.MSG_DONTWAIT | Constants.MSG_NOSIGNAL;
        int fd = acquire("send");
        try {
            long n = LibC.send(fd, address, size, all);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.send(fd, address, size, all);
            }
            return outcome(n, "send");
        } finally {
            release();
        }
    }

    /** A stream can be moved block by block, a message only whole. */
    final int transferSize(int length) {
        return keepsMessages() ? length : Math.min(length, NativeBuffer.BLOCK);
    }

    final boolean keepsMessages() {
        return socketType != 0 && socketType != Constants.SOCK_STREAM;
    }

    /** Returns a count of bytes received, unless it is an end of file that hides a reset. */
    final int endOrReset(int count, int asked) throws PosixException {
        if (count == 0 && asked > 0) {
            reset.throwAgain("recv(" + fd + ")");
        }
        return count;
    }

    /** Makes a result of the C library one of ours; call it right after the native call. */
    final int outcome(long n, String call) throws IOException {
        if (n >= 0) {
            return (int) n;
        }
        int errno = LibC.errno();
        if (errno == Constants.EAGAIN) {
            return Descriptor.WOULD_BLOCK;
        }
        PosixException failure = new PosixException(errno, call + "(" + fd + ")");
        remember(failure);
        throw failure;
    }

    /** Remembers a failure that the kernel reports only once. */
    final void remember(PosixException failure) {
        if (hasConnections()) {
            reset.note(failure);
        }
    }

    /** Forgets the failure before the socket connects once more; true if there was one. */
    final boolean forgetReset() {
        return reset.forget();
    }

    /**
     * The reset or refusal that a connection met. The kernel reports it once, and after it an end
     * of file, which would look as if the peer had sent all that it wanted to.
     *
     * <p>Thread-safe.
     */
    static final class ResetMemory {
        private volatile PosixException first; // null until a reset is met

        /** Returns the first reset, or null. */
        PosixException first() {
            return first;
        }

        /** Remembers a failure of a stream socket, if it is one that breaks the connection. */
        void note(PosixException failure) {
            int errno = failure.errno();
            boolean lasting = errno == Constants.ECONNRESET || errno == Constants.ETIMEDOUT
                    || errno == Constants.ECONNABORTED || errno == Constants.ENETRESET
                    || errno == Constants.ECONNREFUSED || errno == Constants.EHOSTUNREACH
                    || errno == Constants.ENETUNREACH;
            if (lasting && first == null) {
                first = failure;
            }
        }

        /**
         * Begins anew, since the socket connects once more; returns whether there was a failure.
         */
        boolean forget() {
            boolean failed = first != null;
            first = null;
            return failed;
        }

        /** Throws the reset again, if there was one, as a failure of this call. */
        void throwAgain(String call) throws PosixException {
            PosixException seen = first;
            if (seen != null) {
                PosixException later = new PosixException(seen.errno(), call);
                later.addSuppressed(seen); // no cause: a REPL would show its message
                throw later;
            }
        }
    }
}
