package parley.net.wait;

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
