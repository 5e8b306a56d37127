package parley.net.wait;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.locks.LockSupport;
import parley.posix.OwnThreads;
import parley.posix.StackSafeLock;

/**
 * Blocks a thread until one source is ready. A platform thread selects on a poller of its own,
 * which is the fastest way to wait, and there are at most {@value #MOST} such pollers in a process.
 * A virtual thread, and a platform thread for which there is no poller or no descriptor to open
 * one, parks until the {@link EventLoop} wakes it.
 *
 * <p>A poller stays registered with the source it served last, so that the usual case (the same
 * side of the same stream again) costs no registration. It is closed with that source.
 */
public final class ThreadWaits implements Poller.Owner {
    /** Maximum number of pollers in a process. */
    public static final int MOST = 16;

    private static final ThreadWaits INSTANCE = new ThreadWaits();
    private static final Poller.Visitor NOTE = (registration, ops) -> registration.found |= ops;

    private final StackSafeLock lock = new StackSafeLock();
    // The idle registrations, each with its poller, from the longest idle one on: guarded by lock.
    private Registration oldest;
    private Registration newest;
    private int idleCount;
    private int pollers; // idle and in use; guarded by lock

    private ThreadWaits() {
    }

    /**
     * Blocks until the source is ready for one of the operations, is woken or closed, the deadline
     * has passed or the thread is interrupted, or for no reason: the caller finds out which.
     *
     * @throws ClosedChannelException if the source is closed already
     * @throws IOException if there is no thread to wait with
     */
    public static void await(Source source, int ops, HasDeadline patient) throws IOException {
        if (source instanceof DescriptorSource descriptors) {
            descriptors.await(ops, patient);
            return;
        } else if (OwnThreads.currentIsVirtual()) {
            awaitVirtual(source, ops, patient);
            return;
        }
        // A thread in a selector does not learn that the owner of a foreign channel closes it.
        Registration registration =
                source.endsPollOnClose() ? INSTANCE.acquire(source, ops) : null;
        if (registration == null) {
            ParkedThread.await(EventLoop.shared(), source, ops, patient);
            return;
        }
        try {
            registration.poller.poll(
                    OwnThreads.boundedWait(patient.deadline().remaining()), NOTE);
        } finally {
            INSTANCE.giveBack(registration);
        }
    }

    private static void awaitVirtual(Source source, int ops, HasDeadline patient)
            throws IOException {
        EventLoop loop = EventLoop.ofVirtualThreads();
        if (!loop.canRun()) {
            loop = EventLoop.shared(); // its selector is open while a stream is
        }
        ParkedThread.await(loop, source, ops, patient);
    }

    /** Returns those of the operations that the source is ready for now. */
    public static int ready(Source source, int ops) throws IOException {
        if (source instanceof DescriptorSource descriptors) {
            return descriptors.ready(ops);
        }
        Registration registration = INSTANCE.acquire(source, ops);
        if (registration == null) {
            return ParkedThread.ready(EventLoop.shared(), source, ops);
        }
        try {
            registration.found = 0;
            registration.poller.poll(0, NOTE);
            return registration.found;
        } finally {
            INSTANCE.giveBack(registration);
        }
    }

    /** Returns how many pollers no thread waits on. */
    public static int idlePollers() {
        INSTANCE.lock.lock();
        try {
            return INSTANCE.idleCount;
        } finally {
            INSTANCE.lock.unlock();
        }
    }

    /**
     * Returns a registration for the calling thread alone, or null when there is none to be had.
     */
    private Registration acquire(Source source, int ops) throws IOException {
        Registration stolen;
        lock.lock();
        try {
            Registration own = idleOf(source, ops);
            if (own != null) {
                own.interest(ops);
                unlist(own); // last: what has failed before it leaves the poller with its source
                return own;
            }
            StackSafeLock.reserveStackToOpen();
            stolen = pollers < MOST ? null : oldest;
            if (stolen != null) {
                unlist(stolen);
            } else if (pollers < MOST) {
                pollers++;
            } else {
                return null;
            }
        } finally {
            lock.unlock();
        }
        return join(source, ops, stolen);
    }

