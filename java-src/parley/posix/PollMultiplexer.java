package parley.posix;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The same with poll(2), for macOS, whose kqueue and poll differ on terminals and files and whose
 * poll is right on both. Every change wakes the waiting thread; a wait costs time in the number of
 * members.
 */
final class PollMultiplexer implements Multiplexer {
    private record Armed(int events, long token) {}

    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Integer, Armed> members = new HashMap<>(); // guarded by lock
    private final Waker waker; // thread-safe

    PollMultiplexer() throws IOException {
        waker = new Waker();
    }

    @Override
    public boolean arm(int fd, int wanted, long token) {
        lock.lock();
        try {
            members.put(fd, new Armed(wanted, token));
        } finally {
            lock.unlock();
        }
        waker.wake();
        return true;
    }

    @Override
    public void remove(int fd) {
        lock.lock();
        try {
            members.remove(fd);
        } finally {
            lock.unlock();
        }
        waker.wake();
    }

    @Override
    public void await(int milliseconds, Sink sink) throws IOException {
        int[] fds;
        NativeBuffer buffer;
        lock.lock();
        try {
            fds = members.keySet().stream().mapToInt(Integer::intValue).toArray();
            buffer = NativeBuffer.take((fds.length + 1) * Poll.ENTRY);
            put(buffer, 0, waker.number(), Poll.IN);
            for (int i = 0; i < fds.length; i++) {
                put(buffer, i + 1, fds[i], members.get(fds[i]).events());
            }
        } finally {
            lock.unlock();
        }
        try (buffer) {
            int n = LibC.poll(buffer.address, fds.length + 1, milliseconds);
            if (n < 0 && LibC.errno() != Constants.EINTR) {
                throw new PosixException(LibC.errno(), "poll");
            }
            if (n > 0) {
                report(buffer, fds, sink);
            }
        }
    }

    private static void put(NativeBuffer buffer, int index, int fd, int wanted) {
        int at = index * Poll.ENTRY;
        buffer.bytes.putInt(at, fd).putInt(at + 4, 0).putShort(at + 4, (short) wanted);
    }

    private void report(NativeBuffer buffer, int[] fds, Sink sink) {
        if (buffer.bytes.getShort(6) != 0) {
            waker.reset();
        }
        for (int i = 0; i < fds.length; i++) {
            int found = buffer.bytes.getShort((i + 1) * Poll.ENTRY + 6);
            Armed armed = found == 0 ? null : disarm(fds[i], found);
            if (armed != null) {
                sink.ready(armed.token(), found);
            }
        }
    }

    /**
     * Takes a member out for its report, unless the number was removed during the wait; a number
     * that came back meanwhile for another owner may be reported too early, which is harmless since
     * whoever is woken looks again.
     */
    private Armed disarm(int fd, int found) {
        lock.lock();
        try {
            Armed armed = members.get(fd);
            boolean meant = armed != null
                    && (found & (armed.events() | Poll.ERR | Poll.HUP | Poll.NVAL)) != 0;
            return meant ? members.remove(fd) : null;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void wakeup() {
        waker.wake();
    }

    @Override
    public void close() {
        waker.close();
    }
}
