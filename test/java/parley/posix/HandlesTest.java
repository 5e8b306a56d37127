package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Handles, and waiting as the C functions do. */
@Timeout(180)
class HandlesTest {
    @Test
    void RAW_2_a_handle_closed_is_refused_until_it_is_handed_out_again() throws IOException {
        Descriptor[] pair = Numbers.pair();
        int number = Handles.register(pair[0]);
        assertEquals(pair[0], Handles.with("test", number, d -> d));
        Handles.close(number);
        Descriptor[] other = Numbers.pair();
        assertEquals(number, other[0].number());
        isRefusedUntilHandedOut(number, other[0]);
        Support.closeAll(pair[1], other[0], other[1]);
    }

    private static void isRefusedUntilHandedOut(int number, Descriptor other) throws IOException {
        assertThrows(ClosedDescriptorException.class, () -> Handles.with("test", number, d -> d));
        assertThrows(ClosedDescriptorException.class, () -> Handles.close(number));
        assertTrue(other.isOpen());
        Handles.register(other);
        assertEquals(other, Handles.with("test", number, d -> d));
        Handles.close(number);
    }

    @Test
    void a_lent_handle_is_its_channels_as_long_as_that_is_open() throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress("127.0.0.1", 0));
            SocketChannel client = SocketChannel.open(server.getLocalAddress());
            SocketChannel accepted = server.accept();
            client.configureBlocking(false);
            ChannelDescriptor found = ChannelDescriptor.find(client);
            int number = Handles.lend(found);
            assertEquals(number, found.number());
            int sent = Handles.with("test", number, d -> d.write(new byte[3], 0, 3));
            assertEquals(3, sent);
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class, () -> Handles.close(number));
            assertTrue(e.getMessage().contains("close what it belongs to"), e.getMessage());
            client.close();
            Descriptor[] recycled = Support.streams();
            assertThrows(ClosedDescriptorException.class,
                    () -> Handles.with("test", number, d -> d.write(new byte[3], 0, 3)));
            Support.closeAll(recycled);
            accepted.close();
        }
    }

    @Test
    void foreign_handles_are_used_if_they_are_sockets_pipes_or_terminals_and_never_closed(
            @TempDir Path directory) throws IOException {
        Descriptor[] pair = Numbers.pair(); // no test hands out its number and leaves it open
        int sent = Handles.with("test", pair[0].number(), d -> d.write(new byte[1], 0, 1));
        assertEquals(1, sent);
        assertThrows(IllegalArgumentException.class, () -> Handles.close(pair[0].number()));
        assertTrue(pair[0].isOpen());
        int file = Numbers.moved(Descriptor.own(Numbers.open(directory))).number();
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> Handles.with("recv", file, d -> d));
        assertEquals("recv: the handle " + file + " is " + directory
                + ", expected a socket, a pipe or a terminal", e.getMessage());
        Descriptor.own(file).close();
        PosixException none = assertThrows(
                PosixException.class, () -> Handles.with("recv", 1 << 20, d -> d));
        assertEquals("EBADF", none.name());
        assertThrows(IllegalArgumentException.class, () -> Handles.with("recv", -1, d -> d));
        Support.closeAll(pair);
    }

    @Test
    void sending_waits_until_all_is_sent_and_receiving_all_until_it_arrives() throws Exception {
        Descriptor[] pair = Support.streams();
        byte[] much = new byte[3_000_000];
        much[2_999_999] = 7;
        Thread sender = Support.start("test-sender", () -> {
            try {
                BlockingIo.send(pair[0], much, 0, much.length, 0, 30 * Support.SECOND);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        byte[] into = new byte[much.length];
        assertEquals(much.length,
                BlockingIo.receive(pair[1], into, 0, into.length, 0, true, 30 * Support.SECOND));
        assertEquals(7, into[2_999_999]);
        Support.join(sender);
        Support.closeAll(pair);
    }

    @Test
    void the_options_of_the_socket_bound_the_wait() throws IOException {
        Descriptor[] pair = Support.streams();
        DescriptorOption.SO_RCVTIMEO.set(pair[0], Duration.ofMillis(80));
        long start = System.nanoTime();
        assertThrows(SocketTimeoutException.class, () -> BlockingIo.receive(
                pair[0], new byte[1], 0, 1, 0, false, BlockingIo.OPTION));
        long took = System.nanoTime() - start;
        assertTrue(took >= 80_000_000L && took < 10 * Support.SECOND, took + " ns");
        DescriptorOption.SO_SNDTIMEO.set(pair[0], Duration.ofMillis(50));
        byte[] much = new byte[5_000_000];
        int sent = BlockingIo.send(pair[0], much, 0, much.length, 0, BlockingIo.OPTION);
        assertTrue(sent > 0 && sent < much.length, sent + " bytes");
        SocketTimeoutException e = assertThrows(SocketTimeoutException.class, () ->
                BlockingIo.send(pair[0], much, 0, much.length, 0, BlockingIo.OPTION));
        assertEquals(0, e.bytesTransferred);
        Support.closeAll(pair);
    }

    @Test
    void a_part_received_before_time_is_up_is_returned() throws IOException {
        Descriptor[] pair = Support.streams();
        pair[1].write(new byte[2], 0, 2);
        assertEquals(2, BlockingIo.receive(
                pair[0], new byte[9], 0, 9, 0, true, Support.SECOND / 20));
        pair[1].write(new byte[2], 0, 2);
        pair[1].close();
        assertEquals(2, BlockingIo.receive(pair[0], new byte[9], 0, 9, 0, true, Support.SECOND));
        assertEquals(0, BlockingIo.receive(pair[0], new byte[9], 0, 9, 0, true, Support.SECOND));
        pair[0].close();
    }
}
