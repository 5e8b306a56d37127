package parley.net.wait;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import parley.posix.OwnThreads;
import parley.posix.StackSafeLock;

/**
 * A thread that polls for all who do not poll themselves: virtual threads inside a read or a write,
 * requests of an {@code Intake} or an {@code Outlet}, listeners of {@code Reactor.whenReady}, and
 * platform threads for which no {@link ThreadWaits poller of their own} is left.
 *
 * <p>The thread starts with the first interest, is a daemon, and ends half a second after the last
 * one. The selector opens with the first stream or server and closes with the last, so that waiting
 * goes on when the process has no descriptor left. Starting the thread may fail: then nothing has
 * changed, and the next request tries again.
 *
 * <p>An interest stays registered after a report, because the usual reader reads and waits again.
 * It is dropped after more than {@value #PATIENCE} reports in a row without a request.
 */
public final class EventLoop implements Poller.Owner {
    /** Reports of an operation without a request, after which its interest is dropped. */
    static final int PATIENCE = 2;

    private static final long IDLE_NANOS = Duration.ofMillis(500).toNanos();
    private static final long AFTER_FAILURE_NANOS = Duration.ofMillis(100).toNanos();

    private static final EventLoop SHARED = new EventLoop("reactor", false);
    private static final EventLoop OF_VIRTUAL_THREADS =
            OwnThreads.virtualCanSelect() ? new EventLoop("virtual-reactor", true) : SHARED;

    static {
        // Loads what waiting takes while there are descriptors to read classes with.
        TaskQueue queue = new TaskQueue();
        queue.add(new ThreadWaits.ParkedThread(null, Thread.currentThread())::expire, 0);
        queue.runDue();
    }

    private final String name;
    private final boolean virtual;
    private final StackSafeLock lock = new StackSafeLock();
    private Poller poller; // guarded by lock; null while nothing holds and no thread runs
    private int holders; // open streams and servers; guarded by lock
    private boolean abandoned; // the last holder has released; guarded by lock
    private int watches; // armed and not fired; guarded by lock
    private volatile Thread thread; // written under lock, after it was started
    private volatile boolean sleeping; // the thread is in, or on its way into, a poll

    private final TaskQueue tasks = new TaskQueue();

    private final Interest.CancelledScan scan = new Interest.CancelledScan(this, tasks);
    private final List<Registration> ready = new ArrayList<>(); // the loop thread's own
    private final List<Interest> fired = new ArrayList<>(); // the loop thread's own
    private final Poller.Visitor note = this::note;

    private EventLoop(String name, boolean virtual) {
        this.name = name;
        this.virtual = virtual;
    }

    /** Returns the loop for channels, listeners and platform threads. */
    public static EventLoop shared() {
        return SHARED;
    }

    /**
     * Returns the loop for virtual threads. From JDK 24 on it runs on a virtual thread itself, so
     * that waking a reader needs no hand-off between threads of the platform; before, a selector
     * would hold a carrier, and this is the shared loop.
     */
    public static EventLoop ofVirtualThreads() {
        return OF_VIRTUAL_THREADS;
    }

    // ---- the selector ------------------------------------------------------------------------

    /**
     * Keeps the selector open until {@link #release}.
     *
     * @throws IOException if the process is out of descriptors; then nothing is held
     */
    void retain() throws IOException {
        lock.lock();
        try {
            open();
            holders++;
            abandoned = false;
        } finally {
            lock.unlock();
        }
    }

    void release() {
        lock.lock();
        try {
            holders--;
            if (holders == 0) {
                abandoned = true;
                if (thread == null) {
                    closePoller();
                } else {
                    nudge(); // its thread closes the selector
                }
            }
        } finally {
            lock.unlock();
        }
    }

    private Poller open() throws IOException {
        if (poller == null) {
            StackSafeLock.reserveStackToOpen();
            poller = new Poller(this);
        }
        return poller;
    }

    private void closePoller() {
        Poller mine = poller;
        poller = null;
        if (mine != null) {
            mine.close();
        }
    }

    /** Returns whether the selector is open, or can be opened now. */
    boolean canRun() {
        lock.lock();
        try {
            open();
            return true;
        } catch (IOException e) {
            return false; // the process is out of descriptors
        } finally {
            lock.unlock();
        }
    }

    // ---- interests ---------------------------------------------------------------------------

