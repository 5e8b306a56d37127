package parley.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketAddress;
import java.net.SocketException;
import java.time.Duration;
import org.junit.jupiter.api.Test;

@Guarded
class FaultProxyTest {
    private static final Duration SHORT = Duration.ofMillis(50);

    /** What is done with a client and the server behind a proxy. */
    private interface Body {
        void run(Peer client, Peer server, FaultProxy proxy) throws Exception;
    }

    private static void through(Fault.Kind up, Body body) throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                FaultProxy proxy = FaultProxy.before(
                        listener.address(), Family.TCP4, up, Fault.none(), 1);
                Peer client = Peer.connect(proxy.address()); Peer server = listener.accept()) {
            body.run(client, server, proxy);
        }
    }

    @Test
    void the_slicer_changes_the_pieces_and_not_the_bytes() throws Exception {
        Seeds.with(random -> {
            byte[] sent = Seeds.bytes(random, 5_000);
            through(Fault.slicer(7, 3, Duration.ZERO), (client, server, proxy) -> {
                client.send(sent).endOutput();
                assertArrayEquals(sent, server.receiveAll());
            });
        });
    }

    @Test
    void latency_delays() throws Exception {
        through(Fault.latency(SHORT, Duration.ZERO), (client, server, proxy) -> {
            Timing timing = Timing.start();
            client.send("x");
            server.receive(1);
            timing.tookAbout(SHORT);
        });
    }

    @Test
    void bandwidth_limits_the_rate() throws Exception {
        through(Fault.bandwidth(20_000), (client, server, proxy) -> {
            Timing timing = Timing.start();
            client.send(new byte[2_000]);
            server.receive(2_000);
            timing.tookAbout(Duration.ofMillis(90));
        });
    }

    @Test
    void slow_close_delays_the_end_alone() throws Exception {
        through(Fault.slowClose(SHORT), (client, server, proxy) -> {
            Timing timing = Timing.start();
            client.send("x").endOutput();
            server.receive(1);
            server.expectEnd();
            timing.tookAbout(SHORT);
        });
    }

    @Test
    void timeout_zero_swallows_for_ever() throws Exception {
        through(Fault.timeout(Duration.ZERO), (client, server, proxy) -> {
            client.send("x");
            assertFalse(server.readable(SHORT));
        });
    }

    @Test
    void timeout_closes_in_time() throws Exception {
        through(Fault.timeout(SHORT), (client, server, proxy) -> {
            Timing timing = Timing.start();
            client.send("x");
            server.expectEnd();
            timing.tookAbout(SHORT);
        });
    }

    @Test
    void reset_peer_resets_both_sides() throws Exception {
        through(Fault.resetPeer(SHORT), (client, server, proxy) -> {
            client.send("x");
            assertThrows(SocketException.class, () -> server.receive(1));
            assertThrows(SocketException.class, () -> client.receive(1));
        });
    }

    @Test
    void limit_data_cuts_after_so_many_bytes() throws Exception {
        through(Fault.limitData(1_000), (client, server, proxy) -> {
            client.send(new byte[999], new byte[1]);
            assertEquals(1_000, server.receiveAll().length);
        });
    }

    private static boolean isRefused(SocketAddress address) throws IOException {
        try {
            Peer.connect(address).close();
            return false;
        } catch (ConnectException e) {
            return true;
        }
    }

    @Test
    void down_cuts_and_refuses() throws Exception {
        through(Fault.none(), (client, server, proxy) -> {
            client.send("x");
            server.receive(1);
            proxy.down();
            server.expectEnd();
            // its accept lets go of the port when its thread has noticed
            Await.until("the port is refused", () -> isRefused(proxy.address()));
        });
    }

    @Test
    void a_failure_tells_the_seed() throws Exception {
        AssertionError failure = assertThrows(AssertionError.class, () -> Seeds.with(random -> {
            throw new IOException("wrong");
        }));
        assertTrue(failure.getMessage().matches("wrong \\(again with -Dparley.test.seed=-?\\d+\\)"),
                failure.getMessage());
    }
}
