package parley.net;

import java.io.EOFException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import parley.net.wait.BatchingExecutor;
import parley.net.wait.Log;

/**
 * What an object gives, one thing for each request: statuses, connections, or elements of a stream.
 * Nothing is looked for, accepted or read before it is asked for, and nothing is consumed for a
 * {@link Request} that was withdrawn; whoever stops asking stops the flow, back to the peer. While
 * requests wait, the {@link Reactor} watches the object; no thread is blocked.
 *
 * <p>An intake ends when the object gives no more, fails, or is closed, and when the intake itself
 * is closed, which leaves the object alone: requests are answered with null from then on, and
 * {@link #cause} tells of a failure.
 *
 * <p>For use by any number of threads. Everything but what a request finds at once happens on the
 * executor: pass a {@link BatchingExecutor}, or any that does not run tasks in the calling thread.
 *
 * <pre>{@code
 * Intake<SocketStream> connections = Intake.connections(server, StreamOptions.DEFAULT, executor);
 * connections.take(stream -> serve(stream)); // accepts one connection
 * connections.close();                       // the server stays open
 * }</pre>
 *
 * @param <T> what it gives
 */
public abstract class Intake<T> extends RequestQueue<Intake.Request<T>> implements AutoCloseable {
    /** In place of something: the request waits, or did not want to, or does not stand any more. */
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
    private final SmallLock lock = new SmallLock();
    private volatile boolean closed; // written under lock
    private volatile Throwable cause; // written under lock, once
    private boolean pausing; // nothing is tried before a pause is over; guarded by lock
    private Consumer<T> served; // whose request was committed last; guarded by lock

    /** What became of a try to serve a request, besides a value. */
    private enum Outcome { NOTHING, LAPSED, ENDED }

    Intake(Pollable object, Direction direction, Executor executor) {
        this.object = object;
        this.executor = Errors.need("intake", "the executor", executor,
                "one whose threads may run receivers");
        this.trigger = new Trigger(direction);
    }

    // ---- making ------------------------------------------------------------------------------

    /**
     * The status of an object, once, when it becomes actionable.
     *
     * @param object a stream, a server or another pollable object
     * @param direction what to look for; a server takes any
     * @param executor where waiting requests are served
     * @return an intake that ends with its first status
     * @throws IllegalStateException if the object is closed
     */
    public static Intake<SocketStatus> ready(Pollable object, Direction direction,
            Executor executor) {
        Errors.object("ready", object).requireOpen("ready");
        Errors.direction("ready", direction);
        return new StatusIntake(object, direction, executor, true);
    }

    /**
     * The statuses of an object, each looked for when it is asked for.
     *
     * @param object a stream, a server or another pollable object
     * @param direction what to look for; a server takes any
     * @param executor where waiting requests are served
     * @return an intake that ends with {@link SocketStatus#EOF}, {@link SocketStatus#APPEND} or
     *     {@link SocketStatus#ERROR}
     * @throws IllegalStateException if the object is closed
     */
    public static Intake<SocketStatus> statuses(Pollable object, Direction direction,
            Executor executor) {
        Errors.object("readiness", object).requireOpen("readiness");
        Errors.direction("readiness", direction);
        return new StatusIntake(object, direction, executor, false);
    }

    /**
     * The connections that a server accepts. A receiver that throws has not taken its stream, which
     * is closed. When accepting fails, for example for want of
     * descriptors, it pauses, longer each time up to a second, says so once in the log, and goes on;
     * the connections wait in the backlog.
     *
     * @param server to accept from; closing the intake leaves it open
     * @param options of the streams; the timeout does not matter
     * @param executor where waiting requests are served
     * @return an intake that ends when the server is closed
     * @throws IllegalStateException if the server is closed
     */
    public static Intake<SocketStream> connections(SocketServer server, StreamOptions options,
            Executor executor) {
        Errors.object("connections", server).requireOpen("connections");
        Errors.options("connections", options);
        return new ConnectionIntake(server, options, executor);
    }

    /**
     * The elements of a stream's input. What is not a whole element yet, or was not asked for, is
     * still in the stream.
     *
     * @param <T> the elements
     * @param stream to read from
     * @param framing what makes an element; not used elsewhere
     * @param executor where waiting requests are served
     * @return an intake that ends with the input; a {@link FramingException} may be its cause
     * @throws IllegalStateException if the stream is closed
     */
    public static <T> Intake<T> elements(SocketStream stream, Framing<T> framing,
            Executor executor) {
        Errors.object("elements", stream).requireOpen("elements");
        return new ElementIntake<>(stream, framing, executor);
    }

    // ---- what the kinds differ in ------------------------------------------------------------

    /**
     * What there is now, without waiting; a request stands for it.
     *
     * @return null for nothing
     * @throws EOFException if there will be no more
     */
    abstract T next() throws IOException;

    /** Tells whether nothing will follow. */
    abstract boolean isLast(T value);

    /** How long not to try again after nothing was found; 0 to watch instead. */
    abstract long pauseNanos();

    abstract String name();

    /** Returns whether {@link #next} runs code of the user's, which may be slow. */
    boolean isForeign() {
        return false;
    }

    final RetryTrigger trigger() {
        return trigger;
    }

