package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import parley.net.Direction;
import parley.net.Pollable;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Cpu;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.Race;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.Timing;
import parley.testing.Watchdog.Within;

/** STA, and what CL, HC, RST, BP and SEL say of several objects checked together. */
@Guarded
@OverHandlesToo
@SuppressWarnings("try") // closing early is what some cases are about
class StatusTest {
    private static final Duration PROMPT = Duration.ofMillis(100);
    private static final Duration LONG = Duration.ofSeconds(10);
    private static final String SELECT = "parley.net.wait.Poller.poll";

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX})
    void STA_1_a_server_is_ready_while_a_client_waits(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell); StatusSet set = new StatusSet()) {
            set.add(server, Direction.IO);
            assertEquals(SocketStatus.NONE, server.status(Direction.IO, Duration.ZERO));
            assertEquals(SocketStatus.NONE, set.check(Duration.ZERO).statusOf(server));
            try (Peer peer = Peer.connect(server.localAddress())) {
                assertEquals(SocketStatus.READY, server.status(Direction.IO, LONG));
                assertEquals(SocketStatus.READY, set.check(LONG).statusOf(server));
                server.accept().close();
                peer.expectEnd();
            }
            assertEquals(SocketStatus.NONE, server.status(Direction.IO, Duration.ZERO));
            assertEquals(SocketStatus.NONE, set.check(Duration.ZERO).statusOf(server));
        }
    }

    @EveryCase
    void STA_2_the_status_follows_what_comes_and_what_is_read(Case cell) throws Exception {
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.IO);
            is(SocketStatus.OUTPUT, link.stream, set);
            link.peer.send("x");
            Await.until("the byte has come",
                    () -> link.stream.status(Direction.IO, LONG) == SocketStatus.IO);
            is(SocketStatus.IO, link.stream, set);
            link.stream.in().readByte();
            is(SocketStatus.OUTPUT, link.stream, set);
            link.peer.endOutput();
            Await.until("the end has come",
                    () -> link.stream.status(Direction.IO, LONG) == SocketStatus.APPEND);
            is(SocketStatus.APPEND, link.stream, set);
            link.fill();
            is(SocketStatus.EOF, link.stream, set);
        }
    }

    /** The status alone and in a set, twice each, since looking changes nothing (STA-9). */
    private static void is(SocketStatus expected, Pollable object, StatusSet set)
            throws IOException {
        for (int i = 0; i < 2; i++) {
            assertEquals(expected, object.status(Direction.IO, Duration.ZERO));
            assertSame(set, set.check(Duration.ZERO));
            assertEquals(expected, set.statusOf(object));
            assertEquals(expected.isActionable() ? 1 : 0, set.actionable());
        }
    }

    @EveryCase
    void STA_3_what_is_in_our_buffer_counts_though_the_kernel_is_silent(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            link.peer.send("abc");
            assertEquals('a', link.stream.in().readChar());
            for (char c : new char[] {'b', 'c'}) {
                assertEquals(SocketStatus.INPUT,
                        link.stream.status(Direction.INPUT, Duration.ZERO));
                assertEquals(SocketStatus.INPUT, set.check(LONG).statusOf(link.stream));
                assertEquals(c, link.stream.in().readChar());
            }
            assertEquals(SocketStatus.NONE, set.check(Duration.ZERO).statusOf(link.stream));
        }
    }

    @EveryCase(over = {Family.TCP4, Family.HANDLE})
    void STA_5_of_a_thousand_streams_just_the_ready_ones_are_reported(Case cell)
            throws Exception {
        List<Link> links = new ArrayList<>();
        try (StatusSet set = new StatusSet()) {
            for (int i = 0; i < 1_000; i++) {
                links.add(Link.connected(cell));
                set.add(links.get(i).stream, Direction.INPUT);
            }
            assertEquals(0, set.check(Duration.ZERO).actionable());
            assertEquals(1_000, set.size());
            for (int step : new int[] {143, 7}) { // 7 of them, then 143
                Set<Pollable> ready = new HashSet<>();
                for (int i = 0; i < 1_000; i += step) {
                    links.get(i).peer.send("x");
                    ready.add(links.get(i).stream);
                    assertEquals(SocketStatus.INPUT,
                            links.get(i).stream.status(Direction.INPUT, LONG));
                }
                assertEquals(ready, told(set.check(LONG)));
                for (Pollable stream : ready) {
                    ((SocketStream) stream).in().clear();
                }
                assertEquals(0, set.check(Duration.ZERO).actionable());
            }
        } finally {
            for (Link link : links) {
                link.close();
            }
        }
    }

    private static Set<Pollable> told(StatusSet set) {
        Set<Pollable> told = new HashSet<>();
        set.forEachActionable((object, status) -> assertTrue(told.add(object), "told once"));
        assertEquals(told.size(), set.actionable());
        return told;
    }

    @EveryCase(over = Family.TCP4)
    void STA_6_an_empty_set_waits_out_its_time_and_never_for_ever(Case cell) throws Exception {
        try (StatusSet set = new StatusSet()) {
            Timing timing = Timing.start();
            assertEquals(0, set.check(PROMPT).actionable());
            timing.tookAbout(PROMPT);
            assertThrows(IllegalStateException.class, () -> set.check(null));
        }
    }

    @EveryCase
    void STA_6_a_closed_object_is_refused_as_a_member(Case cell) throws Exception {
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            link.stream.close();
            assertThrows(IllegalStateException.class,
                    () -> set.add(link.stream, Direction.INPUT));
            assertEquals(0, set.size());
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void STA_6_a_stream_that_is_being_connected_is_nothing_yet(Case cell) throws Exception {
        try (Stuck stuck = Call.CONNECTING.in(cell); StatusSet set = new StatusSet()) {
            set.add(stuck.object(), Direction.IO);
            assertEquals(0, set.check(Duration.ofMillis(20)).actionable());
            stuck.release();
            assertEquals(1, set.check(LONG).actionable());
            stuck.call(null);
        }
    }

    @EveryCase
    void STA_7_the_timeout_is_zero_some_time_or_none(Case cell) throws Exception {
        Duration quarter = Duration.ofMillis(250);
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            Timing poll = Timing.start();
            set.check(Duration.ZERO);
            poll.tookAtMost(Duration.ofMillis(10));
            Timing wait = Timing.start();
            assertEquals(SocketStatus.NONE, link.stream.status(Direction.INPUT, quarter));
            wait.tookAbout(quarter);
            Timing all = Timing.start();
            set.check(quarter);
            all.tookAbout(quarter);
            Task<Integer> task = cell.start("check", () -> set.check(null).actionable());
            Blocked.in(task, SELECT);
            link.peer.send("x");
            assertEquals(1, task.await());
        }
    }

    @EveryCase
    void STA_8_overlapping_sets_in_several_threads_miss_nothing(Case cell) throws Exception {
        int rounds = 200;
        try (Link link = Link.connected(cell); Link other = Link.connected(cell)) {
            AtomicBoolean over = new AtomicBoolean();
            List<Task<Integer>> watchers = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                watchers.add(cell.start("watcher" + i, () -> watch(link, other, over)));
            }
            link.stream.readTimeout(LONG);
            for (int i = 0; i < rounds; i++) {
                link.peer.send("x");
                assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, LONG));
                assertEquals('x', link.stream.in().readByte());
            }
            over.set(true);
            link.peer.send("y");
            for (Task<Integer> watcher : watchers) {
                assertTrue(watcher.await() > 0);
            }
            assertEquals('y', link.stream.in().readByte());
            link.roundTrip();
        }
    }

    /** Checks until it is over and the last byte is there; how often something was. */
    private static int watch(Link link, Link other, AtomicBoolean over) throws IOException {
        int seen = 0;
        try (StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            set.add(other.stream, Direction.INPUT);
            while (!over.get()) {
                seen += set.check(Duration.ofMillis(20)).actionable();
            }
            seen += set.check(LONG).actionable();
            assertEquals(SocketStatus.NONE, set.statusOf(other.stream));
        }
        return seen;
    }

    @Tag("nightly")
    @Within(seconds = 300)
    @EveryCase(over = {Family.TCP4, Family.UNIX, Family.HANDLE})
    void STA_10_data_that_comes_as_a_check_begins_is_never_missed(Case cell) throws Exception {
        int rounds = 20_000;
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            Task<Void> sender = Threads.PLATFORM.start("sender", () -> {
                for (int i = 0; i < rounds; i++) {
                    link.peer.receive(1);
                    link.peer.send("x");
                }
                return null;
            });
            for (int i = 0; i < rounds; i++) {
                link.stream.out().writeByte('?');
                link.stream.out().flush();
                SocketStatus status = i % 2 == 0 ? set.check(LONG).statusOf(link.stream)
                        : link.stream.status(Direction.INPUT, LONG);
                assertEquals(SocketStatus.INPUT, status, "round " + i);
                assertEquals('x', link.stream.in().readByte());
            }
            sender.await();
        }
    }

    @Race
    @EveryCase
    void CL_5_a_member_closed_during_a_check_ends_it_and_leaves_the_others(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell); Link other = Link.connected(cell);
                StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            set.add(other.stream, Direction.INPUT);
            Task<Integer> task = cell.start("check", () -> set.check(null).actionable());
            Blocked.in(task, SELECT);
            Timing timing = Timing.start();
            link.stream.close();
            assertEquals(1, task.await());
            timing.endedWithin(PROMPT, task);
            assertEquals(SocketStatus.ERROR, set.statusOf(link.stream));
            assertEquals(SocketStatus.NONE, set.statusOf(other.stream));
            assertEquals(1, set.size());
            assertEquals(0, set.check(Duration.ZERO).actionable());
            other.peer.send("x");
            assertEquals(SocketStatus.INPUT, set.check(LONG).statusOf(other.stream));
        }
    }

    @Race
    @EveryCase
    void INT_1_an_interrupt_ends_a_check_and_leaves_the_set_usable(Case cell) throws Exception {
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            Task<Integer> task = cell.start("check", () -> set.check(null).actionable());
            Blocked.in(task, SELECT);
            task.interrupt();
            task.failure(java.io.InterruptedIOException.class);
            assertTrue(task.interruptedAtEnd(), "the flag is set");
            link.peer.send("x");
            assertEquals(SocketStatus.INPUT, set.check(LONG).statusOf(link.stream));
        }
    }

    @EveryCase
    void HC_7_an_ended_member_is_reported_by_each_check(Case cell) throws Exception {
        try (Link link = Link.connected(cell); Link shut = Link.connected(cell);
                StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            set.add(shut.stream, Direction.INPUT);
            link.peer.endOutput();
            shut.stream.shutdown(Direction.INPUT);
            assertEquals(SocketStatus.EOF, link.stream.status(Direction.INPUT, LONG));
            for (int i = 0; i < 5; i++) {
                assertEquals(2, set.check(LONG).actionable());
                assertEquals(SocketStatus.EOF, set.statusOf(link.stream));
                assertEquals(SocketStatus.EOF, set.statusOf(shut.stream));
            }
        }
    }

    @EveryCase
    void HC_7_a_member_that_can_do_nothing_costs_no_time(Case cell) throws Exception {
        assumeTrue(Cpu.measurable());
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            link.peer.endOutput();
            assertEquals(SocketStatus.EOF, link.stream.status(Direction.INPUT, LONG));
            link.fill();
            set.add(link.stream, Direction.OUTPUT);
            Task<Integer> task = cell.start("check", () -> set.check(null).actionable());
            Blocked.in(task, SELECT);
            Cpu.assertIdle();
            link.stream.abort(); // a close would wait until the peer takes the end of TLS
            assertEquals(1, task.await());
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.HANDLE})
    void RST_4_a_reset_member_is_an_error_in_each_check_and_the_others_are_right(Case cell)
            throws Exception {
        try (Link broken = Link.connected(cell); Link sound = Link.connected(cell);
                StatusSet set = new StatusSet()) {
            set.add(broken.stream, Direction.INPUT);
            set.add(sound.stream, Direction.INPUT);
            broken.peer.reset();
            for (int i = 0; i < 5; i++) {
                assertEquals(1, set.check(LONG).actionable());
                assertEquals(SocketStatus.ERROR, set.statusOf(broken.stream));
                assertEquals(SocketStatus.NONE, set.statusOf(sound.stream));
            }
            sound.peer.send("x");
            Await.until("the sound one is told of too", () -> set.check(LONG).actionable() == 2);
            assertEquals(SocketStatus.INPUT, set.statusOf(sound.stream));
        }
    }

    @EveryCase
    void BP_4_a_full_member_is_ready_for_output_when_its_peer_reads(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            long went = link.fill();
            set.add(link.stream, Direction.OUTPUT);
            assertEquals(0, set.check(Duration.ofMillis(20)).actionable());
            Task<Integer> task = cell.start("check", () -> set.check(null).actionable());
            Blocked.in(task, SELECT);
            Task<byte[]> drain = cell.start("drain", link.peer::receiveAll);
            assertEquals(1, task.await());
            assertEquals(SocketStatus.OUTPUT, set.statusOf(link.stream));
            link.stream.close();
            Payload.check(drain.await(), went);
        }
    }

    @Race
    @EveryCase
    void SEL_4_an_object_that_left_a_set_can_come_back_at_once(Case cell) throws Exception {
        try (Link link = Link.connected(cell); StatusSet set = new StatusSet()) {
            for (int i = 0; i < 100; i++) {
                set.add(link.stream, Direction.INPUT);
                set.check(Duration.ZERO);
                assertTrue(set.remove(link.stream));
                assertFalse(set.remove(link.stream));
            }
            set.add(link.stream, Direction.INPUT);
            link.peer.send("x");
            assertEquals(SocketStatus.INPUT, set.check(LONG).statusOf(link.stream));
        }
    }

    @Race
    @EveryCase
    void SEL_6_the_peer_of_a_closed_member_knows_without_a_check(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell); Link other = Link.connected(cell);
                StatusSet set = new StatusSet()) {
            set.add(link.stream, Direction.INPUT);
            set.add(other.stream, Direction.INPUT);
            set.check(Duration.ZERO);
            Timing idle = Timing.start();
            link.stream.close();
            link.peer.expectEnd();
            idle.tookAtMost(PROMPT);
            set.check(Duration.ZERO);
            Task<Integer> task = cell.start("check", () -> set.check(null).actionable());
            Blocked.in(task, SELECT);
            Timing busy = Timing.start();
            other.stream.close();
            other.peer.expectEnd();
            busy.tookAtMost(PROMPT);
            assertEquals(1, task.await());
        }
    }
}
