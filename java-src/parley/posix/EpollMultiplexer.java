package parley.posix;

import java.io.IOException;

/** epoll(7) with one-shot arming; changes take effect during a wait without waking it. */
final class EpollMultiplexer implements Multiplexer {
    private static final int AT_ONCE = 64;
    /** The token of the waker, which no arming has. */
    private static final long WAKE = -1;

    private final int epoll; // immutable
    private final Waker waker; // thread-safe
    private final NativeBuffer events; // content: the waiting thread

    EpollMultiplexer() throws IOException {
        waker = new Waker();
        int made = -1;
        try {
            made = Posix.check(LinuxC.epoll_create1(Constants.O_CLOEXEC), "epoll_create1");
            Epoll.addOrModify(made, waker.number(), Poll.IN, WAKE);
        } catch (IOException e) {
            LibC.close(made);
            waker.close();
            throw e;
        }
        epoll = made;
        events = NativeBuffer.take(AT_ONCE * Epoll.EVENT);
    }

    @Override
    public boolean arm(int fd, int wanted, long token) throws IOException {
        try {
            Epoll.addOrModify(epoll, fd, wanted | Epoll.ONESHOT, token);
            return true;
        } catch (PosixException e) {
            if (e.errno() == Constants.EPERM) {
                return false;
            }
            throw e;
        }
    }

    @Override
    public void remove(int fd) {
        Epoll.remove(epoll, fd);
    }

    @Override
    public void await(int milliseconds, Sink sink) throws IOException {
        int n = Epoll.await(epoll, events, AT_ONCE, milliseconds);
        for (int i = 0; i < n; i++) {
            long token = Epoll.token(events, i);
            if (token == WAKE) {
                waker.reset();
            } else {
                sink.ready(token, Epoll.found(events, i));
            }
        }
    }

    @Override
    public void wakeup() {
        waker.wake();
    }

    @Override
    public void close() {
        LibC.close(epoll);
        waker.close();
        events.close();
    }
}
