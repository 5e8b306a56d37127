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
    private static final int WINDOWS = 3;

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
        return ticks(Path.of("/proc", Long.toString(pid), "stat"));
    }

    /**
     * Fails unless this process uses at most {@code limit} ticks during {@code window}. The best of
     * three windows counts: a spin burns in each of them, the compiler or collector only now and
     * then.
     */
    public static void assertIdle(Duration window, long limit) {
        long best = Long.MAX_VALUE;
        for (int i = 0; i < WINDOWS && best > limit; i++) {
            long before = ticks();
            Await.pass(window);
            best = Math.min(best, ticks() - before);
        }
        if (best > limit) {
            throw new AssertionError("not idle: " + best + " ticks in " + window + ", expected at "
                    + "most " + limit + "\n" + Stacks.all());
        }
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
