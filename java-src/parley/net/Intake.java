package parley.net;

import java.io.EOFException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import parley.net.Framing.FramingException;
import parley.net.wait.BatchingExecutor;
import parley.net.wait.Log;
import parley.posix.StackSafeLock;

/**
 * Takes values from an object, one for each request: statuses, connections, or elements of a
 * stream. Nothing is checked, accepted or read before a request, and a withdrawn {@link Request}
 * consumes nothing. Without requests the flow stops, back to the peer. While requests wait, the
 * {@link Reactor} watches the object; no thread is blocked.
 *
 * <p>An intake ends when the object ends, fails, or is closed, and when it is closed itself. Then
 * requests result in null, and {@link #cause} returns a failure.
 *
 * <p>Thread-safe. A request that cannot be served at once is served on the executor: pass one that
 * does not run tasks in the calling thread, such as {@code Executors.newCachedThreadPool()}.
 *
 * <pre>{@code
 * Intake<SocketStream> connections = Intake.connections(server, StreamOptions.DEFAULT, executor);
 * connections.take(stream -> handle(stream)); // accepts one connection
 * connections.close();                       // the server stays open
 * }</pre>
 *
 * @param <T> the values
 */
public abstract class Intake<T> extends RequestQueue<Intake.Request<T>> implements AutoCloseable {
    /** In place of a value: the request waits, may not wait, or was withdrawn. */
    public static final Object PENDING = new Object() {
        @Override
        public String toString() {
            return "pending";
        }
    };

    private static final long WITHOUT_DESCRIPTORS_NANOS = Duration.ofMillis(100).toNanos();

    final Pollable object;
    private final Executor executor;
    private final Trigger trigger;
    private final StackSafeLock lock = new StackSafeLock();
    private volatile boolean closed; // written under lock
    private volatile Throwable cause; // written under lock, once
    private boolean pausing; // nothing is tried before a pause is over; guarded by lock
    private Consumer<T> served; // whose request was committed last; guarded by lock

    /** The outcome of an attempt to serve a request without a value. */
    private enum Outcome { NOTHING, LAPSED, ENDED }

    Intake(Pollable object, Direction direction, Executor executor) {
        this.object = object;
        this.executor = Errors.need("intake", "the executor", executor,
                "one whose threads may run receivers");
        this.trigger = new Trigger(direction);
    }

    /**
     * Makes an intake of one status of an object, when it becomes actionable.
     *
     * @param object a stream, a server or another pollable object
     * @param direction the direction to check; a server accepts any
     * @param executor where waiting requests are served
     * @return an intake that ends with its first status
     * @throws IllegalStateException if the object is closed
     */
    public static Intake<SocketStatus> ready(Pollable object, Direction direction,
            Executor executor) {
        Errors.object("ready", object).requireOpen("ready");
        Errors.direction("ready", direction);
        return new Intakes.Statuses(object, direction, executor, true);
    }

    /**
     * Makes an intake of the statuses of an object, each checked on request.
     *
     * @param object a stream, a server or another pollable object
     * @param direction the direction to check; a server accepts any
     * @param executor where waiting requests are served
     * @return an intake that ends with {@link SocketStatus#EOF}, {@link SocketStatus#APPEND} or
     *     {@link SocketStatus#ERROR}
     * @throws IllegalStateException if the object is closed
     */
    public static Intake<SocketStatus> statuses(Pollable object, Direction direction,
            Executor executor) {
        Errors.object("readiness", object).requireOpen("readiness");
        Errors.direction("readiness", direction);
        return new Intakes.Statuses(object, direction, executor, false);
    }

    /**
     * Makes an intake of the connections that a server accepts. When a receiver throws, its stream
     * is closed. When accepting fails, for example for lack of descriptors, the intake pauses,
     * longer each time up to a second, logs it once, and goes on; connections wait in the backlog.
     *
     * @param server the server; closing the intake leaves it open
     * @param options of the streams; the timeout does not matter
     * @param executor where waiting requests are served
     * @return an intake that ends when the server is closed
     * @throws IllegalStateException if the server is closed
     */
    public static Intake<SocketStream> connections(SocketServer server, StreamOptions options,
            Executor executor) {
        Errors.object("connections", server).requireOpen("connections");
        Errors.options("connections", options);
        return new Intakes.Connections(server, options, executor);
    }

