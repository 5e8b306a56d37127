package parley.posix;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/**
 * A file descriptor whose number cannot be recycled under a running call.
 *
 * <pre>{@code
 * Descriptor[] pipe = Descriptor.pipe();
 * try (Descriptor in = pipe[0]; Descriptor out = pipe[1]) {
 *     out.write(new byte[] {1, 2, 3}, 0, 3);
 *     in.read(new byte[8], 0, 8); // 3
 *     in.read(new byte[8], 0, 8); // Descriptor.WOULD_BLOCK: the pipe is empty
 * }
 * }</pre>
 *
 * <p>Every call counts as a use. {@link #close} refuses new uses and fires the watches of {@link
 * DescriptorWatcher}. The number returns to the system when the last use has ended. That takes a
 * moment, since only polls block in the kernel, and close wakes them.
 *
 * <p>Reading and writing never block, whether or not the descriptor is in non-blocking mode.
 * Sockets are used with {@code MSG_DONTWAIT}; other descriptors are polled first. The flag {@code
 * O_NONBLOCK} belongs to the open file, and so to other processes as well (a shell and its
 * terminal). It is changed by {@link #nonblocking(boolean)} only. Therefore a read can block in one
 * case: another process has taken the data between the poll and the read.
 *
 * <p>A reset is remembered. When the kernel reports an end of file after a reset, the reset is
 * thrown again.
 *
 * <p>Thread-safe.
 */
public final class Descriptor extends DescriptorIo {
    /** The result of {@link #read} at the end of the data. */
    public static final int EOF = -1;
    /** The result of reading and writing when they would have to wait. */
    public static final int WOULD_BLOCK = -2;
    /** The result of {@link #peek} for a socket that listens or is not connected. */
    public static final int NOT_CONNECTED = -3;

    private Descriptor(int fd, boolean owned, ResetMemory reset) throws IOException {
        super(fd, owned, reset);
    }

    /**
     * Takes over an open number: closing the result closes the number.
     *
     * @throws PosixException EBADF when the number is not open
     */
    public static Descriptor own(int fd) throws IOException {
        return new Descriptor(fd, true, new ResetMemory());
    }

    /**
     * Makes a descriptor over a number that other code owns and keeps open. Closing the result does
     * not close the number.
     *
     * @throws PosixException EBADF when the number is not open
     */
    public static Descriptor borrow(int fd) throws IOException {
        return new Descriptor(fd, false, new ResetMemory());
    }

    /** Duplicates a number, closed on exec; of a socket whose resets are remembered there. */
    static Descriptor duplicate(int fd, ResetMemory reset) throws IOException {
        Posix.require("Descriptor.duplicate");
        StackSafeLock.reserveStackToOpen();
        return ownOrClose(RawDescriptor.duplicate(fd), reset);
    }

    /** {@return the reading and the writing end of a new pipe, closed on exec and non-blocking} */
    public static Descriptor[] pipe() throws IOException {
        Posix.require("Descriptor.pipe");
        StackSafeLock.reserveStackToOpen();
        int[] ends = RawDescriptor.pipe();
        return Sockets.ownBoth(ends[0], ends[1]);
    }

    /** Takes over a number just made, which is closed if that fails. */
    static Descriptor ownOrClose(int fd) throws IOException {
        return ownOrClose(fd, null);
    }

    private static Descriptor ownOrClose(int fd, ResetMemory reset) throws IOException {
        try {
            return new Descriptor(fd, true, reset == null ? new ResetMemory() : reset);
        } catch (IOException | RuntimeException | Error e) {
            LibC.close(fd);
            throw e;
        }
    }

    /** {@return a second descriptor for the same open file, closed on exec} */
    public Descriptor duplicate() throws IOException {
        return using("dup", number -> duplicate(number, reset));
    }

    /** {@return true for sockets of any kind} */
    public boolean isSocket() {
        return socketType != 0;
    }

    /** {@return the number of the socket's type ({@code SOCK_STREAM} …), 0 for others} */
    public int socketType() {
        return socketType;
    }

    /**
     * Sets or clears non-blocking mode of the open file, for every process that shares the file.
     *
     * @param on true for non-blocking mode
     */
    public Descriptor nonblocking(boolean on) throws IOException {
        return using("fcntl", number -> {
            RawDescriptor.nonblocking(number, on);
            nonblocking = on;
            return this;
        });
    }

    /** {@return whether the open file can be read, by the mode in which it was opened} */
    public boolean readable() throws IOException {
        return mode() != Constants.O_WRONLY;
    }

    /** {@return whether the open file can be written, by the mode in which it was opened} */
    public boolean writable() throws IOException {
        return mode() != 0;
    }

    private int mode() throws IOException {
        return using("fcntl", RawDescriptor::flags) & Constants.O_ACCMODE;
    }

    // ---- reading and writing

    /**
     * Reads what has arrived, at most {@code length} bytes.
     *
     * @return how many bytes, at least 1; 0 when {@code length} is 0, or for an empty datagram;
     *     {@link #EOF}; or {@link #WOULD_BLOCK}
     * @throws PosixException of the system; the reset again where one was met before
     * @throws IllegalArgumentException when offset and length do not fit, before anything is read
     */
    public int read(byte[] bytes, int offset, int length) throws IOException {
        Posix.checkBounds("read", bytes, offset, length);
        if (length == 0 && !keepsMessages()) {
            return nothing("read");
        }
        int size = transferSize(length);
        try (NativeBuffer buffer = NativeBuffer.take(size)) {
            int n = readAt(buffer.address, size);
            if (n > 0) {
                buffer.bytes.get(0, bytes, offset, n);
            }
            return n;
        }
    }

