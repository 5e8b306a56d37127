package parley.posix;

import java.io.IOException;
import java.util.Arrays;

/** getsockopt(2) and setsockopt(2) on bare numbers, whose owner must keep them open. */
final class RawOptions {
    private static final int MAX_SIZE = 4096;

    private RawOptions() {}

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
        if (size < 0 || size > MAX_SIZE) {
            throw new IllegalArgumentException(
                    call + ": the size " + size + " is not between 0 and " + MAX_SIZE);
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
        if (value.length > MAX_SIZE) {
            throw new IllegalArgumentException(
                    call + ": the value has " + value.length + " bytes, more than " + MAX_SIZE);
        }
        try (NativeBuffer buffer = NativeBuffer.take(Math.max(1, value.length))) {
            buffer.bytes.put(0, value);
            long result = LibC.setsockopt(fd, level, name, buffer.address, value.length);
            Posix.check(result, call + "(" + fd + ")");
        }
    }
}
