package parley.net;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import parley.net.wait.BatchingExecutor;
import parley.net.wait.EventLoop;
import parley.net.wait.Log;
import parley.posix.StackSafeLock;

/**
 * Watches objects and notifies listeners, with one thread for all of them. The thread starts with
 * the first watch, is a daemon named {@code parley-reactor}, and ends half a second after the last
 * one. Nothing that a listener throws can end it.
 *
 * <pre>{@code
 * Reactor.Watch watch = Reactor.shared().whenReady(stream, Direction.INPUT, executor, status -> handle(stream));
 * watch.close(); // cancels
 * }</pre>
 */
public final class Reactor {
    private static final Reactor SHARED = new Reactor();

    private Reactor() {
    }

    /** {@return the reactor of this process, always the same one} */
    public static Reactor shared() {
        return SHARED;
    }

    /**
     * Calls a listener once, on the reactor's thread, when an object becomes actionable in a
     * direction, and at once (in the calling thread) when it is already.
     *
     * @param object a stream, a server or another pollable object
     * @param direction what to look for; a server takes any
     * @param listener receives the status; must not block
     * @return the watch: closing it before the listener was called means that it never will be
     * @throws IOException if the process is out of descriptors or threads
     * @throws IllegalStateException if the object is closed
     */
    public Watch whenReady(Pollable object, Direction direction, Consumer<SocketStatus> listener)
            throws IOException {
        return whenReady(object, direction, Runnable::run, listener);
    }

    /**
     * As {@link #whenReady(Pollable, Direction, Consumer)}, but a listener that is not called at
     * once is called on an executor. The listener may block if the executor's threads may.
     *
     * @param object a stream, a server or another pollable object
     * @param direction what to look for; a server takes any
     * @param executor where to call the listener; if it rejects the call, the rejection is
     *     logged and the listener runs on the reactor's thread
     * @param listener receives the status
     * @return the watch: closing it before the listener was called means that it never will be
     * @throws IOException if the process is out of descriptors or threads
     * @throws IllegalStateException if the object is closed
     */
    public Watch whenReady(Pollable object, Direction direction, Executor executor,
            Consumer<SocketStatus> listener) throws IOException {
        Errors.object("ready", object).requireOpen("ready");
        Errors.direction("ready", direction);
        Errors.need("ready", "the executor", executor, "one for the listener");
        Errors.need("ready", "the listener", listener, "a Consumer");
        Watch watch = new Watch(object, direction, executor, listener);
        watch.start();
        return watch;
    }

    /**
     * {@return whether the calling thread is the reactor's own, where nothing may block: true
     * inside a listener called by the reactor}
     */
    public boolean isReactorThread() {
        return EventLoop.shared().isLoopThread();
    }

    /**
     * {@return how much is being watched: the number of watches that are armed, and of threads that
     * wait without a poller of their own; 0 when idle}
     */
    public int watches() {
        EventLoop shared = EventLoop.shared();
        EventLoop virtual = EventLoop.ofVirtualThreads();
        return shared.watches() + (virtual == shared ? 0 : virtual.watches());
    }

    /**
     * A listener's registration with the {@link Reactor}: fires once, when the status of the object
     * in the direction is no longer {@link SocketStatus#NONE}. Closing it cancels; closing it
     * twice, or after it fired, does nothing.
     */
    public static final class Watch implements AutoCloseable {
        private final Pollable object;
        private final Direction direction;
        private final Consumer<SocketStatus> listener;
        private final Executor executor;
        private final RetryTrigger trigger = new Trigger();
        private final StackSafeLock lock = new StackSafeLock();
        private boolean done; // guarded by lock

        Watch(Pollable object, Direction direction, Executor executor, Consumer<SocketStatus> listener) {
            this.object = object;
            this.direction = direction;
            this.listener = listener;
            this.executor = executor;
        }

        void start() throws IOException {
            SocketStatus status;
            try {
                status = look();
            } catch (IOException | RuntimeException | Error e) {
                close();
                throw e;
            }
            if (status.isActionable()) {
                listener.accept(status);
            }
        }

        private void lookAgain() {
            SocketStatus status = lookOrEnd();
            if (status.isActionable()) {
                BatchingExecutor.handOver(executor, () -> listener.accept(status));
            }
        }

        private SocketStatus lookOrEnd() {
            try {
                return look();
            } catch (IOException | RuntimeException | Error e) {
                Log.error(Log.Part.CHANNELS, this + " ends", e);
                return finish() ? SocketStatus.ERROR : SocketStatus.NONE;
            }
        }

        /** NONE when the trigger was armed instead, or the watch is done already. */
        private SocketStatus look() throws IOException {
            lock.lock();
            try {
                if (done) {
                    return SocketStatus.NONE;
                }
                SocketStatus status;
                int stamp;
                do {
                    stamp = trigger.attend();
                    status = now();
                } while (!status.isActionable() && !arm(stamp));
                if (status.isActionable()) {
                    done = true;
                    trigger.rest();
                }
                return status;
            } finally {
                lock.unlock();
            }
        }

        private SocketStatus now() throws IOException {
            SocketStatus status = object.isOpen()
                    ? object.evaluate(direction, trigger.takeFound()) : SocketStatus.ERROR;
            return object.isOpen() ? status : SocketStatus.ERROR; // closed while we looked: no end
        }

        private boolean arm(int stamp) throws IOException {
            try {
                return trigger.arm(stamp);
            } catch (ClosedChannelException e) {
                if (object.isOpen()) {
                    throw e; // else the next check reports it
                }
                return false;
            }
        }

        /** Cancels: the listener will not be called, unless its call has begun. */
        @Override
        public void close() {
            finish();
        }

        /** False when it was done already. */
        private boolean finish() {
            lock.lock();
            try {
                boolean first = !done;
                done = true;
                trigger.rest();
                return first;
            } finally {
                lock.unlock();
            }
        }

        @Override
        public String toString() {
            return "#<watch " + direction + " of " + object + ">";
        }

        private final class Trigger extends RetryTrigger {
            @Override
            public void run() {
                lookAgain();
            }

            @Override
            Pollable object() {
                return object;
            }

            @Override
            Direction direction() {
                return direction;
            }
        }
    }
}
