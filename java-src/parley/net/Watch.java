package parley.net;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import parley.net.wait.Log;

/**
 * A listener's registration with the {@link Reactor}: fires once, when the status of the object in
 * the direction is no longer {@link SocketStatus#NONE}. Closing it cancels; closing it twice, or
 * after it fired, does nothing.
 */
public final class Watch implements AutoCloseable {
    private final Pollable object;
    private final Direction direction;
    private final Consumer<SocketStatus> listener;
    private final Executor executor;
    private final RetryTrigger trigger = new Trigger();
    private final ReentrantLock lock = new ReentrantLock();
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
                throw e; // else the next look tells
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
