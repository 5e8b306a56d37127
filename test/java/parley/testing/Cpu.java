package parley.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Processor time of a process in clock ticks (hundredths of a second), as {@code /proc/PID/stat}
 * tells it. A loop that spins burns about a hundred ticks a second.
 */
public final class Cpu {
    private static final Path SELF = Path.of("/proc/self/stat");
    private static final Duration WINDOW = Duration.ofMillis(300);
    private static final long LIMIT = 3; // a loop that spins burns thirty in a window
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private Cpu() {
    }

    /** Whether this system has {@code /proc}. */
    public static boolean measurable() {
        return Files.isReadable(SELF);
    }

    /** Ticks this process has used so far, in user and kernel mode. */
    public static long ticks() {
        return ticks(SELF);
    }

    /** Ticks the process {@code pid} has used so far. */
    public static long ticks(long pid) {
        return ticks(stat(pid));
    }

    /**
     * Fails unless this process is idle. One quiet window is enough, within twenty seconds: a spin
     * burns in each, the compiler or the collector only for a time, however slow the machine is.
     */
    public static void assertIdle() {
        assertIdle(SELF, PATIENCE);
    }

    /** As {@link #assertIdle()}, of the process {@code pid}. */
    public static void assertIdle(long pid) {
        assertIdle(stat(pid), PATIENCE);
    }

    static void assertIdle(Duration patience) {
        assertIdle(SELF, patience);
    }

    private static void assertIdle(Path stat, Duration patience) {
        long deadline = System.nanoTime() + patience.toNanos();
        long used = Long.MAX_VALUE;
        while (used > LIMIT) {
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError("not idle: " + used + " ticks in " + WINDOW
                        + ", expected at most " + LIMIT + "\n" + Stacks.all());
            }
            long before = ticks(stat);
            Await.pass(WINDOW);
            used = ticks(stat) - before;
        }
    }

    private static Path stat(long pid) {
        return Path.of("/proc", Long.toString(pid), "stat");
    }

    private static long ticks(Path stat) {
        try {
            String line = Files.readString(stat);
            // the second field is the command in parentheses and may itself hold spaces
            String[] fields = line.substring(line.lastIndexOf(')') + 2).split(" ");
            return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
