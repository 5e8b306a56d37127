package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What an accept does while the process or the system has nothing left to accept with. The failure
 * belongs to the connection that waits in the queue, not to the caller; trying again at once would
 * burn a processor, so the pauses grow, and it is logged once a second at most. Of one call.
 */
final class BackOff {
    private static final long FIRST = Duration.ofMillis(10).toNanos();
    private static final long LONGEST = Duration.ofSeconds(1).toNanos();
    private static final AtomicLong LAST_REPORT = new AtomicLong(System.nanoTime() - LONGEST);

    private final String operation;
    private final Pollable object;
    private final CountDownLatch closing; // released when the object is closed
    private long pause = FIRST;

    BackOff(String operation, Pollable object, CountDownLatch closing) {
        this.operation = operation;
        this.object = object;
        this.closing = closing;
    }

    /**
     * While there are descriptors left: loads what telling of their exhaustion takes, since classes
     * and time zones come out of files, and what cannot be loaded once may never be.
     */
    static void prepare() {
        Reports.prepare();
        IOException example = new IOException("Too many open files");
        isExhaustion(Failures.again("accept", "an example", example));
        Failures.words(example);
    }

    /** Tells whether an accept failed for want of descriptors or memory. */
    static boolean isExhaustion(IOException e) {
        ErrorCode code = ErrorCode.of(e);
        return code == ErrorCode.EMFILE || code == ErrorCode.ENFILE || code == ErrorCode.ENOBUFS
                || code == ErrorCode.ENOMEM;
    }

    /** Waits before the next attempt, within the deadline; ends early when the object is closed. */
    void pause(IOException cause, Deadline deadline) throws IOException {
        report(cause);
        try {
            closing.await(Math.min(pause, deadline.remaining()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException(operation + ": the thread was interrupted while it"
                    + " waited for descriptors to accept with: " + object);
        }
        if (!object.isOpen()) {
            throw Failures.closedMeanwhile(operation, object);
        }
        pause = Math.min(pause * 2, LONGEST);
    }

    private void report(IOException cause) {
        long now = System.nanoTime();
        long last = LAST_REPORT.get();
        if (now - last >= LONGEST && LAST_REPORT.compareAndSet(last, now)) {
            Reports.warning(operation + " pauses, connections wait: " + Failures.text(cause));
        }
    }
}
