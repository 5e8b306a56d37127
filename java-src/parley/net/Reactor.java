package parley.net;

import java.io.IOException;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import parley.net.wait.EventLoop;

/**
 * Watches objects and notifies listeners, with one thread for all of them. The thread starts with
 * the first watch, is a daemon named {@code parley-reactor}, and ends half a second after the last
 * one. Nothing that a listener throws can end it.
 */
public final class Reactor {
    private static final Reactor SHARED = new Reactor();

    private Reactor() {
    }

    /**
     * Returns the reactor of this process.
     *
     * @return always the same one
     */
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
     * @param executor where to call the listener; if it rejects the call, the rejection is logged and
     *     the listener runs on the reactor's thread
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
     * Returns whether the calling thread is the reactor's own, where nothing may block.
     *
     * @return true inside a listener called by the reactor
     */
    public boolean isReactorThread() {
        return EventLoop.shared().isLoopThread();
    }

    /**
     * Returns how much is being watched.
     *
     * @return the number of watches that are armed, and of threads that wait without a poller of
     *     their own; 0 when idle
     */
    public int watches() {
        EventLoop shared = EventLoop.shared();
        EventLoop virtual = EventLoop.ofVirtualThreads();
        return shared.watches() + (virtual == shared ? 0 : virtual.watches());
    }
}
