package parley.net;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The one thread that watches for everybody who does not block a thread of the platform: virtual
 * threads that wait inside a read or a write, listeners of {@link #whenReady}, and whoever has made
 * a request of an {@link Intake} or an {@link Outlet}. It starts with the first watch, is a daemon
 * named {@code parley-reactor}, and ends, with its selector, when nothing has been watched for half
 * a second. Nothing a listener throws can end it.
 */
public final class Reactor implements Poller.Owner {
    private static final Reactor SHARED = new Reactor();
    private static final long IDLE_NANOS = Duration.ofMillis(500).toNanos();
    private static final long AFTER_FAILURE_NANOS = Duration.ofMillis(100).toNanos();

    private final ReentrantLock lock = new ReentrantLock();
    private Poller poller; // guarded by lock; null when no thread runs
    private int watches; // armed and not fired; guarded by lock
    private final Sweep sweep = new Sweep(); // guarded by lock
    private volatile Thread thread; // written under lock
    private volatile boolean sleeping; // the thread is in, or on its way into, a poll

    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();

    private final Help help = new Help(this);
    private final ReentrantLock polling = new ReentrantLock(); // held by whoever polls and fires
    private final List<Registration> ready = new ArrayList<>(); // guarded by polling
    private final List<Interest> fired = new ArrayList<>(); // guarded by polling
    private final Poller.Visitor note = this::note;

    private Reactor() {
    }

    /**
     * The reactor of this process.
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
     * @param listener told of the status; must not block
     * @return the watch: closing it before the listener was called means that it never will be
     * @throws IOException if the process is out of descriptors
     * @throws IllegalStateException if the object is closed
     */
    public Watch whenReady(Pollable object, Direction direction, ReadyListener listener)
            throws IOException {
        return whenReady(object, direction, this::execute, listener);
    }

    /**
     * As {@link #whenReady(Pollable, Direction, ReadyListener)}, but whatever does not happen at
     * once happens on an executor: then the listener may block, if the executor's threads may.
     *
     * @param object a stream, a server or another pollable object
     * @param direction what to look for; a server takes any
     * @param executor where to look at the object and to call the listener
     * @param listener told of the status
     * @return the watch: closing it before the listener was called means that it never will be
     * @throws IOException if the process is out of descriptors
     * @throws IllegalStateException if the object is closed
     */
    public Watch whenReady(Pollable object, Direction direction, Executor executor,
            ReadyListener listener) throws IOException {
        Errors.object("ready", object).requireOpen("ready");
        Errors.direction("ready", direction);
        Errors.need("ready", "the executor", executor, "one for the listener");
        Errors.need("ready", "the listener", listener, "a ReadyListener");
        Watch watch = new Watch(object, direction, executor, listener);
        watch.start();
        return watch;
    }

    /**
     * Tells whether the calling thread is the reactor's own, where nothing may block.
     *
     * @return true inside a listener called by the reactor
     */
    public boolean isReactorThread() {
        return Thread.currentThread() == thread;
    }

    /**
     * How much is being watched.
     *
     * @return the number of watches that are armed, and of threads that wait; 0 when idle
     */
    public int watches() {
        lock.lock();
        try {
            return watches;
        } finally {
            lock.unlock();
        }
    }

    /** How many sources the kernel is asked about, or was and may be again. */
    int registrations() {
        lock.lock();
        try {
            return poller == null ? 0 : poller.registrations().size();
        } finally {
            lock.unlock();
        }
    }

    /** Parks the calling thread as {@link Waits#await} says. */
    void await(Source source, int ops, Waits.Patient patient) throws IOException {
        Parked parked = new Parked(source, Thread.currentThread());
        arm(parked, ops);
        try {
            long left = patient.deadline().remaining();
            if (!parked.fired && left > 0) {
                LockSupport.parkNanos(this, left);
            }
        } finally {
            disarm(parked);
        }
    }

    // ---- interests ---------------------------------------------------------------------------

    /**
     * Starts to look for an interest, which fires at most once.
     *
     * @throws ClosedChannelException if the source is closed: then the interest does not fire
     */
    void arm(Interest interest, int ops) throws IOException {
        lock.lock();
        try {
            if (interest.armed) {
                unlink(interest);
            }
            link(interest, Interests.registration(interest.source(), start()), ops);
            // Whoever closes the source tells us after it was closed: if it is open now, that is
            // still to come, and finds the interest.
            if (!interest.source().isOpen()) {
                unlink(interest);
                throw new ClosedChannelException();
            }
            nudge();
        } finally {
            lock.unlock();
        }
    }

    /** Stops to look for an interest; false when it was not armed, or has fired. */
    boolean disarm(Interest interest) {
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
        Interests.add(registration, interest);
        watches++;
        if (interest.isDoubtful()) {
            sweep.add(interest);
        }
        registration.interest(Interests.ops(registration));
    }

    private void unlink(Interest interest) {
        Registration registration = interest.registration;
        Interests.remove(registration, interest);
        disarmed(interest);
        settle(registration);
    }

    /** Asks the kernel for what is still wanted of a source. */
    private void settle(Registration registration) {
        registration.interest(Interests.ops(registration));
        if (registration.interests == null && !registration.source.announcesClose()) {
            registration.cancel(); // nobody would tell us to let go of it
            registration.cancelled = true;
            nudge();
        }
    }

    private void disarmed(Interest interest) {
        interest.armed = false;
        interest.next = null;
        interest.registration = null;
        watches--;
        sweep.remove(interest);
        if (watches == 0) {
            nudge(); // or the thread would sleep for ever and not go
        }
    }

    private void nudge() {
        if (sleeping && !isReactorThread()) {
            poller.wakeup();
        }
    }

    // ---- the thread --------------------------------------------------------------------------

    private Poller start() throws IOException {
        if (poller == null) {
            Poller mine = new Poller(this);
            poller = mine;
            thread = Threads.start("reactor", () -> run(mine));
        }
        return poller;
    }

    /** Runs a task on the reactor's thread, soon; at once when called on it. */
    void execute(Runnable task) {
        if (isReactorThread()) {
            task.run();
            return;
        }
        lock.lock();
        try {
            start();
            tasks.add(task);
            nudge();
            help.wakeRest();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } finally {
            lock.unlock();
        }
    }

    private void run(Poller mine) {
        long idleSince = System.nanoTime();
        while (!stopWhenIdle(mine, idleSince)) {
            boolean busy = watches() > 0;
            try {
                round(mine, busy);
                Thread.interrupted(); // a stray interrupt must not make every poll return
                runTasks();
                sweep();
            } catch (IOException | RuntimeException | Error e) {
                Safely.report("the reactor's round failed; it goes on", e);
                LockSupport.parkNanos(this, AFTER_FAILURE_NANOS); // or it might do nothing else
            }
            if (busy) {
                idleSince = System.nanoTime();
            }
        }
    }

    private void round(Poller mine, boolean busy) throws IOException {
        if (help.rest(tasks)) {
            return;
        }
        polling.lock();
        try {
            poll(mine, busy);
            fireReady();
        } finally {
            polling.unlock();
        }
    }

    private void poll(Poller mine, boolean busy) throws IOException {
        sleeping = true; // from here on, whoever has something new wakes the poll
        try {
            mine.poll(tasks.isEmpty() ? sleepUntil(busy) : Deadline.PASSED, note);
        } finally {
            sleeping = false;
        }
    }

    private Deadline sleepUntil(boolean busy) {
        if (!busy) {
            return Deadline.inNanos(IDLE_NANOS);
        }
        lock.lock();
        try {
            return sweep.next();
        } finally {
            lock.unlock();
        }
    }

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
    }

    /** Moves the interests that a ready source satisfies to those to be fired. */
    private void take(Registration registration) {
        Interest next;
        for (Interest each = registration.interests; each != null; each = next) {
            next = each.next;
            if ((each.ops & registration.found) != 0) {
                Interests.remove(registration, each);
                disarmed(each);
                each.ready = registration.found;
                fired.add(each);
            }
        }
        settle(registration);
    }

    private void fireAll() {
        try {
            for (int i = 0; i < fired.size(); i++) {
                Interest each = fired.get(i);
                Safely.run(() -> each.fire(each.ready));
            }
        } finally {
            fired.clear();
        }
    }

    private void runTasks() {
        for (int left = tasks.size(); left > 0; left--) { // what they add waits for the next round
            Safely.run(tasks.poll());
        }
    }

    /** Fires those that nobody waits for any more, so that their owners let go. */
    private void sweep() {
        if (!sweep.isDue()) {
            return;
        }
        List<Interest> suspects;
        lock.lock();
        try {
            suspects = sweep.suspects();
        } finally {
            lock.unlock();
        }
        for (Interest each : suspects) {
            Safely.run(() -> {
                if (each.isStale() && disarm(each)) {
                    each.fire(0);
                }
            });
        }
    }

    private boolean stopWhenIdle(Poller mine, long idleSince) {
        lock.lock();
        try {
            if (watches > 0 || !tasks.isEmpty()
                    || System.nanoTime() - idleSince < IDLE_NANOS) {
                return false;
            }
            poller = null;
            thread = null;
            mine.close();
            return true;
        } finally {
            lock.unlock();
        }
    }

    // ---- help --------------------------------------------------------------------------------

    /** How a thread that is kept busy by what is fired polls in place of the reactor's. */
    Help help() {
        return help;
    }

    Thread thread() {
        return thread;
    }

    /**
     * Polls in place of the reactor's thread and fires what is ready.
     *
     * @param work of the calling thread: if there is none this waits for a moment
     * @return false when nothing is to be done, or the thread of the reactor polls
     */
    boolean pollFor(Queue<?> work) {
        if (!polling.tryLock()) {
            return false;
        }
        try {
            Poller running = runningForSomebody();
            if (running != null && pollAsHelper(running, work) > 0) {
                fireReady();
            }
        } catch (IOException | RuntimeException | Error e) {
            Safely.report("the reactor's round failed; it goes on", e);
        } finally {
            polling.unlock();
        }
        return !work.isEmpty();
    }

    private int pollAsHelper(Poller running, Queue<?> work) throws IOException {
        if (!work.isEmpty() || Threads.currentIsVirtual()) { // which would hold its carrier
            return running.poll(0, note);
        }
        sleeping = true;
        try {
            return running.poll(work.isEmpty() ? Help.MOMENT_NANOS : 0, note);
        } finally {
            sleeping = false;
        }
    }

    private Poller runningForSomebody() {
        lock.lock();
        try {
            return watches == 0 ? null : poller;
        } finally {
            lock.unlock();
        }
    }

    /** Makes the poll under way return. */
    void endPoll() {
        if (sleeping) {
            lock.lock();
            try {
                if (poller != null) {
                    poller.wakeup();
                }
            } finally {
                lock.unlock();
            }
        }
    }

    // ---- told by sources ---------------------------------------------------------------------

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
                if (!parkedOnly || each instanceof Parked) {
                    Interests.remove(registration, each);
                    disarmed(each);
                    taken.add(each);
                }
            }
            settle(registration);
        } finally {
            lock.unlock();
        }
        return taken;
    }
}
