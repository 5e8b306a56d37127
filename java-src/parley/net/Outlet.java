package parley.net;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import parley.net.Intake.Request;
import parley.net.wait.BatchingExecutor;
import parley.net.wait.Log;
import parley.posix.StackSafeLock;

/**
 * Writes values to a stream as fast as the peer reads. A value is accepted as a whole, when
 * everything before it was sent to the system and the system takes some of it. Only the rest of
 * that value waits inside. No thread is blocked meanwhile: the {@link Reactor} reports when the
 * stream is writable again.
 *
 * <p>An outlet ends when writing fails ({@link #cause} returns the failure), when the stream is
 * closed, and when it is closed itself. Then it refuses values; accepted values are still written.
 * Thread-safe. Values of several outlets of one stream, and of other writers, are never
 * interleaved.
 *
 * <pre>{@code
 * Outlet<String> out = new Outlet<>(stream, Framing.lines(8192), Outlet.Ending.CLOSE, executor);
 * out.put("hello", accepted -> next()); // called when the peer has room for more
 * }</pre>
 *
 * @param <T> the values
 */
public final class Outlet<T> extends RequestQueue<Outlet.Offer> implements AutoCloseable {
    /** The effect on the stream after an outlet was closed and all accepted values are written. */
    public enum Ending {
        /** None. */
        LEAVE_OPEN,
        /** Shuts its output down, so that the peer reads the end; also when writing failed. */
        SHUT_DOWN,
        /** Closes it; also when writing failed. */
        CLOSE
    }

    private static final long WITHOUT_DESCRIPTORS_NANOS = Duration.ofMillis(100).toNanos();

    private final SocketStream stream;
    private final Framing<T> framing;
    private final Ending ending;
    private final Executor executor;
    private final Trigger trigger;
    private final StackSafeLock lock = new StackSafeLock();
    private volatile boolean closed; // written under lock
    private volatile Throwable cause; // written under lock, once
    private boolean draining; // the system has not taken all accepted bytes; guarded by lock
    private boolean ended; // the ending was begun; guarded by lock
    private boolean pausing; // guarded by lock
    private Throwable lost; // the cause of lost accepted bytes; guarded by lock
    private boolean flushed; // nothing more will happen; guarded by lock
    private final List<Consumer<Throwable>> flushWaiters = new ArrayList<>(0); // guarded by lock

    private enum Outcome { ACCEPTED, REFUSED, NOTHING, LAPSED }

    /** A value that waits for acceptance, and its request. */
    static final class Offer {
        final Framing.Prepared value;
        final Request<Boolean> request;
        Consumer<Boolean> served; // once committed; guarded by the outlet's lock

        Offer(Framing.Prepared value, Request<Boolean> request) {
            this.value = value;
            this.request = request;
        }
    }

    /**
     * Makes an outlet to a stream.
     *
     * @param stream to write to
     * @param framing turns values into bytes
     * @param ending the effect on the stream
     * @param executor where waiting values are served, as for an {@link Intake}
     * @throws IllegalStateException if the stream is closed
     */
    public Outlet(SocketStream stream, Framing<T> framing, Ending ending, Executor executor) {
        Errors.object("sink", stream).requireOpen("sink");
        this.stream = stream;
        this.framing = Errors.need("sink", "the framing", framing, "a Framing");
        this.ending = Errors.need("sink", "the ending", ending, "an Ending");
        this.executor = Errors.need("sink", "the executor", executor, "an Executor");
        this.trigger = new Trigger();
    }

    // ---- values ------------------------------------------------------------------------------

    /**
     * Writes a value.
     *
     * @param value the value; do not change the array of a chunk before it was accepted
     * @param receiver called on the executor: true for accepted, false when the outlet is closed
     * @throws IllegalArgumentException if the framing has no bytes for it
     */
    public void put(T value, Consumer<Boolean> receiver) {
        Object put = put(value, Request.of(receiver));
        if (put != Intake.PENDING) {
            BatchingExecutor.handOver(executor, () -> receiver.accept((Boolean) put));
        }
    }

