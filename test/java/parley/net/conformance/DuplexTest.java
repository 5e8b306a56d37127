package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.channels.AsynchronousCloseException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import parley.net.WaitMode;
import parley.net.Direction;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Race;
import parley.testing.Task;

/** DUP: both directions, and several threads, at once. */
@Guarded
@OverHandlesToo
@SuppressWarnings("try") // closing early is what some cases are about
class DuplexTest {
    private static final Duration MILLI = Duration.ofMillis(1);

    @Race
    @EveryCase
    void DUP_1_a_blocked_reader_does_not_block_a_writer(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            Task<Integer> reader = cell.start("reader", () -> link.stream.in().readByte());
            Blocked.in(reader, Sockets.WAIT);
            link.stream.out().writeString("w");
            link.stream.out().flush();
            assertEquals("w", link.peer.receiveText(1));
            link.peer.send("r");
            assertEquals('r', reader.await());
        }
    }

    @Race
    @EveryCase
    void DUP_1_a_blocked_writer_does_not_block_a_reader_or_a_status(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            Task<Void> writer = cell.start("writer", () -> {
                Sockets.write(link.stream, Payload.bytes(0, Link.MUCH));
                return null;
            });
            Blocked.in(writer, Sockets.WAIT);
            link.peer.send("r");
            // a delayed acknowledgement may let the writer go on once more
            Await.until("there is input, and no room for output",
                    () -> link.stream.status(Direction.IO, null) == SocketStatus.INPUT);
            assertEquals('r', link.stream.in().readByte());
            link.stream.close();
            writer.failure(AsynchronousCloseException.class);
        }
    }

    @Race
    @EveryCase
    void DUP_2_a_timed_out_read_never_writes_into_its_buffer_later(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readTimeout(MILLI);
            AtomicInteger got = new AtomicInteger();
            together(cell, 10, () -> {
                byte[] buffer = new byte[4];
                for (int i = 0; i < 100; i++) {
                    Arrays.fill(buffer, (byte) 7);
                    try {
                        int end = link.stream.in().readBytes(buffer, 0, 4, WaitMode.FULL);
                        got.addAndGet(end);
                    } catch (SocketTimeoutException e) {
                        Arrays.fill(buffer, (byte) 7); // late bytes would be seen on the next turn
                    }
                }
                return null;
            });
            assertEquals(0, got.get());
            link.stream.readTimeout(null);
            link.roundTrip();
        }
    }

    @Race
    @EveryCase
    void DUP_3_what_is_sent_is_what_the_array_held_at_the_call(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            Task<byte[]> drain = cell.start("drain", link.peer::receiveAll);
            AtomicInteger sent = new AtomicInteger();
            together(cell, 10, () -> {
                byte[] buffer = new byte[64];
                for (int i = 0; i < 100; i++) {
                    Arrays.fill(buffer, (byte) 'g');
                    Sockets.write(link.stream, buffer);
                    Arrays.fill(buffer, (byte) 'b');
                    sent.addAndGet(buffer.length);
                }
                return null;
            });
            link.stream.shutdown(Direction.OUTPUT);
            byte[] good = new byte[sent.get()];
            Arrays.fill(good, (byte) 'g');
            assertArrayEquals(good, drain.await());
        }
    }

    @Race
    @EveryCase
    void DUP_4_all_operations_at_once_leave_the_stream_in_step(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = Sockets.connect(cell, listener.address());
                Peer peer = listener.accept()) {
            Task<Void> echo = cell.start("echo", () -> {
                byte[] all = peer.receiveAll();
                assertTrue(all.length > 0);
                return null;
            });
            AtomicInteger turn = new AtomicInteger();
            together(cell, 6, () -> {
                int mine = turn.getAndIncrement();
                for (int i = 0; i < 100; i++) {
                    one(stream, mine);
                }
                return null;
            });
            stream.readDeadline(null);
            stream.writeDeadline(null);
            peer.send("<");
            assertEquals('<', stream.in().readByte());
            stream.out().writeString("done");
            stream.shutdown(Direction.OUTPUT);
            echo.await();
        }
    }

    private static void one(SocketStream stream, int which) throws IOException {
        try {
            switch (which) {
                case 0 -> stream.in().readByteNoHang();
                case 1 -> stream.out().writeByte('w');
                case 2 -> {
                    stream.readDeadline(Duration.ofMillis(1));
                    stream.writeDeadline(Duration.ofMillis(1));
                }
                case 3 -> stream.readDeadline(Duration.ofSeconds(1));
                case 4 -> stream.status(Direction.IO, Duration.ZERO);
                default -> assertTrue(stream.localAddress() != null && stream.port() >= 0);
            }
        } catch (SocketTimeoutException e) {
            return; // one of the others has set the deadline: as it should be
        }
    }

    @Race
    @EveryCase
    void DUP_5_records_of_two_writers_are_never_interleaved(Case cell) throws Exception {
        int size = 64 * 1024;
        int records = 20;
        try (Link link = Link.connected(cell)) {
            Task<byte[]> drain = cell.start("drain", link.peer::receiveAll);
            AtomicInteger tag = new AtomicInteger('a');
            together(cell, 2, () -> {
                byte[] record = new byte[size];
                Arrays.fill(record, (byte) tag.getAndIncrement());
                for (int i = 0; i < records; i++) {
                    Sockets.write(link.stream, record);
                }
                return null;
            });
            link.stream.shutdown(Direction.OUTPUT);
            byte[] all = drain.await();
            assertEquals(2 * records * size, all.length);
            for (int at = 0; at < all.length; at++) {
                assertEquals(all[at - at % size], all[at], "in record " + at / size);
            }
        }
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX})
    void DUP_6_ten_acceptors_serve_each_client_once(Case cell) throws Exception {
        int clients = 100;
        try (SocketServer server = Sockets.listen(cell)) {
            AtomicInteger served = new AtomicInteger();
            List<Task<Void>> acceptors = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                acceptors.add(cell.start("acceptor" + i, () -> serve(server, served)));
            }
            for (int i = 0; i < clients; i++) {
                try (Peer peer = Peer.connect(server.localAddress())) {
                    assertEquals('!', peer.receive(1)[0]);
                    peer.expectEnd();
                }
            }
            acceptors.forEach(acceptor -> Blocked.in(acceptor, Sockets.WAIT));
            server.close();
            for (Task<Void> acceptor : acceptors) {
                acceptor.await();
            }
            assertEquals(clients, served.get());
        }
    }

    private static Void serve(SocketServer server, AtomicInteger served) throws IOException {
        try {
            while (true) {
                try (SocketStream stream = server.accept(Sockets.BIVALENT)) {
                    served.incrementAndGet();
                    stream.out().writeByte('!');
                }
            }
        } catch (AsynchronousCloseException e) {
            return null;
        }
    }

    @Race
    @EveryCase
    void DUP_7_closing_from_eight_threads_is_one_close(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.out().writeString("last");
            together(cell, 8, () -> {
                for (int i = 0; i < 3; i++) {
                    link.stream.close();
                }
                return null;
            });
            assertEquals("last", link.peer.receiveText(4));
            link.peer.expectEnd();
        }
    }

    @Tag("nightly")
    @EveryCase
    void DUP_8_a_writer_never_writes_to_the_next_owner_of_its_descriptor(Case cell)
            throws Exception {
        for (int round = 0; round < 50; round++) {
            try (Link old = Link.connected(cell)) {
                Task<Void> writer = cell.start("writer", () -> {
                    Sockets.write(old.stream, Payload.bytes(0, Link.MUCH));
                    return null;
                });
                Blocked.in(writer, Sockets.WAIT);
                old.stream.abort();
                try (Link young = Link.connected(cell)) {
                    writer.failure(IOException.class);
                    young.roundTrip();
                    young.stream.close();
                    young.peer.expectEnd();
                }
            }
        }
    }

    /** Runs {@code body} on so many threads, which begin at the same time. */
    private static void together(Case cell, int threads, Callable<Void> body) throws Exception {
        CountDownLatch go = new CountDownLatch(1);
        List<Task<Void>> tasks = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            tasks.add(cell.start("together" + i, () -> {
                go.await();
                return body.call();
            }));
        }
        go.countDown();
        for (Task<Void> task : tasks) {
            task.await();
        }
    }
}
