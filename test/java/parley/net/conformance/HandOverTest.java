package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import parley.net.Direction;
import parley.net.Intake;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.Race;

/** RES: what was accepted belongs to somebody, or is closed. */
@Guarded
class HandOverTest {
    private final BlockingQueue<Throwable> failures = new LinkedBlockingQueue<>();
    private final BlockingQueue<SocketStream> taken = new LinkedBlockingQueue<>();

    /** A thread for each task; what a task throws is noted. */
    private Executor executor(Case cell) {
        return task -> cell.start("receiver", () -> {
            try {
                task.run();
            } catch (Throwable e) {
                failures.add(e);
            }
            return null;
        });
    }

    @Race
    @EveryCase
    void RES_9_a_stream_that_its_receiver_did_not_take_is_closed(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell);
                Intake<SocketStream> connections = Intake.connections(
                        server, Sockets.BIVALENT, executor(cell))) {
            connections.take(stream -> { // before a client is there
                throw new IllegalStateException("on purpose");
            });
            try (Peer peer = Peer.connect(server.localAddress())) {
                peer.expectEnd();
            }
            try (Peer peer = Peer.connect(server.localAddress())) {
                server.status(Direction.INPUT, null);
                connections.take(stream -> { // and after
                    throw new StackOverflowError("on purpose");
                });
                peer.expectEnd();
            }
            connections.take(taken::add);
            try (Peer peer = Peer.connect(server.localAddress());
                    SocketStream stream = taken.poll(10, TimeUnit.SECONDS)) {
                peer.send("x");
                assertEquals('x', stream.in().readByte());
            }
            assertEquals("on purpose", failures.poll(10, TimeUnit.SECONDS).getMessage());
            assertEquals("on purpose", failures.poll(10, TimeUnit.SECONDS).getMessage());
        }
    }

    @EveryCase
    void RES_9_an_accept_with_a_mistake_takes_nothing(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell);
                Peer peer = Peer.connect(server.localAddress())) {
            String said = assertThrows(IllegalArgumentException.class,
                    () -> server.accept((StreamOptions) null)).getMessage();
            assertEquals("SocketServer.accept: the options are null, expected StreamOptions, such as"
                    + " StreamOptions.DEFAULT", said);
            assertThrows(IllegalArgumentException.class, () -> server.acceptNow(null));
            try (SocketStream stream = server.accept(Sockets.BIVALENT)) {
                peer.send("x");
                assertEquals('x', stream.in().readByte());
            }
        }
    }
}
