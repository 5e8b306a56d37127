package parley.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import parley.posix.Descriptor;
import parley.posix.Posix;

/**
 * Makes the Java machine open what it keeps open for its lifetime (the socket pair it closes other
 * sockets with, the pollers of virtual threads), so that no case is blamed for it.
 */
final class WarmUp {
    private static boolean done; // guarded by WarmUp.class

    private WarmUp() {
    }

    static synchronized void once() {
        if (done) {
            return;
        }
        done = true;
        try {
            for (Family family : Family.values()) {
                if (family.available()) {
                    roundTrips(family);
                }
            }
            InetAddress.getByName("localhost");
            if (Posix.available()) { // libffi keeps a temporary file
                for (Descriptor each : Descriptor.pipe()) { // the first opens the watcher's wake-up
                    each.close();
                }
            }
        } catch (Exception e) {
            throw new AssertionError("the warm-up failed", e);
        }
    }

    private static void roundTrips(Family family) throws Exception {
        for (Threads threads : Threads.values()) {
            if (threads.available()) {
                roundTrip(family, threads);
            }
        }
    }

    private static void roundTrip(Family family, Threads threads) throws Exception {
        try (ServerSocketChannel server = family.listen(1);
                SocketChannel client = SocketChannel.open(server.getLocalAddress());
                SocketChannel accepted = server.accept()) {
            Task<Integer> reader = threads.start("warm-up", () -> readThenSelect(client));
            Blocked.in(reader, "SocketChannelImpl.read");
            accepted.write(ByteBuffer.allocate(1));
            reader.await();
        }
    }

    private static int readThenSelect(SocketChannel channel) throws IOException {
        int count = channel.read(ByteBuffer.allocate(1));
        try (Selector selector = Selector.open()) {
            selector.select(1);
        }
        return count;
    }
}
