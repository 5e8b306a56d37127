package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import parley.net.wait.Source;
import parley.testing.Blocked;
import parley.testing.Family;
import parley.testing.FullStack;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.Threads;

/**
 * Every public operation of a stream's two sides, put through every fault that can be made to
 * happen inside it. The table is made by reflection, so that no operation can be forgotten.
 */
@Guarded
class FaultsTest {
    private static final Duration MOMENT = Duration.ofMillis(50);

    /** Accessors, which take no lock, and settings, which are made once. */
    private static final Set<String> NO_OPERATIONS =
            Set.of("timeout", "deadline", "within", "toString", "lineLimit");

    private static final Map<Class<?>, Object> ARGUMENTS = Map.of(
            int.class, 1, long.class, 65L, boolean.class, true, char[].class, new char[4],
            byte[].class, new byte[4], long[].class, new long[4], CharSequence.class, "text",
            ByteOrder.class, ByteOrder.LITTLE_ENDIAN);

    private final Boom boom = new Boom();
    private PeerListener listener;
    private Peer peer;
    private SocketStream stream;

    /** An operation of one of the sides. */
    record Operation(Class<?> type, Method method) {
        Object call(SocketStream stream, IntPredicate predicate) throws Throwable {
            Object[] arguments = Arrays.stream(method.getParameterTypes())
                    .map(type -> argument(type, predicate)).toArray();
            try {
                return method.invoke(side(stream), arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }

        private static Object argument(Class<?> type, IntPredicate predicate) {
            if (type == IntPredicate.class) {
                return predicate;
            }
            if (type == Framing.class) {
                return Framing.chunks(4); // one for each stream
            }
            return type.isEnum() ? type.getEnumConstants()[0] : ARGUMENTS.get(type);
        }

        StreamSide side(SocketStream stream) {
            return type == StreamInput.class ? stream.in() : stream.out();
        }

        @Override
        public String toString() {
            return type.getSimpleName() + "." + method.getName() + "/"
                    + method.getParameterCount();
        }
    }

    static Stream<Operation> operations() {
        return Stream.of(StreamInput.class, StreamOutput.class)
                .flatMap(type -> declared(type).map(method -> new Operation(type, method)))
                .filter(each -> !NO_OPERATIONS.contains(each.method.getName()))
                .sorted(Comparator.comparing(Operation::toString));
    }

    /** The public methods of a side, those of its superclasses included. */
    private static Stream<Method> declared(Class<?> type) {
        return type == Object.class ? Stream.of()
                : Stream.concat(declared(type.getSuperclass()), Arrays.stream(type.getDeclaredMethods())
                        .filter(method -> Modifier.isPublic(method.getModifiers()))
                        .filter(method -> !method.isSynthetic() && !method.isBridge()));
    }

    @Test
    void the_table_has_every_operation() {
        Set<String> here = operations().map(each -> each.method.getName())
                .collect(Collectors.toSet());
        Stream.of(StreamInput.class, StreamOutput.class, Object.class)
                .flatMap(type -> Arrays.stream(type.getMethods()))
                .filter(method -> method.getDeclaringClass() != Object.class)
                .forEach(method -> assertTrue(here.contains(method.getName())
                        || NO_OPERATIONS.contains(method.getName()), method::toString));
    }

    static Stream<Operation> inputOperations() {
        return operations().filter(each -> each.toString().startsWith("StreamInput"));
    }

    /** A connection that fails as it is told to. */
    private static final class Boom implements Transport {
        private Transport real;
        private volatile Error error; // thrown by the next transfer
        // Data comes from nowhere, since a full stack inside the JDK's channels prints a warning.
        private volatile boolean inMemory;

        private void fail() {
            Error now = error;
            if (now != null) {
                error = null;
                throw now;
            }
        }

        @Override
        public int read(ByteBuffer into) throws IOException {
            fail();
            if (!inMemory) {
                return real.read(into);
            }
            int before = into.position();
            while (into.position() - before < 64 && into.hasRemaining()) {
                into.put((byte) (into.position() % 8 == 7 ? '\n' : 's'));
            }
            return into.position() - before;
        }

        @Override
        public int write(ByteBuffer from) throws IOException {
            fail();
            if (!inMemory) {
                return real.write(from);
            }
            int count = from.remaining();
            from.position(from.limit());
            return count;
        }

        @Override
        public void shutdown(Direction direction) throws IOException {
            real.shutdown(direction);
        }

        @Override
        public boolean isConnecting() {
            return real.isConnecting();
        }

        @Override
        public boolean finishConnect() throws IOException {
            return real.finishConnect();
        }

        @Override
        public boolean isOpen() {
            return real.isOpen();
        }

        @Override
        public void close(boolean reset) throws IOException {
            real.close(reset);
        }

        @Override
        public SocketAddress peer() throws IOException {
            return real.peer();
        }

        @Override
        public SocketAddress local() throws IOException {
            return real.local();
        }

        @Override
        public Source source() {
            return real.source();
        }
    }

    @BeforeEach
    void connect() throws IOException {
        listener = PeerListener.on(Family.TCP4);
        boom.real = new ChannelTransport(java.nio.channels.SocketChannel.open(listener.address()));
        stream = new SocketStream(boom, "127.0.0.1", 1, StreamOptions.builder()
                .elementType(ElementType.BIVALENT).buffered(false).build());
        peer = listener.accept();
        stream.readTimeout(Duration.ZERO);
        stream.writeTimeout(Duration.ofSeconds(10));
    }

    @AfterEach
    void disconnect() throws IOException {
        stream.abort();
        peer.close();
        listener.close();
    }

    /** Feeds the input, so that reads find something. */
    private void feed() throws IOException {
        peer.send("some lines\nof text, and more\n".repeat(4));
    }

    private void attempt(Operation operation) throws Throwable {
        try {
            operation.call(stream, c -> c == 's');
        } catch (SocketTimeoutException | IllegalStateException e) {
            assertTrue(e.getMessage().contains(": "), e.getMessage()); // nothing is there, or pushed back
        }
    }

    @ParameterizedTest
    @MethodSource("operations")
    void a_full_stack_leaves_the_lock_free(Operation operation) throws Throwable {
        boom.inMemory = true;
        attempt(operation); // loads what it takes
        FullStack.probe(operation, () -> operation.call(stream, c -> false),
                () -> operation.side(stream).owner);
        boom.inMemory = false;
        stream.status(Direction.IO, Duration.ZERO); // does not hang
        stream.out().writeByte('x');
        stream.out().flush();
        assertTrue(peer.receive(1).length > 0);
    }

    @ParameterizedTest
    @MethodSource("operations")
    void an_error_of_the_transport_leaves_the_lock_free(Operation operation) throws Throwable {
        Error[] errors = {new OutOfMemoryError("on purpose"), new StackOverflowError("on purpose")};
        for (Error error : errors) {
            boom.error = error;
            try {
                attempt(operation);
            } catch (Error e) {
                assertEquals(error, e);
            }
            boom.error = null;
            assertNull(operation.side(stream).owner);
        }
        feed();
        stream.readTimeout(Duration.ofSeconds(10));
        assertTrue(stream.in().readByte() >= 0);
        stream.out().writeByte('x');
        stream.out().flush();
    }

    @ParameterizedTest
    @MethodSource("inputOperations")
    void use_from_inside_is_refused(Operation operation) throws Throwable {
        feed();
        AtomicReference<Throwable> inside = new AtomicReference<>();
        int next = stream.in().peekChar(c -> {
            try {
                operation.call(stream, other -> false);
            } catch (Throwable e) {
                inside.set(e);
            }
            return false;
        });
        assertEquals('s', next);
        IllegalStateException refused =
                assertThrows(IllegalStateException.class, () -> {
                    throw inside.get();
                });
        assertTrue(refused.getMessage().matches("[A-Z]\\w+\\.\\w+: .*inside one of its operations.*"),
                refused.getMessage());
        assertNull(stream.in().owner);
    }

    @ParameterizedTest
    @MethodSource("inputOperations")
    void slow_code_of_the_user_holds_up_only_what_waits(Operation operation) throws Throwable {
        feed();
        CountDownLatch release = new CountDownLatch(1);
        Task<Integer> slow = Threads.PLATFORM.start("slow", () -> stream.in().peekChar(c -> {
            await(release);
            return false;
        }));
        Blocked.in(slow, "FaultsTest.await");
        stream.readTimeout(MOMENT);
        List<String> outcome = new ArrayList<>();
        Task<Void> other = Threads.PLATFORM.start("other", () -> {
            try {
                operation.call(stream, c -> false);
                outcome.add("returned");
            } catch (SocketTimeoutException e) {
                outcome.add("timed out");
            } catch (Throwable e) {
                outcome.add(e.toString());
            }
            return null;
        });
        other.await();
        assertTrue(List.of("returned", "timed out").contains(outcome.get(0)),
                operation + " " + outcome);
        stream.status(Direction.IO, Duration.ZERO);
        Task<SocketStatus> status = Threads.PLATFORM.start("status",
                () -> stream.status(Direction.INPUT, Duration.ofSeconds(20)));
        Blocked.in(status, "Pollable.status");
        release.countDown();
        assertEquals('s', slow.await());
        assertEquals(SocketStatus.INPUT, status.await());
    }

    private static void await(CountDownLatch latch) {
        try {
            assertTrue(latch.await(20, TimeUnit.SECONDS));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
