package parley.net.tls;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import parley.net.Direction;
import parley.net.ErrorCode;
import parley.net.Reactor;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.net.StreamOptions;
import parley.testing.Await;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Keys;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.TlsPeer;
import parley.testing.Timing;

/** Handshakes with peers that do not do their part. */
@Guarded
class TlsHandshakeTest {
    private static final Duration SHORT = Duration.ofMillis(150);
    private static final Duration LONG = Duration.ofSeconds(20);

    /** How far a client goes. */
    enum Phase { NOTHING, A_BYTE, HALF_A_HELLO, HELLO, ANSWERED, HALF_THE_END }

    /** What it does then. */
    enum Then { STALL, RESET, CLOSE, GARBAGE }

    /** Who drives the handshake of the server's stream. */
    enum Driver { OPERATION, SET, NONE }

    private static StreamOptions within(Duration time) throws IOException {
        return StreamOptions.builder()
                .tls(TlsOptions.builder().context(Keys.context()).handshakeTimeout(time).build())
                .build();
    }

    private static void go(Peer peer, Phase phase) throws IOException {
        TlsPeer tls = new TlsPeer(true);
        tls.engine().beginHandshake();
        byte[] hello = tls.own();
        int count = phase == Phase.NOTHING ? 0 : phase == Phase.A_BYTE ? 1
                : phase == Phase.HALF_A_HELLO ? hello.length / 2 : hello.length;
        TlsPeer.send(peer.channel(), Arrays.copyOf(hello, count));
        if (phase.compareTo(Phase.HELLO) > 0) {
            ByteArrayOutputStream end = new ByteArrayOutputStream();
            while (tls.engine().getHandshakeStatus() != HandshakeStatus.NOT_HANDSHAKING) {
                if (!tls.decrypt() && (!peer.readable(LONG) || tls.receive(peer.channel()) < 0)) {
                    return; // the server's time was over
                }
                end.writeBytes(tls.own());
            }
            TlsPeer.send(peer.channel(), Arrays.copyOf(end.toByteArray(),
                    phase == Phase.ANSWERED ? 0 : end.size() / 2));
        }
    }

    private static void then(Peer peer, Then then) throws IOException {
        switch (then) {
            case RESET -> peer.reset();
            case CLOSE -> peer.channel().close();
            case GARBAGE -> TlsPeer.send(peer.channel(), "?".repeat(40_000).getBytes());
            default -> { }
        }
    }

    @EveryCase(over = Family.TCP4)
    void TLS_4_a_client_that_fails_in_any_phase_holds_nothing(Case cell, Phase phase)
            throws Exception {
        for (Then then : Then.values()) {
            for (Driver driver : Driver.values()) {
                if (driver != Driver.NONE || phase.compareTo(Phase.HELLO) <= 0 && then == Then.STALL) {
                    fail(cell, phase, then, driver);
                }
            }
        }
    }

    private static void fail(Case cell, Phase phase, Then then, Driver driver) throws Exception {
        String what = phase + " " + then + " " + driver;
        try (SocketServer server = TlsTest.listen(cell);
                Peer peer = Peer.connect(server.localAddress());
                SocketStream stream = server.accept(within(then == Then.STALL ? SHORT : LONG))) {
            Task<?> driving = cell.start("driver", () -> drive(stream, driver));
            Task<?> client = cell.start("client", () -> {
                go(peer, phase);
                then(peer, then);
                return null;
            });
            driving.await();
            if (driver != Driver.NONE) { // the peer may find the connection gone
                client.ended(LONG);
            }
            assertFalse(stream.channel().isOpen(), what);
            ErrorCode code = ErrorCode.of(stream.error());
            switch (then) {
                case STALL -> assertEquals(ErrorCode.ETIMEDOUT, code, what);
                case CLOSE -> assertTrue(code == ErrorCode.TLS_TRUNCATED
                        || code == ErrorCode.ECONNRESET || code == ErrorCode.EPIPE, what + " " + stream.error());
                case GARBAGE -> assertTrue(code.name().startsWith("TLS_"),
                        what + " " + stream.error());
                default -> assertTrue(code == ErrorCode.ECONNRESET || code == ErrorCode.EPIPE,
                        what + " " + stream.error());
            }
            assertEquals(SocketStatus.ERROR, stream.status(Direction.IO, Duration.ZERO), what);
        }
    }

