package parley.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import parley.net.Registered;
import parley.posix.Descriptor;
import parley.posix.Posix;

/**
 * What a process had open at one moment, to be compared with what it has later. Descriptors count,
 * and threads: those named {@code parley-…} or {@code test-…}, and any but JUnit's that is no daemon;
 * and what the library has registered with selectors that outlive a call.
 *
 * <p>The threads of the library that end some time after their last use do not count, since each
 * comparison would wait for them. What they hold counts. Tests of their own show that they end.
 *
 * <p>Sockets, pipes, files and threads must be gone by themselves. Only selectors may wait for the
 * garbage collector, since a selector may belong to a thread and go when that thread is collected;
 * so the collector is not run, and cannot hide a forgotten socket, before everything else is gone.
 */
public final class Leaks {
    /** How long everything may take to be gone, on a machine that has much else to do. */
    private static final Duration GRACE = Duration.ofSeconds(10);

    private static final String CLEANER = "parley-cleaner"; // one, for the process's lifetime
    private static final Set<String> LOITERERS =
            Set.of("parley-reactor", "parley-virtual-reactor", "parley-descriptors");
    private static final Duration BETWEEN_COLLECTIONS = Duration.ofMillis(50);
    private static final List<String> OF_A_SELECTOR =
            List.of("anon_inode:[eventpoll]", "anon_inode:[eventfd]");

    private final Set<String> loiterers; // immutable
    private final List<String> descriptors; // immutable
    private final Set<Thread> threads; // immutable
    private final Map<String, Integer> registered = registered(); // immutable

    private Leaks(Set<String> loiterers) {
        WarmUp.once();
        this.loiterers = loiterers;
        descriptors = Descriptors.visible() ? Descriptors.targets() : List.of();
        threads = threads();
    }

    /** What is open now, once the Java machine has opened what it keeps. */
    public static Leaks snapshot() {
        return new Leaks(LOITERERS);
    }

    /**
     * As {@link #snapshot}, but for other threads, too, that end some time after their last use;
     * each may have one selector.
     */
    public static Leaks snapshotBut(String... others) {
        return new Leaks(Stream.concat(LOITERERS.stream(), Stream.of(others))
                .collect(Collectors.toUnmodifiableSet()));
    }

    /** Fails, listing what is left, unless all opened since is gone within ten seconds. */
    public void assertBack() {
        assertBack(GRACE);
    }

    void assertBack(Duration grace) {
        boolean held = Await.holds(grace, () -> left(t -> !Descriptors.isSelector(t)).isEmpty());
        long deadline = System.nanoTime() + grace.toNanos();
        List<String> left = left(t -> true);
        while (held && !left.isEmpty() && System.nanoTime() - deadline < 0) {
            System.gc();
            Await.holds(BETWEEN_COLLECTIONS, () -> left(t -> true).isEmpty());
            left = left(t -> true); // kept: a thread that ends between two looks is no leak
        }
        if (!left.isEmpty()) {
            throw new AssertionError(
                    "left open after " + grace + ":\n  " + String.join("\n  ", left) + "\n  "
                            + Registered.state());
        }
    }

    /** What is open now, was not then, and passes {@code which} if it is a descriptor. */
    private List<String> left(Predicate<String> which) {
        List<String> left = new ArrayList<>();
        for (Thread thread : threads()) {
            if (!threads.contains(thread)) {
                left.add("thread " + Stacks.of(thread));
            }
        }
        registered().forEach((what, count) -> {
            if (count > registered.get(what)) {
                left.add(count + " " + what + ", before " + registered.get(what));
            }
        });
        openedSince().stream().filter(which).forEach(target -> left.add("descriptor " + target));
        return left;
    }

    private static Map<String, Integer> registered() {
        return Map.of("keys with the reactor", Registered.withReactor(),
                "watches", Registered.watches(),
                "selectors kept for the next wait", Registered.idle());
    }

    private List<String> openedSince() {
        // First: one that ends before the descriptors are listed may have closed a part of its own.
        long selectors = Threads.running()
                .filter(thread -> loiterers.contains(thread.getName())).count();
        List<String> now = Descriptors.visible() ? Descriptors.targets() : new ArrayList<>();
        descriptors.forEach(now::remove);
        for (long i = 0; i < selectors; i++) {
            OF_A_SELECTOR.forEach(now::remove);
        }
        return now;
    }

    private Set<Thread> threads() {
        Set<Thread> threads = new HashSet<>();
        Threads.running().filter(this::counts).forEach(threads::add);
        Task.live().forEach(task -> threads.add(task.thread()));
        return threads;
    }

    private boolean counts(Thread thread) {
        String name = thread.getName();
        return !name.equals(CLEANER) && !loiterers.contains(name)
                && (name.startsWith("parley-") || name.startsWith("test-")
                        || !thread.isDaemon() && !name.startsWith("junit-"));
    }

    /** Compares before and after each case, and each suite. */
    static final class Check
            implements BeforeAllCallback, AfterAllCallback, BeforeEachCallback, AfterEachCallback {
        private static final Namespace STORE = Namespace.create(Check.class);

        @Override
        public void beforeAll(ExtensionContext context) {
            beforeEach(context);
        }

        @Override
        public void beforeEach(ExtensionContext context) {
            context.getStore(STORE).put(context.getUniqueId(), snapshot());
        }

        @Override
        public void afterEach(ExtensionContext context) {
            context.getStore(STORE).remove(context.getUniqueId(), Leaks.class).assertBack();
        }

        @Override
        public void afterAll(ExtensionContext context) {
            afterEach(context);
        }
    }

    /**
     * Makes the Java machine open what it keeps open for its lifetime (the socket pair it closes
     * other sockets with, the pollers of virtual threads), so that no case is blamed for it.
     */
    private static final class WarmUp {
        private static boolean done; // guarded by WarmUp.class

        private WarmUp() {
        }

        static synchronized void once() {
            if (done) {
                return;
            }
            done = true;
            try {
                for (Family family : Family.values()) {
                    if (family.available()) {
                        roundTrips(family);
                    }
                }
                InetAddress.getByName("localhost");
                if (Posix.available()) { // libffi keeps a temporary file
                    for (Descriptor each : Descriptor.pipe()) { // opens the watcher's wake-up
                        each.close();
                    }
                }
            } catch (Exception e) {
                throw new AssertionError("the warm-up failed", e);
            }
        }

        private static void roundTrips(Family family) throws Exception {
            for (Threads threads : Threads.values()) {
                if (threads.available()) {
                    roundTrip(family, threads);
                }
            }
        }

        private static void roundTrip(Family family, Threads threads) throws Exception {
            try (ServerSocketChannel server = family.listen(1);
                    SocketChannel client = SocketChannel.open(server.getLocalAddress());
                    SocketChannel accepted = server.accept()) {
                Task<Integer> reader = threads.start("warm-up", () -> readThenSelect(client));
                Blocked.in(reader, "SocketChannelImpl.read");
                accepted.write(ByteBuffer.allocate(1));
                reader.await();
            }
        }

        private static int readThenSelect(SocketChannel channel) throws IOException {
            int count = channel.read(ByteBuffer.allocate(1));
            try (Selector selector = Selector.open()) {
                selector.select(1);
            }
            return count;
        }
    }
}
