package parley.net.wait;

import java.io.IOException;
import java.util.concurrent.locks.LockSupport;

/** A thread that waits inside an operation until an {@link EventLoop} wakes it. */
final class ParkedThread extends Interest {
    private final Source source;
    private final Thread thread;
    volatile boolean fired; // written by the thread that fires it

    ParkedThread(Source source, Thread thread) {
        this.source = source;
        this.thread = thread;
    }

    /**
     * Parks the calling thread until the source is ready, as {@link ThreadWaits#await} describes.
     */
    static void await(EventLoop loop, Source source, int ops, HasDeadline patient)
            throws IOException {
        ParkedThread parked = new ParkedThread(source, Thread.currentThread());
        loop.arm(parked, ops);
        try {
            long left = patient.deadline().remaining();
            if (!parked.fired && left > 0) {
                LockSupport.parkNanos(loop, left);
            }
        } finally {
            if (!parked.fired) {
                loop.disarm(parked);
            }
        }
    }

    /**
     * Returns those of the operations that a source is ready for now, found by the loop's own poll;
     * for threads that can open no selector. Returns 0 on the loop's own thread, which cannot wait
     * for itself: arming an interest then finds them.
     */
    static int ready(EventLoop loop, Source source, int ops) throws IOException {
        if (loop.isLoopThread()) {
            return 0;
        }
        ParkedThread parked = new ParkedThread(source, Thread.currentThread());
        loop.arm(parked, ops);
        try {
            // A task runs after a poll; the second one after a poll that began with the interest.
            loop.post(() -> loop.post(parked::expire, 0), 0);
            while (!parked.fired && !Thread.currentThread().isInterrupted()) {
                LockSupport.park(loop);
            }
            return parked.ready & ops;
        } finally {
            loop.disarm(parked);
        }
    }

    @Override
    public Source source() {
        return source;
    }

    @Override
    public void fire(int ready) {
        expire();
    }

    /** Ends the wait. */
    void expire() {
        fired = true;
        LockSupport.unpark(thread);
    }

    @Override
    public void sourceClosed() {
        expire();
    }

    @Override
    public boolean isDoubtful() {
        return !source.announcesClose();
    }

    @Override
    public boolean isStale() {
        return !source.isOpen();
    }
}
