package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.channels.AlreadyConnectedException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import parley.net.Direction;
import parley.net.ErrorCode;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Child;
import parley.testing.Descriptors;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Race;
import parley.testing.Task;
import parley.testing.TemporaryPaths;
import parley.testing.Timing;
import parley.testing.Watchdog.Within;

/** CON, the client's side: connecting, and what is said when it fails. */
@Guarded
class ConnectingTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    @EveryCase
    void CON_1_a_port_without_a_listener_refuses_and_the_address_is_named(Case cell) throws Exception {
        SocketAddress nobody = cell.family().deserted();
        for (Duration timeout : new Duration[] {null, LONG}) {
            ConnectException e = assertThrows(ConnectException.class,
                    () -> SocketStream.connect(nobody, Sockets.timeout(timeout)));
            isRefusal(e, nobody);
        }
    }

    @EveryCase
    void CON_1_a_port_without_a_listener_refuses_timeout_zero_now_or_later(Case cell)
            throws Exception {
        SocketAddress nobody = cell.family().deserted();
        IOException e = assertThrows(IOException.class, () -> {
            try (SocketStream stream = SocketStream.connect(nobody,
                    Sockets.timeout(Duration.ZERO))) {
                assertEquals(SocketStatus.ERROR, stream.status(Direction.IO, LONG));
                assertEquals(ErrorCode.ECONNREFUSED, ErrorCode.of(stream.error()));
                stream.in().readByte();
            }
        });
        isRefusal(e, nobody);
    }

    private static void isRefusal(IOException e, SocketAddress nobody) {
        assertEquals(ErrorCode.ECONNREFUSED, ErrorCode.of(e), e::toString);
        assertTrue(e.getMessage().contains(Sockets.text(nobody)), e::getMessage);
    }

    @EveryCase(over = Family.UNIX)
    void CON_1_a_missing_socket_file_is_named(Case cell) {
        SocketAddress missing = cell.family().unbound();
        IOException e = assertThrows(IOException.class, () -> Sockets.connect(missing));
        assertTrue(e.getMessage().contains(missing.toString()), e::getMessage);
        assertEquals(ErrorCode.ENOENT, ErrorCode.of(e), e::toString);
    }

    @EveryCase(over = Family.TCP4)
    void CON_3_an_unknown_host_is_named(Case cell) {
        UnknownHostException e = assertThrows(UnknownHostException.class,
                () -> SocketStream.connect("no-such-host.invalid", 80, Sockets.BIVALENT));
        assertTrue(e.getMessage().contains("no-such-host.invalid"), e::getMessage);
        // which of the two depends on whether a name server can be reached
        assertTrue(Set.of(ErrorCode.EAI_NONAME, ErrorCode.EAI_AGAIN).contains(ErrorCode.of(e)),
                () -> ErrorCode.of(e) + " of " + e);
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CON_4_a_name_with_two_addresses_reaches_the_one_that_listens(Case cell)
            throws Exception {
        Path hosts = Files.writeString(TemporaryPaths.fresh(), "127.0.0.1 two.test\n::1 two.test\n");
        try (PeerListener listener = PeerListener.on(cell.family());
                Child child = Child.java(List.of("-Djdk.net.hosts.file=" + hosts), ByName.class,
                        "two.test", "" + listener.port());
                Peer peer = listener.accept()) {
            peer.send("x");
            assertEquals("x two.test " + listener.port(), child.answer("read "));
        }
    }

    /** Reads a byte from a host and a port. */
    public static final class ByName {
        /** The child's entry: the two. */
        public static void main(String[] arguments) throws IOException {
            try (SocketStream stream = SocketStream.connect(arguments[0],
                    Integer.parseInt(arguments[1]), Sockets.BIVALENT)) {
                System.out.println("read " + (char) stream.in().readByte() + " " + stream.host()
                        + " " + stream.port());
            }
        }
    }

    @EveryCase
    void CON_8_a_channel_is_not_connected_twice(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            assertThrows(AlreadyConnectedException.class,
                    () -> link.stream.channel().connect(link.stream.peerAddress()));
            link.roundTrip();
        }
        SocketChannel unconnected = cell.family().open();
        try (unconnected) {
            String said = assertThrows(IllegalArgumentException.class,
                    () -> SocketStream.adopt(unconnected, Sockets.BIVALENT)).getMessage();
            assertTrue(said.contains("expected an open and connected SocketChannel"), said);
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CON_9_refused_connects_leave_no_descriptor(Case cell) throws Exception {
        assumeTrue(Descriptors.visible());
        SocketAddress nobody = cell.family().deserted();
        long before = Descriptors.sockets();
        for (int i = 0; i < 5_000; i++) {
            assertThrows(ConnectException.class, () -> Sockets.connect(nobody));
        }
        assertEquals(before, Descriptors.sockets());
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CON_9_timed_out_connects_leave_no_descriptor(Case cell) throws Exception {
        assumeTrue(Descriptors.visible());
        try (PeerListener full = PeerListener.full(cell.family())) {
            long before = Descriptors.sockets();
            for (int i = 0; i < 20; i++) {
                assertThrows(SocketTimeoutException.class, () -> SocketStream.connect(
                        full.address(), Sockets.timeout(Duration.ofMillis(5))));
            }
            assertEquals(before, Descriptors.sockets());
        }
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CON_10_an_interrupt_ends_a_pending_connect_and_frees_it(Case cell) throws Exception {
        try (PeerListener full = PeerListener.full(cell.family())) {
            long before = Descriptors.visible() ? Descriptors.sockets() : 0;
            Task<SocketStream> task = cell.start("connecting",
                    () -> Sockets.connect(full.address()));
            Blocked.in(task, "parley.net.wait.Poller.poll");
            Timing timing = Timing.start();
            task.interrupt();
            InterruptedIOException e = task.failure(InterruptedIOException.class);
            assertFalse(e instanceof SocketTimeoutException, e::toString);
            timing.endedWithin(Duration.ofMillis(500), task);
            assertTrue(task.interruptedAtEnd(), "the flag is set");
            assertEquals(before, Descriptors.visible() ? Descriptors.sockets() : 0);
        }
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CON_10_close_ends_a_pending_connect_and_frees_it(Case cell) throws Exception {
        try (PeerListener full = PeerListener.full(cell.family())) {
            long before = Descriptors.visible() ? Descriptors.sockets() : 0;
            SocketStream stream = SocketStream.connect(full.address(),
                    Sockets.timeout(Duration.ZERO));
            assertEquals(SocketStatus.NONE, stream.status(Direction.IO, Duration.ZERO));
            Timing timing = Timing.start();
            stream.close();
            timing.tookAtMost(Duration.ofMillis(500));
            assertEquals(before, Descriptors.visible() ? Descriptors.sockets() : 0);
        }
    }

    @EveryCase(over = Family.TCP4)
    void CON_a_port_that_is_none_is_named(Case cell) {
        for (int port : new int[] {-1, 65_536, 70_000}) {
            IllegalArgumentException e = assertThrows(IllegalArgumentException.class,
                    () -> SocketStream.connect("localhost", port, Sockets.BIVALENT));
            assertTrue(e.getMessage().contains(Integer.toString(port)), e::getMessage);
            assertTrue(e.getMessage().contains("65535"), e::getMessage);
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CON_port_zero_is_refused(Case cell) {
        IOException e = assertThrows(IOException.class,
                () -> SocketStream.connect(cell.family().host(), 0, Sockets.BIVALENT));
        assertEquals(ErrorCode.ECONNREFUSED, ErrorCode.of(e), e::toString);
    }

    @Tag("nightly")
    @Within(seconds = 300)
    @EveryCase(over = Family.TCP4)
    void CON_12_a_connection_to_itself_is_never_handed_out(Case cell) throws Exception {
        int port; // one that the kernel may choose for the client, too
        try (SocketServer server = Sockets.listen(cell)) {
            port = server.port();
        }
        for (int i = 0; i < 100_000; i++) {
            try (SocketStream stream = SocketStream.connect(
                    cell.family().host(), port, Sockets.BIVALENT)) {
                assertNotEquals(stream.localAddress(), stream.peerAddress());
            } catch (ConnectException e) {
                assertEquals(ErrorCode.ECONNREFUSED, ErrorCode.of(e));
            }
        }
    }

    @EveryCase
    void CON_a_server_that_is_gone_refuses(Case cell) throws Exception {
        SocketAddress address;
        try (SocketServer server = Sockets.listen(cell)) {
            address = server.localAddress();
            Sockets.connect(address).close();
        }
        IOException e = assertThrows(IOException.class, () -> Sockets.connect(address));
        assertTrue(Set.of(ErrorCode.ECONNREFUSED, ErrorCode.ENOENT).contains(ErrorCode.of(e)),
                e::toString);
    }
}