    /**
     * Writes a value, for a request that may be withdrawn; a withdrawn one writes nothing.
     *
     * @param value the value; do not change the array of a chunk before it was accepted
     * @param request the request
     * @return true when it was accepted, false when the outlet is closed: then the request was
     *     committed and its receiver is not called; else {@link Intake#PENDING}
     * @throws IllegalArgumentException if the framing has no bytes for it
     * @throws IllegalStateException if too many values wait already
     */
    public Object put(T value, Request<Boolean> request) {
        Offer offer = new Offer(framing.prepare(value, stream.externalFormat()), request);
        List<Runnable> calls = new ArrayList<>(0);
        lock.lock();
        try {
            purge();
            if (!closed && (draining || pausing || !isEmpty())) {
                if (request.mayWait() && request.isActive()) {
                    add(offer, framing.writing);
                }
                trigger.resume(pausing);
                return Intake.PENDING;
            }
            return putNow(offer, calls);
        } finally {
            lock.unlock();
            execute(calls);
        }
    }

    private Object putNow(Offer offer, List<Runnable> calls) {
        Outcome outcome = serve(offer); // the usual one is accepted now, and nothing need be watched
        if (outcome == Outcome.NOTHING && offer.request.mayWait()) {
            add(offer, framing.writing);
            outcome = serveFirst();
            if (outcome == Outcome.NOTHING) {
                return Intake.PENDING;
            }
            removeFirst();
        }
        work(calls); // the rest of it, if it was accepted
        return result(outcome);
    }

    private static Object result(Outcome outcome) {
        return outcome == Outcome.ACCEPTED ? Boolean.TRUE
                : outcome == Outcome.REFUSED ? Boolean.FALSE : Intake.PENDING;
    }

    /** Serves the first offer, or arranges another attempt. */
    private Outcome serveFirst() {
        for (;;) {
            int stamp = trigger.attend();
            Outcome outcome = serve(first());
            if (outcome != Outcome.NOTHING || waits(stamp)) {
                return outcome;
            }
        }
    }

    private Outcome serve(Offer offer) {
        offer.request.lock();
        try {
            if (!offer.request.isActive()) {
                return Outcome.LAPSED;
            }
            boolean accepted = !closed && accepts(offer.value);
            if (!accepted && !closed) {
                return Outcome.NOTHING;
            }
            offer.served = offer.request.commit();
            return accepted ? Outcome.ACCEPTED : Outcome.REFUSED;
        } finally {
            offer.request.unlock();
        }
    }

    private boolean accepts(Framing.Prepared value) {
        try {
            Framing.Taken taken = value.offerTo(stream.out());
            draining = taken == Framing.Taken.IN_PART;
            return taken != Framing.Taken.NOTHING;
        } catch (IOException | RuntimeException | Error e) {
            fail(e);
            return false;
        }
    }

    private boolean waits(int stamp) {
        try {
            return trigger.arm(stamp);
        } catch (ClosedChannelException e) {
            fail(e);
            return false;
        } catch (IOException e) {
            Log.warning(Log.Part.CHANNELS, this + " goes on in a moment: " + Errors.text(e));
            pausing = true;
            trigger.pause(WITHOUT_DESCRIPTORS_NANOS);
            return true;
        }
    }

    // ---- going on ----------------------------------------------------------------------------

    private void goOn() {
        List<Runnable> calls = new ArrayList<>(1);
        lock.lock();
        try {
            pausing = false;
            work(calls);
        } finally {
            lock.unlock();
        }
        execute(calls);
    }

    /** Writes and accepts as much as possible now, and arranges another attempt for the rest. */
    private void work(List<Runnable> calls) {
        purge();
        Outcome outcome = null;
        while (drain() && !isEmpty() && outcome != Outcome.NOTHING) {
            outcome = serveFirst();
            if (outcome != Outcome.NOTHING) {
                Offer done = first();
                removeFirst();
                report(calls, done, outcome == Outcome.ACCEPTED);
            }
        }
        while (closed && !isEmpty()) {
            Offer refused = first();
            removeFirst();
            serve(refused);
            report(calls, refused, false);
        }
        if (closed && !draining) {
            finish(calls);
        }
        if (!draining && isEmpty()) {
            trigger.rest();
        }
    }

