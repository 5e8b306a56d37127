package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import parley.net.wait.Poller;
import parley.net.wait.Registration;
import parley.net.wait.ThreadWaits;
import parley.posix.Descriptor;
import parley.posix.Handles;
import parley.posix.Poll;
import parley.testing.Blocked;
import parley.testing.Cpu;
import parley.testing.Descriptors;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.Threads;

/** What a check costs: no garbage, no processor while nothing happens, no descriptor kept. */
@Guarded
class StatusSetCostTest {
    private static final Duration NOW = Duration.ZERO;
    private static final Duration LONG = Duration.ofSeconds(20);
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final ThreadMXBean BEAN = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static SocketStream connect(SocketAddress address) throws IOException {
        return SocketStream.connect(address, StreamOptions.DEFAULT);
    }

    // ---- garbage -----------------------------------------------------------------------------

    /** Fails unless the call, often made, allocates nothing: in the best of some windows. */
    private static void assertNoGarbage(int calls, Callable<?> call) throws Exception {
        assertNoGarbage(calls, 0, call);
    }

    /**
     * Fails unless the call, often made, allocates nothing but what the JDK's selector does: it looks
     * up each ready descriptor in a map by an Integer, which takes 16 bytes when above 127.
     */
    private static void assertNoGarbage(int calls, int ready, Callable<?> call) throws Exception {
        long best = Long.MAX_VALUE;
        long boxes = Descriptors.highest() > 127 ? 16L * ready * calls : 0;
        for (int window = 0; window < 20 && best > boxes; window++) {
            long before = BEAN.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < calls; i++) {
                call.call();
            }
            best = Math.min(best, BEAN.getCurrentThreadAllocatedBytes() - before);
        }
        assertTrue(best <= boxes, best + " bytes in " + calls + " calls, " + boxes + " for boxes");
    }

    /** The processor time of 2,000 calls, in the best of some windows. */
    private static long cpu(Callable<?> call) throws Exception {
        long best = Long.MAX_VALUE;
        for (int window = 0; window < 20; window++) {
            long before = BEAN.getCurrentThreadCpuTime();
            for (int i = 0; i < 2_000; i++) {
                call.call();
            }
            best = Math.min(best, BEAN.getCurrentThreadCpuTime() - before);
        }
        return best;
    }

    @Test
    void a_list_of_two_handles_costs_little_more_than_one_poll() throws Exception {
        Descriptor[] pair = parley.posix.Sockets.socketpair("unix", "stream", 0);
        int one = Handles.register(pair[0]);
        int other = Handles.register(pair[1]);
        Poll.Entry[] entries = {new Poll.Entry(pair[0], Poll.IN, null),
            new Poll.Entry(pair[1], Poll.IN, null)};
        Direction[] directions = {Direction.INPUT, Direction.INPUT};
        long poll = cpu(() -> Poll.check(entries, 2));
        long list = cpu(() -> SocketStatus.of(
                new Pollable[] {Pollable.of(one), Pollable.of(other)}, directions, NOW));
        Handles.close(one);
        Handles.close(other);
        assertTrue(list < 12 * poll, list + " ns, " + poll + " for the poll"); // 3 when measured
    }

    @Test
    void a_check_allocates_nothing() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream first = connect(listener.address());
                Peer peer = listener.accept();
                SocketStream second = connect(listener.address()); StatusSet set = new StatusSet()) {
            Duration wait = Duration.ofNanos(1);
            set.add(first, Direction.INPUT);
            set.add(second, Direction.INPUT);
            assertNoGarbage(5_000, () -> set.check(NOW));
            assertNoGarbage(100, () -> set.check(wait)); // each waits a millisecond
            set.add(second, Direction.OUTPUT);
            assertNoGarbage(5_000, 1, () -> set.check(null));
            peer.send("ab");
            assertEquals(SocketStatus.INPUT, first.status(Direction.INPUT, LONG));
            assertNoGarbage(5_000, 2, () -> set.check(LONG));
            assertEquals('a', first.in().readChar());
            assertNoGarbage(5_000, 2, () -> set.check(LONG));
            assertEquals(2, set.actionable());
            peer.endOutput();
            assertEquals('b', first.in().readChar());
            assertEquals(SocketStatus.EOF, first.status(Direction.INPUT, LONG));
            assertNoGarbage(5_000, 2, () -> set.check(null));
        }
    }

    @Test
    void the_status_of_one_stream_or_server_allocates_nothing() throws Exception {
        try (SocketServer server = SocketServer.listen(
                ServerOptions.builder().host("127.0.0.1").build());
                SocketStream stream = connect(server.localAddress())) {
            assertNoGarbage(5_000, 1, () -> stream.status(Direction.IO, NOW));
            assertNoGarbage(5_000, 1, () -> server.status(Direction.IO, NOW));
        }
    }

    // ---- no spin -----------------------------------------------------------------------------

    /** Streams whose input ended, was reset, or was shut here, all watched for blocked output. */
    private static void broken(SocketAddress address, PeerListener listener,
            List<SocketStream> streams, List<Peer> peers, StatusSet set) throws Exception {
        for (int i = 0; i < 40; i++) {
            streams.add(connect(address));
            peers.add(listener.accept());
            switch (i % 4) {
                case 0:
                    peers.get(i).endOutput();
                    break;
                case 1:
                    streams.get(i).shutdown(Direction.IO);
                    peers.get(i).close();
                    break;
                case 2:
                    streams.get(i).shutdown(Direction.OUTPUT);
                    peers.get(i).endOutput();
                    break;
                default:
                    streams.get(i).shutdown(Direction.OUTPUT);
            }
        }
        for (int i = 0; i < 40; i++) {
            set.add(streams.get(i), i % 4 == 0 ? Direction.INPUT : Direction.OUTPUT);
        }
        for (int i = 0; i < 40; i += 4) {
            streams.get(i).status(Direction.INPUT, LONG);
            set.remove(streams.get(i)); // its end makes every check return at once, as it should
        }
    }

    @Test
    void SEL_2_an_event_without_a_request_does_not_make_a_check_spin() throws Exception {
        for (Family family : new Family[] {Family.TCP4, Family.UNIX}) {
            List<SocketStream> streams = new ArrayList<>();
            List<Peer> peers = new ArrayList<>();
            try (PeerListener listener = PeerListener.on(family); StatusSet set = new StatusSet()) {
                broken(listener.address(), listener, streams, peers, set);
                assertEquals(0, set.check(NOW).actionable());
                Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(LONG));
                Blocked.in(check, "StatusSet.check");
                Cpu.assertIdle();
                streams.get(2).close();
                assertEquals(1, check.await().actionable());
            } finally {
                for (SocketStream each : streams) {
                    each.abort();
                }
                for (Peer each : peers) {
                    each.close();
                }
            }
        }
    }

    @Test
    void SEL_2_an_end_and_a_reset_are_reported_and_a_wait_for_others_sleeps() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept();
                SocketStream half = connect(listener.address());
                Peer halfPeer = listener.accept(); StatusSet set = new StatusSet()) {
            halfPeer.send(new byte[] {(byte) 0xc3}); // half a character: no input, no spin
            set.add(half, Direction.INPUT);
            set.add(stream, Direction.INPUT);
            Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(LONG));
            Blocked.in(check, "StatusSet.check");
            Cpu.assertIdle();
            peer.reset();
            assertEquals(SocketStatus.ERROR, check.await().statusOf(stream));
            assertEquals(SocketStatus.NONE, set.statusOf(half));
        }
    }

    @Test
    void SEL_1_an_idle_wait_wakes_at_most_five_times_a_second() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address());
                Poller poller = new Poller(Poller.Owner.PASSIVE)) {
            Registration registration =
                    stream.source().join(poller, stream.interest(Direction.INPUT), null);
            long end = System.nanoTime() + SECOND.toNanos();
            int polls = 0;
            for (long left = SECOND.toNanos(); left > 0; left = end - System.nanoTime()) {
                assertEquals(0, poller.poll(left, (each, ops) -> { }));
                polls++;
            }
            assertTrue(polls <= 5, polls + " polls");
            poller.release(registration);
        }
    }

    @Test
    void SEL_7_a_million_wakeups_make_one_poll_return() throws Exception {
        try (Poller poller = new Poller(null)) {
            for (int i = 0; i < 1_000_000; i++) {
                poller.wakeup();
            }
            poller.poll(LONG.toNanos(), (each, ops) -> { });
            long before = System.nanoTime();
            poller.poll(Duration.ofMillis(50).toNanos(), (each, ops) -> { });
            assertTrue(System.nanoTime() - before > Duration.ofMillis(45).toNanos());
        }
    }

    @Test
    @Tag("nightly")
        void STA_12_ten_thousand_idle_members_cost_nothing() throws Exception {
        List<SocketStream> streams = new ArrayList<>();
        List<SocketServer> servers = new ArrayList<>();
        try (StatusSet set = new StatusSet()) {
            for (int i = 0; i < 10; i++) { // nobody accepts: one descriptor for each stream
                servers.add(SocketServer.listen(ServerOptions.builder().host("127.0.0.1")
                        .backlog(1_100).build()));
                for (int j = 0; j < 1_000; j++) {
                    streams.add(connect(servers.get(i).localAddress()));
                    set.add(streams.get(streams.size() - 1), Direction.INPUT);
                }
            }
            set.check(NOW);
            Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(LONG));
            Blocked.in(check, "StatusSet.check");
            Cpu.assertIdle();
            streams.get(0).close();
            check.await();
        } finally {
            for (SocketStream each : streams) {
                each.abort();
            }
            for (SocketServer each : servers) {
                each.close();
            }
        }
    }

    // ---- closing -----------------------------------------------------------------------------

    /** How long closing some of many members takes, after a check that found all idle or at EOF. */
    private static long nanosToClose(boolean ended) throws Exception {
        List<SocketStream> streams = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        try (PeerListener listener = PeerListener.on(Family.UNIX); StatusSet set = new StatusSet()) {
            for (int i = 0; i < 1_500; i++) {
                streams.add(connect(listener.address()));
                peers.add(listener.accept());
                if (ended) {
                    peers.get(i).endOutput();
                }
                set.add(streams.get(i), Direction.INPUT);
            }
            assertEquals(ended ? 1_500 : 0, set.check(NOW).actionable());
            long before = System.nanoTime();
            for (int i = 0; i < 500; i++) {
                streams.get(i).abort();
            }
            long after = System.nanoTime();
            assertEquals(ended ? 1_500 : 500, set.check(NOW).actionable()); // the closed: ERROR
            return after - before;
        } finally {
            for (SocketStream each : streams) {
                each.abort();
            }
            for (Peer each : peers) {
                each.close();
            }
        }
    }

    @Test
    void closing_members_costs_the_same_however_many_others_are_at_their_end() throws Exception {
        double best = Double.MAX_VALUE; // of some rounds, since the machine does other things too
        for (int i = 0; i < 20 && best > 2; i++) {
            best = Math.min(best, nanosToClose(true) / (double) nanosToClose(false));
        }
        assertTrue(best <= 2, "closing among the ended took " + best + " times as long");
    }

    // ---- descriptors -------------------------------------------------------------------------

    @Test
    void pollers_are_bounded_however_many_threads_are_blocked() throws Exception {
        int count = 3 * ThreadWaits.MOST;
        List<SocketStream> streams = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        List<Task<Integer>> readers = new ArrayList<>();
        try (PeerListener listener = PeerListener.on(Family.TCP4)) {
            for (int i = 0; i < count; i++) {
                streams.add(connect(listener.address()));
                peers.add(listener.accept());
                StreamInput in = streams.get(i).in();
                readers.add(Threads.PLATFORM.start("reader", in::readChar));
            }
            for (Task<Integer> each : readers) {
                Blocked.in(each, "StreamInput.readChar");
            }
            for (Peer each : peers) {
                each.send("x");
            }
            for (Task<Integer> each : readers) {
                assertEquals('x', each.await());
            }
            assertTrue(ThreadWaits.idlePollers() <= ThreadWaits.MOST, ThreadWaits.idlePollers() + " idle");
            // Each of the others takes a poller from one that was blocked before.
            for (SocketStream each : streams) {
                assertEquals(SocketStatus.NONE, each.status(Direction.INPUT, Duration.ofNanos(1)));
            }
            assertTrue(ThreadWaits.idlePollers() <= ThreadWaits.MOST, ThreadWaits.idlePollers() + " idle");
            long sockets = Descriptors.sockets();
            for (SocketStream each : streams) {
                each.close();
            }
            assertEquals(sockets - count, Descriptors.sockets());
            assertEquals(0, ThreadWaits.idlePollers());
        } finally {
            for (SocketStream each : streams) {
                each.abort();
            }
            for (Peer each : peers) {
                each.close();
            }
        }
    }
}