    private Registration join(Source source, int ops, Registration stolen) throws IOException {
        Poller poller = stolen == null ? null : stolen.poller;
        boolean joined = false;
        try {
            if (poller == null) {
                poller = open();
            } else {
                poller.release(stolen);
            }
            Registration registration = poller == null ? null : source.join(poller, ops, null);
            joined = registration != null;
            return registration;
        } finally {
            if (!joined) {
                discard(poller);
            }
        }
    }

    /** Returns null when the process is out of descriptors. */
    private Poller open() {
        try {
            return new Poller(this);
        } catch (IOException e) {
            return null; // the event loop has one already
        }
    }

    private void discard(Poller poller) {
        lock.lockToEnd();
        try {
            pollers--;
        } finally {
            lock.unlock();
        }
        if (poller != null) {
            poller.closeToEnd();
        }
    }

    /** An idle registration of the source, the one that already asks for these operations first. */
    private Registration idleOf(Source source, int ops) {
        Registration found = null;
        for (Registration each : source.registrations()) {
            if (each.idle) {
                if (each.interest() == ops) {
                    return each;
                }
                found = each;
            }
        }
        return found;
    }

    private void giveBack(Registration registration) {
        lock.lockToEnd();
        try {
            if (registration.source.isOpen() && registration.source.announcesClose()) {
                list(registration);
                return;
            }
        } finally {
            lock.unlock();
        }
        discard(registration.poller);
    }

    /** Under the lock: makes a registration the newest idle one. */
    private void list(Registration registration) {
        registration.idle = true;
        registration.older = newest;
        if (newest == null) {
            oldest = registration;
        } else {
            newest.newer = registration;
        }
        newest = registration;
        idleCount++;
    }

    /** Under the lock: takes an idle registration out; false when it is in use, or not ours. */
    private boolean unlist(Registration registration) {
        if (!registration.idle) {
            return false;
        }
        Registration before = registration.older;
        Registration after = registration.newer;
        if (before == null) {
            oldest = after;
        } else {
            before.newer = after;
        }
        if (after == null) {
            newest = before;
        } else {
            after.older = before;
        }
        registration.older = null;
        registration.newer = null;
        registration.idle = false;
        idleCount--;
        return true;
    }

    @Override
    public void wake(Registration registration) {
        registration.poller.wakeup();
    }

    @Override
    public void sourceClosed(Registration registration) {
        boolean wasIdle;
        lock.lock();
        try {
            wasIdle = unlist(registration);
        } finally {
            lock.unlock();
        }
        if (wasIdle) {
            discard(registration.poller);
        } else {
            registration.poller.flush();
        }
    }

    /** A thread that waits inside an operation until an {@link EventLoop} wakes it. */
    static final class ParkedThread extends Interest {
        private final Source source;
        private final Thread thread;
        volatile boolean fired; // written by the thread that fires it

        ParkedThread(Source source, Thread thread) {
            this.source = source;
            this.thread = thread;
        }

        /**
         * Parks the calling thread until the source is ready, as {@link ThreadWaits#await}
         * describes.
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
         * Returns those of the operations that a source is ready for now, found by the loop's own
         * poll; for threads that can open no selector. Returns 0 on the loop's own thread, which
         * cannot wait for itself: arming an interest then finds them.
         */
        static int ready(EventLoop loop, Source source, int ops) throws IOException {
            if (loop.isLoopThread()) {
                return 0;
            }
            ParkedThread parked = new ParkedThread(source, Thread.currentThread());
            loop.arm(parked, ops);
            try {
                // A task runs after a poll: the second one after a poll that saw the interest.
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

    /** A wait whose deadline other threads may move while it lasts. */
    public interface HasDeadline {
        /** {@return the deadline in force now} */
        Deadline deadline();
    }
}
