package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketAddress;
import java.nio.channels.AsynchronousCloseException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Race;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.Watchdog.Within;

/** Checks, readers and closers at the same time. */
@Guarded
class StatusSetRaceTest {
    private static final Duration NOW = Duration.ZERO;
    private static final Duration LONG = Duration.ofSeconds(20);

    private static SocketStream connect(SocketAddress address) throws IOException {
        return SocketStream.connect(address, StreamOptions.DEFAULT);
    }

    /** A second thread takes both lines out of the kernel and leaves one: who waits must hear. */
    @EveryCase
    void STA_8_what_a_reader_leaves_behind_ends_every_wait(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            for (int i = 0; i < 200; i++) {
                Task<String> reader = cell.start("reader", () -> stream.in().readLine());
                Task<SocketStatus> single =
                        cell.start("single", () -> stream.status(Direction.INPUT, LONG));
                Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(LONG));
                if (i < 3) { // else whenever they come
                    Blocked.in(reader, "StreamInput.readLine");
                    Blocked.in(single, "Pollable.status");
                    Blocked.in(check, "StatusSet.check");
                }
                peer.send("a\nb\n");
                assertEquals("a", reader.await());
                assertEquals(SocketStatus.INPUT, single.await());
                assertEquals(SocketStatus.INPUT, check.await().statusOf(stream));
                assertEquals("b", stream.in().readLine());
            }
        }
    }

    @Race
    @Test
    void STA_8_four_threads_check_overlapping_sets_while_one_reads() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4)) {
            List<SocketStream> streams = new ArrayList<>();
            List<Peer> peers = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                streams.add(connect(listener.address()));
                peers.add(listener.accept());
            }
            AtomicBoolean done = new AtomicBoolean();
            List<Task<Integer>> checkers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                List<SocketStream> some = streams.subList(i, i + 5); // the fifth is in all
                checkers.add(Threads.PLATFORM.start("checker", () -> checkUntil(done, some)));
            }
            Task<Integer> reader = Threads.PLATFORM.start("reader", () -> {
                for (int i = 0; i < 2_000; i++) {
                    for (SocketStream each : streams) {
                        assertEquals('a' + i % 26, each.in().readChar());
                    }
                }
                return 0;
            });
            for (int i = 0; i < 2_000; i++) {
                for (Peer each : peers) {
                    each.send(new byte[] {(byte) ('a' + i % 26)});
                }
            }
            reader.await();
            done.set(true);
            for (Peer each : peers) {
                each.close();
            }
            for (Task<Integer> each : checkers) {
                assertTrue(each.await() > 0);
            }
            for (SocketStream each : streams) {
                each.abort();
            }
        }
    }

    private static int checkUntil(AtomicBoolean done, List<SocketStream> some) throws IOException {
        int found = 0;
        try (StatusSet set = new StatusSet()) {
            for (SocketStream each : some) {
                set.add(each, Direction.INPUT);
            }
            while (!done.get()) {
                found += set.check(LONG).actionable();
            }
        }
        return found;
    }

    @Test
    void STA_10_data_that_comes_as_a_check_begins_is_never_missed() throws Exception {
        rounds(2_000);
    }

    @Test
    @Tag("nightly")
    @Within(seconds = 300)
    void STA_10_nor_in_a_hundred_thousand_rounds() throws Exception {
        rounds(100_000);
    }

    private static void rounds(int count) throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            CyclicBarrier together = new CyclicBarrier(2);
            Task<Void> sender = Threads.PLATFORM.start("sender", () -> {
                for (int i = 0; i < count; i++) {
                    together.await();
                    peer.send("x");
                }
                return null;
            });
            for (int i = 0; i < count; i++) {
                together.await();
                assertEquals(SocketStatus.INPUT, set.check(LONG).statusOf(stream), "round " + i);
                assertEquals('x', stream.in().readChar());
            }
            sender.await();
        }
    }

    /** Members are closed by another thread in the middle of checks, and new ones come. */
    @Test
    void STA_11_members_closed_during_checks_leave_and_their_descriptors_go() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream idle = connect(listener.address());
                Peer idlePeer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(idle, Direction.INPUT);
            for (int i = 0; i < 300; i++) {
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept();
                peer.send("x");
                set.add(stream, Direction.IO);
                Task<Void> closer = Threads.PLATFORM.start("closer", () -> {
                    stream.close();
                    return null;
                });
                while (set.size() > 1) {
                    set.check(LONG);
                }
                assertEquals(SocketStatus.ERROR, set.statusOf(stream));
                closer.await();
                assertFalse(stream.isObserved());
                assertEquals(0, stream.source().registrations().length);
                peer.close();
            }
            assertEquals(0, set.check(NOW).actionable());
            assertTrue(idlePeer.channel().isOpen());
        }
    }

    @Test
    void a_list_whose_member_is_closed_meanwhile_reports_it() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream idle = connect(listener.address());
                Peer idlePeer = listener.accept()) {
            for (int i = 0; i < 300; i++) {
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept();
                Pollable[] both = {idle, stream};
                Direction[] directions = {Direction.INPUT, Direction.INPUT};
                SocketStatus.of(both, directions, NOW);
                Task<Void> closer = Threads.PLATFORM.start("closer", () -> {
                    stream.close();
                    return null;
                });
                try {
                    for (;;) {
                        SocketStatus[] found = SocketStatus.of(both, directions, LONG);
                        assertEquals(SocketStatus.NONE, found[0]);
                        assertEquals(SocketStatus.ERROR, found[1]);
                    }
                } catch (IllegalStateException e) {
                    assertTrue(e.getMessage().contains("closed"), e.getMessage());
                    assertFalse(e.getMessage().contains("status set"), e.getMessage());
                }
                closer.await();
                Await.until("the list has let go", () -> !idle.isObserved()
                        && idle.source().registrations().length == 0);
                peer.close();
            }
            assertTrue(idlePeer.channel().isOpen());
        }
    }

    @Test
    @Tag("nightly")
    void SEL_5_closing_a_set_against_everything_else() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address());
                SocketStream other = connect(listener.address())) {
            for (int i = 0; i < 500; i++) {
                StatusSet set = new StatusSet();
                set.add(stream, Direction.INPUT);
                Task<Void> closer = Threads.PLATFORM.start("closer", () -> {
                    set.close();
                    return null;
                });
                try {
                    for (;;) {
                        set.add(other, Direction.INPUT);
                        set.check(Duration.ofMillis(1));
                        set.remove(other);
                    }
                } catch (IllegalStateException | AsynchronousCloseException e) {
                    assertTrue(e.getMessage().contains("closed"), e.getMessage());
                }
                closer.await();
                stream.tellObservers(); // wakes what is not there any more
                assertFalse(stream.isObserved());
                assertEquals(0, stream.source().registrations().length);
                assertFalse(stream.channel().isRegistered());
            }
        }
    }

    /** A list's status leaves nothing behind with objects that are not told when they go. */
    @Race
    @Test
    void STA_13_other_waits_go_on_when_a_check_is_over() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept()) {
            Task<Integer> reader = Threads.PLATFORM.start("reader", () -> stream.in().readChar());
            Blocked.in(reader, "StreamInput.readChar");
            for (int i = 0; i < 50; i++) {
                assertEquals(SocketStatus.NONE, stream.status(Direction.INPUT, NOW));
                assertEquals(SocketStatus.OUTPUT, stream.status(Direction.IO, LONG));
                SocketStatus.of(new Pollable[] {stream}, new Direction[] {Direction.IO}, LONG);
            }
            assertFalse(reader.isDone());
            peer.send("x");
            assertEquals('x', reader.await());
            java.nio.channels.SocketChannel foreign = peer.channel();
            foreign.configureBlocking(false);
            Pollable.of(foreign).status(Direction.IO, LONG);
            SocketStatus.of(new Pollable[] {Pollable.of(foreign)},
                    new Direction[] {Direction.IO}, LONG);
            assertFalse(foreign.isRegistered());
        }
    }
}
