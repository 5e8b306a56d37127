package parley.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import parley.posix.Descriptor;
import parley.posix.Handles;
import parley.posix.Sockets;

/** How much memory reading and writing take, as the virtual machine counts it for a thread. */
@Timeout(180)
class AllocationTest {
    private static final int COUNT = 40_000;
    private static final int ROUNDS = 5; // the least of them counts: the others may still compile
    private static final String LINE = "GET /index/of/things?page=1024&order=ascending HTTP 11";

    // What a few hundred waits and system calls may take, which is nothing per element: the
    // smallest object has 16 bytes.
    private static final long SLACK = COUNT * 3;

    private final com.sun.management.ThreadMXBean threads =
            (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

    private interface Operation {
        void run() throws IOException;
    }

    private interface Use {
        void of(SocketStream stream, SocketChannel peer) throws IOException;
    }

    private static void connected(ElementType type, Use use) throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            StreamOptions options = StreamOptions.builder().elementType(type).build();
            SocketStream stream = SocketStream.connect(server.getLocalAddress(), options);
            try (SocketChannel peer = server.accept()) {
                stream.readTimeout(Duration.ofSeconds(20));
                use.of(stream, peer);
            } finally {
                stream.abort();
            }
        }
    }

    /** A peer that sends a block again and again, until the connection ends. */
    private static void flood(SocketChannel peer, byte[] block) {
        background(() -> {
            while (true) {
                peer.write(ByteBuffer.wrap(block));
            }
        });
    }

    private static void drain(SocketChannel peer) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 18);
        background(() -> {
            while (peer.read(buffer.clear()) >= 0) {
                continue;
            }
        });
    }

    private static void background(Operation operation) {
        Thread thread = new Thread(() -> {
            try {
                operation.run();
            } catch (IOException e) {
                return; // the test has ended the connection
            }
        }, "test-peer");
        thread.setDaemon(true);
        thread.start();
    }

    private long least(Operation operation) throws IOException {
        long least = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
            for (int i = 0; i < COUNT; i++) {
                operation.run();
            }
            long after = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
            least = Math.min(least, after - before);
        }
        return least;
    }

    private void assertAllocates(long each, Operation operation) throws IOException {
        long bytes = least(operation);
        assertTrue(bytes <= COUNT * each + SLACK,
                () -> bytes + " bytes for " + COUNT + ", expected " + each + " each");
    }

    @Test
    void a_line_allocates_its_string_and_nothing_else() throws IOException {
        byte[] block = (LINE + "\n").repeat(1000).getBytes(StandardCharsets.UTF_8);
        long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
        String copy = new String(block, 0, LINE.length(), StandardCharsets.UTF_8);
        long string = threads.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
        assertTrue(copy.equals(LINE) && string < 200, () -> string + " bytes for a string");
        connected(ElementType.CHARACTER, (stream, peer) -> {
            flood(peer, block);
            assertAllocates(string, () -> stream.in().readLine());
        });
    }

    @Test
    void a_character_read_allocates_nothing() throws IOException {
        connected(ElementType.CHARACTER, (stream, peer) -> {
            flood(peer, "naïve café, 漢字 𝄞\n".repeat(1000).getBytes(StandardCharsets.UTF_8));
            assertAllocates(0, () -> stream.in().readChar());
        });
    }

    @Test
    void a_byte_read_allocates_nothing() throws IOException {
        connected(ElementType.UNSIGNED_BYTE_8, (stream, peer) -> {
            flood(peer, new byte[1 << 16]);
            assertAllocates(0, () -> stream.in().readByte());
            assertAllocates(0, () -> stream.in().readElement(WaitMode.FULL));
        });
    }

    @Test
    void a_character_written_allocates_nothing() throws IOException {
        connected(ElementType.CHARACTER, (stream, peer) -> {
            drain(peer);
            assertAllocates(0, () -> stream.out().writeChar('a'));
            assertAllocates(0, () -> stream.out().writeChar('漢'));
            assertAllocates(0, () -> stream.out().writeString("a string that is there, é"));
        });
    }

    @Test
    void a_byte_written_allocates_nothing() throws IOException {
        connected(ElementType.UNSIGNED_BYTE_8, (stream, peer) -> {
            drain(peer);
            assertAllocates(0, () -> stream.out().writeByte(1));
            assertAllocates(0, () -> stream.out().writeElement(2));
        });
    }

    @Test
    void a_check_of_handles_allocates_nothing_and_one_of_a_list_its_result() throws IOException {
        Descriptor[] pair = Sockets.socketpair("unix", "stream", 0);
        try (Pollable idle = Pollable.of(Handles.register(pair[0]));
                Pollable ready = Pollable.of(Handles.register(pair[1]));
                StatusSet set = new StatusSet()) {
            pair[0].write(new byte[1], 0, 1);
            assertAllocates(0, () -> idle.status(Direction.INPUT, Duration.ZERO));
            assertAllocates(0, () -> ready.status(Direction.IO, Duration.ZERO));
            set.add(idle, Direction.INPUT);
            set.add(ready, Direction.INPUT);
            assertAllocates(0, () -> set.check(Duration.ZERO));
            Pollable[] both = {idle, ready};
            Direction[] directions = {Direction.INPUT, Direction.INPUT};
            assertAllocates(200, () -> SocketStatus.of(both, directions, Duration.ZERO));
        }
    }
}
