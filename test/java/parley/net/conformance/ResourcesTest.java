package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.WeakReference;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import parley.net.Direction;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Child;
import parley.testing.Classes;
import parley.testing.Cpu;
import parley.testing.Descriptors;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Reported;
import parley.testing.Task;
import parley.testing.TemporaryPaths;
import parley.testing.Threads;
import parley.testing.Timing;
import parley.testing.Watchdog.Within;

/** RES: descriptors and threads, and what happens when there are none left. */
@Guarded
class ResourcesTest {
    private static final Duration STARVATION = Duration.ofSeconds(1);
    private static final int SPARE = 5;
    private static final int CLIENTS = 40;
    private static final long PLENTY = 4096;

    /** What a server does with what it accepted. */
    enum Service {
        /** A thread for each, which reads at once and so needs descriptors of its own. */
        ECHO,
        /** Kept, and not read before the client has sent something. */
        KEEP
    }

    @ParameterizedTest
    @EnumSource
    void RES_1_a_server_survives_a_time_without_descriptors(Service service) throws Exception {
        assumeTrue(Descriptors.visible());
        try (Child child = Child.java(EchoServer.class, service.name())) {
            SocketAddress address = ListeningTest.Abiding.address(
                    Family.TCP4, child.answer("listening"));
            echo(address); // everything the server needs is loaded and open
            child.leaveDescriptors(SPARE);
            Timing starved = Timing.start();
            List<SocketChannel> clients = new ArrayList<>();
            try {
                for (int i = 0; i < CLIENTS; i++) {
                    clients.add(SocketChannel.open(address));
                }
                Await.pass(STARVATION);
                Cpu.assertIdle(child.pid());
                child.limitDescriptors(PLENTY);
                echo(address);
            } finally {
                for (SocketChannel client : clients) {
                    client.close();
                }
            }
            child.tell("failures");
            int failures = Integer.parseInt(child.answer("failures"));
            assertTrue(failures <= starved.elapsed().toSeconds() + 2, failures + " failed accepts");
        }
    }

    private static void echo(SocketAddress address) throws IOException {
        try (Peer peer = Peer.connect(address)) {
            assertEquals("hello", peer.send("hello").receiveText(5));
        }
    }

    /** A server as anybody would write it: accepts in a loop, says what fails, goes on. */
    public static final class EchoServer {
        private static final AtomicInteger FAILURES = new AtomicInteger();

        /** The child's entry: the service. */
        public static void main(String[] arguments) throws IOException {
            Service service = Service.valueOf(arguments[0]);
            SocketServer server = SocketServer.listen(Sockets.server(Family.TCP4, 128).build());
            Classes.load(SocketServer.class, "parley.net", "parley.posix");
            Classes.load(Await.class, "parley.testing", "parley.net.conformance");
            Threads.PLATFORM.start("answers", () -> answer(System.in));
            System.out.println("listening " + server.port());
            while (server.isOpen()) {
                try {
                    SocketStream stream = server.accept(Sockets.BIVALENT);
                    Threads.PLATFORM.start("service", () -> serve(stream, service));
                } catch (IOException e) {
                    System.out.println("failed " + e.getMessage());
                    FAILURES.incrementAndGet();
                }
            }
        }

        private static Void answer(InputStream questions) throws IOException {
            while (questions.read() >= 0) {
                System.out.println("failures " + FAILURES);
                questions.readNBytes(questions.available());
            }
            return null;
        }

        private static Void serve(SocketStream stream, Service service) {
            try (stream) {
                while (service == Service.KEEP && !stream.in().listen()) {
                    Await.pass(Duration.ofMillis(100)); // no descriptor is needed for this
                }
                for (int b = stream.in().readByte(); b >= 0; b = stream.in().readByte()) {
                    stream.out().writeByte(b);
                    stream.out().flush();
                }
            } catch (IOException e) {
                System.out.println("broken " + e.getMessage());
            }
            return null;
        }
    }

