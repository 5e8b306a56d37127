package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.function.Executable;
import parley.net.WaitMode;
import parley.net.Direction;
import parley.net.SocketServer;
import parley.net.SocketStream;
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
import parley.testing.Threads;
import parley.testing.Timing;

/** CL: closing from elsewhere. */
@Guarded
@OverHandlesToo
@SuppressWarnings("try") // closing early is what some cases are about
class ClosingTest {
    private static final Duration PROMPT = Duration.ofMillis(100);

    @Race
    @EveryCase
    void CL_1_close_ends_a_blocked_call_promptly(Case cell, Call call) throws Exception {
        try (Stuck stuck = call.in(cell)) {
            Task<Void> task = cell.start("blocked", () -> {
                stuck.call(null);
                return null;
            });
            Blocked.in(task, Sockets.WAIT);
            Timing timing = Timing.start();
            try {
                stuck.object().close();
            } catch (SocketTimeoutException e) { // the peer does not take the end of TLS
                assertTrue(cell.family().isTls(), e::toString);
            }
            task.failure(AsynchronousCloseException.class);
            timing.endedWithin(PROMPT, task);
            assertFalse(stuck.object().isOpen());
        }
    }

    @EveryCase
    void CL_1_a_call_that_begins_as_its_object_is_closed_sees_no_end(Case cell)
            throws Exception {
        int rounds = Race.Rounds.of(cell.family().isTls() ? 2 : 25); // handshakes take long
        for (int i = 0; i < rounds; i++) {
            closeAsCallsBegin(cell);
        }
    }

    private static void closeAsCallsBegin(Case cell) throws Exception {
        for (Call call : List.of(Call.READ_BYTE, Call.READ_CHAR, Call.READ_LINE, Call.READ_BYTES,
                Call.READER_VIEW, Call.INPUT_VIEW, Call.STATUS, Call.ACCEPT)) {
            try (Stuck stuck = call.in(cell)) {
                CountDownLatch begins = new CountDownLatch(1);
                Task<Void> task = cell.start("beginning", () -> {
                    begins.countDown();
                    stuck.call(null);
                    return null;
                });
                begins.await();
                stuck.object().close();
                Exception e = task.failure(Exception.class);
                assertTrue(e instanceof ClosedChannelException
                        || e instanceof IllegalStateException, call + ": " + e);
            }
        }
    }