    private void execute(List<Runnable> calls) {
        for (int i = 0; i < calls.size(); i++) {
            BatchingExecutor.handOver(executor, calls.get(i));
        }
    }

    private static void report(List<Runnable> calls, Offer offer, boolean accepted) {
        if (offer.served != null) {
            calls.add(() -> offer.served.accept(accepted));
        }
    }

    /** Sends accepted bytes; returns true when all are sent, else arranges another attempt. */
    private boolean drain() {
        while (draining && !pausing) {
            int stamp = trigger.attend();
            try {
                draining = !stream.out().drained(framing.writing);
            } catch (IOException | RuntimeException | Error e) {
                fail(e);
            }
            if (draining && waits(stamp)) {
                return false;
            }
        }
        return !draining;
    }

    // ---- the end -----------------------------------------------------------------------------

    private void fail(Throwable e) {
        if (draining) {
            lost = e;
        }
        draining = false;
        if (stream.isOpen() && cause == null) {
            cause = e;
        }
        closed = true;
    }

    private void finish(List<Runnable> calls) {
        if (!ended) {
            ended = true;
            if (ending == Ending.LEAVE_OPEN) {
                reportFlushed(calls);
            } else {
                calls.add(this::end);
            }
        }
    }

    private void end() {
        try {
            endStream();
        } finally {
            List<Runnable> calls = new ArrayList<>(1);
            lock.lock();
            try {
                reportFlushed(calls);
            } finally {
                lock.unlock();
            }
            execute(calls);
        }
    }

    private void reportFlushed(List<Runnable> calls) {
        flushed = true;
        flushWaiters.forEach(waiter -> calls.add(() -> waiter.accept(reason())));
        flushWaiters.clear();
    }

    private Throwable reason() {
        return cause != null ? cause : lost;
    }

    /**
     * Calls a receiver when this outlet is closed, all accepted values were sent to the system or
     * are lost, and the ending is done.
     *
     * @param receiver called by the executor, with null, or with the cause of a loss
     */
    public void whenFlushed(Consumer<Throwable> receiver) {
        Errors.need("flushed", "the receiver", receiver, "one for the end");
        lock.lock();
        try {
            if (!flushed) {
                flushWaiters.add(receiver);
                return;
            }
        } finally {
            lock.unlock();
        }
        BatchingExecutor.handOver(executor, () -> receiver.accept(reason()));
    }

    private void endStream() {
        try {
            if (ending == Ending.CLOSE) {
                stream.close();
            } else if (stream.isOpen()) {
                stream.shutdown(Direction.OUTPUT);
            }
        } catch (IOException | IllegalStateException e) {
            if (cause == null && stream.isOpen()) {
                cause = e;
            }
        }
    }

    /**
     * {@return the failure that ended the outlet: a failure of the stream; null while it is open,
     * and when the outlet or the stream was closed}
     */
    public Throwable cause() {
        return cause;
    }

    /** {@return whether values are refused: true after a close, and when writing has failed} */
    public boolean isClosed() {
        return closed;
    }

    /** Refuses later and waiting values; accepted values are still written. */
    @Override
    public void close() {
        List<Runnable> calls = new ArrayList<>(0);
        lock.lock();
        try {
            closed = true;
            work(calls);
        } finally {
            lock.unlock();
        }
        execute(calls);
    }

    @Override
    public String toString() {
        return "#<sink to " + stream + (closed ? " closed>" : ">");
    }

    // ---- offers as the queue sees them -------------------------------------------------------

    @Override
    boolean isActive(Offer offer) {
        return offer.request.isActive();
    }

    @Override
    boolean mayLapse(Offer offer) {
        return offer.request.mayLapse();
    }

    private final class Trigger extends RetryTrigger {
        @Override
        Pollable object() {
            return stream;
        }

        @Override
        Direction direction() {
            return Direction.OUTPUT;
        }

        @Override
        public void run() {
            goOn();
        }

        @Override
        boolean mayLapse() {
            return !draining && allMayLapse(); // asked by arm, under the lock
        }

        @Override
        boolean hasLapsed() {
            if (!lock.tryLock()) {
                return false;
            }
            try {
                return !draining && allLapsed();
            } finally {
                lock.unlock();
            }
        }
    }
}
