package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
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
    private static final Set<String> EVERY = Set.of("startTime", "duration", "eventThread", "stackTrace");
    private static final String[] EXPECTED = {
        "parley.Connect host=127.0.0.1 port=\\d+ failure=null",
        "parley.Accept local=127.0.0.1:\\d+ peer=127.0.0.1:\\d+",
        "parley.Wait operation=read-line object=#<socket-stream .*>",
        "parley.Close local=.* peer=.* bytesIn=6 bytesOut=0 age=\\d+",
        "parley.AcceptPause server=a server pause=1000 cause=java.io.IOException: no descriptors",
        "parley.Handshake peer=127.0.0.1:\\d+ protocol=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 failure=null",
        "parley.Handshake .* protocol=null cipher=null failure=.*it sent plain text where TLS was expected.*",
        "parley.Handshake .* failure=.*closed the connection during the TLS handshake",
        "parley.Handshake .* failure=.*did not finish the TLS handshake within 0.1 s",
        "parley.Handshake .* failure=closed before the handshake was over"};
    private static final Duration SHORT = Duration.ofMillis(100);
    private static final Duration LONG = Duration.ofSeconds(60);

    @Test
    void eachKindOfEventIsRecorded() throws Exception {
        Map<String, Queue<RecordedEvent>> seen = new ConcurrentHashMap<>();
        for (String name : NAMES) {
            seen.put("parley." + name, new ConcurrentLinkedQueue<>());
        }
        try (RecordingStream recording = new RecordingStream()) {
            seen.forEach((name, events) -> recording.enable(name).withThreshold(Duration.ZERO));
            recording.setReuse(false);
            seen.forEach((name, events) -> recording.onEvent(name, events::add));
            recording.startAsync();
            WithoutModule.connectAndClose();
            WithoutModule.handshake();
            WithoutModule.failure(LONG, socket -> socket.getOutputStream().write("GET /".getBytes()));
            WithoutModule.failure(LONG, Socket::shutdownOutput);
            WithoutModule.failure(SHORT, socket -> { });
            WithoutModule.withClient(LONG, socket -> { }, SocketStream::close);
            FlightEvents.acceptPaused("a server", 1000, new IOException("no descriptors"));
            for (String expected : EXPECTED) {
                Await.until(expected, () -> seen.values().stream().flatMap(Queue::stream)
                        .anyMatch(event -> oneLine(event).matches(expected)));
            }
        }
        assertEquals(6, seen.get("parley.Handshake").size(), "no handshake is recorded twice");
    }

    private static String oneLine(RecordedEvent event) {
        String fields = event.getFields().stream()
                .filter(field -> !EVERY.contains(field.getName()))
                .map(field -> field.getName() + "=" + event.getValue(field.getName()))
                .collect(Collectors.joining(" "));
        return event.getEventType().getName() + " " + fields;
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