    @EveryCase(over = Family.TCP4)
    void TLS_4_who_learns_that_a_handshake_failed_finds_the_descriptor_free(Case cell)
            throws Exception {
        StreamOptions options = within(Duration.ofMillis(1));
        for (int i = 0; i < 100; i++) { // the event loop ends it at the same time
            try (SocketServer server = TlsTest.listen(cell);
                    Peer peer = Peer.connect(server.localAddress());
                    SocketStream stream = server.accept(options)) {
                assertTrue(peer.channel().isOpen());
                Task<Boolean> writing = cell.start("writer", () -> {
                    assertThrows(IOException.class, () -> {
                        stream.out().writeChar('x');
                        stream.out().flush();
                    });
                    return stream.channel().isOpen();
                });
                assertThrows(IOException.class, () -> stream.in().readChar());
                assertFalse(stream.channel().isOpen(), "reader, round " + i);
                assertFalse(writing.await(), "writer, round " + i);
            }
        }
    }

    private static Void drive(SocketStream stream, Driver driver) throws Exception {
        switch (driver) {
            case OPERATION -> assertThrows(IOException.class, () -> stream.in().readChar());
            case SET -> {
                try (StatusSet set = new StatusSet()) {
                    set.add(stream, Direction.IO);
                    assertEquals(SocketStatus.ERROR, set.check(LONG).statusOf(stream));
                }
            }
            default -> Await.until("the event loop ends it", () -> !stream.channel().isOpen());
        }
        return null;
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void TLS_4_a_server_that_fails_ends_the_connect(Case cell, Then then) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family())) {
            for (boolean answer : new boolean[] {false, true}) {
                Task<IOException> connect = cell.start("connect", () -> assertThrows(
                        IOException.class, () -> SocketStream.connect(listener.address(),
                                within(then == Then.STALL ? SHORT : LONG)).close()));
                try (Peer peer = listener.accept()) {
                    if (answer) {
                        halfAnAnswer(peer);
                    }
                    if (then == Then.RESET && !cell.family().isTcp()) {
                        peer.channel().close(); // with unread input, where there is some
                    } else {
                        then(peer, then);
                    }
                    IOException e = connect.await();
                    assertTrue(e.getMessage().startsWith("SocketStream.connect: "), e::getMessage);
                    if (then == Then.STALL) {
                        assertEquals(SocketTimeoutException.class, e.getClass());
                    }
                }
            }
        }
    }

    private static void halfAnAnswer(Peer peer) throws IOException {
        TlsPeer tls = new TlsPeer(false);
        tls.engine().beginHandshake();
        while (tls.engine().getHandshakeStatus() == HandshakeStatus.NEED_UNWRAP) {
            if (!tls.decrypt()) {
                tls.receive(peer.channel());
            }
        }
        byte[] answer = tls.own();
        TlsPeer.send(peer.channel(), Arrays.copyOf(answer, answer.length / 2));
    }

    @EveryCase(over = Family.TCP4)
    void TLS_4_ten_silent_clients_do_not_delay_an_honest_one(Case cell) throws Exception {
        List<AutoCloseable> open = new ArrayList<>();
        try (SocketServer server = TlsTest.listen(cell)) {
            Task<Void> accepting = cell.start("accepting", () -> {
                for (int i = 0; i < 11; i++) {
                    SocketStream stream = server.accept(TlsTest.OPTIONS);
                    open.add(stream);
                    cell.start("serving", () -> {
                        stream.out().writeLine(stream.in().readLine());
                        stream.out().flush();
                        return null;
                    });
                }
                return null;
            });
            List<Peer> silent = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                silent.add(Peer.connect(server.localAddress()));
            }
            Timing timing = Timing.start();
            try (SocketStream honest =
                    SocketStream.connect(server.localAddress(), TlsTest.OPTIONS)) {
                timing.tookAtMost(Duration.ofSeconds(1));
                honest.out().writeLine("hello");
                honest.out().flush();
                assertEquals("hello", honest.in().readLine());
            }
            accepting.await();
            for (Peer each : silent) {
                each.close();
            }
        } finally {
            for (AutoCloseable each : open) {
                each.close();
            }
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void slow_checks_of_certificates_hold_up_no_look_and_no_event_loop(Case cell) throws Exception {
        CountDownLatch mayGo = new CountDownLatch(1);
        CompletableFuture<String> where = new CompletableFuture<>();
        SSLContext slow = SSLContext.getInstance("TLS");
        slow.init(null, new TrustManager[] {new X509TrustManager() {
            @Override
            public void checkClientTrusted(X509Certificate[] chain, String type) {
                throw new AssertionError("this is a client");
            }

            @Override
            public void checkServerTrusted(X509Certificate[] chain, String type) {
                try {
                    where.complete(Thread.currentThread().getName());
                    mayGo.await(60, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }

            @Override
            public X509Certificate[] getAcceptedIssuers() {
                return new X509Certificate[0];
            }
        }}, null);
        StreamOptions options = StreamOptions.builder().timeout(Duration.ZERO)
                .tls(TlsOptions.builder().context(slow).verifyHost(false).build()).build();
        CompletableFuture<SocketStatus> told = new CompletableFuture<>();
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = SocketStream.connect(listener.address(), options);
                Peer peer = listener.accept().secure(false);
                AutoCloseable watch = Reactor.shared().whenReady(
                        stream, Direction.OUTPUT, told::complete)) {
            assertEquals("parley-tls", where.get(60, TimeUnit.SECONDS), watch::toString);
            assertEquals(SocketStatus.NONE, stream.status(Direction.IO, Duration.ZERO));
            assertEquals(SocketStatus.NONE, stream.status(Direction.IO, Duration.ofMillis(20)));
            Task<SocketStatus> waiting = cell.start("status",
                    () -> stream.status(Direction.OUTPUT, null));
            Task<Void> writing = cell.start("write", () -> {
                stream.out().writeLine("late");
                stream.out().flush();
                return null;
            });
            assertFalse(told.isDone() || waiting.isDone() || writing.isDone());
            mayGo.countDown();
            assertEquals(SocketStatus.OUTPUT, told.get(60, TimeUnit.SECONDS));
            assertEquals(SocketStatus.OUTPUT, waiting.await());
            writing.await();
            assertEquals("late\n", peer.receiveText(5));
        }
    }

    @EveryCase(over = Family.TCP4)
    void an_interrupt_of_a_handshake_leaves_it_to_the_next_operation(Case cell) throws Exception {
        try (SocketServer server = TlsTest.listen(cell);
                Peer peer = Peer.connect(server.localAddress());
                SocketStream stream = server.accept(TlsTest.OPTIONS)) {
            stream.readTimeout(Duration.ofMillis(20));
            assertThrows(SocketTimeoutException.class, () -> stream.in().readChar());
            stream.readTimeout(null);
            Task<Integer> reading = cell.start("reading", () -> stream.in().readChar());
            parley.testing.Blocked.in(reading, "parley.net.wait.ThreadWaits.await");
            reading.interrupt();
            reading.failure(java.io.InterruptedIOException.class);
            Task<Integer> again = cell.start("again", () -> stream.in().readChar());
            peer.secure(true).send("x");
            assertEquals('x', again.await());
        }
    }

    @EveryCase(over = Family.TCP4)
    void TLS_2_a_client_of_the_old_kind_and_plain_text_are_named(Case cell) throws Exception {
        for (String text : List.of("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n", "(+ 1 2)\n")) {
            try (SocketServer server = TlsTest.listen(cell);
                    Peer peer = Peer.connect(server.localAddress());
                    SocketStream stream = server.accept(TlsTest.OPTIONS)) {
                peer.send(text);
                IOException e = assertThrows(IOException.class, () -> stream.in().readLine());
                assertEquals(ErrorCode.TLS_PLAIN_TEXT, ErrorCode.of(e));
                assertTrue(e.getMessage().contains("plain text"), e::getMessage);
                ByteBuffer room = ByteBuffer.allocate(100);
                SocketChannel channel = peer.channel();
                assertTrue(peer.readable(LONG) && channel.read(room) < 100);
            }
        }
    }
}
