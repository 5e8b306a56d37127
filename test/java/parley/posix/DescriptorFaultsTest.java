package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import parley.testing.FullStack;
import parley.testing.Guarded;
import parley.testing.Task;
import parley.testing.Threads;

/**
 * Every public operation on a descriptor, put through every fault that can be made to happen around
 * it. The table is made by reflection, so that no operation can be forgotten.
 */
@Guarded
class DescriptorFaultsTest {
    /** Accessors, which use no number, and what makes another descriptor. */
    private static final Set<String> NO_OPERATIONS = Set.of("number", "isOpen", "isSocket",
            "socketType", "hasConnections", "error", "toString", "close", "duplicate");

    private Descriptor[] pair;

    /** A method of {@link Descriptor}, or one that takes one first. */
    private record Operation(Method method) {
        Object on(Descriptor descriptor) throws Throwable {
            boolean own = !Modifier.isStatic(method.getModifiers());
            Class<?>[] types = method.getParameterTypes();
            Object[] arguments = new Object[types.length];
            int ints = 0;
            for (int i = 0; i < types.length; i++) {
                boolean isLength = types[i] == int.class && ints++ == 1;
                arguments[i] = types[i] == int.class ? (Object) (isLength ? 4 : 0)
                        : types[i] == Descriptor.class ? descriptor : argument(types[i]);
            }
            try {
                return method.invoke(own ? descriptor : null, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }

        private static Object argument(Class<?> type) {
            if (type == long.class) {
                return 0L;
            } else if (type == boolean.class) {
                return true;
            } else if (type == byte[].class) {
                return new byte[8];
            } else if (type == ByteBuffer.class) {
                return ByteBuffer.allocateDirect(4);
            } else if (type == List.class) {
                return List.of(new Datagrams.Part(new byte[4], 0, 4));
            } else if (type == String.class) {
                return "getsockopt";
            } else if (type == SockAddr.class) {
                return SockAddr.of("unspec", new byte[2]);
            }
            throw new AssertionError("no argument of " + type + "; add one");
        }

        @Override
        public String toString() {
            return method.getDeclaringClass().getSimpleName() + "." + method.getName() + "/"
                    + method.getParameterCount();
        }
    }

    static Stream<Operation> operations() {
        return Stream.of(Descriptor.class, Sockets.class, Datagrams.class, Poll.class)
                .flatMap(type -> Arrays.stream(type.getDeclaredMethods()))
                .filter(method -> Modifier.isPublic(method.getModifiers()))
                .filter(method -> !method.isSynthetic())
                .filter(method -> !NO_OPERATIONS.contains(method.getName()))
                .filter(method -> !Modifier.isStatic(method.getModifiers())
                        || Arrays.asList(method.getParameterTypes()).contains(Descriptor.class))
                .map(Operation::new)
                .sorted(Comparator.comparing(Operation::toString));
    }

    @BeforeEach
    void connect() throws IOException {
        pair = Support.streams();
    }

    @AfterEach
    void disconnect() {
        Support.closeAll(pair);
    }

    private static void attempt(Operation operation, Descriptor descriptor) throws Throwable {
        try {
            operation.on(descriptor);
        } catch (IOException | IllegalArgumentException | UnsupportedOperationException e) {
            assertTrue(e.getMessage().length() > 8, e::toString); // not every one fits a socket
        }
    }

    @ParameterizedTest
    @MethodSource("operations")
    void a_full_stack_leaves_no_use_behind(Operation operation) throws Throwable {
        attempt(operation, pair[0]);
        FullStack.probe(operation, () -> operation.on(pair[0]), () -> pair[0].uses() == 0 ? null
                : pair[0].uses());
        Task<Void> closing = Threads.PLATFORM.start("closing", () -> {
            pair[0].close();
            return null;
        });
        closing.await();
    }

    @ParameterizedTest
    @MethodSource("operations")
    void a_closed_descriptor_is_refused_and_the_next_owner_of_its_number_left_alone(
            Operation operation) throws Throwable {
        Descriptor old = pair[0];
        old.close();
        List<Descriptor> fresh = new ArrayList<>();
        try {
            while (fresh.isEmpty() || fresh.get(fresh.size() - 1).number() < old.number()) {
                fresh.addAll(List.of(Support.streams()));
            }
            for (int i = 0; i < fresh.size(); i += 2) {
                fresh.get(i + 1).write(new byte[] {7}, 0, 1);
            }
            Object result;
            try {
                result = operation.on(old);
            } catch (IOException e) {
                result = Poll.NVAL;
                assertTrue(e instanceof ClosedDescriptorException, e::toString);
            }
            assertEquals(Poll.NVAL, result, "as poll(2) reports it");
            byte[] one = new byte[4];
            for (int i = 0; i < fresh.size(); i += 2) {
                assertTrue(fresh.get(i).isOpen()
                        && RawDescriptor.isNonblocking(fresh.get(i).number()));
                assertEquals(1, fresh.get(i).read(one, 0, 4));
                assertEquals(7, one[0]);
                assertEquals(Descriptor.WOULD_BLOCK, fresh.get(i + 1).read(one, 0, 4));
            }
        } finally {
            fresh.forEach(Descriptor::close);
        }
    }

    @ParameterizedTest
    @MethodSource("operations")
    void two_objects_for_one_file_do_not_disturb_each_other(Operation operation) throws Throwable {
        try (Descriptor twin = pair[0].duplicate()) {
            Descriptor borrowed = Descriptor.borrow(twin.number());
            attempt(operation, pair[0]);
            attempt(operation, borrowed);
            pair[0].close();
            borrowed.close();
            attempt(operation, twin);
            assertFalse(pair[0].isOpen() || borrowed.isOpen());
            assertTrue(twin.isOpen());
            assertTrue(RawDescriptor.isCloseOnExec(twin.number()));
        }
    }
}
