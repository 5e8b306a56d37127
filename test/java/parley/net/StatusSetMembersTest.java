package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.AsynchronousCloseException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.Timing;

/** The members of a status set: who is one, who leaves, and what ends a check. */
@Guarded
class StatusSetMembersTest {
    @Test
    void STA_6_an_object_is_a_member_once_with_its_last_direction() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = StatusSetTest.connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.OUTPUT);
            assertEquals(SocketStatus.OUTPUT, set.check(null).statusOf(stream));
            set.add(stream, Direction.INPUT);
            assertEquals(1, set.size());
            assertEquals(SocketStatus.NONE, set.check(StatusSetTest.NOW).statusOf(stream));
            peer.send("x");
            assertEquals(SocketStatus.INPUT, set.check(StatusSetTest.LONG).statusOf(stream));
        }
    }

    @Test
    void STA_6_an_empty_set_waits_out_its_timeout_and_not_for_ever() throws Exception {
        try (StatusSet set = new StatusSet()) {
            Timing timing = Timing.start();
            assertEquals(0, set.check(Duration.ofMillis(100)).actionable());
            timing.tookAbout(Duration.ofMillis(100));
            assertTrue(assertThrows(IllegalStateException.class, () -> set.check(null))
                    .getMessage().contains("empty"));
        }
    }

    @Test
    void STA_7_timeouts_are_honoured() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = StatusSetTest.connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            Timing poll = Timing.start();
            assertEquals(0, set.check(StatusSetTest.NOW).actionable());
            poll.tookAtMost(StatusSetTest.NOW);
            Timing fraction = Timing.start();
            assertEquals(0, set.check(Duration.ofMillis(250)).actionable());
            fraction.tookAbout(Duration.ofMillis(250));
            Timing short_ = Timing.start();
            assertEquals(0, set.check(Duration.ofNanos(1)).actionable());
            short_.tookAtMost(StatusSetTest.NOW);
            assertThrows(IllegalArgumentException.class, () -> set.check(Duration.ofMillis(-1)));
            Task<StatusSet> forEver = Threads.PLATFORM.start("check", () -> set.check(null));
            Blocked.in(forEver, "StatusSet.check");
            peer.send("x");
            assertEquals(1, forEver.await().actionable());
        }
    }

    @Test
    void a_member_closed_by_another_thread_leaves_and_is_reported_once() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = StatusSetTest.connect(listener.address());
                SocketStream other = StatusSetTest.connect(listener.address()); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            set.add(other, Direction.INPUT);
            Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(StatusSetTest.LONG));
            Blocked.in(check, "StatusSet.check");
            StatusSetTest.close(stream);
            check.await();
            assertEquals(SocketStatus.ERROR, set.statusOf(stream));
            assertEquals(Set.of(stream), StatusSetTest.found(set));
            assertEquals(1, set.size());
            assertEquals(0, set.check(StatusSetTest.NOW).actionable());
            assertThrows(IllegalArgumentException.class, () -> set.statusOf(stream));
            assertThrows(IllegalStateException.class, () -> set.add(stream, Direction.INPUT));
        }
    }

    @Test
    void a_set_closed_by_another_thread_ends_its_check() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = StatusSetTest.connect(listener.address())) {
            StatusSet set = new StatusSet();
            set.add(stream, Direction.INPUT);
            Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(null));
            Blocked.in(check, "StatusSet.check");
            StatusSetTest.close(set);
            check.failure(AsynchronousCloseException.class);
            Await.until("the stream is observed no more", () -> !stream.isObserved());
            assertEquals(0, stream.source().registrations().length);
            assertThrows(IllegalStateException.class, () -> set.check(StatusSetTest.NOW));
            StatusSetTest.close(set);
        }
    }

    @Test
    void a_second_thread_gets_an_error() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = StatusSetTest.connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(StatusSetTest.LONG));
            Blocked.in(check, "StatusSet.check");
            assertTrue(assertThrows(IllegalStateException.class, () -> set.check(StatusSetTest.NOW))
                    .getMessage().contains("in use by"));
            peer.send("x");
            check.await();
            assertEquals(1, set.check(StatusSetTest.NOW).actionable());
        }
    }

    @Test
    void interrupts_end_a_wait_and_nothing_is_lost() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = StatusSetTest.connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(null));
            Blocked.in(check, "StatusSet.check");
            check.interrupt();
            check.failure(InterruptedIOException.class);
            assertTrue(check.interruptedAtEnd());
            assertTrue(stream.isOpen());
            peer.send("x");
            assertEquals(SocketStatus.INPUT, set.check(StatusSetTest.LONG).statusOf(stream));
        }
    }

    @Test
    void visitors_may_remove_and_add() throws Exception {
        StatusSetTest.population(10, (streams, peers, set) -> {
            for (SocketStream each : streams) {
                set.add(each, Direction.OUTPUT);
            }
            assertEquals(10, set.check(null).actionable());
            List<Pollable> visited = new ArrayList<>();
            set.forEachActionable((object, status) -> {
                visited.add(object);
                assertEquals(SocketStatus.OUTPUT, status);
                remove(set, object);
                for (SocketStream each : streams) { // and one that has not been visited yet
                    if (set.member(each) != null) {
                        remove(set, each);
                        break;
                    }
                }
            });
            assertEquals(5, visited.size());
            assertEquals(5, new HashSet<>(visited).size());
            assertEquals(0, set.size());
            assertEquals(0, set.actionable());
            for (SocketStream each : streams) { // cancelled, and registered again at once: SEL-4
                set.add(each, Direction.OUTPUT);
            }
            assertEquals(10, set.check(null).actionable());
        });
    }

    private static void remove(StatusSet set, Pollable object) {
        try {
            assertTrue(set.remove(object));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void SEL_4_a_member_removed_can_be_added_again_at_once() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = StatusSetTest.connect(listener.address()); StatusSet set = new StatusSet()) {
            for (int i = 0; i < 1_000; i++) {
                set.add(stream, Direction.OUTPUT);
                assertEquals(SocketStatus.OUTPUT, set.check(null).statusOf(stream));
                assertTrue(set.remove(stream));
                assertFalse(set.remove(stream));
            }
        }
    }

    @Test
    void STA_11_a_member_that_left_is_never_reported() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = StatusSetTest.connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            peer.send("x");
            StatusSetTest.eventually(SocketStatus.INPUT, set, stream);
            set.remove(stream);
            assertEquals(Set.of(), StatusSetTest.found(set));
            assertEquals(0, set.check(StatusSetTest.NOW).actionable());
            stream.in().peekChar();
            assertEquals(0, set.check(StatusSetTest.NOW).actionable());
            set.add(stream, Direction.INPUT);
            assertEquals(1, set.check(null).actionable());
        }
    }
}
