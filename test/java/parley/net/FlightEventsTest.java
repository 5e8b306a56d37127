package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import parley.testing.Await;
import parley.testing.Child;

/** What JDK Flight Recorder records of connections. */
@Timeout(120)
class FlightEventsTest {
    private static final String[] NAMES = {
        "Connect", "Accept", "Wait", "Close", "AcceptPause"};

    @Test
    void eachKindOfEventIsRecorded() throws IOException {
        Map<String, RecordedEvent> seen = new ConcurrentHashMap<>();
        try (RecordingStream recording = new RecordingStream()) {
            Stream.of(NAMES).forEach(name -> recording.enable("parley." + name).withThreshold(Duration.ZERO));
            recording.setReuse(false);
            Stream.of(NAMES).forEach(name -> recording.onEvent("parley." + name,
                    event -> seen.putIfAbsent(name, event)));
            recording.startAsync();
            WithoutModule.connectAndClose();
            FlightEvents.acceptPaused("a server", 1000, new IOException("no descriptors"));
            Await.until("all kinds of events are seen", () -> seen.size() == NAMES.length);
        }
        assertEquals("127.0.0.1", seen.get("Connect").getString("host"));
        assertTrue(seen.get("Accept").getString("peer").startsWith("127.0.0.1"));
        assertEquals("read-line", seen.get("Wait").getString("operation"));
        assertEquals(6, seen.get("Close").getLong("bytesIn") + seen.get("Close").getLong("bytesOut"));
        assertEquals(Duration.ofNanos(1000), seen.get("AcceptPause").getDuration("pause"));
    }

    @Test
    void streamsWorkWithoutTheModule() throws Exception {
        try (Child child = Child.java(List.of("--limit-modules",
                "java.base,java.logging,java.management,jdk.unsupported,jdk.net"), WithoutModule.class)) {
            assertEquals("without jdk.jfr", child.answer("works"));
        }
    }

    /** Runs in a Java machine without jdk.jfr. */
    public static final class WithoutModule {
        private WithoutModule() {
        }

        static void connectAndClose() throws IOException {
            try (SocketServer server = SocketServer.listen(
                    ServerOptions.builder().host("127.0.0.1").build());
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

        public static void main(String[] args) throws IOException {
            if (ModuleLayer.boot().findModule("jdk.jfr").isEmpty()) {
                connectAndClose();
                System.out.println("works without jdk.jfr");
            }
        }
    }
}
