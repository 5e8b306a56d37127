package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import parley.net.FaultsTest.Operation;
import parley.net.StatusCheck.StatusList;
import parley.testing.Child;
import parley.testing.Classes;
import parley.testing.Descriptors;
import parley.testing.Guarded;

/** Every operation of streams that are open while the process has no descriptor left. */
@Guarded
class ScarceFaultsTest {
    @Test
    void what_is_open_can_be_used_without_a_descriptor_left() throws Exception {
        assumeTrue(Descriptors.visible());
        try (Child child = Child.java(Starved.class)) {
            child.answer("starved");
            List<String> failed = new ArrayList<>();
            String outcome = child.line();
            for (; !outcome.equals("done"); outcome = child.line()) {
                if (!outcome.endsWith(" works")) {
                    failed.add(outcome);
                }
            }
            assertEquals(List.of(), failed);
        }
    }

    /** Opens, uses up all descriptors, and uses what is open. */
    public static final class Starved {
        private final SocketStream stream;
        private final SocketStream accepted; // held, or it would be collected
        private final SocketChannel peer;
        private final SocketServer server;
        private final StatusSet set = new StatusSet();

        private Starved() throws IOException {
            server = SocketServer.listen(ServerOptions.builder().host("127.0.0.1").build());
            stream = SocketStream.connect("127.0.0.1", server.port(), StreamOptions.builder()
                    .elementType(ElementType.BIVALENT).buffered(false).build());
            accepted = server.accept();
            peer = accepted.channel();
            stream.readTimeout(Duration.ofSeconds(20));
            stream.writeTimeout(Duration.ofSeconds(20));
            set.add(stream, Direction.IO);
            set.add(server, Direction.INPUT);
        }

        /** The child's entry. */
        public static void main(String[] arguments) throws Exception {
            Classes.load(SocketServer.class, "parley.net", "parley.posix");
            Classes.load(ScarceFaultsTest.class, "parley.net");
            new Starved().run();
        }

        private interface Use {
            void run() throws Throwable;
        }

        private static void use(Object name, Use use) {
            String outcome = " works";
            try {
                use.run();
            } catch (IllegalStateException e) {
                outcome = e.getMessage().contains(": ") ? outcome : " " + e; // nothing to unread
            } catch (Throwable e) {
                outcome = ": " + e;
            }
            System.out.println(name + outcome);
        }

        private void run() throws Exception {
            Thread feeder = new Thread(this::feed, "test-feeder");
            feeder.setDaemon(true);
            feeder.start();
            useAll(false);
            List<FileInputStream> hog = new ArrayList<>();
            try {
                while (hog.size() < 1_000_000) {
                    hog.add(new FileInputStream("/dev/null"));
                }
            } catch (IOException e) {
                System.out.println("starved " + e.getMessage());
            }
            useAll(true);
            use("abort", stream::abort);
            use("accepted.abort", accepted::abort);
            use("server.close", server::close);
            use("set.close", set::close);
            System.out.println("done");
        }

        private void useAll(boolean starved) {
            FaultsTest.operations().map(Operation.class::cast).forEach(operation ->
                    use(operation, () -> operation.call(stream, c -> c == 's')));
            use("status", () -> stream.status(Direction.INPUT, Duration.ofSeconds(20)));
            use("server.status", () -> server.status(Direction.INPUT, Duration.ZERO));
            use("set.check", () -> set.check(Duration.ofSeconds(20)));
            use("list", () -> StatusList.check(new Pollable[] {stream},
                    new Direction[] {Direction.INPUT}, Duration.ofSeconds(20)));
            use("whenReady", () -> Reactor.shared().whenReady(
                    stream, Direction.INPUT, status -> { }).close());
            if (starved) {
                use("shutdown", () -> stream.shutdown(Direction.OUTPUT));
            }
        }

        /** Sends and takes, slowly, so that the stream often has to wait. */
        private void feed() {
            ByteBuffer line = ByteBuffer.wrap("some text, and\nmore s\n".getBytes());
            ByteBuffer taken = ByteBuffer.allocate(1024);
            try {
                while (peer.isOpen()) {
                    peer.write(line.rewind());
                    peer.read(taken.clear());
                    LockSupport.parkNanos(3_000_000);
                }
            } catch (IOException e) {
                return; // the stream is closed
            }
        }
    }
}
