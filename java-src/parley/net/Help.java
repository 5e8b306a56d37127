package parley.net;

import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * How a thread that is kept busy by what the {@link Reactor} fires polls itself, between its tasks.
 * That saves, for each event, two changes of thread and telling the kernel that nothing is wanted for
 * the moment and then that something is. The reactor's thread rests meanwhile; it takes over when the
 * helper has nothing to do any more, and within a few milliseconds when a task holds it up. There is
 * one helper at a time.
 */
final class Help {
    /** How long the reactor's thread rests, and a helper waits for something to do, at a time. */
    static final long MOMENT_NANOS = Duration.ofMillis(1).toNanos();

    private static final int MOST_STALLS = 2;

    private final Reactor reactor;
    private final AtomicReference<Thread> helper = new AtomicReference<>(); // null mostly
    private volatile int progress; // counts the helper's tasks; written by it
    private volatile boolean resting; // the reactor's thread rests, or is about to
    private int stalls; // how often in a row it rested without progress; the reactor thread's own

    Help(Reactor reactor) {
        this.reactor = reactor;
    }

    // ---- by a thread that works --------------------------------------------------------------

    /** The calling thread is going to {@link #poll}, if it is needed; {@link #end} must follow. */
    void offer() {
        if (reactor.thread() != null && helper.get() == null) {
            helper.compareAndSet(null, Thread.currentThread());
        }
    }

    /** The calling thread begins a task; if it helps, the one before has not held it up. */
    void goesOn() {
        if (isHelper()) {
            progress++;
        }
    }

    /**
     * Polls, if the calling thread helps, and fires what is ready.
     *
     * @param work of the calling thread: if there is none this waits for a moment
     * @return true when there is work
     */
    boolean poll(Queue<?> work) {
        if (!isHelper()) {
            offer(); // it was held up, and others have helped meanwhile
        }
        return isHelper() && reactor.pollFor(work);
    }

    /** The reactor's thread polls again. */
    void end() {
        if (helper.compareAndSet(Thread.currentThread(), null)) {
            wakeRest();
        }
    }

    private boolean isHelper() {
        return helper.get() == Thread.currentThread();
    }

    // ---- by others ---------------------------------------------------------------------------

    /** There is work for a helper that may be waiting in {@link #poll}. */
    void wakeHelper() {
        if (helper.get() != null) {
            reactor.endPoll();
        }
    }

    /** There is something to do for the reactor's thread. */
    void wakeRest() {
        if (resting) {
            LockSupport.unpark(reactor.thread());
        }
    }

    /**
     * By the reactor's thread: lets the helper poll for a moment.
     *
     * @param tasks of the reactor's thread, which do not wait
     * @return false when nobody helps
     */
    boolean rest(Queue<?> tasks) {
        Thread other = helper.get();
        if (other == null) {
            return false;
        }
        int before = progress;
        resting = true;
        if (helper.get() == other && tasks.isEmpty()) {
            LockSupport.parkNanos(this, MOMENT_NANOS);
        }
        resting = false;
        stalls = progress == before ? stalls + 1 : 0;
        if (stalls >= MOST_STALLS) {
            stalls = 0;
            helper.compareAndSet(other, null); // a task holds it up
        }
        return true;
    }
}
