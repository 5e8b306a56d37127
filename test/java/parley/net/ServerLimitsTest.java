package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;
import parley.net.tls.TlsOptions;
import parley.testing.Await;
import parley.testing.Child;
import parley.testing.Cpu;
import parley.testing.Guarded;
import parley.testing.Keys;
import parley.testing.Peer;
import parley.testing.Timing;

/** Servers under TLS whose clients are silent, and servers without descriptors. */
@Guarded
@SuppressWarnings("try") // closing early is what some cases are about
class ServerLimitsTest {
    private static final StreamOptions TLS =
            StreamOptions.builder().tls(TlsOptions.of(Keys.context())).build();

    @Test
    void TLS_4_silent_clients_delay_no_other_and_plain_text_is_refused() throws Exception {
        BlockingQueue<Server.Event> events = new LinkedBlockingQueue<>();
        try (Server server = Server.builder(ServerTest.ECHO).streams(TLS).log(events::add).start();
                Peer silent = Peer.connect(server.localAddress());
                Silent more = new Silent().with(9, server.localAddress())) {
            Timing timing = Timing.start();
            try (SocketStream client = SocketStream.connect(server.localAddress(), TLS)) {
                assertEquals("secret", ServerTest.echoed(client, "secret"));
                timing.tookAtMost(Duration.ofSeconds(1));
            }
            try (Peer plain = Peer.connect(server.localAddress())) {
                plain.send("GET / HTTP/1.1\r\n\r\n");
                Await.until("it is refused", () -> server.stats().events().containsKey("tls"));
            }
            assertFalse(silent.readable(Duration.ZERO) || more.anyIsReadable());
            assertFalse(server.stats().events().containsKey("failed"));
        }
    }

    /** Clients that send nothing. */
    private static final class Silent implements AutoCloseable {
        private final List<Peer> peers = new ArrayList<>();

        Silent with(int count, SocketAddress server) throws IOException {
            for (int i = 0; i < count; i++) {
                peers.add(Peer.connect(server));
            }
            return this;
        }

        boolean anyIsReadable() throws IOException {
            for (Peer each : peers) {
                if (each.readable(Duration.ZERO)) {
                    return true;
                }
            }
            return false;
        }

        @Override
        public void close() throws IOException {
            for (Peer each : peers) {
                each.close();
            }
        }
    }

    @Test
    void TLS_4_the_oldest_of_too_many_handshakes_makes_room() throws Exception {
        int most = SocketServer.Handshakes.MOST;
        List<String> refused = new CopyOnWriteArrayList<>();
        try (Server server = Server.builder(ServerTest.ECHO).streams(TLS).log(event -> {
            if (event.kind().equals(ServerEvents.REFUSED)) {
                refused.add(event.reason());
            }
        }).start();
                Peer first = Peer.connect(server.localAddress());
                Silent more = new Silent().with(most - 1, server.localAddress())) {
            try (SocketStream client = SocketStream.connect(server.localAddress(), TLS)) {
                assertEquals("secret", ServerTest.echoed(client, "secret"));
            }
            assertTrue(first.readable(Duration.ofSeconds(20)), "the end");
            assertFalse(more.anyIsReadable());
            Await.until("it is reported", () -> refused.size() == 1);
            assertTrue(refused.get(0).contains("the handshake was given up for newer ones,"
                    + " since " + most + " are the most at a time"), refused::toString);
        }
        try (SocketServer server = SocketServer.listen(0); Silent all = new Silent()) {
            List<SocketStream> streams = new ArrayList<>();
            for (int i = 0; i <= most; i++) {
                all.with(1, new InetSocketAddress("127.0.0.1", server.port()));
                streams.add(server.accept(TLS));
            }
            IOException e = assertThrows(IOException.class, () -> streams.get(0).in().readLine());
            assertTrue(e.getMessage().matches("StreamInput.readLine: [0-9.:]+: the handshake was given up for newer ones,.*"),
                    e::getMessage);
            for (SocketStream each : streams) {
                assertEquals(each == streams.get(0) ? SocketStatus.ERROR : SocketStatus.NONE,
                        each.status(Direction.IO, Duration.ZERO));
                each.close();
            }
        }
    }

    @Test
    void a_proxy_announces_the_peer_before_tls_begins() throws Exception {
        Server.Handler handler = stream -> {
            stream.out().writeLine(Addresses.show(stream.peerAddress()) + " "
                    + (stream.proxyAddress() != null) + " " + stream.tlsSession().protocol());
            ServerTest.ECHO.handle(stream);
        };
        try (Server server = Server.builder(handler).streams(TLS).proxyProtocol().start();
                SocketStream client = ServerTest.connect(server)) {
            client.out().writeString("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
            client.out().flush();
            client.startTls(TlsOptions.of(Keys.context()), true);
            assertEquals("192.168.0.1:56324 true TLSv1.3", ServerTest.echoed(client, "x"));
            assertEquals("x", client.in().readLine());
        }
    }

    // ---- scarcity ----------------------------------------------------------------------------

    @Test
    void the_first_server_of_a_process_has_rehearsed() {
        assertTrue(ServerBuilder.rehearsed(), "its threads wait for each other, or it failed");
    }

    /** Serves in a process of its own until it is told something. */
    static final class Served {
        private Served() {
        }

        /** Listens, and shows the port. */
        public static void main(String[] args) throws IOException {
            try (Server server = Server.builder(ServerTest.ECHO).start()) {
                ServerTest.served(server).close();
                System.out.println("port " + server.port());
                System.in.read();
            }
        }
    }

    @Test
    void a_server_without_descriptors_rests_and_serves_on() throws Exception {
        try (Child child = Child.java(Served.class)) {
            InetSocketAddress address = new InetSocketAddress("127.0.0.1",
                    Integer.parseInt(child.answer("port")));
            child.leaveDescriptors(5);
            List<Peer> clients = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                clients.add(Peer.connect(address));
            }
            long before = Cpu.ticks(child.pid());
            Await.pass(Duration.ofSeconds(1));
            long used = Cpu.ticks(child.pid()) - before;
            assertTrue(used < 60, () -> "ticks of a processor in a second: " + used);
            assertEquals("x\n", clients.get(0).send("x\n").receiveText(2));
            for (Peer each : clients) {
                each.close();
            }
            child.limitDescriptors(4096);
            try (Peer client = Peer.connect(address)) {
                assertEquals("on\n", client.send("on\n").receiveText(3));
            }
            child.tell("end");
        }
    }
}
