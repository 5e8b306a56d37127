package parley.net;

import java.util.concurrent.locks.LockSupport;

/** A virtual thread that waits inside an operation of a stream. */
final class Parked extends Interest {
    private final Source source;
    private final Thread thread;
    volatile boolean fired; // written by whoever fires it

    Parked(Source source, Thread thread) {
        this.source = source;
        this.thread = thread;
    }

    @Override
    Source source() {
        return source;
    }

    @Override
    void fire(int ready) {
        fired = true;
        LockSupport.unpark(thread);
    }

    @Override
    void sourceClosed() {
        fire(0);
    }

    @Override
    boolean isDoubtful() {
        return !source.announcesClose();
    }

    @Override
    boolean isStale() {
        return !source.isOpen();
    }
}