    /**
     * Makes an intake of the elements of a stream's input. Input that is not a whole element yet,
     * or was not requested, stays in the stream.
     *
     * @param <T> the elements
     * @param stream to read from
     * @param framing the kind of element; used by this intake only
     * @param executor where waiting requests are served
     * @return an intake that ends with the input; a {@link FramingException} may be its cause
     * @throws IllegalStateException if the stream is closed
     */
    public static <T> Intake<T> elements(SocketStream stream, Framing<T> framing,
            Executor executor) {
        Errors.object("elements", stream).requireOpen("elements");
        return new Intakes.Elements<>(stream, framing, executor);
    }

    // ---- the kinds of intakes ----------------------------------------------------------------

    /**
     * Takes the next value, without waiting, for an active request.
     *
     * @return null when there is none yet
     * @throws EOFException at the end
     */
    abstract T next() throws IOException;

    /** Returns whether a value is the last. */
    abstract boolean isLast(T value);

    /** Returns the pause before the next attempt when there was no value; 0 to watch instead. */
    abstract long pauseNanos();

    abstract String name();

    /** Returns whether {@link #next} runs code of the user, which may be slow. */
    boolean isForeign() {
        return false;
    }

    final RetryTrigger trigger() {
        return trigger;
    }

    // ---- requests ----------------------------------------------------------------------------

    /**
     * Requests the next value.
     *
     * @param receiver called on the executor with the value, or with null at the end
     */
    public final void take(Consumer<T> receiver) {
        Consumer<T> guarded = guarded(receiver);
        Object taken = take(Request.of(guarded));
        if (taken != PENDING) {
            BatchingExecutor.handOver(executor, () -> guarded.accept(cast(taken)));
        }
    }

    /** Adds the cleanup for a receiver that throws. */
    Consumer<T> guarded(Consumer<T> receiver) {
        return receiver;
    }

    /**
     * Requests the next value.
     *
     * @param request the request
     * @return an available value, or null at the end: then the request was committed and its
     *     receiver is not called; else {@link #PENDING}
     * @throws IllegalStateException if too many requests wait already
     */
    public final Object take(Request<T> request) {
        List<Runnable> calls = new ArrayList<>(0);
        lock.lock();
        try {
            purge();
            if (closed) {
                return commit(request) == null ? PENDING : null;
            }
            boolean active = request.isActive();
            if (active && isEmpty() && !pausing) {
                return takeNow(request, calls);
            } else if (active && request.mayWait()) {
                add(request, name());
                trigger.resume(pausing);
            }
            return PENDING;
        } finally {
            lock.unlock();
            execute(calls);
        }
    }

    private Object takeNow(Request<T> request, List<Runnable> calls) {
        Object taken;
        if (request.mayWait()) {
            add(request, name());
            taken = serveFirst();
            if (taken == Outcome.NOTHING) {
                return PENDING;
            }
            removeFirst();
        } else {
            taken = serve(request);
        }
        afterServing(calls);
        return taken == Outcome.ENDED ? null : taken instanceof Outcome ? PENDING : taken;
    }

    /** Serves the first request, or arranges another attempt. */
    private Object serveFirst() {
        for (;;) {
            int stamp = trigger.attend();
            Object taken = serve(first());
            if (taken != Outcome.NOTHING || waits(stamp)) {
                return taken;
            }
        }
    }

    private boolean waits(int stamp) {
        long pause = pauseNanos();
        try {
            if (pause == 0) {
                return trigger.arm(stamp);
            }
        } catch (ClosedChannelException e) {
            end(object.isOpen() ? e : null);
            return false; // the next try commits the request
        } catch (IOException e) {
            Log.warning(Log.Part.CHANNELS, this + " goes on in a moment: " + Errors.text(e));
            pause = WITHOUT_DESCRIPTORS_NANOS;
        }
        pausing = true;
        trigger.pause(pause);
        return true;
    }

    /** Tries to serve a request; returns a value or an outcome. */
    private Object serve(Request<T> request) {
        request.lock();
        try {
            if (!request.isActive()) {
                return Outcome.LAPSED;
            }
            T value = closed ? null : nextOrEnd();
            if (value == null && !closed) {
                return Outcome.NOTHING;
            }
            served = request.commit();
            return value == null ? Outcome.ENDED : value;
        } finally {
            request.unlock();
        }
    }

    private T nextOrEnd() {
        try {
            T value = next();
            if (value != null && isLast(value)) {
                end(null);
            }
            return value;
        } catch (EOFException e) {
            end(null);
        } catch (IOException | RuntimeException | Error e) {
            end(object.isOpen() ? e : null);
        }
        return null;
    }

    /** Commits an active request and returns its receiver; null for a withdrawn one. */
    private Consumer<T> commit(Request<T> request) {
        request.lock();
        try {
            return request.isActive() ? request.commit() : null;
        } finally {
            request.unlock();
        }
    }

