package parley.posix;

import java.io.IOException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/**
 * Finds a channel's number by having a selector of our own tell the kernel: Linux, non-blocking
 * channels, selectors that use epoll.
 */
final class EpollFinder {
    /** How many numbers after the lowest free one to try first; a selector opens two or three. */
    private static final int NEAR = 8;
    /** Keeps our own selectors from confusing each other's numbers. */
    private static final ReentrantLock LOCK = new ReentrantLock();

    private EpollFinder() {}

    /** Returns the number, or -1 when it cannot be found this way. */
    static int find(SelectableChannel channel) throws IOException {
        LOCK.lock();
        try {
            // the next number that the system will give, very likely our selector's epoll
            int next = Fcntl.duplicateAtLeast(0, 0);
            LibC.close(next);
            try (Selector selector = channel.provider().openSelector()) {
                return find(channel, selector, next);
            }
        } finally {
            LOCK.unlock();
        }
    }

    private static int find(SelectableChannel channel, Selector selector, int next)
            throws IOException {
        int near = challenge(channel, selector, IntStream.range(next, next + NEAR));
        return near >= 0
                ? near
                : challenge(channel, selector, Arrays.stream(OpenNumbers.all()));
    }

    /**
     * Registers, withdraws and registers the channel: the number that appears, goes and appears
     * with it in one epoll is the channel's, whatever other threads do with their selectors.
     */
    private static int challenge(SelectableChannel channel, Selector selector, IntStream numbers)
            throws IOException {
        int valid = channel.validOps();
        int ops = valid & (SelectionKey.OP_READ | SelectionKey.OP_ACCEPT);
        SelectionKey key = channel.register(selector, ops == 0 ? valid : ops);
        selector.selectNow();
        int[] epolls = numbers.filter(EpollFinder::isEpoll).toArray();
        Set<Member> found = members(epolls);
        key.cancel();
        selector.selectNow();
        found.removeAll(members(epolls));
        channel.register(selector, ops == 0 ? valid : ops);
        selector.selectNow();
        found.retainAll(members(epolls));
        return found.size() == 1 ? found.iterator().next().number() : -1;
    }

    private record Member(int epoll, int number) {}

    private static Set<Member> members(int[] epolls) {
        Set<Member> all = new HashSet<>();
        for (int epoll : epolls) {
            addMembers(epoll, all);
        }
        return all;
    }

    private static boolean isEpoll(int fd) {
        return "anon_inode:[eventpoll]".equals(OpenNumbers.identity(fd));
    }

    /** Adds the numbers that an epoll has; none when it was another thread's, closed meanwhile. */
    private static void addMembers(int epoll, Set<Member> members) {
        for (String line : info(epoll).split("\n")) {
            if (line.startsWith("tfd:")) {
                String rest = line.substring(4).stripLeading();
                int end = rest.indexOf(' ');
                members.add(new Member(epoll, Integer.parseInt(rest, 0, end, 10)));
            }
        }
    }

    private static String info(int epoll) {
        StringBuilder text = new StringBuilder();
        try (NativeBuffer buffer = NativeBuffer.take(NativeBuffer.BLOCK)) {
            buffer.putText(0, ("/proc/self/fdinfo/" + epoll).getBytes(StandardCharsets.US_ASCII));
            int fd = LinuxC.open(buffer.address, Constants.O_CLOEXEC);
            long n = fd < 0 ? -1 : LibC.read(fd, buffer.address, NativeBuffer.BLOCK);
            while (n > 0) {
                byte[] part = new byte[(int) n];
                buffer.bytes.get(0, part);
                text.append(new String(part, StandardCharsets.US_ASCII));
                n = LibC.read(fd, buffer.address, NativeBuffer.BLOCK);
            }
            if (fd >= 0) {
                LibC.close(fd);
            }
        }
        return text.toString();
    }
}
