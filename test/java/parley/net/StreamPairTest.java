package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import parley.testing.Await;
import parley.testing.Leaks;
import parley.testing.Reported;

/** Two streams that are connected to each other. */
@Timeout(60)
class StreamPairTest {
    @Test
    void what_one_writes_the_other_reads() throws IOException {
        List<SocketStream> pair = SocketStream.pair(StreamOptions.DEFAULT);
        try (SocketStream a = pair.get(0); SocketStream b = pair.get(1)) {
            assertEquals(SocketStatus.OUTPUT, a.status(Direction.IO, null));
            a.out().writeLine("ping");
            a.out().flush();
            assertEquals("ping", b.in().readLine());
            b.out().writeLine("pong");
            b.shutdown(Direction.OUTPUT);
            assertEquals("pong", a.in().readLine());
            assertNull(a.in().readLine());
        }
    }

    @Test
    void a_read_of_a_part_of_a_line_takes_nothing_of_the_next() throws IOException {
        List<SocketStream> pair = SocketStream.pair(StreamOptions.DEFAULT);
        try (SocketStream a = pair.get(0); SocketStream b = pair.get(1)) {
            a.out().writeString("long \u00e4nd short\n\nnext\r\n\u00e4\rrest");
            a.shutdown(Direction.OUTPUT);
            char[] chars = new char[10];
            for (String part : List.of("long \u00e4nd ", "short\n", "\n", "next\n", "\u00e4\n", "rest", "")) {
                int end = b.in().readCharsOfLine(chars, 1, chars.length);
                assertEquals(part, new String(chars, 1, end - 1));
            }
        }
    }

    @Test
    void nothing_is_left_in_the_file_system() throws IOException {
        List<SocketStream> pair = SocketStream.pair(StreamOptions.DEFAULT);
        try (SocketStream a = pair.get(0); SocketStream b = pair.get(1)) {
            Path file = ((UnixDomainSocketAddress) a.peerAddress()).getPath();
            assertEquals(false, Files.exists(file));
            assertEquals(false, Files.exists(file.getParent()));
            assertEquals(true, b.isOpen());
        }
    }

    @Test
    void what_is_held_through_its_channel_alone_stays_open() throws IOException {
        try (Reported reported = new Reported();
                ServerSocketChannel server = SocketServer.listen(ServerOptions.builder()
                        .host("127.0.0.1").build()).channel();
                SocketChannel channel = SocketStream.pair(StreamOptions.DEFAULT).get(0).channel()) {
            Await.until("the other one of the pair is collected and closed", () -> {
                System.gc();
                return channel.read(ByteBuffer.allocate(1)) < 0;
            });
            System.gc();
            assertEquals(true, channel.isOpen() && server.isOpen());
            assertTrue(reported.about("never closed") > 0); // more, if other tests have dropped streams
        }
    }

    @Test
    void nothing_stays_open() throws IOException {
        makeAndClose(); // has the JDK open what it keeps
        Leaks before = Leaks.snapshot();
        makeAndClose();
        before.assertBack();
    }

    private static void makeAndClose() throws IOException {
        for (SocketStream each : SocketStream.pair(StreamOptions.DEFAULT)) {
            each.close();
        }
    }
}
