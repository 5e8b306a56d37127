package parley.testing;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import parley.net.Registered;

/**
 * What a process had open at one moment, to be compared with what it has later. Descriptors count,
 * and threads: those named {@code parley-…} or {@code test-…}, and any that is not a daemon;
 * and what the library has registered with selectors that outlive a call.
 *
 * <p>Sockets, pipes, files and threads must be gone by themselves. Only selectors may wait for the
 * garbage collector, since a selector may belong to a thread and go when that thread is collected;
 * so the collector is not run, and cannot hide a forgotten socket, before everything else is gone.
 */
public final class Leaks {
    /** How long everything may take to be gone, on a machine that has much else to do. */
    private static final Duration GRACE = Duration.ofSeconds(10);

    private static final String CLEANER = "parley-cleaner"; // one, for the process's lifetime
    private static final Duration BETWEEN_COLLECTIONS = Duration.ofMillis(50);
    private static final List<String> OF_A_SELECTOR =
            List.of("anon_inode:[eventpoll]", "anon_inode:[eventfd]");

    private final List<String> descriptors; // immutable
    private final Set<Thread> threads; // immutable
    private final Set<String> loiterers; // immutable
    private final Map<String, Integer> registered = registered(); // immutable

    private Leaks(Set<String> loiterers) {
        this.loiterers = loiterers;
        descriptors = Descriptors.visible() ? Descriptors.targets() : List.of();
        threads = threads();
    }

    /** What is open now, once the Java machine has opened what it keeps. */
    public static Leaks snapshot() {
        WarmUp.once();
        return new Leaks(Set.of());
    }

    /**
     * What is open now, but for threads that by design end some time after their last use; each may
     * have one selector. That they do end is for a later, full comparison to see.
     */
    public static Leaks snapshotBut(String... loiterers) {
        return new Leaks(Set.of(loiterers));
    }

    /** Fails, listing what is left, unless all opened since is gone within ten seconds. */
    public void assertBack() {
        assertBack(GRACE);
    }

    void assertBack(Duration grace) {
        boolean held = Await.holds(grace, () -> left(t -> !Descriptors.isSelector(t)).isEmpty());
        long deadline = System.nanoTime() + grace.toNanos();
        while (held && !left(t -> true).isEmpty() && System.nanoTime() - deadline < 0) {
            System.gc();
            Await.holds(BETWEEN_COLLECTIONS, () -> left(t -> true).isEmpty());
        }
        List<String> left = left(t -> true);
        if (!left.isEmpty()) {
            throw new AssertionError(
                    "left open after " + grace + ":\n  " + String.join("\n  ", left));
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
        List<String> now = Descriptors.visible() ? Descriptors.targets() : new ArrayList<>();
        descriptors.forEach(now::remove);
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (loiterers.contains(thread.getName())) {
                OF_A_SELECTOR.forEach(now::remove);
            }
        }
        return now;
    }

    private Set<Thread> threads() {
        Set<Thread> threads = new HashSet<>();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (counts(thread) && !loiterers.contains(thread.getName())) {
                threads.add(thread);
            }
        }
        Task.live().forEach(task -> threads.add(task.thread()));
        return threads;
    }

    private static boolean counts(Thread thread) {
        String name = thread.getName();
        return !name.equals(CLEANER)
                && (name.startsWith("parley-") || name.startsWith("test-") || !thread.isDaemon());
    }
}
