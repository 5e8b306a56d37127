package parley.net;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;
import parley.net.wait.BatchingExecutor;
import parley.net.wait.EventLoop;
import parley.net.wait.Interest;
import parley.net.wait.Source;

/**
 * Makes its owner try again, on the thread of the {@link EventLoop}, when the kernel reports the
 * object ready, a thread left bytes in a buffer, the object was closed, or a pause is over. The
 * attempt must not block, and must call receivers on an executor. An owner does, under a lock of
 * its own:
 *
 * <pre>
 * do {
 *     stamp = trigger.attend();
 *     try to get what is wanted, without waiting
 * } while (nothing came &amp;&amp; !trigger.arm(stamp));
 * </pre>
 *
 * and {@link #rest} when nothing is wanted any more. Between {@link #attend} and {@link #arm} no
 * change is missed: if there was one, the trigger is not armed and the owner tries again.
 */
abstract class RetryTrigger extends Interest implements Pollable.Observer, Runnable {
    private static final AtomicIntegerFieldUpdater<RetryTrigger> NEWS =
            AtomicIntegerFieldUpdater.newUpdater(RetryTrigger.class, "news");

    private static final EventLoop LOOP = EventLoop.shared();

    private boolean attending; // guarded by the owner's lock
    private volatile int news; // how many changes were seen
    private volatile int found = Pollable.UNKNOWN; // the last report of the kernel

    // Asked of the owner, which has them anyway: there are as many triggers as there are channels.

    abstract Pollable object();

    abstract Direction direction();

    /**
     * Returns where to try again, if that may run code of the user's; null for the loop's thread.
     */
    Executor executor() {
        return null;
    }

    /** Tries again; on the loop's thread, and perhaps once more after {@link #rest}. */
    @Override
    public abstract void run();

    /** Returns whether those who wait may lose interest without saying so. */
    boolean mayLapse() {
        return false;
    }

    /** Returns whether no request waits any more; must not block. */
    boolean hasLapsed() {
        return false;
    }

    /** From now on changes are noticed; the stamp is for {@link #arm}. */
    int attend() {
        if (!attending) {
            attending = true;
            object().observe(this);
        }
        return news;
    }

    /**
     * {@return the report of the kernel that fired the trigger: operations, or {@link
     * Pollable#UNKNOWN}; returned once}
     */
    int takeFound() {
        int last = found;
        found = Pollable.UNKNOWN;
        return last;
    }

    /**
     * Has the owner try again when something happens.
     *
     * @return false when something has happened since the stamp: then this did nothing
     * @throws java.nio.channels.ClosedChannelException if the object is closed
     * @throws IOException if the process is out of descriptors
     */
    boolean arm(int stamp) throws IOException {
        LOOP.arm(this, object().interest(direction()));
        // A change before now was counted, a later one finds the trigger armed.
        return news == stamp || !LOOP.disarm(this);
    }

    /** Has the owner try again after some time, whatever happens. */
    void pause(long nanos) {
        LOOP.post(() -> ring(Pollable.UNKNOWN), nanos);
    }

    /**
     * Tries to start the thread that ends a pause, if there is one: it may not have been possible.
     */
    void resume(boolean pausing) {
        if (pausing) {
            LOOP.resume();
        }
    }

    /** Nothing is wanted: nothing of this trigger stays anywhere. */
    void rest() {
        if (attending) {
            attending = false;
            object().forget(this);
            if (mayBeArmed()) {
                LOOP.disarm(this);
            }
            found = Pollable.UNKNOWN;
        }
    }

    private void ring(int ready) {
        found = ready;
        Executor other = executor();
        if (other == null) {
            LOOP.execute(this);
        } else {
            BatchingExecutor.handOver(other, this);
        }
    }

    @Override
    public void changed(Pollable changed) {
        NEWS.incrementAndGet(this);
        if (LOOP.disarm(this)) {
            ring(Pollable.UNKNOWN);
        }
    }

    @Override
    public Source source() {
        return object().source();
    }

    @Override
    public void fire(int ready) {
        ring(ready == 0 ? Pollable.UNKNOWN : ready);
    }

    @Override
    public void sourceClosed() {
        ring(Pollable.UNKNOWN);
    }

    @Override
    public boolean isDoubtful() {
        return mayLapse() || !object().source().announcesClose();
    }

    @Override
    public boolean isStale() {
        return hasLapsed() || !object().source().isOpen();
    }

    /**
     * Computes the pauses of accepting while the process or the system has no descriptor or memory
     * left. The failed connection stays in the queue, so an immediate retry would fail and use a
     * processor. The pauses grow from 10 milliseconds to a second. This class does not wait itself,
     * so a caller can wait for other events, too. For one thread at a time.
     */
    static final class BackOff {
        /** The longest pause. */
        static final Duration LONGEST = Duration.ofSeconds(1);
        private static final Duration FIRST = Duration.ofMillis(10);

        private Duration next = FIRST;

        /** Returns the pause after one more failure: twice the one before, at most a second. */
        Duration next() {
            Duration pause = next;
            Duration twice = pause.multipliedBy(2);
            next = twice.compareTo(LONGEST) < 0 ? twice : LONGEST;
            return pause;
        }

        /** Accepting works: the next pause is the first. */
        void reset() {
            next = FIRST;
        }
    }
}