    @Test
    void RES_2_a_process_without_descriptors_reports_it_and_works_again() throws Exception {
        assumeTrue(Descriptors.visible());
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                Child child = Child.java(Client.class, Integer.toString(listener.port()))) {
            child.answer("begin"); // all but the last, which would keep its selector, once done
            child.leaveDescriptors(0);
            child.tell("status"); // of an open server: takes no descriptor
            assertEquals("ok", child.answer("status"));
            for (String call : Client.CALLS.subList(0, Client.CALLS.size() - 1)) {
                child.tell(call);
                String failure = child.answer(call);
                assertTrue(failure.startsWith("EMFILE"), failure);
                assertTrue(failure.matches(".*; \\d+ of \\d+ descriptors are in"
                        + " use: .*close some streams, or raise .*"), failure);
            }
            child.limitDescriptors(PLENTY);
            for (String call : Client.CALLS) {
                child.tell(call);
                assertEquals("ok", child.answer(call));
            }
        }
    }

    /** Does what it is told and says what came of it. */
    public static final class Client {
        static final List<String> CALLS = List.of("connect", "connect-now", "connect-unix",
                "listen", "listen-unix", "set", "status");
        private static final Path NOWHERE = TemporaryPaths.fresh();
        private static final Path SERVED = TemporaryPaths.fresh();

        /** The child's entry: the port to connect to. */
        public static void main(String[] arguments) throws IOException {
            int port = Integer.parseInt(arguments[0]);
            Classes.load(SocketServer.class, "parley.net", "parley.posix");
            try (SocketServer server = SocketServer.listen(
                            ServerOptions.builder().path(SERVED).backlog(64).build())) {
                CALLS.subList(0, CALLS.size() - 1).forEach(call -> attempt(call, port, server));
                System.out.println("begin");
                var input = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
                for (String line = input.readLine(); line != null; line = input.readLine()) {
                    attempt(line, port, server);
                }
            }
        }

        private static void attempt(String call, int port, SocketServer server) {
            try (AutoCloseable made = make(call, port, server)) {
                System.out.println(call + (made == null ? " nothing" : " ok"));
            } catch (Exception e) {
                System.out.println(call + " " + parley.net.ErrorCode.of(e) + " "
                        + e.getMessage());
            }
        }

        private static AutoCloseable make(String call, int port, SocketServer server)
                throws IOException {
            return switch (call) {
                case "connect" -> SocketStream.connect("127.0.0.1", port, Sockets.BIVALENT);
                case "connect-now" -> SocketStream.connect("127.0.0.1", port,
                        Sockets.timeout(Duration.ZERO));
                case "connect-unix" -> Sockets.connect(UnixDomainSocketAddress.of(SERVED));
                case "listen" -> SocketServer.listen(0);
                case "listen-unix" -> SocketServer.listen(
                        ServerOptions.builder().path(NOWHERE).build());
                case "set" -> new StatusSet();
                case "status" -> {
                    server.status(Direction.INPUT, Duration.ofMillis(1));
                    yield () -> { };
                }
                default -> throw new AssertionError(call);
            };
        }
    }

    @Tag("nightly")
    @Test
    void RES_3_a_server_survives_every_shortage_that_accept_can_meet() throws Exception {
        assumeTrue(java.nio.file.Files.isExecutable(java.nio.file.Path.of("/usr/bin/strace")));
        for (String error : List.of("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")) {
            try (Child child = Child.java(EchoServer.class, Service.ECHO.name())) {
                SocketAddress address = ListeningTest.Abiding.address(
                        Family.TCP4, child.answer("listening"));
                echo(address);
                try (Child strace = Child.injecting(child, "accept,accept4", error, "when=1..3");
                        Peer peer = Peer.connect(address)) {
                    assertTrue(strace.pid() > 0);
                    assertEquals("hello", peer.send("hello").receiveText(5), error);
                }
            }
        }
    }

        @EveryCase
    void RES_6_dropped_streams_and_servers_are_reclaimed_and_reported(Case cell) throws Exception {
        assumeTrue(Descriptors.visible());
        long before = Descriptors.sockets();
        int count = cell.family() == Family.TCP4 ? 1_000 : 100;
        try (Reported reported = new Reported(); SocketServer kept = Sockets.listen(cell);
                SocketStream used = Sockets.connect(kept.localAddress())) {
            List<String> expected = new ArrayList<>();
            try (PeerListener listener = PeerListener.on(cell.family())) {
                for (int i = 0; i < count; i++) {
                    expected.add("a socket stream to " + Sockets.text(listener.address()));
                    expected.add("a socket server at " + Sockets.text(drop(cell, listener)));
                }
            }
            Await.until("dropped sockets are closed", () -> {
                System.gc();
                return Descriptors.sockets() <= before + 2; // kept and used
            });
            expected.sort(null);
            Await.until("all are reported", () -> told(reported, expected).size() >= 2 * count);
            assertEquals(expected, told(reported, expected)); // each once
            assertTrue(kept.isOpen() && used.isOpen()); // reachable: neither closed nor reported
            assertEquals(0, reported.about(
                    " " + Sockets.text(kept.localAddress()) + " was never closed"));
        }
    }

    /** What was reported of what was expected, sorted; earlier cases may have dropped others. */
    private static List<String> told(Reported reported, List<String> expected) {
        Set<String> known = Set.copyOf(expected);
        return reported.messages().stream()
                .map(message -> message.replaceFirst("^parley: ", "")
                        .replaceFirst(" was never closed.*", ""))
                .filter(known::contains).sorted().toList();
    }

    @Test
    void RES_6_a_report_has_the_place_where_the_object_was_made_if_traced() throws Exception {
        System.setProperty("parley.net.trace", "true");
        try (Reported reported = new Reported()) {
            String what = "a socket server at " + Sockets.text(Sockets.listen(
                    new Case(Family.TCP4, Threads.PLATFORM)).localAddress());
            Await.until("it is reported", () -> {
                System.gc();
                return reported.about(what) == 1;
            });
            String trace = reported.records().stream()
                    .filter(each -> each.getMessage().contains(what))
                    .flatMap(each -> Stream.of(each.getThrown().getStackTrace()))
                    .map(StackTraceElement::getMethodName).toList().toString();
            assertTrue(trace.contains("RES_6_a_report_has_the_place"), trace);
        } finally {
            System.clearProperty("parley.net.trace");
        }
    }

    /** Opens, uses and forgets a stream and a server. */
    private static SocketAddress drop(Case cell, PeerListener listener) throws IOException {
        SocketStream stream = Sockets.connect(listener.address());
        try (Peer peer = listener.accept()) {
            peer.send("x");
            stream.status(Direction.INPUT, null);
            stream.in().readByte();
        }
        return Sockets.listen(cell).localAddress();
    }

    @EveryCase
    void RES_6_a_stream_in_use_by_a_waiting_thread_is_not_reclaimed(Case cell) throws Exception {
        try (Reported reported = new Reported();
                PeerListener listener = PeerListener.on(cell.family())) {
            Task<Integer> reader = cell.start("reader",
                    () -> Sockets.connect(listener.address()).inputStream().read());
            try (Peer peer = listener.accept()) {
                Blocked.in(reader, Sockets.WAIT);
                WeakReference<Object> canary = new WeakReference<>(new Object());
                Await.until("the collector has run", () -> {
                    System.gc();
                    return canary.get() == null;
                });
                String ours = "a socket stream to " + Sockets.text(listener.address());
                assertEquals(0, reported.about(ours));
                peer.send("x");
                assertEquals('x', reader.await());
            }
            Await.until("the stream, dropped by then, is reported", () -> {
                System.gc();
                return reported.about(
                        "a socket stream to " + Sockets.text(listener.address())) == 1;
            });
        }
    }

    @Test
    void RES_7_a_process_that_leaves_everything_open_ends_by_itself() throws Exception {
        try (Child child = Child.java(Untidy.class)) {
            assertEquals(Integer.toString(Case.all().mapToInt(c -> 1).sum()),
                    child.answer("left open"));
            assertEquals(0, child.exitCode());
        }
    }

    /** Opens servers and streams, has threads wait for them, and returns from main. */
    public static final class Untidy {
        private static final List<Object> KEPT = new ArrayList<>();

        /** The child's entry. */
        public static void main(String[] arguments) throws Exception {
            for (Case cell : Case.all().toList()) {
                SocketServer server = Sockets.listen(cell);
                SocketStream stream = Sockets.connect(server.localAddress());
                KEPT.addAll(List.of(server, stream, server.accept()));
                Blocked.in(cell.start("reader", () -> stream.in().readByte()), Sockets.WAIT);
                Blocked.in(cell.start("acceptor", () -> server.accept()), Sockets.WAIT);
            }
            System.out.println("left open " + KEPT.size() / 3);
        }
    }

    @Test
    void RES_10_a_child_process_inherits_no_socket() throws Exception {
        SocketAddress address;
        try (SocketServer server = Sockets.listen(new Case(Family.TCP4,
                Threads.PLATFORM))) {
            address = server.localAddress();
            try (SocketStream stream = Sockets.connect(address);
                    SocketStream accepted = server.accept();
                    Child child = Child.command("sleep", "60")) {
                assertTrue(stream.isOpen() && accepted.isOpen());
                assertEquals(List.of(), Descriptors.targets(child.pid()).stream()
                        .filter(target -> target.startsWith("socket:")).toList());
            }
        }
        assertThrows(IOException.class, () -> Peer.connect(address));
    }

    @Tag("nightly")
    @Within(seconds = 300)
    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void RES_8_many_short_connections_leave_nothing(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell)) {
            SocketAddress address = server.localAddress();
            Task<Void> acceptor = cell.start("acceptor", () -> {
                for (int i = 0; i < 100_000; i++) {
                    try (SocketStream stream = server.accept(Sockets.BIVALENT)) {
                        stream.out().writeByte(stream.in().readByte());
                        stream.out().flush();
                    }
                }
                return null;
            });
            for (int i = 0; i < 100_000; i++) {
                try (SocketStream stream = Sockets.connect(address)) {
                    stream.out().writeByte(i & 0x7f);
                    stream.out().flush();
                    assertEquals(i & 0x7f, stream.in().readByte());
                }
            }
            acceptor.await();
        }
    }

    @Tag("nightly")
    @Test
    void RES_5_a_storm_of_connects_and_resets_is_survived() throws Exception {
        try (SocketServer server = SocketServer.listen(
                Sockets.server(Family.TCP4, ServerOptions.Builder.LARGEST_BACKLOG).build())) {
            SocketAddress address = server.localAddress();
            Task<Integer> acceptor = Threads.PLATFORM.start("acceptor", () -> serveStorm(server));
            for (int sent = 0; sent < 20_000; sent++) {
                Peer.connect(address).reset();
            }
            try (Peer peer = Peer.connect(address)) {
                assertEquals('!', peer.send("e").receive(1)[0]);
            }
            acceptor.await();
        }
    }

    /** Answers the first byte of each connection until that byte is an 'e'. */
    private static int serveStorm(SocketServer server) throws IOException {
        int reset = 0;
        while (true) {
            try (SocketStream stream = server.accept(Sockets.BIVALENT)) {
                int first = stream.in().readByte();
                stream.out().writeByte('!');
                stream.out().flush();
                if (first == 'e') {
                    return reset;
                }
            } catch (SocketException e) {
                reset++; // as the storm does
            }
        }
    }
}
