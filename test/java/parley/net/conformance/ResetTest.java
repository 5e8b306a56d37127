package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import parley.net.WaitMode;
import parley.net.Direction;
import parley.net.ErrorCode;
import parley.net.SocketOptions;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StreamInput;
import parley.posix.DescriptorOption;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.Race;
import parley.testing.Task;
import parley.testing.Timing;

/** RST and VAN: peers that reset, or are gone. */
@Guarded
@OverHandlesToo
class ResetTest {
    private static final Duration PROMPT = Duration.ofMillis(100);
    private static final Duration LONG = Duration.ofSeconds(10);

    /** Fails unless {@code e} says that the connection is broken, and not that we closed it. */
    private static void isBroken(IOException e) {
        assertTrue(Set.of(ErrorCode.ECONNRESET, ErrorCode.EPIPE).contains(ErrorCode.of(e)),
                e::toString);
        assertFalse(e instanceof ClosedChannelException, e::toString);
    }

    private static void isReset(IOException e) {
        assertEquals(ErrorCode.ECONNRESET, ErrorCode.of(e), e::toString);
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.HANDLE})
    void RST_1_a_reset_is_reported_again_and_again_and_is_never_an_end(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("abc");
            link.peer.reset();
            assertTrue(readToReset(link.stream) <= 3);
            for (int i = 0; i < 5; i++) {
                isReset(assertThrows(SocketException.class, () -> link.stream.in().readByte()));
                isReset(assertThrows(SocketException.class, () -> link.stream.in().readLine()));
                isReset(assertThrows(SocketException.class,
                        () -> link.stream.inputStream().read()));
            }
        }
    }

    /** The number of bytes before the reset. */
    private static int readToReset(SocketStream stream) throws IOException {
        for (int count = 0; ; count++) {
            try {
                if (stream.in().readByte() == StreamInput.END) {
                    throw new AssertionError("an end after " + count + " bytes, expected a reset");
                }
            } catch (SocketException e) {
                isReset(e);
                return count;
            }
        }
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.HANDLE})
    void RST_2_a_reset_ends_a_blocked_read(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            Task<Integer> reader = cell.start("reader", () -> link.stream.in().readByte());
            Blocked.in(reader, Sockets.WAIT);
            link.peer.reset();
            isReset(reader.failure(SocketException.class));
        }
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.HANDLE})
    void RST_2_half_a_line_before_a_reset_can_still_be_read(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("half");
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, LONG));
            Task<String> reader = cell.start("reader", () -> link.stream.in().readLine());
            Blocked.in(reader, Sockets.WAIT);
            link.peer.reset();
            isReset(reader.failure(SocketException.class));
            char[] half = new char[9];
            assertEquals(4, link.stream.in().readChars(half, 0, 9, WaitMode.FULL));
            assertEquals("half", new String(half, 0, 4));
            isReset(assertThrows(SocketException.class, () -> link.stream.in().readChar()));
        }
    }

    @Race
    @EveryCase
    void RST_3_a_peer_that_goes_ends_a_blocked_write(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            Task<Void> writer = cell.start("writer", () -> {
                Sockets.write(link.stream, Payload.bytes(0, Link.MUCH));
                return null;
            });
            Blocked.in(writer, Sockets.WAIT);
            if (cell.family().isTcp()) {
                link.peer.reset();
            } else {
                link.peer.close();
            }
            isBroken(writer.failure(IOException.class));
        }
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void RST_3_a_reset_that_a_write_met_is_no_end_for_a_read(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.fill();
            Task<Void> writer = cell.start("writer", () -> {
                Sockets.write(link.stream, new byte[100_000]);
                return null;
            });
            Blocked.in(writer, Sockets.WAIT);
            link.peer.reset();
            isReset(writer.failure(IOException.class));
            for (int i = 0; i < 5; i++) {
                isReset(assertThrows(IOException.class, () -> link.stream.in().readByte()));
            }
            assertEquals(SocketStatus.ERROR, link.stream.status(Direction.INPUT, LONG));
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.HANDLE})
    void RST_4_the_status_of_a_reset_stream_is_error_until_it_is_closed(Case cell)
            throws Exception {
        List<Link> links = new ArrayList<>();
        try {
            for (int i = 0; i < 10; i++) {
                links.add(Link.connected(cell));
            }
            links.get(3).peer.reset();
            Await.until("the reset has come", () -> links.get(3).stream.status(
                    Direction.IO, Duration.ZERO) == SocketStatus.ERROR);
            for (Direction direction : Direction.values()) {
                for (int i = 0; i < 10; i++) {
                    SocketStatus status = links.get(i).stream.status(direction, Duration.ZERO);
                    assertEquals(i == 3 ? SocketStatus.ERROR
                            : direction == Direction.INPUT ? SocketStatus.NONE
                            : SocketStatus.OUTPUT, status, i + " " + direction);
                }
            }
            IOException error = links.get(3).stream.error();
            assertNotNull(error);
            isReset(error);
        } finally {
            for (Link link : links) {
                link.close();
            }
        }
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.HANDLE})
    void RST_4_a_reset_wakes_a_blocked_status(Case cell) throws Exception {
        for (Direction direction : Set.of(Direction.INPUT, Direction.OUTPUT)) {
            try (Link link = Link.connected(cell)) {
                if (direction == Direction.OUTPUT) {
                    link.fill();
                }
                Task<SocketStatus> task = cell.start("status",
                        () -> link.stream.status(direction, null));
                Blocked.in(task, Sockets.WAIT);
                link.peer.reset();
                assertEquals(SocketStatus.ERROR, task.await());
            }
        }
    }

    @EveryCase
    void RST_5_writing_to_a_closed_peer_breaks_and_what_it_sent_is_still_read(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("last words");
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, LONG));
            assertEquals('l', link.stream.in().readByte());
            link.peer.close();
            IOException[] broken = {null};
            Await.until("writing fails", () -> (broken[0] = write(link.stream)) != null);
            isBroken(broken[0]);
            byte[] rest = new byte[9];
            assertEquals(9, link.stream.in().readBytes(rest, 0, 9, WaitMode.FULL));
            assertEquals("ast words", new String(rest));
            assertTrue(link.stream.isOpen());
        }
    }

    private static IOException write(SocketStream stream) {
        try {
            stream.out().writeByte('x');
            stream.out().flush();
            return null;
        } catch (IOException e) {
            return e;
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX, Family.HANDLE})
    void RST_6_a_peer_that_leaves_input_unread_resets(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.out().writeString("unread");
            link.stream.out().flush();
            assertTrue(link.peer.readable(LONG));
            link.peer.close();
            isReset(assertThrows(SocketException.class, () -> link.stream.in().readByte()));
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.HANDLE})
    void RST_7_close_without_lingering_resets(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            SocketOptions.set(link.stream, DescriptorOption.SO_LINGER, 0);
            Timing timing = Timing.start();
            link.stream.close();
            isReset(assertThrows(SocketException.class,
                    () -> link.peer.read(ByteBuffer.allocate(9))));
            timing.tookAtMost(PROMPT);
        }
    }

    @EveryCase
    void RST_7_close_and_abort_end_and_do_not_reset(Case cell) throws Exception {
        try (Link closed = Link.connected(cell); Link aborted = Link.connected(cell)) {
            closed.stream.close();
            closed.peer.expectEnd();
            aborted.stream.out().writeString("dropped");
            aborted.stream.abort();
            if (cell.family().isTls()) { // or the peer would take what has come for all there was
                assertThrows(IOException.class, aborted.peer::expectEnd);
            } else {
                aborted.peer.expectEnd();
            }
        }
    }

    @EveryCase
    void RST_7_the_peer_of_a_stream_that_waited_knows_of_its_close_at_once(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readTimeout(Duration.ofMillis(10));
            assertThrows(SocketTimeoutException.class, () -> link.stream.in().readByte());
            Timing timing = Timing.start();
            link.stream.close(); // though a selector may still know the channel
            link.peer.expectEnd();
            timing.tookAtMost(PROMPT);
        }
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void RST_8_a_connection_reset_before_accept_does_no_harm(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell)) {
            Peer.connect(server.localAddress()).reset();
            try (Peer next = Peer.connect(server.localAddress())) {
                next.send("n");
                int first = firstByte(server);
                assertEquals('n', first == 'r' ? firstByte(server) : first);
            }
        }
    }

    /** What the next connection sends first; 'r' when it is reset. */
    private static int firstByte(SocketServer server) throws IOException {
        try (SocketStream stream = server.accept(Sockets.BIVALENT)) {
            return stream.in().readByte();
        } catch (SocketException e) {
            isReset(e);
            return 'r';
        }
    }
}
