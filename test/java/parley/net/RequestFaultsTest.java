package parley.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
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

    @ParameterizedTest
    @MethodSource("kinds")
    void a_full_stack_leaves_waiting_requests_to_be_served(Kind kind) throws Exception {
        fill();
        try (Reported log = new Reported()) {
            Requests requests = kind.maker.make(stream, Runnable::run);
            requests.make(value -> { });
            FullStack.probe(kind, () -> requests.make(value -> { }), () -> null);
            drain();
            served(requests);
            log.records();
        }
    }

    /** An executor that rejects may keep no receiver from its result, nor throw at another caller. */
    @ParameterizedTest
    @MethodSource("kinds")
    void what_an_executor_rejects_is_received_all_the_same(Kind kind) throws Exception {
        fill();
        try (Reported log = new Reported()) {
            Requests requests = kind.maker.make(stream, task -> {
                throw new RejectedExecutionException("on purpose");
            });
            CountDownLatch served = new CountDownLatch(2);
            requests.make(value -> served.countDown());
            requests.make(value -> served.countDown());
            drain();
            assertTrue(served.await(20, TimeUnit.SECONDS));
            served(requests);
            assertTrue(log.about("an executor rejected a task") >= 2);
        }
    }

    @Test
    void an_executor_that_rejects_hides_no_end_of_an_outlet() throws Exception {
        Outlet<byte[]> outlet = new Outlet<>(stream, Framing.chunks(8), Outlet.Ending.CLOSE,
                task -> {
                    throw new RejectedExecutionException("on purpose");
                });
        try (Reported log = new Reported()) {
            CountDownLatch flushed = new CountDownLatch(3);
            outlet.whenFlushed(cause -> flushed.countDown());
            outlet.whenFlushed(cause -> flushed.countDown());
            outlet.close();
            outlet.whenFlushed(cause -> flushed.countDown());
            assertTrue(flushed.await(20, TimeUnit.SECONDS));
            assertTrue(log.about("an executor rejected a task") >= 3);
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void requests_of_a_closed_stream_result_in_the_end(Kind kind) throws Exception {
        fill();
        Requests requests = kind.maker.make(stream, Runnable::run);
        List<Object> results = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch both = new CountDownLatch(2);
        Consumer<Object> receiver = value -> {
            results.add(String.valueOf(value));
            both.countDown();
        };
        requests.make(receiver);
        stream.abort();
        requests.make(receiver);
        assertTrue(both.await(20, TimeUnit.SECONDS));
        assertTrue(Set.of("null", "false", "ERROR").containsAll(results), results::toString);
    }

    /** Makes a write wait; a read waits as long as nothing was sent. */
    private void fill() throws IOException {
        stream.writeTimeout(Duration.ZERO);
        try {
            for (;;) {
                stream.out().writeBytes(new byte[100_000], 0, 100_000, WaitMode.FULL);
            }
        } catch (SocketTimeoutException e) {
            assertTrue(e.bytesTransferred >= 0);
        }
        stream.writeTimeout(null);
    }

    /** Makes waiting reads and writes possible. */
    private void drain() throws IOException {
        peer.out().writeString("x".repeat(4000));
        peer.out().flush();
        peer.readTimeout(Duration.ofSeconds(20));
        while (peer.status(Direction.INPUT, Duration.ofMillis(1)) == SocketStatus.INPUT) {
            peer.in().readBytes(new byte[100_000], 0, 100_000, WaitMode.NO_HANG);
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
