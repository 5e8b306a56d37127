package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import parley.net.WaitMode;
import parley.net.ExternalFormat.CodingException;
import parley.net.Direction;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StreamInput;
import parley.net.StreamOptions;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Seeds;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.Watchdog.Within;

/** BIO: bytes go in and come out. */
@Guarded
@OverHandlesToo
@SuppressWarnings("try") // closing early is what some cases are about
class BasicIoTest {
    private static final int MIB = 1024 * 1024;

    @EveryCase
    void part_of_an_array_of_characters_is_written(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.out().writeChars("abcdé!".toCharArray(), 3, 5);
            link.stream.out().flush();
            assertEquals("dé", link.peer.receiveText(3)); // bytes
        }
    }

    @EveryCase
    void BIO_1_a_mebibyte_in_pieces_comes_out_whole(Case cell) throws Exception {
        Seeds.with(random -> {
            byte[] sent = Seeds.bytes(random, MIB);
            try (Both both = Both.of(cell)) {
                Task<Void> writer = cell.start("writer", () -> {
                    for (int at = 0; at < sent.length; at += 1024) {
                        both.client.out().writeBytes(sent, at, at + 1024, WaitMode.FULL);
                    }
                    both.client.close();
                    return null;
                });
                assertArrayEquals(sent, readAll(both.server));
                assertEquals(StreamInput.END, both.server.in().readByte());
                writer.await();
            }
        });
    }

    private static byte[] readAll(SocketStream stream) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        byte[] chunk = new byte[5000];
        int end;
        do {
            end = stream.in().readBytes(chunk, 0, chunk.length, WaitMode.FULL);
            all.write(chunk, 0, end);
        } while (end == chunk.length);
        return all.toByteArray();
    }

    @EveryCase
    void BIO_2_a_counter_goes_to_and_fro_a_thousand_times(Case cell) throws Exception {
        try (Both both = Both.of(cell)) {
            pingPong(cell, both, 1_000);
        }
    }

    private static void pingPong(Case cell, Both both, long rounds) throws Exception {
        Task<Long> server = cell.start("server", () -> {
            long last = 0;
            for (Long got = readLong(both.server); got != null; got = readLong(both.server)) {
                assertEquals(last + 1, got);
                last = got + 1;
                writeLong(both.server, last);
            }
            both.server.close();
            return last;
        });
        for (long count = 1; count < rounds; count += 2) {
            writeLong(both.client, count);
            assertEquals(count + 1, readLong(both.client));
        }
        both.client.shutdown(Direction.OUTPUT);
        assertEquals(StreamInput.END, both.client.in().readByte());
        assertEquals(rounds, server.await());
    }

    private static void writeLong(SocketStream stream, long value) throws IOException {
        Sockets.write(stream, ByteBuffer.allocate(8).putLong(value).array());
        stream.out().flush();
    }

    private static Long readLong(SocketStream stream) throws IOException {
        byte[] bytes = new byte[8];
        int end = stream.in().readBytes(bytes, 0, 8, WaitMode.FULL);
        return end == 8 ? ByteBuffer.wrap(bytes).getLong() : null;
    }

    @Tag("nightly")
        @EveryCase
    void BIO_3_ten_thousand_echoes_of_half_a_kibibyte_are_complete(Case cell) throws Exception {
        try (Both both = Both.of(cell)) {
            Task<Void> echo = cell.start("echo", () -> {
                byte[] block = new byte[512];
                while (both.server.in().readBytes(block, 0, 512, WaitMode.FULL) == 512) {
                    Sockets.write(both.server, block);
                    both.server.out().flush();
                }
                return null;
            });
            byte[] back = new byte[512];
            for (int i = 0; i < 10_000; i++) {
                byte[] block = Payload.bytes(i, 512);
                Sockets.write(both.client, block);
                both.client.out().flush();
                assertEquals(512, both.client.in().readBytes(back, 0, 512, WaitMode.FULL));
                assertArrayEquals(block, back);
            }
            both.client.shutdown(Direction.OUTPUT);
            echo.await();
        }
    }

    @Tag("nightly")
    @Within(seconds = 300)
    @EveryCase(over = {Family.TCP4, Family.UNIX}, on = Threads.PLATFORM)
    void BIO_4_more_than_two_gibibytes_wrap_no_counter(Case cell) throws Exception {
        long most = (1L << 31) + 100_000;
        byte[] block = Payload.bytes(0, 1 << 20);
        try (Both both = Both.of(cell)) {
            Task<Void> writer = cell.start("writer", () -> {
                for (long sent = 0; sent < most; sent += block.length) {
                    both.client.out().writeBytes(block, 0,
                            (int) Math.min(block.length, most - sent), WaitMode.FULL);
                }
                both.client.outputStream().write(0xFF); // no character
                both.client.close();
                return null;
            });
            byte[] got = new byte[block.length];
            for (long read = 0; read < most; read += got.length) {
                int wanted = (int) Math.min(got.length, most - read);
                assertEquals(wanted, both.server.in().readBytes(got, 0, wanted, WaitMode.FULL));
                assertEquals(0, Arrays.mismatch(got, 0, wanted, block, 0, wanted) + 1,
                        "in the block at " + read);
            }
            assertEquals(most, both.server.in().offset());
            CodingException bad = assertThrows(CodingException.class,
                    () -> both.server.in().readChar());
            assertTrue(bad.getMessage().contains(Long.toString(most)), bad::getMessage);
            writer.await();
        }
    }

    @EveryCase
    void BIO_5_a_read_of_nothing_never_waits_and_never_eats_the_end(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            byte[] none = new byte[0];
            assertEquals(0, link.stream.in().readBytes(none, 0, 0, WaitMode.FULL));
            Sockets.write(link.stream, none);
            assertEquals(0, link.stream.inputStream().read(none));
            link.peer.send("x").endOutput();
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, null));
            assertEquals(0, link.stream.in().readBytes(none, 0, 0, WaitMode.FULL));
            assertEquals('x', link.stream.in().readByte());
            assertEquals(0, link.stream.in().readBytes(none, 0, 0, WaitMode.FULL));
            assertEquals(StreamInput.END, link.stream.in().readByte());
            link.stream.close();
            assertThrows(IllegalStateException.class,
                    () -> link.stream.in().readBytes(none, 0, 0, WaitMode.FULL));
            assertThrows(IllegalStateException.class,
                    () -> Sockets.write(link.stream, none));
        }
    }

    @EveryCase
    void BIO_6_a_short_read_returns_what_came_before_the_end(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("1234").endOutput();
            byte[] five = new byte[5];
            assertEquals(4, link.stream.in().readBytes(five, 0, 5, WaitMode.FULL));
            assertArrayEquals(new byte[] {'1', '2', '3', '4', 0}, five);
            assertEquals(0, link.stream.in().readBytes(five, 0, 5, WaitMode.FULL));
        }
    }

    @EveryCase
    void BIO_7_a_no_hang_read_takes_what_has_arrived(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            StreamInput in = link.stream.in();
            byte[] eight = new byte[8];
            assertEquals(0, in.readBytes(eight, 0, 8, WaitMode.NO_HANG));
            assertEquals(StreamInput.NOTHING, in.readByteNoHang());
            assertEquals(StreamInput.NOTHING, in.readCharNoHang());
            link.peer.send("abc");
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, null));
            assertEquals('a', in.readByteNoHang());
            assertEquals('b', in.readCharNoHang());
            assertEquals(1, in.readBytes(eight, 0, 8, WaitMode.NO_HANG));
            assertEquals('c', eight[0]);
            link.peer.endOutput();
            assertEquals(SocketStatus.EOF, link.stream.status(Direction.INPUT, null));
            assertEquals(0, in.readBytes(eight, 0, 8, WaitMode.NO_HANG));
            assertEquals(StreamInput.END, in.readByteNoHang());
            assertEquals(StreamInput.END, in.readCharNoHang());
        }
    }

    @EveryCase
    void BIO_7_an_interactive_read_waits_for_the_first_byte_only(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            byte[] eight = new byte[8];
            Task<Integer> reader = cell.start("reader",
                    () -> link.stream.in().readBytes(eight, 0, 8, WaitMode.INTERACTIVE));
            Blocked.in(reader, Sockets.WAIT);
            link.peer.send("ab");
            assertEquals(2, reader.await());
            link.peer.endOutput();
            assertEquals(0, link.stream.in().readBytes(eight, 0, 8, WaitMode.INTERACTIVE));
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX})
    void BIO_8_an_unbuffered_stream_takes_no_more_than_is_asked_for(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream first = SocketStream.connect(listener.address(), unbuffered());
                Peer peer = listener.accept()) {
            peer.send("first\nsecond\n");
            assertEquals("first", first.in().readLine());
            ByteBuffer rest = ByteBuffer.allocate(64);
            assertEquals(7, first.channel().read(rest));
            assertEquals("second\n", new String(rest.array(), 0, 7));
        }
    }

    private static StreamOptions unbuffered() {
        return Sockets.options().buffered(false).build();
    }

    @EveryCase
    void BIO_9_unbuffered_streams_carry_the_same(Case cell) throws Exception {
        try (Both both = Both.of(cell, unbuffered())) {
            pingPong(cell, both, 500);
        }
    }

    @EveryCase
    void BIO_10_names_are_reported_before_during_and_after(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell);
                Peer peer = Peer.connect(server.localAddress());
                SocketStream stream = Sockets.accept(cell, server)) {
            assertEquals(server.localAddress(), stream.localAddress());
            assertEquals(peer.channel().getLocalAddress(), stream.peerAddress());
            String host = stream.host();
            int port = stream.port();
            peer.endOutput();
            stream.status(Direction.INPUT, Duration.ofSeconds(10));
            assertEquals(server.localAddress(), stream.localAddress());
            stream.close();
            assertEquals(host, stream.host());
            assertEquals(port, stream.port());
            if (cell.family() != Family.HANDLE) { // which has the peer's
                assertEquals(server.host(), host);
                assertEquals(server.port(), port);
            }
        }
    }

    @EveryCase
    void BIO_11_what_is_gathered_keeps_its_order_over_partial_writes(Case cell) throws Exception {
        int size = 400_000;
        try (Link link = Link.narrow(cell, 4096)) {
            Task<byte[]> slow = Threads.PLATFORM.start("slow",
                    () -> link.peer.receiveSlowly(3_000, Duration.ZERO));
            Seeds.with(random -> {
                for (int at = 0; at < size; ) { // what is buffered goes with the next array
                    int most = random.nextBoolean() ? 20 : 50_000;
                    int count = Math.min(size - at, 1 + random.nextInt(most));
                    Sockets.write(link.stream, Payload.bytes(at, count));
                    at += count;
                }
            });
            link.stream.close();
            Payload.check(slow.await(), size);
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.HANDLE})
    void BIO_12_an_urgent_byte_harms_no_other(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("a");
            link.peer.channel().socket().sendUrgentData('!');
            link.peer.send("b").endOutput();
            byte[] all = new byte[8];
            InputStream in = link.stream.inputStream();
            int count = in.readNBytes(all, 0, 8);
            assertEquals("ab", new String(Arrays.copyOf(all, count)));
        }
    }
}
