package parley.net.wait;

import java.time.Duration;

/**
 * Computes the pauses of accepting while the process or the system has no descriptor or memory
 * left. The failed connection stays in the queue, so an immediate retry would fail and use a
 * processor. The pauses grow from 10 milliseconds to a second. This class does not wait itself, so
 * a caller can wait for other events, too. For one thread at a time.
 */
public final class BackOff {
    /** The longest pause. */
    public static final Duration LONGEST = Duration.ofSeconds(1);
    private static final Duration FIRST = Duration.ofMillis(10);

    private Duration next = FIRST;

    /** Makes the pauses of a caller that has not failed yet. */
    public BackOff() {
    }

    /** {@return the pause after one more failure: twice the one before, at most a second} */
    public Duration next() {
        Duration pause = next;
        Duration twice = pause.multipliedBy(2);
        next = twice.compareTo(LONGEST) < 0 ? twice : LONGEST;
        return pause;
    }

    /** Accepting works: the next pause is the first. */
    public void reset() {
        next = FIRST;
    }
}
