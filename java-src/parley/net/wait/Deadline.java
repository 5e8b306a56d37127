package parley.net.wait;

import java.math.BigDecimal;
import java.time.Duration;
import parley.net.wait.ThreadWaits.HasDeadline;

/**
 * A point in monotonic time after which a call gives up. A <em>timeout</em> is a time span,
 * an argument of a call. A <em>deadline</em> is the end of that span, computed when the call
 * begins, so that it limits all waits of the call together. Immutable.
 */
public final class Deadline implements HasDeadline {
    /** Never. */
    public static final Deadline NONE = new Deadline(0, 0);

    /** Passed already: a poll. */
    public static final Deadline PASSED = new Deadline(System.nanoTime() - 1, 0);

    private static final long FAR = Long.MAX_VALUE / 2;

    private final long at; // System.nanoTime() of the deadline
    private final float seconds; // of the timeout: for messages, in no more memory than without

    private Deadline(long at, long nanos) {
        this.at = at;
        this.seconds = (float) (nanos / 1e9);
    }

    /** The deadline that lies a timeout after now; null stands for no timeout. */
    public static Deadline in(Duration timeout) {
        if (timeout == null) {
            return NONE;
        }
        return timeout.isZero() ? PASSED : inNanos(nanos(timeout));
    }

    /** As {@link #in}, of a timeout that began at a {@link System#nanoTime}. */
    public static Deadline after(Duration timeout, long began) {
        if (timeout == null || timeout.isZero()) {
            return in(timeout);
        }
        long nanos = Math.min(nanos(timeout), FAR);
        return new Deadline(began + nanos, nanos);
    }

    /** The deadline that lies some nanoseconds after now; negative stands for no timeout. */
    public static Deadline inNanos(long nanos) {
        return nanos < 0 ? NONE
                : new Deadline(System.nanoTime() + Math.min(nanos, FAR), Math.min(nanos, FAR));
    }

    /** A checked timeout's nanoseconds, as many as a long can hold without overflow. */
    public static long nanos(Duration timeout) {
        return timeout.getSeconds() >= FAR / 1_000_000_000L ? FAR : timeout.toNanos();
    }

    /** Returns itself: this deadline does not move. */
    @Override
    public Deadline deadline() {
        return this;
    }

    /** Returns whether the time has come. */
    public boolean hasPassed() {
        return this != NONE && at - System.nanoTime() <= 0;
    }

    /** Nanoseconds left, at least 0; {@code Long.MAX_VALUE} when there is no deadline. */
    public long remaining() {
        return this == NONE ? Long.MAX_VALUE : Math.max(0, at - System.nanoTime());
    }

    /** The earlier of this deadline and another. */
    public Deadline min(Deadline other) {
        if (this == NONE) {
            return other;
        }
        return other == NONE || at - other.at <= 0 ? this : other;
    }

    /** Returns the timeout that this deadline ends, as messages show it: {@code 0.5 s}. */
    public String shown() {
        return new BigDecimal(Float.toString(seconds)).stripTrailingZeros().toPlainString() + " s";
    }

    @Override
    public String toString() {
        return this == NONE ? "no deadline" : "in " + Duration.ofNanos(at - System.nanoTime());
    }
}
