package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Descriptors;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.Timing;

@Guarded
class StatusSetTest {
    static final Duration NOW = Duration.ZERO;
    static final Duration LONG = Duration.ofSeconds(20);

    static SocketStream connect(SocketAddress address) throws IOException {
        return SocketStream.connect(address, StreamOptions.DEFAULT);
    }

    /** Waits until a poll of the set finds the status: what the peer did may take a moment. */
    static void eventually(SocketStatus expected, StatusSet set, Pollable object) {
        Await.until("the status is " + expected,
                () -> set.check(NOW).statusOf(object) == expected);
    }

    /** Closes in the middle of a block that would close too. */
    static void close(AutoCloseable resource) throws Exception {
        resource.close();
    }

    static Set<Pollable> found(StatusSet set) {
        Set<Pollable> found = new HashSet<>();
        set.forEachActionable((object, status) -> assertTrue(found.add(object), "visited twice"));
        assertEquals(set.actionable(), found.size());
        return found;
    }

    // ---- exact -------------------------------------------------------------------------------

    @EveryCase
    void STA_2_and_9_statuses_are_levels(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.IO);
            assertEquals(SocketStatus.OUTPUT, set.check(null).statusOf(stream));
            peer.send("ab");
            eventually(SocketStatus.IO, set, stream);
            assertEquals(SocketStatus.IO, set.check(NOW).statusOf(stream));
            stream.in().readChar();
            assertEquals(SocketStatus.IO, set.check(null).statusOf(stream));
            stream.in().readChar();
            assertEquals(SocketStatus.OUTPUT, set.check(NOW).statusOf(stream));
            peer.endOutput();
            eventually(SocketStatus.APPEND, set, stream);
            assertEquals(SocketStatus.APPEND, set.check(null).statusOf(stream));
        }
    }

    @Test
    void members_are_listed_with_their_attachments() throws Exception {
        try (SocketServer server = SocketServer.listen(
                ServerOptions.builder().host("127.0.0.1").build());
                SocketStream stream = SocketStream.connect(
                        "127.0.0.1", server.port(), StreamOptions.DEFAULT);
                StatusSet set = new StatusSet()) {
            set.add(server, Direction.INPUT);
            set.add(stream, Direction.OUTPUT, "mine");
            assertEquals(Set.of(new StatusSet.Entry(server, Direction.INPUT, null),
                    new StatusSet.Entry(stream, Direction.OUTPUT, "mine")),
                    Set.copyOf(set.members()));
            assertEquals("mine", set.attachment(stream));
            close(stream);
            assertEquals(SocketStatus.ERROR, set.check(NOW).statusOf(stream));
            assertEquals("mine", set.attachment(stream));
            assertEquals(1, set.members().size());
        }
    }

    @Test
    void STA_1_a_server_is_ready_while_a_connection_waits() throws Exception {
        try (SocketServer server = SocketServer.listen(
                ServerOptions.builder().host("127.0.0.1").build());
                StatusSet set = new StatusSet()) {
            set.add(server, Direction.IO);
            assertEquals(SocketStatus.NONE, set.check(NOW).statusOf(server));
            try (Peer client = Peer.connect(new InetSocketAddress("127.0.0.1", server.port()))) {
                assertEquals(SocketStatus.READY, set.check(LONG).statusOf(server));
                assertEquals(SocketStatus.READY, set.check(LONG).statusOf(server));
                try (SocketStream accepted = server.accept()) {
                    assertEquals(SocketStatus.NONE, set.check(NOW).statusOf(server));
                    assertEquals(SocketStatus.OUTPUT, accepted.status(Direction.IO, LONG));
                    assertTrue(client.channel().isConnected());
                }
            }
        }
    }

    @EveryCase(on = Threads.PLATFORM)
    void STA_3_what_is_in_the_buffer_counts_again_and_again(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            peer.send("a\nb\nc");
            assertEquals("a", stream.in().readLine()); // takes all three into the buffer
            for (int i = 0; i < 5; i++) {
                assertEquals(SocketStatus.INPUT, set.check(null).statusOf(stream));
            }
            assertEquals("b", stream.in().readLine());
            assertEquals(SocketStatus.INPUT, set.check(NOW).statusOf(stream));
            assertEquals('c', stream.in().readChar());
            assertEquals(SocketStatus.NONE, set.check(NOW).statusOf(stream));
            stream.in().unreadChar('c');
            assertEquals(SocketStatus.INPUT, set.check(null).statusOf(stream));
        }
    }

    @Test
    void STA_3_what_a_reader_pushed_back_counts() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address());
                StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            assertEquals(SocketStatus.NONE, set.check(NOW).statusOf(stream));
            stream.reader().unread('x');
            assertEquals(SocketStatus.INPUT, set.check(LONG).statusOf(stream));
            assertEquals('x', stream.in().readChar());
            assertEquals(SocketStatus.NONE, set.check(NOW).statusOf(stream));
        }
    }

    @Test
    void STA_4_half_a_character_is_not_input() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            peer.send(new byte[] {(byte) 0xe2, (byte) 0x82});
            set.check(Duration.ofMillis(100));
            assertEquals(SocketStatus.NONE, set.statusOf(stream));
            stream.elementType(ElementType.UNSIGNED_BYTE_8);
            assertEquals(SocketStatus.INPUT, set.check(NOW).statusOf(stream));
            stream.elementType(ElementType.CHARACTER);
            assertEquals(SocketStatus.NONE, set.check(NOW).statusOf(stream));
            peer.send(new byte[] {(byte) 0xac});
            assertEquals(SocketStatus.INPUT, set.check(LONG).statusOf(stream));
            assertEquals('€', stream.in().readChar());
        }
    }

    @EveryCase(on = Threads.PLATFORM)
    void a_direction_shut_here_ends_and_stays_so(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = connect(listener.address());
                StatusSet set = new StatusSet()) {
            set.add(stream, Direction.IO);
            stream.shutdown(Direction.INPUT);
            for (int i = 0; i < 3; i++) {
                assertEquals(SocketStatus.APPEND, set.check(null).statusOf(stream));
            }
            stream.shutdown(Direction.OUTPUT);
            for (int i = 0; i < 3; i++) {
                assertEquals(SocketStatus.EOF, set.check(null).statusOf(stream));
            }
            set.add(stream, Direction.OUTPUT);
            assertEquals(SocketStatus.NONE, set.check(NOW).statusOf(stream));
        }
    }

    @Test
    void a_reset_is_an_error_for_good_and_harms_no_other_member() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream broken = connect(listener.address());
                Peer first = listener.accept();
                SocketStream fine = connect(listener.address());
                Peer second = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(broken, Direction.INPUT);
            set.add(fine, Direction.INPUT);
            first.reset();
            for (int i = 0; i < 3; i++) {
                assertEquals(SocketStatus.ERROR, set.check(LONG).statusOf(broken));
                assertEquals(SocketStatus.NONE, set.statusOf(fine));
            }
            assertEquals(ErrorCode.ECONNRESET, ErrorCode.of(broken.error()));
            second.send("x");
            eventually(SocketStatus.INPUT, set, fine);
            assertEquals(SocketStatus.ERROR, set.statusOf(broken));
        }
    }

    @Test
    void a_refused_connection_is_an_error_in_sets_and_lists() throws Exception {
        SocketAddress nobody = Family.TCP4.deserted();
        try (StatusSet set = new StatusSet(); SocketStream stream = SocketStream.connect(nobody,
                StreamOptions.builder().timeout(NOW).build())) {
            set.add(stream, Direction.IO);
            assertEquals(SocketStatus.ERROR, set.check(LONG).statusOf(stream));
            assertEquals(SocketStatus.ERROR, set.check(LONG).statusOf(stream));
            assertEquals(ErrorCode.ECONNREFUSED, ErrorCode.of(stream.error()));
            try (StatusSet later = new StatusSet()) {
                later.add(stream, Direction.IO);
                assertEquals(SocketStatus.ERROR, later.check(LONG).statusOf(stream));
            }
            assertEquals(SocketStatus.ERROR, SocketStatus.of(new Pollable[] {stream},
                    new Direction[] {Direction.INPUT}, LONG)[0]);
        } catch (java.net.ConnectException e) {
            // Refused before the call came back, which it may: there is nothing to check then.
            assertEquals(ErrorCode.ECONNREFUSED, ErrorCode.of(e));
        }
    }

    @Test
    void a_connection_in_progress_has_no_status_until_it_is_open() throws Exception {
        try (PeerListener listener = PeerListener.full(Family.TCP4); StatusSet set = new StatusSet();
                SocketStream stream = SocketStream.connect(listener.address(),
                        StreamOptions.builder().timeout(NOW).build())) {
            set.add(stream, Direction.IO);
            assertEquals(SocketStatus.NONE, set.check(Duration.ofMillis(50)).statusOf(stream));
            Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(LONG));
            List<Peer> accepted = new ArrayList<>();
            try {
                while (!check.isDone()) { // room in the queue lets the connection through
                    if (listener.pending(Duration.ofMillis(20))) {
                        accepted.add(listener.accept());
                    }
                }
                check.await();
                assertEquals(SocketStatus.OUTPUT, set.statusOf(stream));
            } finally {
                for (Peer each : accepted) {
                    each.close();
                }
            }
        }
    }

    @Test
    void STA_5_exactly_the_ready_ones_of_a_thousand() throws Exception {
        population(1_000, (streams, peers, set) -> {
            assertEquals(0, set.check(NOW).actionable());
            for (int step : new int[] {143, 5}) { // 7 ready, then 200
                Set<Pollable> expected = new HashSet<>();
                for (int i = 0; i < streams.size(); i += step) {
                    peers.get(i).send("x");
                    expected.add(streams.get(i));
                }
                Await.until("all are there",
                        () -> set.check(NOW).actionable() == expected.size());
                assertSame(set, set.check(null));
                assertEquals(expected, found(set));
                for (Pollable each : expected) {
                    assertEquals('x', ((SocketStream) each).in().readChar());
                    if (((SocketStream) each).in().listen()) {
                        ((SocketStream) each).in().readChar();
                    }
                }
                assertEquals(0, set.check(NOW).actionable());
            }
        });
    }

    @Test
    void STA_5_more_are_ready_than_one_system_call_reports() throws Exception {
        population(2_500, (streams, peers, set) -> {
            for (SocketStream each : streams) {
                set.add(each, Direction.OUTPUT);
            }
            for (int i = 0; i < 3; i++) {
                assertEquals(2_500, set.check(null).actionable());
                assertEquals(2_500, found(set).size());
            }
        });
    }

    interface Body {
        void run(List<SocketStream> streams, List<Peer> peers, StatusSet set) throws Exception;
    }

    /** Streams in a set, watched for input, each with its peer. */
    static void population(int count, Body body) throws Exception {
        List<SocketStream> streams = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        try (PeerListener listener = PeerListener.on(Family.TCP4); StatusSet set = new StatusSet()) {
            for (int i = 0; i < count; i++) {
                streams.add(connect(listener.address()));
                peers.add(listener.accept());
                set.add(streams.get(i), Direction.INPUT);
            }
            body.run(streams, peers, set);
        } finally {
            for (SocketStream each : streams) {
                each.abort();
            }
            for (Peer each : peers) {
                each.close();
            }
        }
    }

    // ---- foreign channels --------------------------------------------------------------------

    @EveryCase(on = Threads.PLATFORM)
    void foreign_channels_mix_with_streams(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = connect(listener.address());
                Peer first = listener.accept();
                SocketChannel channel = SocketChannel.open(listener.address());
                Peer second = listener.accept(); StatusSet set = new StatusSet()) {
            channel.configureBlocking(false);
            Pollable foreign = Pollable.of(channel);
            set.add(stream, Direction.INPUT);
            set.add(foreign, Direction.INPUT);
            assertEquals(0, set.check(NOW).actionable());
            assertTrue(first.channel().isConnected());
            second.send("x");
            assertEquals(SocketStatus.INPUT,
                    set.check(LONG).statusOf(Pollable.of(channel)));
            assertEquals(SocketStatus.NONE, set.statusOf(stream));
            set.add(Pollable.of(channel), Direction.IO);
            assertEquals(2, set.size());
            assertEquals(SocketStatus.IO, set.check(LONG).statusOf(foreign));
            close(channel);
            assertEquals(SocketStatus.ERROR, set.check(LONG).statusOf(foreign));
            assertEquals(1, set.size());
            assertEquals(0, set.check(NOW).actionable());
        }
    }

    @Test
    void a_foreign_channel_closed_during_the_wait_is_noticed() throws Exception {
        try (ServerSocketChannel channel = Family.TCP4.listen(1); StatusSet set = new StatusSet()) {
            channel.configureBlocking(false);
            set.add(Pollable.of(channel), Direction.IO);
            Task<StatusSet> check = Threads.PLATFORM.start("check", () -> set.check(LONG));
            Task<SocketStatus> single = Threads.PLATFORM.start("single",
                    () -> Pollable.of(channel).status(Direction.IO, LONG));
            Blocked.in(check, "StatusSet.check");
            Blocked.in(single, "Pollable.status");
            Timing timing = Timing.start();
            close(channel);
            assertEquals(1, check.await().actionable());
            single.failure(AsynchronousCloseException.class);
            timing.tookAtMost(Duration.ofSeconds(2)); // looked for twice a second
        }
    }

    @Test
    void a_stream_and_its_own_channel_cannot_both_be_members() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address()); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.OUTPUT);
            Pollable same = Pollable.of(stream.channel());
            assertThrows(IllegalArgumentException.class, () -> set.add(same, Direction.INPUT));
            assertEquals(SocketStatus.OUTPUT, set.check(LONG).statusOf(stream));
        }
    }

    // ---- nothing is held ---------------------------------------------------------------------

    @EveryCase(on = Threads.PLATFORM)
    void SEL_6_closing_a_member_of_an_idle_set_frees_its_descriptor(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = connect(listener.address());
                Peer peer = listener.accept(); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            set.check(NOW);
            long before = Descriptors.sockets();
            close(stream);
            assertEquals(before - 1, Descriptors.sockets());
            peer.expectEnd();
        }
    }

    @Test
    void SEL_6_removing_a_member_lets_go_of_it_at_once() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address()); StatusSet set = new StatusSet()) {
            set.add(stream, Direction.INPUT);
            set.check(NOW);
            set.remove(stream);
            assertFalse(stream.channel().isRegistered());
            assertFalse(stream.isObserved());
        }
    }

    @Test
    void a_dropped_set_is_collected_though_its_members_live() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = connect(listener.address())) {
            for (int i = 0; i < 10; i++) {
                StatusSet dropped = new StatusSet(false, 1);
                dropped.add(stream, Direction.INPUT);
                dropped.check(NOW);
            }
            Await.until("all are gone", () -> {
                System.gc();
                return !stream.isObserved() && !stream.channel().isRegistered();
            });
        }
    }
}
