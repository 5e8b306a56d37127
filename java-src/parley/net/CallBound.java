package parley.net;

import java.io.Closeable;
import java.util.concurrent.atomic.AtomicInteger;
import parley.net.wait.Deadline;

/**
 * The deadline of some calls of one thread on one side, in place of the timeout of the side. While
 * no thread of the process has one, an operation pays one look at a counter.
 */
final class CallBound implements Closeable {
    private static final AtomicInteger COUNT = new AtomicInteger();
    private static final ThreadLocal<CallBound> INNERMOST = new ThreadLocal<>();

    private final StreamSide side;
    private final Deadline deadline;
    private final CallBound outer;

    CallBound(StreamSide side, Deadline deadline) {
        this.side = side;
        this.deadline = deadline;
        this.outer = INNERMOST.get();
        COUNT.incrementAndGet();
        INNERMOST.set(this);
    }

    /** Returns the deadline of the calls of this thread on a side, or null. */
    static Deadline of(StreamSide side) {
        if (COUNT.get() == 0) {
            return null;
        }
        CallBound bound = INNERMOST.get();
        while (bound != null && bound.side != side) {
            bound = bound.outer;
        }
        return bound == null ? null : bound.deadline;
    }

    /**
     * Ends the bound; in the thread that made it, the last one first. Closing again does nothing.
     */
    @Override
    public void close() {
        if (INNERMOST.get() == this) {
            COUNT.decrementAndGet();
            if (outer == null) {
                INNERMOST.remove();
            } else {
                INNERMOST.set(outer);
            }
        }
    }
}
