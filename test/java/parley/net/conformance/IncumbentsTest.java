package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.InterruptedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import parley.net.Direction;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.net.StreamOptions;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Guarded;
import parley.testing.Task;
import parley.testing.Threads;

/**
 * What the sockets of the JDK do where Parley promises something else, each in the same test.
 * {@code parley.incumbents-test} has the REPL servers.
 */
@Guarded
class IncumbentsTest {
    private static final InetAddress LOOPBACK = InetAddress.getLoopbackAddress();
    private static final Duration SHORT = Duration.ofMillis(20);

    /** Connections of one kind each to a server, whose ends send what both sides are to read. */
    private static final class Twins implements AutoCloseable {
        private final ServerSocket server = new ServerSocket(0, 0, LOOPBACK);
        private final Socket socket = new Socket(LOOPBACK, server.getLocalPort());
        private final Socket toSocket = server.accept();
        private final SocketStream stream =
                SocketStream.connect("127.0.0.1", server.getLocalPort(), StreamOptions.DEFAULT);
        private final Socket toStream = server.accept();
        private final BufferedReader reader = new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));

        Twins() throws IOException {}

        void send(int... bytes) throws IOException {
            byte[] all = new byte[bytes.length];
            for (int i = 0; i < all.length; i++) {
                all[i] = (byte) bytes[i];
            }
            toSocket.getOutputStream().write(all);
            toStream.getOutputStream().write(all);
            Await.until("the bytes have arrived", () -> socket.getInputStream().available() == all.length
                    && stream.inputStream().available() >= all.length);
        }

        @Override
        public void close() throws IOException {
            stream.abort();
            socket.close();
            toSocket.close();
            toStream.close();
            server.close();
        }
    }

    @Test
    void a_read_of_a_line_that_times_out_loses_its_beginning() throws Exception {
        try (Twins both = new Twins()) {
            both.socket.setSoTimeout((int) SHORT.toMillis());
            both.stream.readTimeout(SHORT);
            both.send('h', 'e', 'l');
            assertThrows(SocketTimeoutException.class, both.reader::readLine);
            assertThrows(SocketTimeoutException.class, () -> both.stream.in().readLine());

            both.socket.setSoTimeout(0);
            both.stream.readTimeout(null);
            both.toSocket.getOutputStream().write("lo\n".getBytes(StandardCharsets.UTF_8));
            both.toStream.getOutputStream().write("lo\n".getBytes(StandardCharsets.UTF_8));
            assertEquals("lo", both.reader.readLine(), "of the JDK");
            assertEquals("hello", both.stream.in().readLine());
        }
    }

    @Test
    void half_of_a_character_is_ready_to_be_read() throws Exception {
        try (Twins both = new Twins()) {
            both.send(0xC3);
            assertTrue(both.reader.ready(), "of the JDK");
            both.socket.setSoTimeout((int) SHORT.toMillis());
            assertThrows(SocketTimeoutException.class, both.reader::read);
            assertEquals(SocketStatus.NONE, both.stream.status(Direction.INPUT, Duration.ZERO));
        }
    }

    @Test
    void a_timeout_begins_anew_with_each_byte() throws Exception {
        Duration limit = Duration.ofMillis(150);
        try (Twins both = new Twins()) {
            both.stream.readTimeout(limit);
            both.socket.setSoTimeout((int) limit.toMillis());
            Task<String> bounded = Threads.PLATFORM.start("bounded", () -> both.stream.in().readLine());
            Task<String> renewed = Threads.PLATFORM.start("renewed", both.reader::readLine);
            long begun = System.nanoTime();
            boolean inTime = true; // the JDK's reader gets its next byte before its timeout
            for (long last = begun; last - begun < 3 * limit.toNanos(); last = System.nanoTime()) {
                both.toSocket.getOutputStream().write('x');
                both.toStream.getOutputStream().write('x');
                Await.pass(Duration.ofMillis(5));
                inTime &= System.nanoTime() - last < limit.toNanos() / 2;
            }
            bounded.failure(SocketTimeoutException.class);
            if (inTime) {
                assertFalse(renewed.isDone(), "of the JDK");
            }
            both.toSocket.shutdownOutput();
            renewed.await();
        }
    }

    @Test
    void an_interrupt_leaves_a_socket_waiting_and_closes_a_channel() throws Exception {
        try (Twins both = new Twins();
                SocketChannel channel = SocketChannel.open(both.server.getLocalSocketAddress())) {
            Task<String> waits = Threads.PLATFORM.start("of the JDK", both.reader::readLine);
            Blocked.in(waits, "NioSocketImpl");
            waits.interrupt();
            Task<Integer> closed = Threads.PLATFORM.start("channel of the JDK",
                    () -> channel.read(ByteBuffer.allocate(1)));
            Blocked.in(closed, "SocketChannelImpl");
            closed.interrupt();
            Task<String> ends = Threads.PLATFORM.start("of Parley", () -> both.stream.in().readLine());
            Blocked.in(ends, "parley.net");
            ends.interrupt();

            closed.failure(ClosedByInterruptException.class);
            assertFalse(channel.isOpen());
            ends.failure(InterruptedIOException.class);
            both.toStream.getOutputStream().write('x');
            assertEquals('x', both.stream.in().readChar());
            Blocked.in(waits, "NioSocketImpl");
            both.socket.close();
            waits.failure(SocketException.class);
        }
    }

    @Test
    void a_closed_server_keeps_its_port_until_each_selector_selects() throws Exception {
        try (Selector selector = Selector.open(); StatusSet set = new StatusSet()) {
            ServerSocketChannel jdks = ServerSocketChannel.open().bind(new InetSocketAddress(LOOPBACK, 0));
            InetSocketAddress used = (InetSocketAddress) jdks.getLocalAddress();
            jdks.configureBlocking(false).register(selector, SelectionKey.OP_ACCEPT);
            selector.selectNow();
            jdks.close();
            try (ServerSocketChannel next = ServerSocketChannel.open()) {
                assertThrows(BindException.class, () -> next.bind(used), "of the JDK");
            }
            selector.selectNow();

            SocketServer ours = SocketServer.listen(ServerOptions.builder().host("127.0.0.1").build());
            set.add(ours, Direction.INPUT);
            set.check(Duration.ZERO);
            ours.close();
            SocketServer.listen(ServerOptions.builder().host("127.0.0.1").port(ours.port()).build()).close();
        }
    }
}
