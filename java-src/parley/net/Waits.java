package parley.net;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/**
 * How a thread blocks until one source is ready. A virtual thread parks and the {@link Reactor}
 * wakes it, since a selector would pin its carrier. A platform thread selects on a poller of its
 * own for as long as it waits.
 *
 * <p>A poller stays registered with the source it served last, so that the usual case (the same
 * side of the same stream again) costs no registration. It is closed with that source, and at most
 * {@value #SPARE} idle ones are kept in all: descriptors grow with the threads that are blocked, not
 * with the streams that ever were.
 */
final class Waits implements Poller.Owner {
    /** Somebody whose deadline may be moved by other threads while it waits. */
    interface Patient {
        /** The deadline in force now. */
        Deadline deadline();
    }

    static final int SPARE = 32;

    /** How long to wait at a time for a source of which nobody tells when it is closed. */
    static final long BETWEEN_LOOKS = Duration.ofMillis(250).toNanos();

    private static final Waits INSTANCE = new Waits();
    private static final Poller.Visitor NOTE = (registration, ops) -> registration.found |= ops;

    private final ReentrantLock lock = new ReentrantLock();
    // The idle registrations, each with its poller, from the longest idle one on: guarded by lock.
    private Registration oldest;
    private Registration newest;
    private int idleCount;

    private Waits() {
    }

    /**
     * Blocks until the source is ready for one of the operations, is woken or closed, the patient's
     * deadline has passed or the thread is interrupted, or for no reason: which of these, the caller
     * finds out.
     *
     * @throws java.nio.channels.ClosedChannelException if the source is closed already
     */
    static void await(Source source, int ops, Patient patient) throws IOException {
        if (source instanceof DescriptorSource descriptors) {
            descriptors.await(ops, patient);
            return;
        }
        if (Threads.currentIsVirtual() && source.announcesClose()) {
            Reactor.shared().await(source, ops, patient);
            return;
        }
        Registration registration = INSTANCE.acquire(source, ops);
        try {
            long left = patient.deadline().remaining();
            registration.poller.poll(bounded(left, source), NOTE);
        } finally {
            INSTANCE.giveBack(registration);
        }
    }

    private static long bounded(long nanos, Source source) {
        return source.endsPollOnClose() ? nanos : Math.min(nanos, BETWEEN_LOOKS);
    }

    /** How long to wait at a time, of so long, for members that others may close. */
    static long bounded(long nanos, List<Member> foreign) {
        long bound = nanos;
        for (int i = 0; i < foreign.size(); i++) {
            bound = bounded(bound, foreign.get(i).object.source());
        }
        return bound;
    }

    /** The operations of those asked for that the source is ready for now. */
    static int ready(Source source, int ops) throws IOException {
        if (source instanceof DescriptorSource descriptors) {
            return descriptors.ready(ops);
        }
        Registration registration = INSTANCE.acquire(source, ops);
        try {
            registration.found = 0;
            registration.poller.poll(0, NOTE);
            return registration.found;
        } finally {
            INSTANCE.giveBack(registration);
        }
    }

    /** How many pollers nobody waits on. */
    static int idlePollers() {
        INSTANCE.lock.lock();
        try {
            return INSTANCE.idleCount;
        } finally {
            INSTANCE.lock.unlock();
        }
    }

    private Registration acquire(Source source, int ops) throws IOException {
        Registration stolen = null;
        lock.lock();
        try {
            Registration own = idleOf(source, ops);
            if (own != null) {
                unlist(own);
                own.interest(ops);
                return own;
            }
            if (idleCount >= SPARE) {
                stolen = oldest;
                unlist(stolen);
            }
        } finally {
            lock.unlock();
        }
        Poller poller = stolen == null ? new Poller(this) : stolen.poller;
        try {
            if (stolen != null) {
                poller.release(stolen);
            }
            return source.join(poller, ops, null);
        } catch (IOException | RuntimeException e) {
            poller.close();
            throw e;
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
        Registration superfluous = null;
        lock.lock();
        try {
            if (!registration.source.isOpen() || !registration.source.announcesClose()) {
                superfluous = registration;
            } else {
                list(registration);
                if (idleCount > SPARE) {
                    superfluous = oldest;
                    unlist(superfluous);
                }
            }
        } finally {
            lock.unlock();
        }
        if (superfluous != null) {
            superfluous.poller.close();
        }
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
            registration.poller.close();
        } else {
            registration.poller.flush();
        }
    }
}
