package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import parley.testing.Await;
import parley.testing.Cpu;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.Reported;
import parley.testing.TemporaryPaths;

/** Servers with a handler for each connection. */
@Guarded
@SuppressWarnings("try") // closing early is what some cases are about
class ServerTest {
    static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Duration SHORT = Duration.ofMillis(100);

    /** Sends every line back. */
    static final Server.Handler ECHO = stream -> {
        for (String line = stream.in().readLine(); line != null; line = stream.in().readLine()) {
            stream.out().writeLine(line);
            stream.out().flush();
        }
    };

    static SocketStream connect(Server server) throws IOException {
        SocketStream stream = SocketStream.connect(server.localAddress(), StreamOptions.DEFAULT);
        stream.readTimeout(PATIENCE);
        return stream;
    }

    static String echoed(SocketStream client, String line) throws IOException {
        client.out().writeLine(line);
        client.out().flush();
        return client.in().readLine();
    }

    /** A connection that is served. */
    static SocketStream served(Server server) throws IOException {
        SocketStream client = connect(server);
        assertEquals("here", echoed(client, "here"));
        return client;
    }

    static void awaitOpen(Server server, int count) {
        Await.until(count + " connections are open", () -> server.stats().open() == count);
    }

    @Test
    void a_handler_serves_each_connection_on_a_thread_of_its_own() throws Exception {
        List<Thread> threads = new ArrayList<>();
        try (Server server = Server.builder(stream -> {
            threads.add(Thread.currentThread());
            ECHO.handle(stream);
        }).name("test").start();
                SocketStream one = served(server);
                SocketStream two = served(server)) {
            assertEquals(List.of("parley-test-1", "parley-test-2"),
                    threads.stream().map(Thread::getName).toList());
            assertEquals(2, server.connections().size());
            assertEquals(one.localAddress(), server.connections().get(0).peer());
            assertEquals("again", echoed(two, "again"));
            assertEquals(2, server.stats().accepted());
            assertEquals(16, server.stats().bytesIn());
            // What a write has sent is counted after the kernel took it.
            Await.until("all is counted", () -> server.stats().bytesOut() == 16);
        }
    }

    @Test
    void a_thread_serves_its_next_connection_as_a_new_one_would() throws Exception {
        ClassLoader ours = Thread.currentThread().getContextClassLoader();
        List<String> states = new CopyOnWriteArrayList<>();
        AtomicReference<Thread> last = new AtomicReference<>();
        Server.Handler handler = stream -> {
            Thread own = Thread.currentThread();
            states.add(own.getName() + " " + own.isInterrupted() + " "
                    + (own.getContextClassLoader() == ours));
            last.set(own);
            ECHO.handle(stream);
            own.setContextClassLoader(null);
            own.setName("renamed");
            own.interrupt();
        };
        Server.Connection first;
        try (Server server = Server.builder(handler).name("test").virtualThreads(false).start()) {
            try (SocketStream client = served(server)) {
                first = server.connections().get(0);
            }
            assertTrue(first.await(PATIENCE));
            Thread thread = last.get();
            Await.until("the thread is idle", () -> thread.getName().equals("parley-test")
                    && thread.getState() == Thread.State.TIMED_WAITING);
            try (SocketStream client = served(server)) {
                assertEquals(thread, last.get());
                assertFalse(first.interrupt());
                assertEquals("again", echoed(client, "again"));
            }
        }
        last.get().join(PATIENCE.toMillis());
        assertFalse(last.get().isAlive(), "a closed server keeps a thread");
        assertEquals(List.of("parley-test-1 false true", "parley-test-2 false true"), states);
    }

