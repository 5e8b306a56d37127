package parley.posix;

import java.io.IOException;

/** A descriptor that polls watch, so that other threads can make them return. Never closed. */
final class WakeUp {
    final int input; // immutable; readable between write and drain
    private final int output; // immutable; the same number for an eventfd

    WakeUp() throws IOException {
        if (Constants.LINUX) {
            int flags = Constants.O_CLOEXEC | Constants.O_NONBLOCK;
            input = Posix.check(LibC.Linux.eventfd(0, flags), "eventfd");
            output = input;
        } else {
            int[] ends = Fcntl.pipe();
            input = ends[0];
            output = ends[1];
        }
    }

    void write() {
        try (NativeBuffer one = NativeBuffer.take(8)) {
            one.bytes.putLong(0, 1);
            LibC.write(output, one.address, 8);
        }
    }

    /** Takes what one {@link #write} has written. */
    void drain() {
        try (NativeBuffer some = NativeBuffer.take(8)) {
            LibC.read(input, some.address, 8);
        }
    }
}
