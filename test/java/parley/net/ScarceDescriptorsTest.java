package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Executor;
import org.junit.jupiter.api.Test;
import parley.net.wait.BatchingExecutor;
import parley.testing.Await;
import parley.testing.Child;
import parley.testing.Cpu;
import parley.testing.Descriptors;
import parley.testing.Guarded;
import parley.testing.Peer;

/** An intake of connections in a process that runs out of descriptors. */
@Guarded
class ScarceDescriptorsTest {
    private static final Duration SHORTAGE = Duration.ofSeconds(1);
    private static final int CLIENTS = 40;

    /** A server on an intake that answers each line; its log goes to the same lines. */
    static final class Server {
        private static final Executor POOL = task -> {
            Thread thread = new Thread(task, "pool");
            thread.setDaemon(true);
            thread.start();
        };
        private static final BatchingExecutor BATCHES = new BatchingExecutor(POOL);

        private Server() {
        }

        /** Serves until it is told something. */
        public static void main(String[] args) throws IOException {
            Locale.setDefault(Locale.ENGLISH); // the names of the levels that the test reads
            SocketServer server = SocketServer.listen(ServerOptions.builder().host("127.0.0.1")
                    .backlog(100).build());
            serve(Intake.connections(server, StreamOptions.DEFAULT, BATCHES));
            System.out.println("listening " + server.port());
            System.in.read();
            System.out.println("bye");
        }

        private static void serve(Intake<SocketStream> connections) {
            connections.take(stream -> {
                serve(connections);
                answer(stream, Intake.elements(stream, Framing.lines(100), BATCHES),
                        new Outlet<>(stream, Framing.lines(100), Outlet.Ending.CLOSE, BATCHES));
            });
        }

        private static void answer(SocketStream stream, Intake<String> in, Outlet<String> out) {
            in.take(line -> {
                if (line == null) {
                    out.close();
                } else {
                    out.put(line, accepted -> answer(stream, in, out));
                }
            });
        }
    }

    @Test
        void RES_1_accepting_pauses_logs_it_once_and_goes_on() throws Exception {
        assumeTrue(Descriptors.visible());
        try (Child child = Child.java(Server.class)) {
            int port = Integer.parseInt(child.answer("listening"));
            echo(port); // everything is loaded and open
            child.leaveDescriptors(5);
            List<SocketChannel> clients = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                clients.add(SocketChannel.open(address(port)));
            }
            child.answer("WARNING: parley: #<connections of");
            Await.pass(SHORTAGE);
            Cpu.assertIdle(child.pid());
            child.limitDescriptors(4096);
            for (SocketChannel each : clients) {
                try (Peer peer = new Peer(each)) {
                    assertEquals("in the end\n", peer.send("in the end\n").receiveText(11));
                }
            }
            echo(port);
            child.tell("enough");
            for (String line = child.line(); !line.equals("bye"); line = child.line()) {
                assertFalse(line.startsWith("WARNING"), line);
            }
        }
    }

    private static InetSocketAddress address(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    private static void echo(int port) throws IOException {
        try (Peer peer = Peer.connect(address(port))) {
            assertEquals("hello\n", peer.send("hello\n").receiveText(6));
        }
    }
}
