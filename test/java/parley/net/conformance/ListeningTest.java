package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import parley.net.ErrorCode;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.testing.Case;
import parley.testing.Child;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Netns;
import parley.testing.Peer;

/** CON, the server's side: binding, and what is said when it fails. */
@Guarded
@SuppressWarnings("try") // closing early is what some cases are about
class ListeningTest {
    @EveryCase
    void CON_5_an_address_in_use_is_named(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell)) {
            SocketAddress taken = server.localAddress();
            IOException e = assertThrows(IOException.class, () -> Sockets.listenAt(taken));
            assertEquals(ErrorCode.EADDRINUSE, ErrorCode.of(e), e::toString);
            assertTrue(e.getMessage().contains(Sockets.text(taken)), e::getMessage);
            Peer.connect(taken).close();
            server.accept().close();
        }
    }

    @Test
    void CON_5_an_address_of_another_machine_is_named() throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null);
            try (Child child = netns.java(OtherMachine.class)) {
                assertEquals("EADDRNOTAVAIL", child.answer("code"));
                assertTrue(child.answer("message").contains("192.0.2.7"));
            }
        }
    }

    /** Tries to listen on an address that its network namespace does not have. */
    public static final class OtherMachine {
        /** The child's entry. */
        public static void main(String[] arguments) {
            Privileged.listen("192.0.2.7", 0);
        }
    }

    @Test
    void CON_5_a_port_that_needs_privilege_is_named() throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null);
            try (Child child = netns.unprivileged(Privileged.class)) {
                assertEquals("EACCES", child.answer("code"));
                assertTrue(child.answer("message").contains("127.0.0.1:81"));
            }
        }
    }

    /** Listens where only the privileged may, and tells what it was told. */
    public static final class Privileged {
        /** The child's entry. */
        public static void main(String[] arguments) {
            listen("127.0.0.1", 81);
        }

        static void listen(String host, int port) {
            try {
                SocketServer.listen(ServerOptions.builder().host(host).port(port).build());
                System.out.println("code none");
            } catch (IOException e) {
                System.out.println("code " + ErrorCode.of(e));
                System.out.println("message " + e.getMessage());
            }
        }
    }

    @EveryCase
    void CON_6_the_same_address_can_be_listened_on_again_and_again(Case cell) throws Exception {
        SocketAddress address = null;
        for (int round = 0; round < 10; round++) {
            try (SocketServer server = address == null ? Sockets.listen(cell)
                    : Sockets.listenAt(address)) {
                address = server.localAddress();
                try (Peer peer = Peer.connect(address); SocketStream stream = server.accept()) {
                    stream.close(); // first, so that this side keeps the connection in TIME_WAIT
                    peer.expectEnd();
                }
            }
        }
    }

    @EveryCase
    void CON_6_the_address_of_a_killed_server_can_be_listened_on_again(Case cell)
            throws Exception {
        SocketAddress address = cell.family().deserted();
        if (cell.family() == Family.UNIX) {
            address = cell.family().unbound();
        }
        try (Child child = Child.java(Abiding.class, cell.family().name(),
                address.toString())) {
            SocketAddress bound = Abiding.address(cell.family(), child.answer("listening"));
            try (Peer peer = Peer.connect(bound)) {
                child.answer("accepted");
                child.kill();
                peer.expectEnd();
            }
            try (SocketServer again = Sockets.listenAt(bound);
                    Peer peer = Peer.connect(bound); SocketStream stream = again.accept()) {
                peer.send("x");
                assertEquals('x', stream.inputStream().read());
            }
        }
    }

    /** Listens, accepts one connection and waits to be killed. */
    public static final class Abiding {
        /** The child's entry: the family, and the path of a Unix-domain socket. */
        public static void main(String[] arguments) throws Exception {
            Family family = Family.valueOf(arguments[0]);
            SocketServer server = SocketServer.listen(family == Family.UNIX
                    ? ServerOptions.builder().path(Path.of(arguments[1])).build()
                    : ServerOptions.builder().host(family.host()).port(0).build());
            System.out.println("listening " + (family == Family.UNIX ? arguments[1]
                    : server.port()));
            SocketStream stream = server.accept();
            System.out.println("accepted " + stream);
            new CountDownLatch(1).await();
        }

        static SocketAddress address(Family family, String told) {
            return family == Family.UNIX ? java.net.UnixDomainSocketAddress.of(told)
                    : new InetSocketAddress(family.host(), Integer.parseInt(told));
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void CON_7_two_live_servers_cannot_share_a_port(Case cell) throws Exception {
        try (SocketServer first = Sockets.listen(cell)) {
            for (int i = 0; i < 3; i++) {
                IOException e = assertThrows(IOException.class,
                        () -> Sockets.listenAt(first.localAddress()));
                assertEquals(ErrorCode.EADDRINUSE, ErrorCode.of(e), e::toString);
            }
        }
    }

    @Test
    void CON_13_a_connection_aborted_before_accept_is_skipped() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/strace")));
        try (Child child = Child.java(Abiding.class, "TCP4", "")) {
            SocketAddress address = Abiding.address(Family.TCP4, child.answer("listening"));
            try (Child strace = Child.injecting(child, "accept,accept4", "ECONNABORTED", "when=1");
                    Peer peer = Peer.connect(address)) {
                child.answer("accepted");
                assertTrue(strace.pid() > 0);
                peer.endOutput();
            }
        }
    }

    @Test
    void CON_14_no_name_means_all_ipv4_interfaces() throws Exception {
        try (SocketServer server = SocketServer.listen(0)) {
            assertEquals("0.0.0.0", server.host());
            reachable(server, "127.0.0.1");
        }
    }

    @Test
    void CON_14_a_name_means_what_it_says() throws Exception {
        Set<String> names = Family.TCP6.available()
                ? Set.of("localhost", "127.0.0.1", "0.0.0.0", "::1")
                : Set.of("localhost", "127.0.0.1", "0.0.0.0");
        for (String name : names) {
            try (SocketServer server = SocketServer.listen(
                    ServerOptions.builder().host(name).port(0).build())) {
                reachable(server, name.equals("0.0.0.0") ? "127.0.0.1" : name);
            }
        }
    }

    private static void reachable(SocketServer server, String host) throws IOException {
        try (SocketStream client = SocketStream.connect(host, server.port(), Sockets.BIVALENT);
                SocketStream accepted = server.accept(Sockets.BIVALENT)) {
            client.out().writeByte('x');
            client.out().flush();
            assertEquals('x', accepted.in().readByte());
        }
    }
}