    @Test
    void at_the_limit_clients_wait_until_another_one_leaves() throws Exception {
        try (Server server = Server.builder(ECHO).maxConnections(10).start()) {
            List<SocketStream> ten = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                ten.add(served(server));
            }
            try (SocketStream eleventh = connect(server)) {
                eleventh.out().writeLine("waits");
                eleventh.out().flush();
                assertEquals(SocketStatus.NONE, eleventh.status(Direction.INPUT, SHORT));
                assertTrue(server.stats().full());
                assertEquals(10, server.stats().accepted());
                Cpu.assertIdle();
                ten.remove(3).close();
                assertEquals("waits", eleventh.in().readLine());
            }
            for (SocketStream each : ten) {
                assertEquals("still", echoed(each, "still"));
                each.close();
            }
            awaitOpen(server, 0);
        }
    }

    @Test
    void an_address_has_no_more_connections_than_it_may() throws Exception {
        BlockingQueue<Server.Event> events = new LinkedBlockingQueue<>();
        try (Server server = Server.builder(ECHO).maxPerAddress(2).log(events::add).start();
                SocketStream one = served(server);
                SocketStream two = served(server)) {
            try (SocketStream third = connect(server)) {
                third.out().writeLine("here");
                third.out().flush();
                assertNull(third.in().readLine());
            }
            try (Peer other = from("127.0.0.2", server)) {
                assertEquals("x\n", other.send("x\n").receiveText(2));
            }
            assertEquals(1, server.stats().events().get("max-per-address"));
            Server.Event refusal = events.stream().filter(e -> e.kind().equals("refused"))
                    .findFirst().orElseThrow();
            assertEquals("the limit of connections of its address is reached: 2"
                    + " (ServerBuilder.maxPerAddress)", refusal.reason());
            one.close();
            awaitOpen(server, 1);
            served(server).close();
        }
    }

    static Peer from(String host, Server server) throws IOException {
        SocketChannel channel = SocketChannel.open();
        channel.bind(new InetSocketAddress(host, 0));
        channel.connect(server.localAddress());
        channel.configureBlocking(false);
        return new Peer(channel);
    }

    @Test
    void an_idle_connection_ends_and_a_busy_one_does_not() throws Exception {
        BlockingQueue<Server.Event> events = new LinkedBlockingQueue<>();
        CountDownLatch go = new CountDownLatch(1);
        try (Server server = Server.builder(stream -> {
            if (stream.in().readLine().equals("wait")) {
                assertTrue(go.await(1, TimeUnit.MINUTES));
                stream.out().writeLine("busy");
            } else {
                ECHO.handle(stream);
            }
        }).idleTimeout(Duration.ofMillis(200)).audit(events::add).start();
                SocketStream busy = connect(server);
                SocketStream idle = connect(server)) {
            busy.out().writeLine("wait");
            busy.out().flush();
            idle.out().writeLine("be idle");
            idle.out().flush();
            assertNull(idle.in().readLine());
            go.countDown();
            assertEquals("busy", busy.in().readLine());
            Await.until("the event", () -> events.stream().anyMatch(e -> e.kind().equals("idle")));
            assertEquals(1, server.stats().events().get("idle"));
        }
    }

    @Test
    void close_ends_idle_handlers_and_gives_busy_ones_time() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        Server server = Server.builder(stream -> {
            String line = stream.in().readLine();
            if (line != null) {
                begun.countDown();
                assertTrue(go.await(1, TimeUnit.MINUTES));
                stream.out().writeLine("done: " + line);
            }
        }).drain(PATIENCE).start();
        try (SocketStream idle = connect(server);
                SocketStream busy = connect(server)) {
            busy.out().writeLine("work");
            busy.out().flush();
            begun.await();
            Thread closing = new Thread(() -> close(server), "closing");
            closing.start();
            assertNull(idle.in().readLine());
            SocketServer.listen(ServerOptions.builder().host("127.0.0.1").port(server.port())
                    .build()).close(); // the port is free, though a handler is busy
            assertTrue(closing.isAlive());
            go.countDown();
            assertEquals("done: work", busy.in().readLine());
            closing.join();
            assertEquals(0, server.stats().open());
        }
    }

    private static void close(Server server) {
        try {
            server.close();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void a_handler_that_hangs_is_interrupted_when_the_time_to_drain_is_over() throws Exception {
        AtomicReference<Throwable> ended = new AtomicReference<>();
        CountDownLatch begun = new CountDownLatch(1);
        BlockingQueue<Server.Event> events = new LinkedBlockingQueue<>();
        Server server = Server.builder(stream -> {
            try {
                begun.countDown();
                Thread.sleep(60_000);
            } catch (InterruptedException e) {
                ended.set(e);
                throw e;
            }
        }).drain(SHORT).audit(events::add).start();
        try (SocketStream client = connect(server)) {
            begun.await();
            server.close();
            assertTrue(ended.get() instanceof InterruptedException);
            assertThrows(IOException.class, () -> {
                while (client.in().readLine() == null) {
                    echoed(client, "x");
                }
            });
        }
        assertEquals(List.of("connect", "disconnect", "stop"),
                events.stream().map(Server.Event::kind).toList());
    }

    @Test
    void a_handler_that_throws_harms_no_other() throws Exception {
        BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>();
        Server.Handler handler = stream -> {
            stream.out().writeString("an answer that will not be");
            switch (stream.in().readLine()) {
                case "exception" -> throw new IllegalStateException("boom");
                case "error" -> throw new StackOverflowError();
                case "file" -> throw new IOException("of a file of its own");
                default -> ECHO.handle(stream);
            }
        };
        try (Server server = Server.builder(handler).onError((e, c) -> errors.add(e)).start()) {
            for (String what : List.of("exception", "error", "file")) {
                try (SocketStream client = connect(server)) {
                    assertNull(echoed(client, what));
                }
                String text = errors.poll(1, TimeUnit.MINUTES).toString();
                assertTrue(text.matches(".*(boom|StackOverflow|of its own).*"), text);
            }
            try (SocketStream client = connect(server)) {
                assertTrue(echoed(client, "all is well\nhere").endsWith("here"));
            }
            try (Peer client = Peer.connect(server.localAddress())) { // the client's fault, not the handler's
                client.send("exc").reset();
            }
            Await.until("it is lost", () -> server.stats().events().containsKey("lost"));
            assertEquals(3, server.stats().events().get("failed"));
            assertTrue(errors.isEmpty(), errors::toString);
        }
    }

    @Test
    void what_no_listener_gets_is_logged() throws Exception {
        try (Reported log = new Reported();
                Server server = Server.builder(stream -> {
                    throw new IllegalStateException("boom");
                }).name("tested").audit(event -> {
                    throw new IllegalStateException("an audit that fails");
                }).start()) {
            try (SocketStream client = connect(server)) {
                assertNull(client.in().readLine());
            }
            Await.until("it is logged", () -> log.about("tested: the handler of #<connection 1 of") > 0);
            assertTrue(log.about("the consumer of an event failed: connect") > 0);
        }
    }

    @Test
    void a_handler_can_close_its_server() throws Exception {
        AtomicReference<Server> server = new AtomicReference<>();
        CountDownLatch known = new CountDownLatch(1);
        server.set(Server.builder(stream -> {
            known.await();
            server.get().close();
            stream.out().writeLine("closed");
        }).start());
        known.countDown();
        try (SocketStream client = connect(server.get())) {
            assertEquals("closed", client.in().readLine());
        }
        server.get().close();
        awaitOpen(server.get(), 0);
    }

    @Test
    void a_port_and_a_path_serve_a_thousand_servers_one_after_the_other() throws Exception {
        int port;
        try (Server first = Server.builder(ECHO).start()) {
            port = first.port();
        }
        Path path = TemporaryPaths.fresh();
        for (int i = 0; i < 1000; i++) {
            ServerBuilder builder = Server.builder(ECHO);
            try (Server server = (i % 2 == 0 ? builder.port(port) : builder.path(path)).start()) {
                if (i % 100 < 2) {
                    served(server).close();
                }
            }
        }
    }

    private static List<String> loopback() {
        return Family.TCP6.available() ? List.of("127.0.0.1", "::1", "127.0.0.1")
                : List.of("127.0.0.1");
    }

    @Test
    void both_loopback_addresses_are_one_server() throws Exception {
        try (Server server = Server.builder(ECHO)
                .listen(ServerOptions.builder().loopback().build()).start()) {
            for (String host : loopback()) {
                try (SocketStream client =
                        SocketStream.connect(host, server.port(), StreamOptions.DEFAULT)) {
                    assertEquals(host, echoed(client, host));
                }
            }
        }
    }

    @Test
    void a_socket_server_on_both_loopback_addresses_waits_for_both() throws Exception {
        try (SocketServer server =
                SocketServer.listen(ServerOptions.builder().loopback().build());
                StatusSet set = new StatusSet()) {
            set.add(server, Direction.INPUT);
            for (String host : loopback()) {
                assertFalse(server.awaitConnection(Duration.ZERO));
                assertEquals(0, set.check(Duration.ZERO).actionable());
                try (SocketStream client =
                        SocketStream.connect(host, server.port(), StreamOptions.DEFAULT)) {
                    assertEquals(1, set.check(PATIENCE).actionable());
                    assertTrue(server.awaitConnection(PATIENCE));
                    server.accept().close();
                }
            }
            set.remove(server);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void a_handle_that_listens_is_served_and_stays(boolean unix) throws Exception {
        ServerOptions.Builder where = ServerOptions.builder();
        try (SocketServer listening = SocketServer.listen(
                (unix ? where.path(TemporaryPaths.fresh()) : where.host("127.0.0.1")).build())) {
            int handle = SocketOptions.handles(listening)[0];
            for (int i = 0; i < 2; i++) {
                try (Server server = Server.builder(ECHO).handle(handle).start()) {
                    assertEquals(listening.localAddress(), server.localAddress());
                    served(server).close();
                }
            }
            try (SocketStream waits = SocketStream.connect(
                    listening.localAddress(), StreamOptions.DEFAULT)) {
                listening.accept().close();
            }
            try (SocketStream client = SocketStream.connect(
                    listening.localAddress(), StreamOptions.DEFAULT);
                    SocketStream accepted = listening.accept()) {
                int wrong = SocketOptions.handles(accepted)[0];
                IllegalArgumentException e = assertThrows(IllegalArgumentException.class,
                        () -> Server.builder(ECHO).handle(wrong).start());
                assertTrue(e.getMessage().contains("is no socket that listens"), e::getMessage);
            }
        }
    }

    @Test
    void ports_can_be_shared() throws Exception {
        ServerOptions.Builder shared = ServerOptions.builder().host("127.0.0.1").reusePort(true);
        AtomicInteger seen = new AtomicInteger();
        Server.Handler count = stream -> seen.incrementAndGet();
        try (Server one = Server.builder(count).listen(shared.build()).start();
                Server two = Server.builder(count)
                        .listen(shared.port(one.port()).build()).start()) {
            assertEquals(one.port(), two.port());
            connect(one).close();
            Await.until("one of them has served", () -> seen.get() == 1);
        }
    }
}
