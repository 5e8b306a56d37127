package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import parley.net.Direction;
import parley.net.ErrorCode;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.posix.Descriptor;
import parley.posix.Posix;
import parley.posix.SockAddr;
import parley.testing.Blocked;
import parley.testing.Child;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.Timing;
import parley.testing.TemporaryPaths;

/** UDS: Unix-domain sockets and their files. */
@Guarded
class UnixDomainTest {
    private static SocketServer listen(Path path) throws IOException {
        return SocketServer.listen(ServerOptions.builder().path(path).build());
    }

    private static void works(SocketServer server, Path path) throws IOException {
        try (Peer peer = Peer.connect(UnixDomainSocketAddress.of(path));
                SocketStream stream = server.accept(Sockets.BIVALENT)) {
            peer.send("x");
            assertEquals('x', stream.in().readByte());
        }
    }

    @Test
    void UDS_1_the_file_of_a_dead_server_is_replaced() throws Exception {
        Path path = TemporaryPaths.fresh();
        try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            dead.bind(UnixDomainSocketAddress.of(path)); // the JDK leaves the file behind
        }
        assertTrue(Files.exists(path));
        try (SocketServer server = listen(path)) {
            works(server, path);
        }
    }

    @Test
    void UDS_1_the_file_of_a_live_server_is_left_alone() throws Exception {
        Path path = TemporaryPaths.fresh();
        try (SocketServer live = listen(path)) {
            IOException e = assertThrows(IOException.class, () -> listen(path));
            assertEquals(ErrorCode.EADDRINUSE, ErrorCode.of(e), e::toString);
            assertTrue(e.getMessage().contains(path.toString()), e::getMessage);
            assertEquals(SocketStatus.NONE, live.status(Direction.INPUT, Duration.ZERO));
            works(live, path);
        }
    }

    @Test
    void UDS_1_the_file_of_a_dead_server_is_replaced_though_an_old_connection_lives()
            throws Exception {
        Path path = TemporaryPaths.fresh();
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
        ServerSocketChannel old = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        old.bind(address);
        SocketChannel client = SocketChannel.open(address);
        SocketChannel served = old.accept();
        old.close();
        try (client; served; SocketServer server = listen(path)) {
            works(server, path);
        }
        assertFalse(Files.exists(path.resolveSibling(path.getFileName() + ".lock")));
    }

    @Test
    void UDS_1_an_abstract_name_that_ends_in_the_path_is_no_server_there() throws Exception {
        assumeTrue(Posix.available() && Posix.platform().equals("Linux"));
        Path path = TemporaryPaths.fresh();
        leaveBehind(path);
        try (Descriptor other = parley.posix.Sockets.socket("unix", "stream", 0)) {
            parley.posix.Sockets.bind(other, SockAddr.ofPath("\0x " + path));
            parley.posix.Sockets.listen(other, 1);
            try (SocketServer server = listen(path)) {
                works(server, path);
            }
        }
    }

    @Test
    void UDS_1_of_many_servers_that_replace_a_dead_one_at_once_one_wins() throws Exception {
        int rounds = 50;
        for (int round = 0; round < rounds; round++) {
            Path path = TemporaryPaths.fresh();
            leaveBehind(path);
            CyclicBarrier start = new CyclicBarrier(4);
            Queue<SocketServer> servers = new ConcurrentLinkedQueue<>();
            List<Task<Void>> tasks = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                tasks.add(Threads.PLATFORM.start("starts", () -> {
                    start.await(10, TimeUnit.SECONDS);
                    try {
                        servers.add(listen(path));
                    } catch (IOException e) {
                        assertEquals(ErrorCode.EADDRINUSE, ErrorCode.of(e), e::toString);
                    }
                    return null;
                }));
            }
            for (Task<Void> each : tasks) {
                each.await();
            }
            assertEquals(1, servers.size(), "round " + round);
            try (SocketServer winner = servers.remove();
                    Peer peer = Peer.connect(UnixDomainSocketAddress.of(path))) {
                peer.send("x");
                int read;
                do { // a loser may have looked whether the winner lives
                    try (SocketStream stream = winner.accept(Sockets.BIVALENT)) {
                        read = stream.in().readByte();
                    }
                } while (read < 0);
                assertEquals('x', read);
            }
        }
    }

    /** A process that tries to listen on each path that it is told. */
    static final class Rival {
        private Rival() {
        }

        public static void main(String[] arguments) throws IOException {
            BufferedReader in = new BufferedReader(
                    new InputStreamReader(System.in, StandardCharsets.UTF_8));
            System.out.println("ready");
            for (String path = in.readLine(); path != null; path = in.readLine()) {
                try (SocketServer server = listen(Path.of(path))) {
                    System.out.println("result " + server.isOpen());
                    in.readLine(); // the other has its result, too
                } catch (IOException e) {
                    System.out.println("result " + ErrorCode.of(e));
                    in.readLine();
                }
            }
        }
    }

    @Test
    void UDS_1_of_two_processes_that_replace_a_dead_server_at_once_one_wins() throws Exception {
        try (Child rival = Child.java(Rival.class)) {
            assertEquals("ready", rival.line());
            for (int round = 0; round < 30; round++) {
                Path path = TemporaryPaths.fresh();
                leaveBehind(path);
                rival.tell(path.toString());
                String mine;
                try (SocketServer server = listen(path)) {
                    mine = String.valueOf(server.isOpen());
                    assertEquals("EADDRINUSE", rival.answer("result"));
                    Peer.connect(UnixDomainSocketAddress.of(path)).close();
                } catch (IOException e) {
                    mine = String.valueOf(ErrorCode.of(e));
                    assertEquals("EADDRINUSE", mine, e::toString);
                    assertEquals("true", rival.answer("result"));
                    Peer.connect(UnixDomainSocketAddress.of(path)).close();
                }
                rival.tell("next");
            }
        }
    }

    private static void leaveBehind(Path path) throws IOException {
        try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            dead.bind(UnixDomainSocketAddress.of(path));
        }
        assertTrue(Files.exists(path));
    }

    @Test
    void UDS_1_a_live_server_with_a_full_queue_is_live() throws Exception {
        Path path = TemporaryPaths.fresh();
        try (SocketServer live = SocketServer.listen(
                ServerOptions.builder().path(path).backlog(1).build());
                Peer one = Peer.connect(UnixDomainSocketAddress.of(path));
                Peer two = Peer.connect(UnixDomainSocketAddress.of(path))) {
            IOException e = assertThrows(IOException.class, () -> listen(path));
            assertEquals(ErrorCode.EADDRINUSE, ErrorCode.of(e), e::toString);
            assertTrue(live.isOpen() && one.channel().isOpen() && two.channel().isOpen());
        }
    }

    @Test
    void UDS_1_a_file_that_is_no_socket_is_left_alone() throws Exception {
        Path path = TemporaryPaths.fresh();
        Files.writeString(path, "precious");
        IOException e = assertThrows(IOException.class, () -> listen(path));
        assertEquals(ErrorCode.EADDRINUSE, ErrorCode.of(e), e::toString);
        assertTrue(e.getMessage().contains(path.toString()), e::getMessage);
        assertEquals("precious", Files.readString(path));
        Files.delete(path);
    }

    @Test
    void UDS_1_a_symbolic_link_is_left_alone() throws Exception {
        Path target = TemporaryPaths.fresh();
        Path link = TemporaryPaths.fresh();
        Files.writeString(target, "precious");
        Files.createSymbolicLink(link, target);
        assertThrows(IOException.class, () -> listen(link));
        assertTrue(Files.isSymbolicLink(link));
        assertEquals("precious", Files.readString(target));
        Files.delete(link);
        Files.delete(target);
    }

    @Test
    void UDS_2_a_path_that_is_too_long_is_named_with_the_limit() {
        Path path = TemporaryPaths.fresh().resolveSibling("x".repeat(120));
        Exception e = assertThrows(Exception.class, () -> listen(path));
        assertTrue(e.getMessage().contains(path.toString()), e::getMessage);
        assertTrue(e.getMessage().matches("(?s).*\\b10[3-8]\\b.*"), e::getMessage);
        Exception c = assertThrows(Exception.class,
                () -> Sockets.connect(UnixDomainSocketAddress.of(path)));
        assertTrue(c.getMessage().contains(path.toString()), c::getMessage);
    }

    @Test
    void UDS_2_a_missing_directory_is_named() {
        Path path = TemporaryPaths.fresh().resolve("s");
        IOException e = assertThrows(IOException.class, () -> listen(path));
        assertEquals(ErrorCode.ENOENT, ErrorCode.of(e), e::toString);
        assertTrue(e.getMessage().contains(path.getParent().toString()), e::getMessage);
    }

    @Test
    void UDS_3_close_removes_the_file() throws Exception {
        Path path = TemporaryPaths.fresh();
        listen(path).close();
        assertFalse(Files.exists(path));
    }

    @Test
    void UDS_3_close_leaves_a_file_that_another_program_made_there() throws Exception {
        Path path = TemporaryPaths.fresh();
        SocketServer first = listen(path);
        Files.delete(path);
        try (SocketServer second = listen(path)) {
            first.close();
            works(second, path);
        }
        assertFalse(Files.exists(path));
    }

    @Test
    void UDS_3_the_end_of_the_process_removes_the_file() throws Exception {
        Path path = TemporaryPaths.fresh();
        try (Child child = Child.java(Listener.class, path.toString())) {
            assertEquals("rw-------", child.answer("listening"));
            child.tell("exit");
            assertEquals(0, child.exitCode());
        }
        assertFalse(Files.exists(path));
    }

    /** Listens and leaves without closing. */
    public static final class Listener {
        /** The child's entry: the path. */
        public static void main(String[] arguments) throws IOException {
            Path path = Path.of(arguments[0]);
            SocketServer server = listen(path);
            System.out.println("listening "
                    + PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
            int told = System.in.read();
            System.out.println(server + " goes, told " + told);
        }
    }

    @Test
    void UDS_4_the_file_is_the_owners_alone_whatever_the_umask() throws Exception {
        for (String umask : new String[] {"000", "077"}) {
            Path path = TemporaryPaths.fresh();
            try (Child child = Child.withUmask(umask, Listener.class, path.toString())) {
                assertEquals("rw-------", child.answer("listening"));
            }
            Files.deleteIfExists(path);
        }
    }

    @Test
    void UDS_4_a_mode_that_a_socket_has_before_its_bind_is_the_files() throws Exception {
        assumeTrue(Posix.available() && Posix.platform().equals("Linux"));
        Path path = TemporaryPaths.fresh();
        try (Descriptor socket = parley.posix.Sockets.socket("unix", "stream", 0)) {
            parley.posix.Sockets.mode(socket, 0600);
            parley.posix.Sockets.bind(socket, SockAddr.ofPath(path.toString()));
            assertEquals(PosixFilePermissions.fromString("rw-------"),
                    Files.getPosixFilePermissions(path));
        }
        Files.delete(path);
    }

    @Test
    void UDS_4_the_mode_can_be_asked_for() throws Exception {
        Path path = TemporaryPaths.fresh();
        try (SocketServer server = SocketServer.listen(
                ServerOptions.builder().path(path).mode("rw-rw-rw-").build())) {
            assertEquals("rw-rw-rw-", PosixFilePermissions.toString(
                    Files.getPosixFilePermissions(path)));
            works(server, path);
        }
    }

    @Test
    void UDS_5_a_connect_to_a_full_queue_tries_until_its_time_is_up() throws Exception {
        Path path = TemporaryPaths.fresh();
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
        try (SocketServer server = SocketServer.listen(
                ServerOptions.builder().path(path).backlog(1).build());
                Peer one = Peer.connect(address);
                Peer two = Peer.connect(address)) {
            Timing timing = Timing.start();
            IOException e = assertThrows(SocketTimeoutException.class, () -> SocketStream.connect(
                    address, Sockets.timeout(Duration.ofMillis(300))));
            timing.tookAbout(Duration.ofMillis(300));
            assertEquals("SocketStream.connect: timed out after 0.3 s waiting for a connection to "
                    + path + "; the server's queue is full; allow more time", e.getMessage());
            assertEquals(ErrorCode.ETIMEDOUT, ErrorCode.of(e));
            Task<SocketStream> late = Threads.PLATFORM.start("late",
                    () -> Sockets.connect(address));
            Blocked.in(late, "Connector.reach");
            server.accept().close();
            late.await().close();
            assertTrue(one.channel().isOpen() && two.channel().isOpen());
        }
    }

    @Test
    void UDS_7_names_are_used_from_a_deep_directory_in_the_locale_C() throws Exception {
        Path top = Files.createTempDirectory("parley");
        Path deep = top.resolve("d".repeat(60)).resolve("d".repeat(60));
        Files.createDirectories(deep);
        try (Child child = Child.behind(
                List.of("env", "-C", deep.toString(), "LC_ALL=C"), List.of(), Names.class, top.toString())) {
            assertEquals("works", child.answer("relative"));
            assertEquals("works", child.answer("raw"));
            assertEquals("works", child.answer("abstract"));
            String refused = child.answer("unspeakable");
            assertTrue(refused.equals("works") || refused.startsWith("SocketServer.listen: the path is ")
                    && refused.endsWith("start Java in another locale, such as LC_ALL=C.UTF-8"), refused);
        } finally {
            for (Path each = deep; !each.equals(top.getParent()); each = each.getParent()) {
                Files.delete(each);
            }
        }
    }

    /** A child in a deep directory. */
    public static final class Names {
        private Names() {
        }

        /** The child's entry: the directory in which it makes names that are not ASCII. */
        public static void main(String[] arguments) throws Exception {
            echo("relative", Path.of("s"));
            raw("raw", SockAddr.ofPath(arguments[0] + "/\u00e9"));
            raw("abstract", SockAddr.ofPath("\0parley-\u00e9-" + ProcessHandle.current().pid()));
            Path listed; // has the bytes of its name, which this locale cannot spell
            try (var all = Files.newDirectoryStream(Path.of(arguments[0]), path -> !Files.isDirectory(path))) {
                listed = all.iterator().next();
            }
            Files.delete(listed);
            try {
                echo("unspeakable", listed);
            } catch (IllegalArgumentException e) {
                System.out.println("unspeakable " + e.getMessage());
            }
        }

        private static void echo(String name, Path path) throws IOException {
            try (SocketServer server = listen(path);
                    SocketStream stream = SocketStream.connect(
                            UnixDomainSocketAddress.of(path), StreamOptions.DEFAULT);
                    SocketStream peer = server.accept()) {
                stream.out().writeLine("works");
                stream.out().flush();
                System.out.println(name + " " + peer.in().readLine());
            }
        }

        private static void raw(String name, SockAddr address) throws IOException {
            try (Descriptor server = parley.posix.Sockets.socket("unix", "stream", 0);
                    Descriptor client = parley.posix.Sockets.socket("unix", "stream", 0)) {
                parley.posix.Sockets.bind(server, address);
                parley.posix.Sockets.listen(server, 1);
                parley.posix.Sockets.connect(client, address, -1);
                SockAddr peer = parley.posix.Sockets.peerAddress(client);
                System.out.println(name + " " + (peer.equals(address) ? "works" : peer));
            }
        }
    }

    @Test
    void UDS_7_names_print_sensibly() throws Exception {
        Path path = TemporaryPaths.fresh();
        try (SocketServer server = listen(path);
                Peer peer = Peer.connect(UnixDomainSocketAddress.of(path));
                SocketStream stream = server.accept()) {
            assertTrue(server.toString().contains(path.toString()), server::toString);
            assertTrue(stream.toString().contains(path.toString()), stream::toString);
            assertEquals(path.toString(), stream.host());
            assertTrue(peer.channel().isOpen());
        }
        assertTrue(Family.UNIX.available());
    }
}