    @Race
    @EveryCase
    void CL_1_close_ends_all_of_several_blocked_calls(Case cell) throws Exception {
        try (Link link = Link.connected(cell); SocketServer server = Sockets.listen(cell)) {
            List<Task<?>> tasks = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                tasks.add(cell.start("status" + i,
                        () -> link.stream.status(Direction.INPUT, null)));
                tasks.add(cell.start("accept" + i, () -> server.accept()));
            }
            tasks.add(cell.start("reader", () -> link.stream.in().readByte()));
            for (Task<?> task : tasks) {
                Blocked.in(task, Sockets.WAIT);
            }
            link.stream.close();
            server.close();
            for (Task<?> task : tasks) {
                task.failure(AsynchronousCloseException.class);
            }
        }
    }

    @Race
    @EveryCase
    void CL_2_the_peer_of_a_closed_reader_reads_a_clean_end(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            Task<Integer> reader = cell.start("reader", () -> link.stream.in().readByte());
            Blocked.in(reader, Sockets.WAIT);
            Timing timing = Timing.start();
            link.stream.close();
            link.peer.expectEnd();
            timing.tookAtMost(PROMPT);
            reader.failure(AsynchronousCloseException.class);
        }
    }

    @Tag("nightly")
    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CL_3_closing_during_a_refused_connect_never_hangs(Case cell) throws Exception {
        SocketAddress nobody = cell.family().deserted();
        for (int round = 0; round < 50; round++) {
            SocketStream stream = openConnecting(nobody);
            if (stream == null) {
                continue;
            }
            Task<Integer> reader = cell.start("reader", () -> stream.in().readByte());
            Await.pass(Duration.ofMillis(round % 20));
            stream.close();
            Exception e = reader.failure(Exception.class);
            assertTrue(e instanceof IOException || e instanceof IllegalStateException,
                    e::toString); // the latter where the close came first
        }
    }

    /** Null when the refusal came before the call returned. */
    private static SocketStream openConnecting(SocketAddress address) throws IOException {
        try {
            return SocketStream.connect(address, Sockets.timeout(Duration.ZERO));
        } catch (java.net.ConnectException e) {
            return null;
        }
    }

    @Race(2)
    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX})
    void CL_4_close_of_a_server_during_connects_leaves_nothing_accepted(Case cell)
            throws Exception {
        try (SocketServer server = Sockets.listen(cell)) {
            SocketAddress address = server.localAddress();
            Task<Void> acceptor = cell.start("acceptor", () -> acceptAll(server));
            Task<Void> storm = Threads.PLATFORM.start("storm", () -> connectAll(address));
            Await.pass(Duration.ofMillis(7));
            server.close();
            acceptor.await();
            storm.await();
        }
    }

    private static Void acceptAll(SocketServer server) throws IOException {
        try {
            while (true) {
                server.accept().close();
            }
        } catch (AsynchronousCloseException | IllegalStateException e) {
            return null; // closed during a call, or between two
        }
    }

    private static Void connectAll(SocketAddress address) {
        try {
            while (true) {
                Peer.connect(address).close();
            }
        } catch (IOException e) {
            return null; // nobody listens there any more
        }
    }

    @EveryCase
    void CL_6_every_call_on_a_closed_stream_reports_it(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            SocketStream s = link.stream;
            s.close();
            Map<String, Executable> calls = new LinkedHashMap<>();
            calls.put("readByte", () -> s.in().readByte());
            calls.put("readChar", () -> s.in().readChar());
            calls.put("peekChar", () -> s.in().peekChar());
            calls.put("readLine", () -> s.in().readLine());
            calls.put("readBytes", () -> s.in().readBytes(new byte[1], 0, 1, WaitMode.FULL));
            calls.put("listen", () -> s.in().listen());
            calls.put("writeByte", () -> s.out().writeByte(1));
            calls.put("writeChar", () -> s.out().writeChar('c'));
            calls.put("writeString", () -> s.out().writeString("s"));
            calls.put("writeBytes", () -> s.out().writeBytes(new byte[1], 0, 1, WaitMode.FULL));
            calls.put("force", () -> s.out().flush());
            calls.put("finish", () -> s.out().flush());
            calls.put("status", () -> s.status(Direction.IO, Duration.ZERO));
            calls.put("shutdown", () -> s.shutdown(Direction.OUTPUT));
            calls.forEach(ClosingTest::saysClosed);
            assertFalse(s.isOpen());
            s.close();
            s.abort();
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX})
    void CL_6_every_call_on_a_closed_server_reports_it(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell)) {
            int port = server.port();
            server.close();
            Map<String, Executable> calls = new LinkedHashMap<>();
            calls.put("accept", server::accept);
            calls.put("awaitConnection", () -> server.awaitConnection(Duration.ZERO));
            calls.put("status", () -> server.status(Direction.INPUT, Duration.ZERO));
            calls.forEach(ClosingTest::saysClosed);
            assertEquals(port, server.port(), "the port is still told");
            server.close();
        }
    }

    private static void saysClosed(String name, Executable call) {
        IllegalStateException e = assertThrows(IllegalStateException.class, call, name);
        assertTrue(e.getMessage().contains(" is closed"), name + ": " + e.getMessage());
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CL_6_a_stream_closed_before_its_connect_is_done_is_closed(Case cell) throws Exception {
        try (Stuck stuck = Call.CONNECTING.in(cell)) {
            stuck.object().close();
            assertThrows(IllegalStateException.class, () -> stuck.call(null));
        }
    }
}
