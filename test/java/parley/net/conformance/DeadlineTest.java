package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import parley.net.Direction;
import parley.net.ElementType;
import parley.net.ErrorCode;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Descriptors;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Race;
import parley.testing.Task;
import parley.testing.Timing;

/** DL: timeouts, which bound one call, and deadlines, which bound all from now on. */
@Guarded
@OverHandlesToo
class DeadlineTest {
    private static final Duration SHORT = Duration.ofMillis(50);
    private static final Duration LONG = Duration.ofSeconds(10);

    @EveryCase
    void DL_1_a_deadline_that_has_passed_stops_a_read_though_data_has_arrived(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("x");
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, LONG));
            link.stream.readDeadline(Duration.ZERO);
            assertThrows(SocketTimeoutException.class, () -> link.stream.in().readByte());
            assertThrows(SocketTimeoutException.class, () -> link.stream.in().readLine());
            link.stream.readDeadline(null);
            assertEquals('x', link.stream.in().readByte());
            link.roundTrip();
        }
    }

    @EveryCase
    void DL_1_a_deadline_that_has_passed_stops_a_write_though_there_is_room(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.writeDeadline(Duration.ZERO);
            SocketTimeoutException e = assertThrows(SocketTimeoutException.class,
                    () -> Sockets.write(link.stream, Payload.bytes(0, 100_000)));
            assertEquals(0, e.bytesTransferred);
            assertThrows(SocketTimeoutException.class,
                    () -> link.stream.out().writeString("text"));
            assertFalse(link.peer.readable(Duration.ofMillis(20)));
            link.stream.writeDeadline(null);
            link.roundTrip();
        }
    }

    @EveryCase
    void DL_1_a_timeout_of_zero_takes_what_has_arrived(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readTimeout(Duration.ZERO);
            assertThrows(SocketTimeoutException.class, () -> link.stream.in().readByte());
            link.peer.send("x");
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, LONG));
            assertEquals('x', link.stream.in().readByte());
        }
    }

    @Race
    @EveryCase
    void DL_2_a_deadline_moved_to_the_past_ends_a_blocked_read(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readDeadline(Duration.ofMinutes(1));
            Task<Integer> reader = cell.start("reader", () -> link.stream.in().readByte());
            Blocked.in(reader, Sockets.WAIT);
            Timing timing = Timing.start();
            link.stream.readDeadline(Duration.ZERO);
            reader.failure(SocketTimeoutException.class);
            timing.endedWithin(SHORT, reader);
            link.stream.readDeadline(null);
            link.roundTrip();
        }
    }

    @Race
    @EveryCase
    void DL_2_a_deadline_moved_to_the_past_ends_a_blocked_write(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            Task<Void> writer = cell.start("writer", () -> {
                Sockets.write(link.stream, Payload.bytes(0, Link.MUCH));
                return null;
            });
            Blocked.in(writer, Sockets.WAIT);
            Timing timing = Timing.start();
            link.stream.writeDeadline(Duration.ZERO);
            SocketTimeoutException e = writer.failure(SocketTimeoutException.class);
            timing.endedWithin(SHORT, writer);
            link.stream.writeDeadline(null);
            Task<byte[]> drain = cell.start("drain", link.peer::receiveAll);
            link.stream.shutdown(Direction.OUTPUT);
            Payload.check(drain.await(), e.bytesTransferred);
        }
    }

    @EveryCase
    void DL_2_a_deadline_moved_away_is_not_met(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readDeadline(SHORT);
            Task<Integer> reader = cell.start("reader", () -> link.stream.in().readByte());
            link.stream.readDeadline(Duration.ofMinutes(1));
            assertFalse(reader.ended(SHORT.multipliedBy(2)));
            link.peer.send("x");
            assertEquals('x', reader.await());
        }
    }

    @EveryCase
    void DL_3_a_timeout_ends_the_call_in_time_and_loses_nothing(Case cell, Call call)
            throws Exception {
        try (Stuck stuck = call.in(cell)) {
            Timing timing = Timing.start();
            Task<Void> task = cell.start("timed", () -> {
                stuck.call(SHORT);
                return null;
            });
            if (call.answersTimeout()) {
                task.await();
            } else {
                SocketTimeoutException e = task.failure(SocketTimeoutException.class);
                assertEquals(ErrorCode.ETIMEDOUT, ErrorCode.of(e), e::toString);
            }
            timing.endedAbout(SHORT, task);
            stuck.proveUsable();
        }
    }

    @EveryCase
    void DL_4_the_deadline_of_one_direction_is_none_of_the_other(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readDeadline(Duration.ZERO);
            link.stream.out().writeByte('w');
            link.stream.out().flush();
            assertEquals('w', link.peer.receive(1)[0]);
            link.stream.readDeadline(null);
            link.stream.writeDeadline(Duration.ZERO);
            link.peer.send("r");
            assertEquals('r', link.stream.in().readByte());
            link.stream.writeDeadline(null);
            link.roundTrip();
        }
    }

    @EveryCase
    void DL_5_a_deadline_that_was_taken_back_ends_nothing(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readDeadline(Duration.ZERO);
            link.stream.readDeadline(null);
            Task<Integer> reader = cell.start("reader", () -> link.stream.in().readByte());
            Blocked.in(reader, Sockets.WAIT);
            assertFalse(reader.ended(SHORT));
            link.stream.close();
            reader.failure(AsynchronousCloseException.class);
        }
    }

    @EveryCase
    void DL_6_an_endless_timeout_is_no_overflow(Case cell, Endless timeout) throws Exception {
        for (Call call : List.of(Call.READ_BYTE, Call.READ_LINE, Call.STATUS, Call.WRITE_BYTES,
                Call.ACCEPT, Call.AWAIT_CONNECTION)) {
            try (Stuck stuck = call.in(cell)) {
                Task<Void> task = cell.start("endless", () -> {
                    stuck.call(timeout.duration);
                    return null;
                });
                Blocked.in(task, Sockets.WAIT);
                stuck.release();
                task.await();
            }
        }
    }

    /** Durations that some unit of time cannot hold. */
    enum Endless {
        SECONDS(Duration.ofSeconds(Long.MAX_VALUE, 999_999_999)),
        MILLIS(Duration.ofMillis(Long.MAX_VALUE)),
        INT_MILLIS(Duration.ofMillis(Integer.MAX_VALUE)),
        NANOS(Duration.ofNanos(Long.MAX_VALUE));

        private final Duration duration;

        Endless(Duration duration) {
            this.duration = duration;
        }
    }

    @EveryCase
    void DL_7_a_negative_timeout_is_refused_before_anything_is_done(Case cell) throws Exception {
        Duration negative = Duration.ofNanos(-1);
        try (Link link = Link.connected(cell); SocketServer server = Sockets.listen(cell)) {
            isRefused(() -> link.stream.readTimeout(negative));
            isRefused(() -> link.stream.writeTimeout(negative));
            isRefused(() -> link.stream.status(Direction.IO, negative));
            isRefused(() -> server.awaitConnection(negative));
            isRefused(() -> server.status(Direction.INPUT, negative));
            isRefused(() -> Sockets.timeout(negative));
            link.roundTrip();
        }
    }

    private static void isRefused(org.junit.jupiter.api.function.Executable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call);
        assertTrue(e.getMessage().contains("PT-0.000000001S"), e::getMessage);
    }

    @EveryCase
    void DL_8_a_timeout_bounds_a_trickled_line_as_a_whole(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readTimeout(Duration.ofMillis(100));
            Timing timing = Timing.start();
            Task<String> reader = cell.start("reader", () -> link.stream.in().readLine());
            Task<Peer> sender = cell.start("sender", () -> link.peer.trickle(
                    Payload.bytes(0, 12), Duration.ofMillis(15)));
            reader.failure(SocketTimeoutException.class);
            timing.endedAbout(Duration.ofMillis(100), reader);
            sender.await();
            link.peer.send("\n");
            link.stream.readTimeout(null);
            assertEquals(new String(Payload.bytes(0, 12)), link.stream.in().readLine());
        }
    }

    @EveryCase
    void DL_9_a_timed_out_write_reports_how_much_went(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.writeTimeout(Duration.ofMillis(100));
            Timing timing = Timing.start();
            SocketTimeoutException e = assertThrows(SocketTimeoutException.class,
                    () -> Sockets.write(link.stream, Payload.bytes(0, Link.MUCH)));
            timing.tookAbout(Duration.ofMillis(100));
            assertTrue(e.bytesTransferred > 0 && e.bytesTransferred < Link.MUCH);
            link.stream.writeTimeout(null);
            Task<byte[]> drain = cell.start("drain", link.peer::receiveAll);
            link.stream.close();
            Payload.check(drain.await(), e.bytesTransferred);
        }
    }

    @Race
    @EveryCase
    void DL_10_what_comes_after_a_timed_out_read_is_read_once(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            for (Duration next : new Duration[] {LONG, null, Duration.ZERO}) {
                link.stream.readTimeout(Duration.ofMillis(20));
                assertThrows(SocketTimeoutException.class, () -> link.stream.in().readByte());
                link.peer.send("once");
                assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, LONG));
                link.stream.readTimeout(next);
                for (char c : "once".toCharArray()) {
                    assertEquals(c, link.stream.in().readByte());
                }
                assertEquals(SocketStatus.NONE,
                        link.stream.status(Direction.INPUT, Duration.ofMillis(20)));
            }
        }
    }

    @EveryCase
    void DL_11_wakeups_for_nothing_do_not_prolong_a_status(Case cell) throws Exception {
        Duration timeout = Duration.ofMillis(150);
        byte[] face = "\uD83D\uDE00".getBytes(StandardCharsets.UTF_8); // four bytes
        try (Link link = Link.connected(cell, Sockets.options()
                .elementType(ElementType.CHARACTER).build()); StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            Timing timing = Timing.start();
            Task<SocketStatus> one = cell.start("one",
                    () -> link.stream.status(Direction.INPUT, timeout));
            Task<StatusSet> many = cell.start("many", () -> set.check(timeout));
            for (int i = 0; i < 3; i++) { // three quarters of a character are none
                Await.pass(Duration.ofMillis(30));
                link.peer.send(new byte[] {face[i]});
                link.stream.out().writeChar('x'); // wakes who waits for the stream
                link.stream.out().flush();
            }
            assertEquals(SocketStatus.NONE, one.await());
            assertEquals(0, many.await().actionable());
            timing.endedAbout(timeout, one);
            timing.endedAbout(timeout, many);
            link.peer.send(new byte[] {face[3]});
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, timeout));
            assertEquals(0xD83D, link.stream.in().readChar());
            assertEquals(0xDE00, link.stream.in().readChar());
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX})
    void DL_12_the_timeout_of_an_accept_is_not_that_of_its_stream(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell);
                Peer peer = Peer.connect(server.localAddress());
                SocketStream stream = server.accept(Sockets.timeout(SHORT))) {
            Task<Integer> reader = cell.start("reader", () -> stream.in().readByte());
            assertFalse(reader.ended(SHORT.multipliedBy(2)));
            peer.send("x");
            assertEquals('x', reader.await());
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void DL_13_a_connect_to_a_full_queue_times_out(Case cell) throws Exception {
        Duration timeout = Duration.ofMillis(150);
        try (PeerListener full = PeerListener.full(cell.family())) {
            long before = Descriptors.visible() ? Descriptors.sockets() : 0;
            Timing timing = Timing.start();
            SocketTimeoutException e = assertThrows(SocketTimeoutException.class,
                    () -> SocketStream.connect(full.address(), Sockets.timeout(timeout)));
            timing.tookAbout(timeout);
            assertTrue(e.getMessage().contains(Sockets.text(full.address())), e::getMessage);
            assertEquals(before, Descriptors.visible() ? Descriptors.sockets() : 0);
        }
    }

    @EveryCase
    void DL_14_close_gives_up_on_a_peer_that_takes_nothing_and_reports_it(Case cell)
            throws Exception {
        Duration patience = Duration.ofMillis(100);
        try (Link link = Link.narrow(cell, 4096,
                Sockets.options().closeTimeout(patience).build())) {
            link.leavePending(link.fill());
            Timing timing = Timing.start();
            IOException e = assertThrows(IOException.class, link.stream::close);
            timing.tookAbout(patience);
            assertTrue(e.getMessage().matches("(?s).*\\d{4,5} bytes.*lost.*"), e::getMessage);
            assertFalse(link.stream.isOpen());
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX})
    void DL_15_two_timed_accepts_end_at_the_same_time(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell)) {
            Timing timing = Timing.start();
            Task<SocketStream> one = cell.start("one",
                    () -> server.accept(Sockets.timeout(Duration.ofMillis(100))));
            Task<SocketStream> two = cell.start("two",
                    () -> server.accept(Sockets.timeout(Duration.ofMillis(100))));
            one.failure(SocketTimeoutException.class);
            two.failure(SocketTimeoutException.class);
            timing.endedAbout(Duration.ofMillis(100), one);
            timing.endedAbout(Duration.ofMillis(100), two);
        }
    }

    @Test
    void DL_16_no_deadline_is_measured_by_the_wall_clock() throws Exception {
        Path sources = Path.of("java-src");
        assumeTrue(Files.isDirectory(sources));
        try (Stream<Path> files = Files.walk(sources)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
                // What is shown to people does carry the time of day.
                assertFalse(Pattern.compile("currentTimeMillis"
                                + "|(?<!since = |return |Event\\((?:kind|event), )Instant\\.now")
                        .matcher(Files.readString(file)).find(), file + " looks at the wall clock");
            }
        }
    }
}
