package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import parley.net.WaitMode;
import parley.net.Direction;
import parley.net.Pollable;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.net.StreamInput;
import parley.testing.Await;
import parley.testing.Child;
import parley.testing.Descriptors;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Task;
import parley.testing.Threads;

/** RES-4: very many connections at once, one thread on the server's side. */
@Guarded
class ScaleTest {
    private static final int CONNECTIONS = 9_000; // of the 20,000 descriptors commonly allowed
    private static final int ROUNDS = 3;

    @Tag("nightly")
        @Test
    void RES_4_thousands_of_connections_are_all_served_and_all_given_back() throws Exception {
        assumeTrue(Descriptors.visible());
        List<SocketChannel> clients = new ArrayList<>();
        try (Child child = Child.java(Echo.class)) {
            SocketAddress address = ListeningTest.Abiding.address(
                    Family.TCP4, child.answer("listening"));
            int fresh = sockets(child);
            try (SocketChannel first = SocketChannel.open(address)) {
                echo(List.of(first), 0);
            }
            // that one is closed, and the machine has opened what it closes sockets with
            Await.until("the first is closed", () -> sockets(child) <= fresh + 1);
            Await.pass(Duration.ofMillis(100));
            int before = sockets(child);
            try {
                for (int i = 0; i < CONNECTIONS; i++) {
                    clients.add(SocketChannel.open(address));
                }
                for (int round = 0; round < ROUNDS; round++) {
                    echo(clients, round);
                }
                assertEquals(before + CONNECTIONS, sockets(child));
            } finally {
                for (SocketChannel client : clients) {
                    client.close();
                }
            }
            assertTrue(Await.holds(Duration.ofSeconds(60), () -> sockets(child) == before),
                    "the server has closed all");
        }
    }

    private static int sockets(Child child) {
        return (int) Descriptors.targets(child.pid()).stream()
                .filter(target -> target.startsWith("socket:")).count();
    }

    @Tag("nightly")
        @Test
    void RES_11_a_gigabyte_through_big_arrays_takes_little_direct_memory() throws Exception {
        try (Child child = Child.java(List.of("-Xmx256m", "-XX:MaxDirectMemorySize=64m"),
                Many.class)) {
            assertEquals("1048576000", child.answer("sent"));
            assertEquals("1048576000", child.answer("received"));
        }
    }

    /** Writes one big array to itself from fifty threads at once. */
    public static final class Many {
        private static final int THREADS = 50;
        private static final byte[] BIG = new byte[20 * 1024 * 1024];

        /** The child's entry. */
        public static void main(String[] arguments) throws Exception {
            List<Task<Long>> writers = new ArrayList<>();
            List<Task<Long>> readers = new ArrayList<>();
            try (SocketServer server = SocketServer.listen(
                    Sockets.server(Family.TCP4, THREADS).build())) {
                for (int i = 0; i < THREADS; i++) {
                    SocketStream client = Sockets.connect(server.localAddress());
                    SocketStream accepted = server.accept(Sockets.BIVALENT);
                    readers.add(Threads.PLATFORM.start("reader", () -> readAll(accepted)));
                    writers.add(Threads.PLATFORM.start("writer", () -> writeAll(client)));
                }
                System.out.println("sent " + sum(writers));
                System.out.println("received " + sum(readers));
            }
        }

        private static long writeAll(SocketStream stream) throws IOException {
            try (stream) {
                Sockets.write(stream, BIG);
                return BIG.length;
            }
        }

        private static long readAll(SocketStream stream) throws IOException {
            try (stream) {
                byte[] bytes = new byte[1 << 20];
                long count = 0;
                for (int n = bytes.length; n == bytes.length; count += n) {
                    n = stream.in().readBytes(bytes, 0, bytes.length, WaitMode.FULL);
                }
                return count;
            }
        }

        private static long sum(List<Task<Long>> tasks) throws Exception {
            long sum = 0;
            for (Task<Long> task : tasks) {
                sum += task.await();
            }
            return sum;
        }
    }

    private static void echo(List<SocketChannel> clients, int round) throws IOException {
        ByteBuffer one = ByteBuffer.allocate(1);
        for (int i = 0; i < clients.size(); i++) {
            clients.get(i).write(one.clear().put(0, (byte) (i + round)));
        }
        for (int i = 0; i < clients.size(); i++) {
            assertEquals(1, clients.get(i).read(one.clear()));
            assertEquals((byte) (i + round), one.get(0), "connection " + i);
        }
    }

    /** Accepts and echoes for ever, in one thread, with one status set. */
    public static final class Echo {
        /** The child's entry. */
        public static void main(String[] arguments) throws IOException {
            SocketServer server = SocketServer.listen(Sockets.server(
                    Family.TCP4, ServerOptions.Builder.LARGEST_BACKLOG).build());
            System.out.println("listening " + server.port());
            try (StatusSet set = new StatusSet()) {
                set.add(server, Direction.IO);
                List<Pollable> ready = new ArrayList<>();
                while (true) {
                    set.check(null).forEachActionable((object, status) -> ready.add(object));
                    for (Pollable object : ready) {
                        serve(object, set);
                    }
                    ready.clear();
                }
            }
        }

        private static void serve(Pollable object, StatusSet set) throws IOException {
            if (object instanceof SocketServer server) {
                while (server.status(Direction.IO, Duration.ZERO)
                        == SocketStatus.READY) {
                    set.add(server.accept(Sockets.BIVALENT), Direction.INPUT);
                }
                return;
            }
            SocketStream stream = (SocketStream) object;
            int b = stream.in().readByteNoHang();
            if (b == StreamInput.END) {
                set.remove(stream);
                stream.close();
            } else if (b >= 0) {
                stream.out().writeByte(b);
                stream.out().flush();
            }
        }
    }
}
