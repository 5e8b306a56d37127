package parley.testing;

import java.time.Duration;

/**
 * A stopwatch whose lower bounds are strict (5 ms of clock grain) and whose upper bounds are loose,
 * so that a machine with much else to do passes, and a call that waits for something else does not.
 */
public final class Timing {
    private static final Duration GRAIN = Duration.ofMillis(5);
    private static final Duration SLACK = Duration.ofSeconds(5);

    private final long start; // nanoTime, immutable

    private Timing(long start) {
        this.start = start;
    }

    /** Starts now. */
    public static Timing start() {
        return new Timing(System.nanoTime());
    }

    /** The time since the start. */
    public Duration elapsed() {
        return Duration.ofNanos(System.nanoTime() - start);
    }

    /** Fails unless {@code expected} has passed, and not much more. */
    public void tookAbout(Duration expected) {
        between(expected, expected, elapsed());
    }

    /** Fails when much more than {@code limit} has passed. */
    public void tookAtMost(Duration limit) {
        between(Duration.ZERO, limit, elapsed());
    }

    /** Fails when {@code task}, measured from the start, did not end within {@code limit}. */
    public void endedWithin(Duration limit, Task<?> task) {
        between(Duration.ZERO, limit, Duration.ofNanos(task.endedAt() - start));
    }

    /** Fails unless {@code task} ended about {@code expected} after the start. */
    public void endedAbout(Duration expected, Task<?> task) {
        between(expected, expected, Duration.ofNanos(task.endedAt() - start));
    }

    private static void between(Duration least, Duration most, Duration took) {
        if (took.plus(GRAIN).compareTo(least) < 0) {
            throw new AssertionError("too early: after " + took + ", expected not before " + least);
        }
        if (took.compareTo(most.plus(SLACK)) > 0) {
            throw new AssertionError("too late: after " + took + ", expected by " + most
                    + " (and " + SLACK + " allowed)");
        }
    }
}
