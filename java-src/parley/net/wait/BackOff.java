package parley.net.wait;

import java.time.Duration;

/**
 * How long something that accepts connections rests while the process or the system has nothing left
 * to accept with. The failure belongs to the connection that waits in the queue; trying again at once
 * would burn a processor, so the pauses grow, from 10 milliseconds to a second. It waits for nothing
 * itself, so that a caller that has other things to wait for can use it. For one thread at a time.
 */
public final class BackOff {
    /** The longest pause. */
    public static final Duration LONGEST = Duration.ofSeconds(1);
    private static final Duration FIRST = Duration.ofMillis(10);

    private Duration next = FIRST;

    /** Of a caller that has not failed yet. */
    public BackOff() {
    }

    /**
     * The pause after one more failure.
     *
     * @return twice the one before, at most a second
     */
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
