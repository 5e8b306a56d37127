package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import parley.net.ErrorCode;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.testing.Await;
import parley.testing.Case;
import parley.testing.Child;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Netns;
import parley.testing.Threads;

/** What only a network between two machines can do; these are two namespaces of one. */
@Guarded
class NetworkTest {
    private static final int PORT = 7000;
    private static final int CHUNK = 64 * 1024;

    /** Accepts one connection and tells what came over it. */
    public static final class Receiver {
        /** The child's entry: the address. */
        public static void main(String[] arguments) throws IOException {
            try (SocketServer server = SocketServer.listen(ServerOptions.builder()
                    .host(arguments[0]).port(PORT).backlog(4).build())) {
                System.out.println("listening");
                try (SocketStream stream = server.accept(Sockets.BIVALENT)) {
                    CRC32 sum = new CRC32();
                    long count = 0;
                    byte[] bytes = new byte[CHUNK];
                    InputStream in = stream.inputStream();
                    for (int n = in.read(bytes); n >= 0; n = in.read(bytes)) {
                        sum.update(bytes, 0, n);
                        count += n;
                    }
                    System.out.println("received " + count + " " + sum.getValue());
                }
            }
        }
    }

    /** Connects, sends, and tells what it sent. */
    public static final class Sender {
        /** The child's entry: the address, how many chunks, and the pause after each in ms. */
        public static void main(String[] arguments) throws IOException {
            int chunks = Integer.parseInt(arguments[1]);
            Duration pause = Duration.ofMillis(Long.parseLong(arguments[2]));
            CRC32 sum = new CRC32();
            try (SocketStream stream = SocketStream.connect(arguments[0], PORT,
                    Sockets.timeout(Duration.ofSeconds(20)))) {
                System.out.println("connected");
                for (int i = 0; i < chunks; i++) {
                    byte[] bytes = Payload.bytes((long) i * CHUNK, CHUNK);
                    sum.update(bytes);
                    Sockets.write(stream, bytes);
                    Await.pass(pause);
                }
            }
            System.out.println("sent " + (long) chunks * CHUNK + " " + sum.getValue());
        }
    }

    @Tag("nightly")
    @Test
    void VAN_3_a_link_that_is_down_for_a_moment_harms_nothing() throws Exception {
        try (Netns.Pair pair = Netns.Pair.connected()) {
            assumeTrue(pair != null);
            try (Child receiver = pair.second.java(Receiver.class, Netns.Pair.SECOND)) {
                receiver.answer("listening");
                try (Child sender = pair.first.java(
                        Sender.class, Netns.Pair.SECOND, "200", "20")) { // some four seconds
                    sender.answer("connected");
                    Await.pass(Duration.ofMillis(500));
                    pair.link("down");
                    Await.pass(Duration.ofMillis(1_500));
                    pair.link("up");
                    assertEquals(sender.answer("sent"), receiver.answer("received"));
                }
            }
        }
    }

    @Tag("nightly")
        @Test
    void VAN_4_loss_repetition_and_disorder_harm_nothing() throws Exception {
        try (Netns.Pair pair = Netns.Pair.apart()) {
            assumeTrue(pair != null);
            try (Child net = pair.faulty(
                            "delay=25", "jitter=5", "loss=0.05", "dup=0.02", "reorder=0.05");
                    Child receiver = pair.second.java(Receiver.class, Netns.Pair.SECOND_FAULTY)) {
                assertTrue(net.pid() > 0);
                receiver.answer("listening");
                try (Child sender = pair.first.java(
                        Sender.class, Netns.Pair.SECOND_FAULTY, "16", "0")) {
                    sender.answer("connected");
                    assertEquals(sender.answer("sent"), receiver.answer("received"));
                }
            }
        }
    }

    @Tag("nightly")
    @Test
    void VAN_4_a_network_that_loses_everything_meets_our_deadline() throws Exception {
        try (Netns.Pair pair = Netns.Pair.apart()) {
            assumeTrue(pair != null);
            try (Child net = pair.faulty("loss=1.0");
                    Child client = pair.first.java(ResolvingTest.Connect.class,
                            Netns.Pair.SECOND_FAULTY, "1000")) {
                assertTrue(net.pid() > 0);
                assertEquals("ETIMEDOUT", client.answer("code"));
                long millis = Long.parseLong(client.answer("millis"));
                assertTrue(millis >= 995 && millis < 3_500, millis + " ms");
            }
        }
    }

    @Tag("nightly")
    @Test
    void CON_2_a_neighbour_that_is_not_there_is_unreachable() throws Exception {
        try (Netns.Pair pair = Netns.Pair.connected()) {
            assumeTrue(pair != null);
            try (Child client = pair.first.java(
                    ResolvingTest.Connect.class, Netns.Pair.NOBODY, "")) {
                assertEquals("EHOSTUNREACH", client.answer("code"));
                assertTrue(client.answer("message").contains(Netns.Pair.NOBODY + ":80"));
            }
        }
    }

    @Tag("nightly")
    @EveryCase(over = {Family.TCP4, Family.TCP6}, on = Threads.PLATFORM)
    void RST_9_a_socket_that_the_system_destroys_is_aborted_here_and_reset_there(Case cell)
            throws Exception {
        try (Both both = Both.of(cell)) {
            int port = ((java.net.InetSocketAddress) both.client.localAddress()).getPort();
            assumeTrue(destroyed(port), "this system does not destroy sockets");
            IOException here = assertThrows(IOException.class, () -> both.client.in().readByte());
            assertEquals(ErrorCode.ECONNABORTED, ErrorCode.of(here), here::toString);
            SocketException there = assertThrows(SocketException.class,
                    () -> both.server.in().readByte());
            assertEquals(ErrorCode.ECONNRESET, ErrorCode.of(there), there::toString);
        }
    }

    private static boolean destroyed(int port) throws Exception {
        Process ss = new ProcessBuilder("ss", "-K", "state", "established", "sport", "=",
                ":" + port).redirectErrorStream(true).start();
        String said = new String(ss.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return ss.waitFor() == 0 && said.contains(":" + port);
    }
}
