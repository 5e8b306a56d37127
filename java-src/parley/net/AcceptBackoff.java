package parley.net;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import parley.net.wait.BackOff;
import parley.net.wait.Deadline;
import parley.net.wait.Log;

/**
 * The rests of one blocking accept while nothing is left to accept with: within its deadline, ended
 * by close and interrupt, and logged once a second at most, however many threads accept.
 */
final class AcceptBackoff {
    private static final AtomicLong LAST_REPORT =
            new AtomicLong(System.nanoTime() - BackOff.LONGEST.toNanos());

    private final String operation;
    private final Pollable object;
    private final CountDownLatch closing; // released when the object is closed
    private final BackOff backOff = new BackOff(); // of the accepting thread

    AcceptBackoff(String operation, Pollable object, CountDownLatch closing) {
        this.operation = operation;
        this.object = object;
        this.closing = closing;
    }

    /** Waits before the next attempt, within the deadline; ends early when the object is closed. */
    void pause(IOException cause, Deadline deadline) throws IOException {
        report(cause);
        long nanos = Math.min(backOff.next().toNanos(), deadline.remaining());
        FlightEvents.acceptPaused(object, nanos, cause);
        try {
            closing.await(nanos, TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            throw Errors.interrupted(operation, "waited for descriptors to accept with: " + object,
                    object, "");
        }
        if (!object.isOpen()) {
            throw Errors.closedMeanwhile(operation, object);
        }
    }

    private void report(IOException cause) {
        long now = System.nanoTime();
        long last = LAST_REPORT.get();
        if (now - last >= BackOff.LONGEST.toNanos() && LAST_REPORT.compareAndSet(last, now)) {
            Log.warning(Log.Part.ACCEPT, operation + " pauses, connections wait: " + Errors.text(cause));
        }
    }
}
