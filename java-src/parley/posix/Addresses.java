package parley.posix;

import java.io.IOException;
import java.util.Arrays;

/** Addresses of sockets, as the bytes that the kernel writes. */
final class Addresses {
    /** More than any address is long: {@code struct sockaddr_storage}. */
    static final int MAX_SIZE = 128;

    private Addresses() {}

    /** The address family of a socket. */
    static int family(int fd) throws IOException {
        try (NativeBuffer buffer = prepared()) {
            int result = LibC.getsockname(fd, buffer.address, buffer.address + MAX_SIZE);
            Posix.check(result, "getsockname(" + fd + ")");
            return family(content(buffer));
        }
    }

    /** The family that begins every address; macOS has the length before it. */
    static int family(byte[] address) {
        if (address.length < 2) {
            return Constants.AF_UNSPEC;
        }
        return Constants.LINUX
                ? (address[0] & 0xff) | (address[1] & 0xff) << 8
                : address[1] & 0xff;
    }

    static NativeBuffer prepared() {
        NativeBuffer buffer = NativeBuffer.take(MAX_SIZE + 8);
        buffer.zero(MAX_SIZE + 8).bytes.putInt(MAX_SIZE, MAX_SIZE);
        return buffer;
    }

    static byte[] content(NativeBuffer buffer) {
        byte[] all = new byte[MAX_SIZE];
        buffer.bytes.get(0, all);
        return Arrays.copyOf(all, Math.min(MAX_SIZE, buffer.bytes.getInt(MAX_SIZE)));
    }
}
