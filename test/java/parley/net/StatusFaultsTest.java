package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.channels.SelectionKey;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import parley.net.Reactor.Watch;
import parley.net.StatusCheck.StatusList;
import parley.net.wait.Source;
import parley.posix.Descriptor;
import parley.posix.Handles;
import parley.posix.Sockets;
import parley.testing.FullStack;
import parley.testing.Guarded;
import parley.testing.Reported;
import parley.testing.Task;
import parley.testing.Threads;

/**
 * Every public operation of status sets, and lists and watches, put through faults inside it. The
 * table of a set is made by reflection, so that no operation can be forgotten.
 */
@Guarded
class StatusFaultsTest {
    private static final Duration SOON = Duration.ofSeconds(10);

    private Descriptor[] pair;
    private Pollable idle;
    private Pollable ready;
    private StatusSet set;

    /** A method of a status set. */
    private record Operation(Method method) {
        Object on(StatusSet set, Pollable object, BiConsumer<Object, Object> visitor)
                throws Throwable {
            Object[] arguments = Arrays.stream(method.getParameterTypes()).map(type ->
                    type == Pollable.class ? object : type == Direction.class ? Direction.INPUT
                            : type == Duration.class ? Duration.ZERO : visitor).toArray();
            try {
                return method.invoke(set, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }

        @Override
        public String toString() {
            return method.getName();
        }
    }

    static Stream<Operation> operations() {
        return Arrays.stream(StatusSet.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()))
                .filter(method -> !method.isSynthetic() && !method.getName().equals("close"))
                .map(Operation::new)
                .sorted(Comparator.comparing(Operation::toString));
    }

    /** What can be called inside a visitor, and what takes one. */
    static Stream<Operation> visits() {
        return operations().filter(each ->
                each.method.getParameterTypes().length == 1
                && each.method.getParameterTypes()[0] == BiConsumer.class);
    }

    /** A member whose evaluation fails as it is told to. */
    private static final class Boom extends Pollable {
        private final Pollable real;
        private Error error; // thrown once

        Boom(Pollable real) {
            this.real = real;
        }

        @Override
        public boolean isOpen() {
            return real.isOpen();
        }

        @Override
        public void close() throws IOException {
            real.close();
        }

        @Override
        Source source() {
            return real.source();
        }

        @Override
        int interest(Direction direction) {
            return SelectionKey.OP_READ;
        }

        @Override
        SocketStatus evaluate(Direction direction, int found) throws IOException {
            Error now = error;
            error = null;
            if (now != null) {
                throw now;
            }
            return real.evaluate(direction, found);
        }
    }

    @BeforeEach
    void open() throws IOException {
        pair = Sockets.socketpair("unix", "stream", 0);
        idle = Handle.of(Handles.register(pair[0]));
        ready = Handle.of(Handles.register(pair[1]));
        pair[0].write(new byte[1], 0, 1);
        set = new StatusSet();
        set.add(idle, Direction.INPUT);
        set.add(ready, Direction.INPUT);
    }

    @AfterEach
    void close() throws IOException {
        set.close();
        idle.close();
        ready.close();
    }

    /** The set is used by another thread, and is right. */
    private void works() throws Exception {
        Task<SocketStatus> other = Threads.PLATFORM.start("other", () -> {
            set.add(idle, Direction.INPUT);
            set.add(ready, Direction.INPUT);
            assertEquals(1, set.check(SOON).actionable());
            assertSame(SocketStatus.NONE, set.statusOf(idle));
            return set.statusOf(ready);
        });
        assertSame(SocketStatus.INPUT, other.await());
    }

    @ParameterizedTest
    @MethodSource("operations")
    void a_full_stack_leaves_a_set_free(Operation operation) throws Throwable {
        BiConsumer<Object, Object> visitor = (object, status) -> { };
        operation.on(set, idle, visitor);
        set.add(idle, Direction.INPUT);
        FullStack.probe(operation, () -> operation.on(set, idle, visitor), () -> set.user);
        works();
    }

    @Test
    void a_full_stack_leaves_lists_and_watches_usable() throws Exception {
        Pollable[] both = {idle, ready};
        Direction[] directions = {Direction.INPUT, Direction.INPUT};
        StatusList.check(both, directions, Duration.ZERO);
        FullStack.probe("StatusList.check",
                () -> StatusList.check(both, directions, Duration.ZERO), () -> null);
        assertSame(SocketStatus.INPUT, StatusList.check(both, directions, SOON)[1]);
        FullStack.probe("Pollable.status", () -> ready.status(Direction.INPUT, Duration.ZERO),
                () -> null);
        assertSame(SocketStatus.INPUT, ready.status(Direction.INPUT, SOON));
    }

