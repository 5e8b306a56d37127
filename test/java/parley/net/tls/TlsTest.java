package parley.net.tls;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import javax.net.ssl.SSLEngine;
import org.junit.jupiter.api.Test;
import parley.net.Direction;
import parley.net.ElementType;
import parley.net.ErrorCode;
import parley.net.ErrorInfo;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StreamInput;
import parley.net.StreamOptions;
import parley.net.WaitMode;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Keys;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Seeds;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.TlsPeer;

/** TLS as a transport: both ends of it, and what is special about it. */
@Guarded
class TlsTest {
    static final TlsOptions TLS = TlsOptions.of(Keys.context());
    static final StreamOptions OPTIONS = options().tls(TLS).build();
    private static final Duration LONG = Duration.ofSeconds(20);

    static StreamOptions.Builder options() {
        return StreamOptions.builder().elementType(ElementType.BIVALENT);
    }

    static SocketServer listen(Case cell) throws IOException {
        return SocketServer.listen(cell.family() == Family.UNIX
                ? ServerOptions.builder().path(
                        ((UnixDomainSocketAddress) cell.family().unbound()).getPath()).build()
                : ServerOptions.builder().host(cell.family().host()).port(0).build());
    }

    /** A client of Parley's whose handshake is over, and its scripted server. */
    private static final class Pair implements AutoCloseable {
        final SocketStream stream;
        final Peer peer;

        Pair(Case cell) throws IOException {
            try (PeerListener listener = PeerListener.on(
                    cell.family() == Family.UNIX ? Family.TLS_UNIX : Family.TLS)) {
                stream = SocketStream.connect(listener.address(), OPTIONS);
                peer = listener.accept();
                peer.tls();
            }
        }

