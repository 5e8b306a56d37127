package parley.posix;

import java.io.IOException;

/**
 * A descriptor that becomes readable when {@link #wake} is called: what ends a native poll.
 *
 * <p>An eventfd on Linux, a pipe elsewhere. One that is made for each wait costs two system calls,
 * little beside the wait, and leaves no descriptor behind.
 */
final class Waker implements AutoCloseable {
    private final int readEnd; // immutable
    private final int writeEnd; // immutable; the same number for an eventfd
    private boolean closed; // guarded by this; no call under it can block

    Waker() throws IOException {
        if (Constants.LINUX) {
            int flags = Constants.O_CLOEXEC | Constants.O_NONBLOCK;
            readEnd = Posix.check(LinuxC.eventfd(0, flags), "eventfd");
            writeEnd = readEnd;
        } else {
            int[] ends = Pipes.open();
            readEnd = ends[0];
            writeEnd = ends[1];
        }
    }

    /** The number to poll for {@link Poll#IN}. */
    int number() {
        return readEnd;
    }

    /** Makes the descriptor readable; harmless when repeated and after close. */
    synchronized void wake() {
        if (closed) {
            return;
        }
        try (NativeBuffer one = NativeBuffer.take(8)) {
            one.bytes.putLong(0, 1);
            // EAGAIN says that it is readable already, which is all that is wanted
            LibC.write(writeEnd, one.address, 8);
        }
    }

    /** Makes the descriptor unreadable again. */
    void reset() {
        try (NativeBuffer some = NativeBuffer.take(NativeBuffer.SMALL)) {
            long n = LibC.read(readEnd, some.address, NativeBuffer.SMALL);
            while (n == NativeBuffer.SMALL) {
                n = LibC.read(readEnd, some.address, NativeBuffer.SMALL);
            }
        }
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            LibC.close(readEnd);
            if (writeEnd != readEnd) {
                LibC.close(writeEnd);
            }
        }
    }
}
