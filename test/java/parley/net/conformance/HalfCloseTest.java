package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import parley.net.WaitMode;
import parley.net.Direction;
import parley.net.ErrorCode;
import parley.net.Reactor;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StreamInput;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Cpu;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.PeerListener;
import parley.testing.Race;
import parley.testing.Task;

/** HC: one direction ends, the other goes on. */
@Guarded
@OverHandlesToo
class HalfCloseTest {
    private static final Duration LONG = Duration.ofSeconds(10);

    @EveryCase
    void HC_1_all_that_came_before_the_end_is_read_and_writing_goes_on(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send(Payload.bytes(0, 16 * 1024)).endOutput();
            byte[] got = new byte[16 * 1024];
            assertEquals(got.length,
                    link.stream.in().readBytes(got, 0, got.length, WaitMode.FULL));
            Payload.check(got, got.length);
            assertEquals(StreamInput.END, link.stream.in().readByte());
            link.stream.out().writeString("still here");
            link.stream.out().flush();
            assertEquals("still here", link.peer.receiveText(10));
            assertEquals(SocketStatus.APPEND, link.stream.status(Direction.IO, LONG));
        }
    }

    @EveryCase
    void HC_2_after_our_output_is_shut_writing_fails_and_reading_goes_on(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.shutdown(Direction.OUTPUT);
            link.peer.expectEnd();
            IOException e = assertThrows(IOException.class, () -> {
                link.stream.out().writeByte('x');
                link.stream.out().flush();
            });
            assertEquals(ErrorCode.EPIPE, ErrorCode.of(e), e::toString);
            link.peer.send("y");
            assertEquals('y', link.stream.in().readByte());
            assertEquals(SocketStatus.NONE, link.stream.status(Direction.OUTPUT, Duration.ZERO));
        }
    }

    @Race
    @EveryCase
    void HC_3_shutting_our_input_ends_a_blocked_reader(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            Task<Integer> reader = cell.start("reader", () -> link.stream.in().readByte());
            Blocked.in(reader, Sockets.WAIT);
            link.stream.shutdown(Direction.INPUT);
            assertEquals(StreamInput.END, reader.await());
            assertFalse(link.stream.in().listen());
            assertEquals(0, link.stream.inputStream().available());
            assertEquals(SocketStatus.EOF, link.stream.status(Direction.INPUT, Duration.ZERO));
            link.stream.out().writeByte('o');
            link.stream.out().flush();
            assertEquals('o', link.peer.receive(1)[0]);
        }
    }

    @EveryCase
    void HC_3_what_had_arrived_is_not_read_after_our_input_was_shut(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("ab");
            assertEquals('a', link.stream.in().readByte());
            link.stream.shutdown(Direction.INPUT);
            assertEquals(StreamInput.END, link.stream.in().readByte());
        }
    }

    @EveryCase
    void HC_4_shutting_both_in_any_order_and_again_is_no_error(Case cell) throws Exception {
        Direction[][] orders = {{Direction.INPUT, Direction.OUTPUT},
            {Direction.OUTPUT, Direction.INPUT}, {Direction.IO, Direction.IO}};
        for (Direction[] order : orders) {
            try (Link link = Link.connected(cell)) {
                for (int i = 0; i < 3; i++) {
                    link.stream.shutdown(order[0]);
                    link.stream.shutdown(order[1]);
                }
                link.peer.expectEnd();
            }
        }
    }

    @EveryCase
    void HC_5_shutdown_of_a_closed_stream_reports_closed(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.close();
            for (Direction each : Direction.values()) {
                String said = assertThrows(IllegalStateException.class,
                        () -> link.stream.shutdown(each)).getMessage();
                assertTrue(said.startsWith("SocketStream.shutdown: " + link.stream), said);
                assertTrue(said.contains(" is closed, by the thread "), said);
                assertTrue(said.endsWith(" ago; close it after its last use, or make another"), said);
            }
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void HC_5_shutdown_of_a_stream_that_is_being_connected_waits_for_that(Case cell)
            throws Exception {
        try (PeerListener full = PeerListener.full(cell.family());
                SocketStream stream = SocketStream.connect(
                        full.address(), Sockets.timeout(Duration.ZERO))) {
            stream.writeTimeout(Duration.ofMillis(100));
            SocketTimeoutException e = assertThrows(SocketTimeoutException.class,
                    () -> stream.shutdown(Direction.OUTPUT));
            assertTrue(e.getMessage().contains("it is still being connected"), e::getMessage);
            stream.writeTimeout(null);
            stream.writeDeadline(Duration.ofMillis(100));
            assertThrows(SocketTimeoutException.class, () -> stream.shutdown(Direction.INPUT));
            assertTrue(stream.isOutput());
        }
    }

    @EveryCase
    void HC_6_the_end_is_reported_again_and_again(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.endOutput();
            for (int i = 0; i < 5; i++) {
                assertEquals(StreamInput.END, link.stream.in().readByte());
                assertEquals(StreamInput.END, link.stream.in().readChar());
                assertEquals(-1, link.stream.inputStream().read());
                assertEquals(-1, link.stream.reader().read());
                assertEquals(null, link.stream.in().readLine());
            }
        }
    }

    @EveryCase
    void HC_7_an_ended_stream_that_is_watched_costs_no_time(Case cell) throws Exception {
        assumeTrue(Cpu.measurable());
        try (Link link = Link.connected(cell)) {
            link.peer.endOutput();
            assertEquals(SocketStatus.EOF, link.stream.status(Direction.INPUT, LONG));
            link.fill();
            try (AutoCloseable watch = Reactor.shared().whenReady(
                    link.stream, Direction.OUTPUT, status -> { })) {
                assertTrue(watch != null);
                Cpu.assertIdle();
            }
        }
    }

    @EveryCase
    void HC_8_shutting_output_sends_what_was_written_first(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.out().writeString("EFGH");
            link.stream.shutdown(Direction.OUTPUT);
            assertEquals("EFGH", link.peer.receiveText(4));
        }
    }

    @EveryCase
    void HC_8_close_sends_what_was_written_first(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.out().writeString("EFGH");
            link.stream.close();
            assertEquals("EFGH", link.peer.receiveText(4));
        }
    }

    @EveryCase
    void HC_9_characters_in_our_buffer_come_before_the_end(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("abc").endOutput();
            assertEquals('a', link.stream.in().readChar());
            for (char c : new char[] {'b', 'c'}) {
                assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, LONG));
                assertEquals(c, link.stream.in().readChar());
            }
            assertEquals(SocketStatus.EOF, link.stream.status(Direction.INPUT, LONG));
        }
    }

    @Tag("nightly")
    @EveryCase
    void HC_10_both_ends_closing_at_once_is_no_error(Case cell) throws Exception {
        for (int i = 0; i < 1_000; i++) {
            try (Both both = Both.of(cell)) {
                Task<Void> other = cell.start("closer", () -> close(both.client));
                close(both.server);
                other.await();
            }
        }
    }

    private static Void close(SocketStream stream) throws IOException {
        stream.close();
        return null;
    }
}