        @Override
        public void close() throws IOException {
            stream.abort();
            peer.channel().close();
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void lines_go_both_ways(Case cell) throws Exception {
        try (SocketServer server = listen(cell)) {
            Task<Integer> echo = cell.start("echo", () -> {
                try (SocketStream stream = server.accept(OPTIONS)) {
                    int lines = 0;
                    for (String line; (line = stream.in().readLine()) != null; lines++) {
                        stream.out().writeLine(line);
                        stream.out().flush();
                    }
                    return lines;
                }
            });
            try (SocketStream stream = SocketStream.connect(server.localAddress(), OPTIONS)) {
                assertEquals("TLSv1.3", stream.tlsSession().protocol());
                for (int i = 0; i < 100; i++) {
                    stream.out().writeLine("line " + i);
                    stream.out().flush();
                    assertEquals("line " + i, stream.in().readLine());
                }
            }
            assertEquals(100, echo.await());
        }
    }

    // ---- the end -----------------------------------------------------------------------------

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void TLS_3_an_end_without_close_notify_is_an_error_for_ever(Case cell) throws Exception {
        for (boolean reset : new boolean[] {false, true}) {
            try (Pair pair = new Pair(cell)) {
                pair.peer.send("abc");
                assertEquals(SocketStatus.INPUT, pair.stream.status(Direction.INPUT, LONG));
                assertEquals('a', pair.stream.in().readByte());
                if (reset && cell.family().isTcp()) {
                    pair.peer.reset();
                } else {
                    pair.peer.channel().close();
                }
                assertEquals('b', pair.stream.in().readChar());
                assertEquals('c', pair.stream.in().readByte());
                for (int i = 0; i < 3; i++) {
                    IOException e = assertThrows(IOException.class,
                            () -> pair.stream.in().readByte());
                    assertEquals(ErrorCode.TLS_TRUNCATED, ErrorInfo.of(e).code(), e::toString);
                    assertEquals(SocketStatus.ERROR,
                            pair.stream.status(Direction.INPUT, Duration.ZERO));
                }
            }
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void close_notify_ends_one_direction(Case cell) throws Exception {
        try (Pair pair = new Pair(cell)) {
            pair.peer.send("bye").endOutput();
            assertEquals("bye", pair.stream.in().readLine());
            assertEquals(StreamInput.END, pair.stream.in().readByte());
            assertEquals(SocketStatus.APPEND, pair.stream.status(Direction.IO, LONG));
            pair.stream.out().writeLine("still here");
            pair.stream.shutdown(Direction.OUTPUT);
            assertEquals("still here\n", pair.peer.receiveText(11));
            pair.peer.expectEnd();
            assertEquals(SocketStatus.EOF, pair.stream.status(Direction.IO, LONG));
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void what_is_sent_before_a_close_arrives_though_the_ticket_was_not_read(Case cell)
            throws Exception {
        for (int i = 0; i < 20; i++) {
            try (Pair pair = new Pair(cell)) {
                pair.stream.out().writeString("x".repeat(40_000));
                pair.stream.close();
                assertEquals(40_000, pair.peer.receiveAll().length);
            }
        }
    }

    // ---- what only TLS has -------------------------------------------------------------------

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void TLS_8_new_keys_amid_bulk_in_both_directions(Case cell) throws Exception {
        byte[] much = Seeds.bytes(new Random(8), 2 << 20);
        try (Pair pair = new Pair(cell)) {
            Task<Void> writing = cell.start("writing", () -> {
                pair.stream.out().writeBytes(much, 0, much.length, WaitMode.FULL);
                pair.stream.shutdown(Direction.OUTPUT);
                return null;
            });
            Task<byte[]> reading = cell.start("reading", () -> {
                byte[] got = new byte[much.length];
                int end = pair.stream.in().readBytes(got, 0, got.length, WaitMode.FULL);
                if (end < got.length) {
                    pair.stream.in().readByte(); // throws why
                }
                return got;
            });
            int piece = much.length / 20;
            for (int at = 0; at < much.length; at += piece) {
                TlsPeer.send(pair.peer.channel(), pair.peer.tls().keyUpdate());
                pair.peer.send(Arrays.copyOfRange(much, at, Math.min(much.length, at + piece)));
            }
            assertArrayEquals(much, reading.await());
            assertArrayEquals(much, pair.peer.receiveAll());
            writing.await();
        }
    }

    @EveryCase(over = Family.UNIX, on = Threads.PLATFORM) // whose buffers do not grow
    void requests_for_new_keys_without_end_are_refused(Case cell) throws Exception {
        try (Pair pair = new Pair(cell)) {
            byte[] much = new byte[1 << 20];
            while (pair.stream.out().writeBytes(much, 0, much.length, WaitMode.NO_HANG) > 0) {
                // until the peer's and this side's buffers are full
            }
            Task<Integer> reading = cell.start("reading", () -> pair.stream.in().readByte());
            for (int i = 0; i < 100; i++) {
                TlsPeer.send(pair.peer.channel(), pair.peer.tls().keyUpdate());
            }
            IOException e = reading.failure(IOException.class);
            assertEquals(ErrorCode.TLS_PROTOCOL_ERROR, ErrorCode.of(e), e::toString);
        }
    }

    @EveryCase(over = Family.TCP4)
    void TLS_8_a_renegotiation_is_refused_by_both_sides(Case cell) throws Exception {
        for (boolean client : new boolean[] {false, true}) {
            SSLEngine old = Keys.context().createSSLEngine();
            old.setEnabledProtocols(new String[] {"TLSv1.2"});
            TlsPeer tls = new TlsPeer(old, !client);
            try (SocketServer server = listen(cell);
                    Peer peer = Peer.connect(server.localAddress());
                    SocketStream stream = server.accept(options().build())) {
                Task<TlsPeer> shaking =
                        cell.start("shaking", () -> tls.handshake(peer.channel()));
                stream.startTls(TlsOptions.builder().context(Keys.context())
                        .verifyHost(false).build(), client);
                shaking.await();
                assertEquals("TLSv1.2", stream.tlsSession().protocol());
                TlsPeer.send(peer.channel(), tls.encrypt(new byte[] {'x'}));
                assertEquals('x', stream.in().readByte());
                old.beginHandshake();
                TlsPeer.send(peer.channel(), tls.own());
                IOException e = assertThrows(IOException.class, () -> stream.in().readByte());
                assertEquals(ErrorCode.TLS_RENEGOTIATION, ErrorCode.of(e), e::toString);
            }
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void TLS_6_damaged_records_are_errors(Case cell) throws Exception {
        for (int at : new int[] {0, 3, 6}) { // type, length, content
            try (Pair pair = new Pair(cell)) {
                byte[] record = pair.peer.tls().encrypt(new byte[100]);
                record[at] ^= 0x55;
                TlsPeer.send(pair.peer.channel(), record);
                IOException e = assertThrows(IOException.class, () -> pair.stream.in().readByte());
                assertTrue(List.of(ErrorCode.TLS_PROTOCOL_ERROR, ErrorCode.TLS_PLAIN_TEXT)
                        .contains(ErrorCode.of(e)), at + " " + e);
                assertThrows(IOException.class, () -> {
                    pair.stream.out().writeByte('x');
                    pair.stream.out().flush();
                });
            }
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX}, on = Threads.PLATFORM)
    void an_idle_connection_holds_no_buffers(Case cell) throws Exception {
        try (Pair pair = new Pair(cell)) {
            byte[] much = new byte[100_000];
            pair.peer.send(much);
            assertEquals(much.length,
                    pair.stream.in().readBytes(much, 0, much.length, WaitMode.FULL));
            pair.stream.out().writeBytes(much, 0, much.length, WaitMode.FULL);
            pair.stream.out().flush();
            assertEquals(SocketStatus.NONE, pair.stream.status(Direction.INPUT, Duration.ZERO));
            pair.peer.receive(much.length);
            Object transport = field(pair.stream, pair.stream.getClass().getSuperclass(), "transport");
            Object tls = field(transport, "tls");
            assertEquals(null, field(field(tls, "reader"), "bytes"));
            assertEquals(null, field(field(tls, "writer"), "bytes"));
            assertEquals(null, field(field(tls, "reader"), "plain"));
        }
    }

    private static Object field(Object object, String name) throws ReflectiveOperationException {
        return field(object, object.getClass(), name);
    }

    private static Object field(Object object, Class<?> owner, String name)
            throws ReflectiveOperationException {
        var field = owner.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }

    // ---- STARTTLS ----------------------------------------------------------------------------

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void TLS_7_an_open_stream_is_upgraded(Case cell) throws Exception {
        try (SocketServer server = listen(cell)) {
            Task<String> serving = cell.start("serving", () -> {
                try (SocketStream stream = server.accept(options().build())) {
                    String command = stream.in().readLine();
                    stream.out().writeLine("go ahead");
                    stream.startTls(TLS); // sends what is buffered first
                    return command + stream.in().readLine();
                }
            });
            try (SocketStream stream =
                    SocketStream.connect(server.localAddress(), options().build())) {
                assertEquals(null, stream.tlsSession());
                stream.out().writeString("STARTTLS\r\n");
                stream.out().flush();
                assertEquals("go ahead", stream.in().readLine());
                stream.startTls(TLS);
                assertEquals("TLSv1.3", stream.tlsSession().protocol());
                assertThrows(IllegalStateException.class, () -> stream.startTls(TLS));
                stream.out().writeLine(" and a secret");
                stream.out().flush();
                assertEquals(null, stream.in().readLine());
            }
            assertEquals("STARTTLS and a secret", serving.await());
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void TLS_7_plain_bytes_that_came_early_are_an_error_and_not_input(Case cell) throws Exception {
        for (boolean together : new boolean[] {true, false}) {
            try (SocketServer server = listen(cell);
                    Peer peer = Peer.connect(server.localAddress());
                    SocketStream stream = server.accept(options().build())) {
                peer.send(together ? "STARTTLS\r\nEVIL\r\n" : "STARTTLS\r\n");
                assertEquals("STARTTLS", stream.in().readLine());
                if (!together) {
                    peer.send("EVIL\r\n"); // not read yet when TLS begins
                }
                IOException e = assertThrows(IOException.class, () -> stream.startTls(TLS));
                assertEquals(ErrorCode.TLS_PLAIN_TEXT, ErrorCode.of(e), e::toString);
                assertTrue(e.getMessage().startsWith("SocketStream.startTls: "), e::getMessage);
            }
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void TLS_7_a_hello_that_came_with_the_command_is_taken(Case cell) throws Exception {
        TlsPeer tls = new TlsPeer(true);
        try (SocketServer server = listen(cell);
                Peer peer = Peer.connect(server.localAddress());
                SocketStream stream = server.accept(options().build())) {
            tls.engine().beginHandshake();
            peer.send("STARTTLS\r\n");
            TlsPeer.send(peer.channel(), tls.own());
            assertEquals("STARTTLS", stream.in().readLine());
            Task<TlsPeer> shaking = cell.start("shaking", () -> tls.handshake(peer.channel()));
            stream.startTls(TLS);
            shaking.await();
            TlsPeer.send(peer.channel(), tls.encrypt("x".getBytes()));
            assertEquals('x', stream.in().readByte());
        }
    }

    @Test
    void options_with_tls_are_refused_where_the_side_is_not_known() throws Exception {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class,
                () -> SocketStream.pair(OPTIONS));
        assertTrue(e.getMessage().endsWith("the options have TLS, expected options without it;"
                + " SocketStream.startTls begins TLS on a stream that exists"), e::getMessage);
    }

    // ---- errors ------------------------------------------------------------------------------

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void TLS_1_a_certificate_for_another_name_ends_the_connect(Case cell) throws Exception {
        try (SocketServer server = listen(cell)) {
            Task<Object> serving = cell.start("serving", () -> {
                try (SocketStream stream = server.accept(OPTIONS)) {
                    return assertThrows(IOException.class, () -> stream.in().readByte());
                }
            });
            IOException e = assertThrows(IOException.class, () -> SocketStream.connect(
                    server.host(), server.port(),
                    options().tls(TlsOptions.builder().context(Keys.context())
                            .serverName("wrong.example").build()).build()));
            assertEquals(ErrorCode.TLS_HOST_MISMATCH, ErrorCode.of(e), e::toString);
            assertTrue(e.getMessage().startsWith("SocketStream.connect: 127.0.0.1:" + server.port()),
                    e::getMessage);
            serving.await();
        }
    }
}
