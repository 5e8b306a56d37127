package parley.net;

/**
 * Notices that a selector returns from its waits at once and for nothing, again and again, as
 * defects of kernels and of the JDK have made selectors do: then the thread that waits burns a
 * processor, and only a new selector helps. A return counts when nothing was ready, nobody asked
 * for it and the time was not up. One guard serves one poller; all but {@link #woken} is guarded by
 * the turn of that.
 */
final class SpinGuard {
    static final int LIMIT = 512;

    private static final int UNTIMED = 64; // returns in a row before it is worth to look at a clock
    private static final long TOLERANCE = 1_000_000L; // as coarse as the times of selectors

    private volatile boolean woken; // somebody has asked for a return since the last one
    private int inARow;
    private int limit = LIMIT;
    private long began; // of the wait under way, if timed

    /** By any thread: the wait under way, or else the next one, is to return early. */
    void woken() {
        if (!woken) {
            woken = true;
        }
    }

    /** A wait begins. */
    void begins() {
        if (inARow >= UNTIMED) {
            began = System.nanoTime();
        }
    }

    /**
     * A wait is over.
     *
     * @param found how much was ready
     * @param nanos how long it was to last
     * @return true when the selector is to be replaced: twice as late each time, since where a new
     *     one does not help a third would not either
     */
    boolean ends(int found, long nanos) {
        if (found > 0 || woken || Thread.currentThread().isInterrupted()) {
            woken = false;
            inARow = 0;
            return false;
        }
        inARow++;
        if (inARow > UNTIMED && System.nanoTime() - began >= nanos - TOLERANCE) {
            inARow = 0;
        }
        if (inARow <= limit) {
            return false;
        }
        inARow = 0;
        limit = limit > Integer.MAX_VALUE / 2 ? limit : 2 * limit;
        return true;
    }
}
