package parley.testing;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * Waits for a condition with a deadline. The looks come at first every tenth of a millisecond, then
 * less and less often, at the latest every ten.
 */
public final class Await {
    private static final long LEAST = 100_000;
    private static final long MOST = Duration.ofMillis(10).toNanos();

    private Await() {
    }

    /** True as soon as {@code condition} holds, false when {@code limit} has passed without. */
    public static boolean holds(Duration limit, BooleanSupplier condition) {
        long begun = System.nanoTime();
        while (!condition.getAsBoolean()) {
            long passed = System.nanoTime() - begun;
            if (passed > limit.toNanos()) {
                return false;
            }
            LockSupport.parkNanos(Math.max(LEAST, Math.min(MOST, passed / 4)));
        }
        return true;
    }

    /** Fails, saying {@code fact}, when {@code condition} does not hold within thirty seconds. */
    public static void until(String fact, Callable<Boolean> condition) {
        boolean held = holds(Duration.ofSeconds(30), () -> {
            try {
                return condition.call();
            } catch (Exception e) {
                throw new AssertionError("while waiting until " + fact, e);
            }
        });
        if (!held) {
            throw new AssertionError("not within 30 s: " + fact);
        }
    }

    /** Lets {@code time} pass: an observation period, never a means to wait for a condition. */
    public static void pass(Duration time) {
        long deadline = System.nanoTime() + time.toNanos();
        for (long left = time.toNanos(); left > 0; left = deadline - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }
}