    @Test
    void a_full_stack_leaves_streams_and_servers_to_be_waited_for() throws Exception {
        try (SocketServer server = SocketServer.listen(ServerOptions.builder().host("127.0.0.1")
                        .build());
                SocketStream stream = SocketStream.connect("127.0.0.1", server.port(),
                        StreamOptions.DEFAULT)) {
            Pollable[] both = {stream, server};
            Direction[] directions = {Direction.INPUT, Direction.INPUT};
            for (Pollable each : both) {
                each.status(Direction.INPUT, Duration.ZERO);
                FullStack.probe(each, () -> each.status(Direction.INPUT, Duration.ZERO), () -> null);
            }
            FullStack.probe("StatusList.check",
                    () -> StatusList.check(both, directions, Duration.ZERO), () -> null);
            Task<SocketStatus> other = Threads.PLATFORM.start("other",
                    () -> server.status(Direction.INPUT, SOON));
            assertSame(SocketStatus.READY, other.await());
            assertSame(SocketStatus.READY, StatusList.check(both, directions, SOON)[1]);
        }
    }

    @Test
    void an_error_of_one_member_leaves_a_set_free_and_the_others_right() throws Exception {
        Descriptor[] more = Sockets.socketpair("unix", "stream", 0);
        try (Boom boom = new Boom(Handle.of(Handles.register(more[0])))) {
            for (Error error : new Error[] {new OutOfMemoryError("on purpose"),
                new StackOverflowError("on purpose")}) {
                set.add(boom, Direction.INPUT);
                for (int i = 0; i < 2; i++) { // since the next check looks again
                    boom.error = error;
                    assertSame(error, assertThrows(Error.class, () -> set.check(Duration.ZERO)));
                    assertNull(set.user);
                }
                boom.error = error;
                assertSame(error, assertThrows(Error.class,
                        () -> boom.status(Direction.INPUT, Duration.ZERO)));
                boom.error = error;
                assertSame(error, assertThrows(Error.class, () -> Reactor.shared().whenReady(
                        boom, Direction.INPUT, status -> { })));
                assertEquals(0, Reactor.shared().watches());
                works();
            }
            set.remove(boom);
        } finally {
            more[1].close();
        }
    }

    @ParameterizedTest
    @MethodSource("visits")
    void a_visitor_may_throw_and_may_use_the_set(Operation visit) throws Throwable {
        set.check(SOON);
        Error error = new OutOfMemoryError("on purpose");
        assertSame(error, assertThrows(Error.class, () -> visit.on(set, idle, (object, status) -> {
            throw error;
        })));
        assertNull(set.user);
        for (Operation inside : operations().toList()) {
            set.add(idle, Direction.INPUT);
            set.check(SOON);
            visit.on(set, idle, (object, status) -> {
                try {
                    inside.on(set, idle, (other, its) -> { });
                } catch (IllegalStateException e) {
                    assertTrue(e.getMessage().contains("in use by"), e::toString);
                } catch (Throwable e) {
                    throw new AssertionError(inside.toString(), e);
                }
            });
            assertNull(set.user);
        }
        works();
    }

    @ParameterizedTest
    @ValueSource(classes = {RejectedExecutionException.class, OutOfMemoryError.class,
        StackOverflowError.class})
    void what_an_executor_rejects_runs_on_the_reactor_and_is_logged(Class<Throwable> kind)
            throws Exception {
        Throwable thrown = kind.getConstructor(String.class).newInstance("on purpose");
        try (Reported reported = new Reported()) {
            CountDownLatch told = new CountDownLatch(2);
            try (Reactor.Watch rejected = Reactor.shared().whenReady(idle, Direction.INPUT,
                            task -> rethrow(thrown), status -> told.countDown());
                    Reactor.Watch other = Reactor.shared().whenReady(idle, Direction.INPUT, Runnable::run,
                            status -> told.countDown())) {
                pair[1].write(new byte[1], 0, 1);
                assertTrue(told.await(20, TimeUnit.SECONDS), () -> rejected + " " + other);
            }
            assertEquals(1, reported.about("an executor rejected a task"));
            assertEquals(1, reported.records().size());
        }
    }

    private static void rethrow(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) thrown;
    }
}
