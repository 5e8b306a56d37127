package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.stream.Stream;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import parley.net.tls.TlsOptions;
import parley.testing.Await;
import parley.testing.Child;
import parley.testing.Keys;

/** What JDK Flight Recorder records of connections. */
@Timeout(120)
class FlightEventsTest {
    private static final String[] NAMES = {
        "Connect", "Accept", "Handshake", "Wait", "Close", "AcceptPause"};
    private static final Duration SHORT = Duration.ofMillis(100);
    private static final Duration LONG = Duration.ofSeconds(60);

    @Test
    void eachKindOfEventIsRecorded() throws Exception {
        Map<String, RecordedEvent> seen = new ConcurrentHashMap<>();
        try (RecordingStream recording = recording(event -> seen.putIfAbsent(
                event.getEventType().getName().substring("parley.".length()), event))) {
            recording.startAsync();
            WithoutModule.connectAndClose();
            WithoutModule.handshake();
            FlightEvents.acceptPaused("a server", 1000, new IOException("no descriptors"));
            Await.until("all kinds of events are seen", () -> seen.size() == NAMES.length);
        }
        assertEquals("127.0.0.1", seen.get("Connect").getString("host"));
        assertTrue(seen.get("Accept").getString("peer").startsWith("127.0.0.1"));
        assertEquals("read-line", seen.get("Wait").getString("operation"));
        assertEquals(6, seen.get("Close").getLong("bytesIn") + seen.get("Close").getLong("bytesOut"));
        assertEquals(Duration.ofNanos(1000), seen.get("AcceptPause").getDuration("pause"));
        RecordedEvent handshake = seen.get("Handshake");
        assertEquals("TLSv1.3", handshake.getString("protocol"));
        assertEquals("TLS_AES_256_GCM_SHA384", handshake.getString("cipher"));
        assertTrue(handshake.getString("peer").startsWith("127.0.0.1"));
        assertNull(handshake.getString("failure"));
    }

    @Test
    void aHandshakeThatFailsIsRecordedOnceWithItsReason() throws Exception {
        List<String> failures = new CopyOnWriteArrayList<>();
        try (RecordingStream recording = recording(event -> {
            if (event.getEventType().getName().equals("parley.Handshake")) {
                failures.add(event.getString("failure"));
            }
        })) {
            recording.startAsync();
            WithoutModule.failure(LONG, socket -> socket.getOutputStream().write("GET /".getBytes()));
            WithoutModule.failure(LONG, Socket::shutdownOutput);
            WithoutModule.failure(SHORT, socket -> { });
            WithoutModule.withClient(LONG, socket -> { }, SocketStream::close);
            Await.until("the last is seen",
                    () -> failures.contains("closed before the handshake was over"));
        }
        assertEquals(4, failures.size(), failures::toString);
        assertTrue(failures.get(0).contains("it sent plain text where TLS was expected"), failures::toString);
        assertTrue(failures.get(1).contains("closed the connection during the TLS handshake"), failures::toString);
        assertTrue(failures.get(2).contains("within 0.1 s"), failures::toString);
    }

    /** A recording of all kinds of events, not started yet. */
    private static RecordingStream recording(Consumer<RecordedEvent> seen) {
        RecordingStream recording = new RecordingStream();
        Stream.of(NAMES).forEach(name -> recording.enable("parley." + name).withThreshold(Duration.ZERO));
        recording.setReuse(false);
        recording.onEvent(seen);
        return recording;
    }

    @Test
    void streamsWorkWithoutTheModule() throws Exception {
        try (Child child = Child.java(List.of("--limit-modules", "java.base,java.logging,"
                + "java.management,jdk.unsupported,jdk.net,jdk.crypto.ec"), WithoutModule.class)) {
            assertEquals("without jdk.jfr", child.answer("works"));
        }
    }

    /** Runs in a Java machine without jdk.jfr. */
    public static final class WithoutModule {
        private static final ServerOptions LOOPBACK = ServerOptions.builder().host("127.0.0.1").build();

        private WithoutModule() {
        }

        /** What one side of a connection does with its end. */
        interface Use<T> {
            void of(T end) throws IOException;
        }

        private static StreamOptions tls(Duration limit) throws IOException {
            return StreamOptions.builder().timeout(Duration.ZERO).tls(TlsOptions.builder()
                    .context(Keys.context()).handshakeTimeout(limit).build()).build();
        }

        /** A client without TLS acts, then a server with TLS. */
        static void withClient(Duration limit, Use<Socket> client, Use<SocketStream> server)
                throws IOException {
            try (SocketServer listening = SocketServer.listen(LOOPBACK);
                    Socket socket = new Socket("127.0.0.1", listening.port());
                    SocketStream stream = listening.accept(tls(limit))) {
                client.of(socket);
                server.of(stream);
            }
        }

        static void failure(Duration limit, Use<Socket> client) throws IOException {
            withClient(limit, client,
                    stream -> assertThrows(IOException.class, () -> stream.in().readLine()));
        }

        static void handshake() throws Exception {
            try (SocketServer server = SocketServer.listen(LOOPBACK);
                    SocketStream client = SocketStream.connect("127.0.0.1", server.port(), tls(LONG));
                    SocketStream peer = server.accept(tls(LONG))) {
                CompletableFuture<Void> other = CompletableFuture.runAsync(() -> {
                    try {
                        peer.tlsSession();
                    } catch (IOException e) {
                        throw new java.io.UncheckedIOException(e);
                    }
                });
                client.tlsSession();
                other.get();
            }
        }

        static void connectAndClose() throws IOException {
            try (SocketServer server = SocketServer.listen(LOOPBACK);
                    SocketStream client = SocketStream.connect("127.0.0.1", server.port(),
                            StreamOptions.builder().readTimeout(Duration.ofMillis(50)).build());
                    SocketStream peer = server.accept()) {
                try {
                    client.in().readLine();
                } catch (java.net.SocketTimeoutException e) {
                    assertEquals(0, e.bytesTransferred);
                }
                client.out().writeLine("hello");
                client.out().flush();
                assertEquals("hello", peer.in().readLine());
            }
        }

        public static void main(String[] args) throws Exception {
            if (ModuleLayer.boot().findModule("jdk.jfr").isEmpty()) {
                connectAndClose();
                handshake();
                failure(LONG, Socket::shutdownOutput);
                System.out.println("works without jdk.jfr");
            }
        }
    }
}
