package parley.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;

@Guarded
class PeerTest {
    @EveryCase
    void bytes_go_both_ways_and_half_close_ends_one(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                Peer client = Peer.connect(listener.address()); Peer server = listener.accept()) {
            client.send(new byte[] {'h', 'e'}, new byte[] {'l', 'l', 'o'}).endOutput();
            assertEquals("hello", new String(server.receiveAll()));
            server.send("bye");
            assertEquals("bye", client.receiveText(3));
            assertFalse(client.readable(Duration.ofMillis(20)));
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void a_reset_is_no_end(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                Peer client = Peer.connect(listener.address()); Peer server = listener.accept()) {
            server.reset();
            assertThrows(SocketException.class, () -> client.receive(1));
        }
    }

    @EveryCase
    void a_full_listener_takes_no_further_connection(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.full(cell.family());
                SocketChannel late = cell.family().open()) {
            late.configureBlocking(false);
            assertFalse(connects(late, listener));
        }
    }

    private static boolean connects(SocketChannel channel, PeerListener listener) {
        try {
            channel.connect(listener.address());
            return Await.holds(Duration.ofMillis(200), () -> finished(channel));
        } catch (IOException e) {
            return false; // how a Unix-domain socket says it
        }
    }

    private static boolean finished(SocketChannel channel) {
        try {
            return channel.finishConnect();
        } catch (IOException e) {
            return false;
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void a_trickle_arrives_whole(Case cell) throws Exception {
        byte[] sent = {1, 2, 3, 4};
        try (PeerListener listener = PeerListener.on(cell.family());
                Peer client = Peer.connect(listener.address()); Peer server = listener.accept()) {
            Task<Peer> sender = cell.start("trickle",
                    () -> client.trickle(sent, Duration.ofMillis(1)).endOutput());
            assertArrayEquals(sent, server.receiveSlowly(1, Duration.ofMillis(1)));
            sender.await();
            assertEquals(-1, server.read(ByteBuffer.allocate(1)));
            assertTrue(sender.isDone());
        }
    }
}