    /**
     * Starts to look for an interest, which fires at most once.
     *
     * @throws ClosedChannelException if the source is closed: then the interest does not fire
     * @throws IOException if no thread can be started or no descriptor is left
     */
    public void arm(Interest interest, int ops) throws IOException {
        lock.lock();
        try {
            if (interest.armed) {
                unlink(interest);
            }
            Poller running = running();
            Registration registration = ops == 0 && !interest.source().announcesClose() ? null
                    : Registration.of(interest.source(), running);
            link(interest, registration, ops);
            // The thread that closes the source notifies this loop after closing: if the source is
            // open now, that notification is still to come, and finds the interest.
            if (!interest.source().isOpen()) {
                unlink(interest);
                throw new ClosedChannelException();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Runs a part of the scan under the loop's lock. */
    <T> T locked(java.util.function.Supplier<T> body) {
        lock.lock();
        try {
            return body.get();
        } finally {
            lock.unlock();
        }
    }

    /** Stops to look for an interest; false when it was not armed, or has fired. */
    public boolean disarm(Interest interest) {
        lock.lock();
        try {
            if (interest.armed) {
                unlink(interest);
                return true;
            }
            return false;
        } finally {
            lock.unlock();
        }
    }

    private void link(Interest interest, Registration registration, int ops) {
        interest.ops = ops;
        interest.armed = true;
        interest.registration = registration;
        watches++;
        if (interest.isDoubtful()) {
            scan.add(interest);
        }
        if (registration != null) {
            registration.add(interest);
            registration.unwanted = 0;
            int asked = registration.interest();
            if ((asked | ops) != asked) {
                registration.interest(asked | ops);
                nudge();
            }
        }
    }

    private void unlink(Interest interest) {
        Registration registration = interest.registration;
        if (registration != null) {
            registration.remove(interest);
        }
        disarmed(interest);
        letGo(registration);
    }

    /** Ends the registration of a source whose close does not deregister it. */
    private void letGo(Registration registration) {
        if (registration != null && registration.interests == null && !registration.cancelled
                && !registration.source.announcesClose()) {
            registration.cancel();
            registration.cancelled = true;
            nudge();
        }
    }

    private void disarmed(Interest interest) {
        interest.armed = false;
        interest.next = null;
        interest.registration = null;
        watches--;
        scan.remove(interest);
        if (watches == 0) {
            nudge(); // or the thread would sleep for ever and not go
        }
    }

    /** Makes the poll under way return, so that what is new is taken into account. */
    void nudge() {
        if (sleeping && !isLoopThread()) {
            poller.wakeup();
        }
    }

    /** Returns how many interests are armed and have not fired. */
    public int watches() {
        return locked(() -> watches);
    }

    /** Returns the number of sources with an interest, or that may get one again. */
    public int registrations() {
        return locked(() -> poller == null ? 0 : poller.registrations().size());
    }

    // ---- tasks -------------------------------------------------------------------------------

    /** Runs a task on the loop's thread, soon; at once when called on that thread. */
    public void execute(Runnable task) {
        if (isLoopThread()) {
            Log.guard(Log.Part.WAIT, task);
        } else {
            post(task, 0);
        }
    }

    /**
     * Runs a task on the loop's thread after the next poll that ends later than the given time from
     * now. While no thread can be started the task waits for the next request.
     */
    public void post(Runnable task, long nanos) {
        tasks.add(task, nanos);
        resume();
    }

    /**
     * Has the loop's thread take new tasks into account; starts it if it could not be started
     * before.
     */
    public void resume() {
        lock.lock();
        try {
            running();
            nudge();
        } catch (IOException e) {
            Log.warning(Log.Part.WAIT, "a task waits until a thread can be started: " + e.getMessage());
        } finally {
            lock.unlock();
        }
    }

    /** Drops a task that was posted and has not run. */
    public void cancel(Runnable task) {
        tasks.remove(task);
    }

    // ---- the thread --------------------------------------------------------------------------

    /** Returns whether the calling thread is the loop's own, where nothing may block. */
    public boolean isLoopThread() {
        return Thread.currentThread() == thread;
    }

    /** Under the lock: makes sure that a thread runs, and returns what it polls. */
    private Poller running() throws IOException {
        Poller mine = open();
        if (thread == null) {
            try {
                thread = OwnThreads.start(name, virtual, this::loop);
            } catch (Throwable e) {
                if (holders == 0) {
                    closePoller();
                }
                throw new IOException("cannot start the thread that waits: " + e
                        + "; end some threads, or raise the process's limit", e);
            }
        }
        return mine;
    }

    private void loop() {
        long idleSince = System.nanoTime();
        boolean ended = false;
        try {
            for (;;) {
                if (stopWhenIdle(idleSince)) {
                    ended = true;
                    return;
                }
                boolean busy = watches() > 0;
                try {
                    round(busy);
                } catch (IOException | RuntimeException | Error e) {
                    Log.error(Log.Part.WAIT, "a round of the event loop failed; the loop goes on", e);
                    LockSupport.parkNanos(this, AFTER_FAILURE_NANOS); // or this might spin
                }
                if (busy) {
                    idleSince = System.nanoTime();
                }
            }
        } finally {
            if (!ended) {
                replaceThread();
            }
        }
    }

    /** An Error has ended the thread, by failing again while the first was handled. */
    private void replaceThread() {
        lock.lock();
        try {
            thread = null;
            sleeping = false;
            if (watches > 0 || !tasks.isEmpty()) {
                running();
            } else if (holders == 0) {
                closePoller();
            }
        } catch (IOException e) {
            Log.error(Log.Part.WAIT, "the event loop ended; the next request starts it again", e);
        } finally {
            lock.unlock();
        }
    }

    private void round(boolean busy) throws IOException {
        try {
            locked(() -> poller).poll(Math.min(
                    busy ? Long.MAX_VALUE : IDLE_NANOS, tasks.nanosToNext()), note);
        } finally {
            sleeping = false;
        }
        fireReady();
        Thread.interrupted(); // a stray interrupt must not make every poll return
        tasks.runDue();
    }

    private boolean stopWhenIdle(long idleSince) {
        lock.lock();
        try {
            if (watches > 0 || !tasks.isEmpty()
                    || !abandoned && System.nanoTime() - idleSince < IDLE_NANOS) {
                sleeping = true; // under the lock, so that whatever changes after this wakes the poll
                return false;
            }
            thread = null;
            if (holders == 0) {
                closePoller();
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    // ---- firing ------------------------------------------------------------------------------

    private void note(Registration registration, int ops) {
        registration.found = ops;
        ready.add(registration);
    }

    private void fireReady() {
        if (ready.isEmpty()) {
            return;
        }
        lock.lock();
        try {
            for (int i = 0; i < ready.size(); i++) {
                take(ready.get(i));
            }
        } finally {
            lock.unlock();
            ready.clear();
        }
        fireAll();
        Thread.yield(); // those just woken read first, so that the next poll reports nothing in vain
    }

    /** Moves the interests that a ready source satisfies to those to be fired. */
    private void take(Registration registration) {
        int unwanted = registration.found;
        Interest next;
        for (Interest each = registration.interests; each != null; each = next) {
            next = each.next;
            if ((each.ops & registration.found) != 0) {
                unwanted &= ~each.ops;
                registration.remove(each);
                disarmed(each);
                each.ready = registration.found;
                fired.add(each);
            }
        }
        if (unwanted != 0 && ++registration.unwanted > PATIENCE) {
            registration.interest(registration.interest() & ~unwanted);
        }
        letGo(registration);
    }

    private void fireAll() {
        try {
            for (int i = 0; i < fired.size(); i++) {
                fireOne(fired.get(i));
            }
        } finally {
            fired.clear();
        }
    }

    private static void fireOne(Interest interest) {
        try {
            interest.fire(interest.ready);
        } catch (Throwable e) {
            Log.error(Log.Part.WAIT, "a listener failed; the event loop goes on", e);
        }
    }

    // ---- notified by sources -----------------------------------------------------------------

    @Override
    public void wake(Registration registration) {
        for (Interest each : takeAll(registration, true)) {
            each.fire(0);
        }
    }

    @Override
    public void sourceClosed(Registration registration) {
        List<Interest> all = takeAll(registration, false);
        registration.poller.flush();
        all.forEach(Interest::sourceClosed);
    }

    private List<Interest> takeAll(Registration registration, boolean parkedOnly) {
        List<Interest> taken = new ArrayList<>(1);
        lock.lock();
        try {
            Interest next;
            for (Interest each = registration.interests; each != null; each = next) {
                next = each.next;
                if (!parkedOnly || each instanceof ThreadWaits.ParkedThread) {
                    registration.remove(each);
                    disarmed(each);
                    taken.add(each);
                }
            }
            letGo(registration);
        } finally {
            lock.unlock();
        }
        return taken;
    }
}
