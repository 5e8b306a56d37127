package parley.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import parley.testing.FullStack;
import parley.testing.Guarded;
import parley.testing.Reported;
import parley.testing.Threads;

/** Requests of intakes and outlets, put through faults inside them. */
@Guarded
class RequestFaultsTest {
    private SocketStream stream;
    private SocketStream peer;

    @BeforeEach
    void connect() throws IOException {
        List<SocketStream> pair = SocketStream.pair(StreamOptions.builder()
                .elementType(ElementType.BIVALENT).build());
        stream = pair.get(0);
        peer = pair.get(1);
    }

    @AfterEach
    void close() throws IOException {
        stream.abort();
        peer.abort();
    }

    /** A kind of request: makes the object once, and requests of it. */
    private record Kind(String name, Maker maker) {
        interface Maker {
            Requests make(SocketStream stream, Executor executor) throws IOException;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    private interface Requests {
        /** Makes a request; the receiver gets whatever it results in. */
        void make(Consumer<Object> receiver);
    }

    static Stream<Kind> kinds() {
        return Stream.of(
                new Kind("statuses", (stream, executor) -> of(
                        Intake.statuses(stream, Direction.INPUT, executor))),
                new Kind("elements", (stream, executor) -> of(
                        Intake.elements(stream, Framing.chunks(1), executor))),
                new Kind("outlet", (stream, executor) -> {
                    Outlet<byte[]> outlet = new Outlet<>(stream, Framing.chunks(8),
                            Outlet.Ending.LEAVE_OPEN, executor);
                    return receiver -> outlet.put(new byte[1], receiver::accept);
                }));
    }

    private static <T> Requests of(Intake<T> intake) {
        return receiver -> intake.take(receiver::accept);
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void a_full_stack_leaves_later_requests_served(Kind kind) throws Exception {
        peer.out().writeString("x".repeat(4000));
        peer.out().flush();
        try (Reported log = new Reported()) {
            Requests requests = kind.maker.make(stream, Runnable::run);
            requests.make(value -> { });
            FullStack.probe(kind, () -> requests.make(value -> { }), () -> null);
            served(requests);
            log.records(); // what a full stack logs, if anything
        }
    }

    /** By another thread, since a lock that was not freed lets its owner in. */
    private static void served(Requests requests) throws Exception {
        CountDownLatch served = new CountDownLatch(1);
        Threads.PLATFORM.start("other", () -> {
            requests.make(value -> served.countDown());
            return null;
        }).await();
        assertTrue(served.await(20, TimeUnit.SECONDS), requests::toString);
    }
}