    /**
     * Reads what has arrived into the buffer's remaining space and moves its position. Into a
     * direct buffer nothing is copied twice.
     *
     * @return as {@link #read(byte[], int, int)}
     */
    public int read(ByteBuffer target) throws IOException {
        int n;
        if (target.isReadOnly()) {
            throw new IllegalArgumentException("read: the buffer is read-only");
        }
        if (target.isDirect() && target.hasRemaining()) {
            long at = addressOf(target);
            int room = target.remaining();
            n = readAt(at, room);
            Reference.reachabilityFence(target);
            target.position(target.position() + Math.max(n, 0));
        } else if (target.hasArray()) {
            int at = target.arrayOffset() + target.position();
            n = read(target.array(), at, target.remaining());
            target.position(target.position() + Math.max(n, 0));
        } else {
            n = read(new byte[0], 0, 0);
        }
        return n;
    }

    /**
     * Writes as much as goes without waiting.
     *
     * @return how many bytes were taken, possibly fewer than {@code length}, or {@link
     *     #WOULD_BLOCK}
     * @throws PosixException of the system: EPIPE when the reading side is closed
     * @throws IllegalArgumentException when offset and length do not fit, before anything is
     *     written
     */
    public int write(byte[] bytes, int offset, int length) throws IOException {
        Posix.checkBounds("write", bytes, offset, length);
        if (length == 0 && !keepsMessages()) {
            return nothing("write");
        }
        int size = transferSize(length);
        try (NativeBuffer buffer = NativeBuffer.take(size)) {
            buffer.bytes.put(0, bytes, offset, size);
            return writeAt(buffer.address, size);
        }
    }

    /**
     * Writes what remains in the buffer as far as that goes without waiting, and moves its
     * position.
     *
     * @return as {@link #write(byte[], int, int)}
     */
    public int write(ByteBuffer source) throws IOException {
        int n;
        int room = source.remaining();
        if (source.isDirect() && room > 0) {
            long at = addressOf(source);
            n = writeAt(at, room);
            Reference.reachabilityFence(source);
        } else if (source.hasArray()) {
            n = write(source.array(), source.arrayOffset() + source.position(), room);
        } else {
            byte[] copy = new byte[Math.min(room, NativeBuffer.BLOCK)];
            source.duplicate().get(copy);
            n = write(copy, 0, copy.length);
        }
        source.position(source.position() + Math.max(n, 0));
        return n;
    }

    /**
     * Receives with flags, without waiting.
     *
     * @return how many bytes, 0 at the end of a stream or for an empty datagram, or {@link
     *     #WOULD_BLOCK}
     */
    public int recv(byte[] bytes, int offset, int length, int flags) throws IOException {
        Posix.checkBounds("recv", bytes, offset, length);
        int size = transferSize(length);
        try (NativeBuffer buffer = NativeBuffer.take(size)) {
            int n = receive(buffer.address, size, flags);
            if (n > 0) {
                buffer.bytes.get(0, bytes, offset, Math.min(n, size));
            }
            return n;
        }
    }

    /**
     * Looks whether a socket that has connections can be read, without waiting.
     *
     * @return 1 when data has arrived, {@link #EOF}, {@link #WOULD_BLOCK} or {@link #NOT_CONNECTED}
     * @throws PosixException of the system; the reset again where one was met before
     */
    public int peek() throws IOException {
        try (NativeBuffer buffer = NativeBuffer.take(1)) {
            return peekAt(buffer.address);
        }
    }

    /**
     * Sends with flags, without waiting.
     *
     * @return how many bytes were taken, or {@link #WOULD_BLOCK}
     */
    public int send(byte[] bytes, int offset, int length, int flags) throws IOException {
        Posix.checkBounds("send", bytes, offset, length);
        int size = transferSize(length);
        try (NativeBuffer buffer = NativeBuffer.take(size)) {
            buffer.bytes.put(0, bytes, offset, size);
            return transmit(buffer.address, size, flags);
        }
    }

    private int nothing(String call) throws IOException {
        return using(call, number -> 0);
    }

    private static long addressOf(ByteBuffer direct) {
        return Pointer.nativeValue(Native.getDirectBufferPointer(direct)) + direct.position();
    }

    // ---- waiting

    /**
     * Waits until one of the events has happened.
     *
     * @param events a sum of {@link Poll#IN}, {@link Poll#OUT}, {@link Poll#PRI}
     * @param timeoutNanos at most so long; {@link Long#MAX_VALUE} for ever, 0 or less not at all
     * @return the events that have happened, {@link Poll#ERR} and {@link Poll#HUP} even without a
     *     request; 0 when the wait timed out
     * @throws java.io.InterruptedIOException when the thread is interrupted; its flag stays set
     * @throws java.nio.channels.AsynchronousCloseException when the descriptor is closed meanwhile
     */
    public int await(int events, long timeoutNanos) throws IOException {
        Poll.Entry entry = new Poll.Entry(this, events, null);
        Poll.await(new Poll.Entry[] {entry}, 1, timeoutNanos);
        return entry.found();
    }

    @Override
    public String toString() {
        String what = socketType == 0 ? "" : " socket";
        return "#<descriptor " + fd + what + (isOpen() ? ">" : " closed>");
    }
}
