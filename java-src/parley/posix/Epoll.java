package parley.posix;

import java.io.IOException;

/** The calls of epoll(7) and the layout of its events. */
final class Epoll {
    /** The kernel packs {@code struct epoll_event} on x86-64 only. */
    static final int EVENT = Platform.X86_64 ? 12 : 16;
    static final int ONESHOT = 1 << 30;

    private static final int DATA = Platform.X86_64 ? 4 : 8;
    private static final int ADD = 1;
    private static final int DEL = 2;
    private static final int MOD = 3;

    private Epoll() {}

    /** Puts a number in, or changes what is looked for; EPERM for what is always ready. */
    static void addOrModify(int epoll, int fd, int wanted, long token) throws IOException {
        try {
            control(epoll, ADD, fd, wanted, token);
        } catch (PosixException e) {
            if (e.errno() != Constants.EEXIST) {
                throw e;
            }
            control(epoll, MOD, fd, wanted, token);
        }
    }

    private static void control(int epoll, int operation, int fd, int wanted, long token)
            throws IOException {
        try (NativeBuffer event = NativeBuffer.take(EVENT)) {
            event.bytes.putInt(0, wanted).putLong(DATA, token);
            int result = LinuxC.epoll_ctl(epoll, operation, fd, event.address);
            Posix.check(result, "epoll_ctl(" + fd + ")");
        }
    }

    /** Takes a number out; it need not be in: a regular file never was. */
    static void remove(int epoll, int fd) {
        try (NativeBuffer event = NativeBuffer.take(EVENT)) {
            LinuxC.epoll_ctl(epoll, DEL, fd, event.address);
        }
    }

    /** Waits for events, -1 milliseconds for ever; returns how many, 0 also after a signal. */
    static int await(int epoll, NativeBuffer events, int most, int milliseconds)
            throws IOException {
        int n = LinuxC.epoll_wait(epoll, events.address, most, milliseconds);
        if (n < 0 && LibC.errno() != Constants.EINTR) {
            throw new PosixException(LibC.errno(), "epoll_wait");
        }
        return Math.max(0, n);
    }

    static long token(NativeBuffer events, int index) {
        return events.bytes.getLong(index * EVENT + DATA);
    }

    static int found(NativeBuffer events, int index) {
        return events.bytes.getInt(index * EVENT);
    }
}