    // ---- requests ----------------------------------------------------------------------------

    /**
     * Asks for the next thing.
     *
     * @param receiver told of it, or of the end by null, on the executor
     */
    public final void take(Consumer<T> receiver) {
        Consumer<T> told = guarded(receiver);
        Object taken = take(Request.of(told));
        if (taken != PENDING) {
            BatchingExecutor.handOver(executor, () -> told.accept(cast(taken)));
        }
    }

    /** The receiver, with what is to happen when it throws. */
    Consumer<T> guarded(Consumer<T> receiver) {
        return receiver;
    }

    /**
     * Asks for the next thing.
     *
     * @param request the request
     * @return the thing if it was there, null at the end: then the request was committed and its
     *     receiver is not called; else {@link #PENDING}
     * @throws IllegalStateException if too many requests wait already
     */
    public final Object take(Request<T> request) {
        List<Runnable> told = new ArrayList<>(0);
        lock.lock();
        try {
            purge();
            if (closed) {
                return commit(request) == null ? PENDING : null;
            }
            if (!request.isActive()) {
                return PENDING;
            }
            if (isEmpty() && !pausing) {
                return takeNow(request, told);
            }
            if (request.mayWait()) {
                add(request, name());
            }
            return PENDING;
        } finally {
            lock.unlock();
            handOver(told);
        }
    }

    private Object takeNow(Request<T> request, List<Runnable> told) {
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
        afterServing(told);
        return taken == Outcome.ENDED ? null : taken instanceof Outcome ? PENDING : taken;
    }

    /** Serves the request that is first, or sees to it that it is tried again. */
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

    /** Tries to serve a request: a value, or an outcome. */
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

    /** The request's receiver if it stands. */
    private Consumer<T> commit(Request<T> request) {
        request.lock();
        try {
            return request.isActive() ? request.commit() : null;
        } finally {
            request.unlock();
        }
    }

    private void serveWaiting() {
        List<Runnable> told = new ArrayList<>(1);
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
                    tell(told, served, taken == Outcome.ENDED ? null : cast(taken));
                }
            }
            afterServing(told);
        } finally {
            lock.unlock();
        }
        handOver(told);
    }

    private void afterServing(List<Runnable> told) {
        served = null;
        while (closed && !isEmpty()) {
            Consumer<T> receiver = commit(first());
            removeFirst();
            if (receiver != null) {
                tell(told, receiver, null);
            }
        }
        if (isEmpty()) {
            trigger.rest();
        }
    }

    /** Hands each by itself to the executor, since any may block. */
    private void handOver(List<Runnable> told) {
        for (int i = 0; i < told.size(); i++) {
            BatchingExecutor.handOver(executor, told.get(i));
        }
    }

    private static <T> void tell(List<Runnable> told, Consumer<T> receiver, T value) {
        told.add(() -> receiver.accept(value));
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
     * Why the intake ended before its time.
     *
     * @return a failure of the object, or of what came from it; null while it is open, after an
     *     orderly end, and when the intake or the object was closed
     */
    public final Throwable cause() {
        return cause;
    }

    /**
     * Tells whether nothing more will come.
     *
     * @return true once closed or at its end
     */
    public final boolean isClosed() {
        return closed;
    }

    /** Answers all requests with null; the object stays open, and what it has is left there. */
    @Override
    public final void close() {
        List<Runnable> told = new ArrayList<>(0);
        lock.lock();
        try {
            end(null);
            afterServing(told);
        } finally {
            lock.unlock();
        }
        handOver(told);
    }

    @Override
    public final String toString() {
        return "#<" + name() + " of " + object + (closed ? " closed>" : ">");
    }

    // ---- requests as the queue sees them -----------------------------------------------------

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
                return false; // somebody is at it: ask again later
            }
            try {
                return allLapsed();
            } finally {
                lock.unlock();
            }
        }
    }

    /**
     * A request of an {@link Intake} or an {@link Outlet} that may be withdrawn until the moment it is
     * served: one branch of a choice, say, of which only one is to happen. Serving it goes: {@link #lock},
     * {@link #isActive}, the deed itself, {@link #commit}, {@link #unlock}. The deed is done only if the
     * request is active, and committed only if it was done.
     *
     * @param <T> what is asked for
     */
    public interface Request<T> {
        /** {@return false once it was committed or withdrawn; called with and without the lock} */
        boolean isActive();

        /** {@return true for a branch of a choice, whose {@link #isActive} is checked now and then} */
        boolean mayLapse();

        /** {@return true to wait when the request cannot be served at once} */
        boolean mayWait();

        /** Keeps the request from being withdrawn, or committed elsewhere, until {@link #unlock}. */
        void lock();

        /** Ends what {@link #lock} began. */
        void unlock();

        /**
         * Decides that the request is served, here; under the lock, when it is active.
         *
         * @return told of the result later, without any lock
         */
        Consumer<T> commit();

        /**
         * A request that stands until it is served.
         *
         * @param <T> what is asked for
         * @param receiver told of the result
         * @return a request, for one use
         */
        static <T> Request<T> of(Consumer<T> receiver) {
            Errors.need("request", "the receiver", receiver, "a Consumer of the result");
            return RequestQueue.lasting(receiver);
        }
    }
}