    private void serveWaiting() {
        List<Runnable> calls = new ArrayList<>(1);
        lock.lock();
        try {
            pausing = false;
            purge();
            Object taken = null;
            while (!closed && !isEmpty() && taken != Outcome.NOTHING) {
                taken = serveFirst();
                if (taken != Outcome.NOTHING) {
                    removeFirst();
                }
                if (!(taken instanceof Outcome) || taken == Outcome.ENDED) {
                    report(calls, served, taken == Outcome.ENDED ? null : cast(taken));
                }
            }
            afterServing(calls);
        } finally {
            lock.unlock();
        }
        execute(calls);
    }

    private void afterServing(List<Runnable> calls) {
        served = null;
        while (closed && !isEmpty()) {
            Consumer<T> receiver = commit(first());
            removeFirst();
            if (receiver != null) {
                report(calls, receiver, null);
            }
        }
        if (isEmpty()) {
            trigger.rest();
        }
    }

    /** Executes each call as a task of its own, since any may block. */
    private void execute(List<Runnable> calls) {
        for (int i = 0; i < calls.size(); i++) {
            BatchingExecutor.handOver(executor, calls.get(i));
        }
    }

    private static <T> void report(List<Runnable> calls, Consumer<T> receiver, T value) {
        calls.add(() -> receiver.accept(value));
    }

    @SuppressWarnings("unchecked") // what next() returned
    private T cast(Object taken) {
        return (T) taken;
    }

    // ---- the end -----------------------------------------------------------------------------

    private void end(Throwable why) {
        if (!closed) {
            cause = why;
            closed = true;
        }
    }

    /**
     * {@return the failure that ended the intake: a failure of the object, or of its input; null
     * while it is open and after a close}
     */
    public final Throwable cause() {
        return cause;
    }

    /** {@return whether the intake has ended: true once closed or at its end} */
    public final boolean isClosed() {
        return closed;
    }

    /** Ends all requests with null; the object stays open and keeps its input. */
    @Override
    public final void close() {
        List<Runnable> calls = new ArrayList<>(0);
        lock.lock();
        try {
            end(null);
            afterServing(calls);
        } finally {
            lock.unlock();
        }
        execute(calls);
    }

    @Override
    public final String toString() {
        return "#<" + name() + " of " + object + (closed ? " closed>" : ">");
    }

    @Override
    final boolean isActive(Request<T> request) {
        return request.isActive();
    }

    @Override
    final boolean mayLapse(Request<T> request) {
        return request.mayLapse();
    }

    private final class Trigger extends RetryTrigger {
        private final Direction direction;

        Trigger(Direction direction) {
            this.direction = direction;
        }

        @Override
        Pollable object() {
            return object;
        }

        @Override
        Direction direction() {
            return direction;
        }

        @Override
        Executor executor() {
            return isForeign() ? executor : null;
        }

        @Override
        public void run() {
            serveWaiting();
        }

        @Override
        boolean mayLapse() {
            return allMayLapse(); // asked by arm, under the lock
        }

        @Override
        boolean hasLapsed() {
            if (!lock.tryLock()) {
                return false; // another thread serves requests: check again later
            }
            try {
                return allLapsed();
            } finally {
                lock.unlock();
            }
        }
    }

    /**
     * A request of an {@link Intake} or an {@link Outlet} that may be withdrawn until it is
     * served, such as a branch of a choice. Serving calls {@link #lock} and {@link #isActive},
     * takes or writes the value, and calls {@link #commit} and {@link #unlock}. A value is taken or
     * written only for an active request, and committed only after that.
     *
     * @param <T> the value
     */
    public interface Request<T> {
        /** {@return false after it was committed or withdrawn; called with and without the lock} */
        boolean isActive();

        /**
         * {@return true for a branch of a choice, whose {@link #isActive} is checked now and then}
         */
        boolean mayLapse();

        /** {@return true to wait when the request cannot be served at once} */
        boolean mayWait();

        /**
         * Keeps the request from being withdrawn, or committed elsewhere, until {@link #unlock}.
         */
        void lock();

        /** Ends what {@link #lock} began. */
        void unlock();

        /**
         * Marks an active request as served; called under the lock.
         *
         * @return the receiver, called with the result later, without any lock
         */
        Consumer<T> commit();

        /**
         * Makes a request that is never withdrawn.
         *
         * @param <T> the value
         * @param receiver called with the result
         * @return a request, for one use
         */
        static <T> Request<T> of(Consumer<T> receiver) {
            Errors.need("request", "the receiver", receiver, "a Consumer of the result");
            return RequestQueue.lasting(receiver);
        }
    }
}
