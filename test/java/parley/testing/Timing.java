package parley.testing;

import java.time.Duration;

/**
 * A stopwatch whose lower bounds are strict (5 ms of clock grain) and whose upper bounds are loose:
 * 250 ms on a quiet machine, 2 s on one that has more to do than processors to do it.
 */
public final class Timing {
    private static final Duration GRAIN = Duration.ofMillis(5);
    private static final Duration QUIET = Duration.ofMillis(250);
    private static final Duration LOADED = Duration.ofSeconds(2);

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

    /** What an upper bound is given on top, by the load of the machine as it is now. */
    public static Duration slack() {
        return Load.isHigh() ? LOADED : QUIET;
    }

    private static void between(Duration least, Duration most, Duration took) {
        if (took.plus(GRAIN).compareTo(least) < 0) {
            throw new AssertionError("too early: after " + took + ", expected not before " + least);
        }
        Duration slack = slack();
        if (took.compareTo(most.plus(slack)) > 0) {
            throw new AssertionError("too late: after " + took + ", expected by " + most
                    + " (and " + slack + " allowed)");
        }
    }
}
