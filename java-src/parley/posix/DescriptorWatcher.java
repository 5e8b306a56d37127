package parley.posix;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Tells once when a descriptor becomes ready: one daemon thread, {@code parley-descriptors}, for
 * all of them.
 *
 * <p>The thread starts with the first watch and ends, with the descriptors that it needs, a second
 * after the last. It waits with epoll on Linux and with poll elsewhere.
 *
 * <p>A watch ends when it has fired, when it is cancelled, or when its descriptor is closed, which
 * fires it too. In each case the number is out of the kernel's set before {@link Descriptor#close}
 * gives it back, so no watch is ever about a recycled number.
 *
 * <p>Thread-safe.
 */
public final class DescriptorWatcher {
    private static final int IDLE_MILLIS = 1000;
    private static final int ALWAYS = Poll.ERR | Poll.HUP | Poll.NVAL;

    /** How to make what the thread waits with. */
    interface MultiplexerFactory {
        Multiplexer open() throws IOException;
    }

    /** One descriptor's watches, which share its place in the kernel's set. */
    private static final class Place {
        final int fd; // immutable
        final long token; // immutable
        final List<Watch> watches = new ArrayList<>(2); // guarded by lock

        Place(int fd, long token) {
            this.fd = fd;
            this.token = token;
        }

        int events() {
            int all = 0;
            for (Watch watch : watches) {
                all |= watch.events;
            }
            return all;
        }
    }

    /** Interest in one readiness; made by {@link DescriptorWatcher#watch}. */
    public final class Watch {
        private final Descriptor descriptor; // immutable
        private final int events; // immutable
        private final Runnable whenReady; // immutable
        private final Runnable onClose = this::closed; // immutable
        private Place place; // guarded by lock; null once fired, cancelled or closed

        private Watch(Descriptor descriptor, int events, Runnable whenReady) {
            this.descriptor = descriptor;
            this.events = events;
            this.whenReady = whenReady;
        }

        /**
         * Ends the watch. When this returns it will not begin to run its task; a task that is
         * running already goes on. Idempotent.
         *
         * @return true when the watch had not fired
         */
        public boolean cancel() {
            lock.lock();
            try {
                return detach();
            } finally {
                lock.unlock();
            }
        }

        private void closed() {
            if (cancel()) {
                run(this);
            }
        }

        /** Takes the watch out of the kernel's set, under the lock; false when it is out. */
        private boolean detach() {
            Place from = place;
            if (from == null) {
                return false;
            }
            place = null;
            from.watches.remove(this);
            descriptor.removeWaiter(onClose);
            if (from.watches.isEmpty()) {
                places.remove(from.fd);
                tokens.remove(from.token);
                multiplexer.remove(from.fd);
                wakeIfLast();
            }
            return true;
        }
    }

    private static final DescriptorWatcher SHARED = new DescriptorWatcher(
            "parley-descriptors",
            Platform.CURRENT == Platform.LINUX ? EpollMultiplexer::new : PollMultiplexer::new);

    private final String name; // immutable
    private final MultiplexerFactory factory; // immutable
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Integer, Place> places = new HashMap<>(); // by number; guarded by lock
    private final Map<Long, Place> tokens = new HashMap<>(); // guarded by lock
    private final Deque<Watch> readyNow = new ArrayDeque<>(); // regular files; guarded by lock
    private long lastToken; // guarded by lock
    private Multiplexer multiplexer; // guarded by lock; null while there is no thread
    private boolean waitsForEver; // guarded by lock; the thread waits without a time

    DescriptorWatcher(String name, MultiplexerFactory factory) {
        this.name = name;
        this.factory = factory;
    }

    /** Returns the one that everybody uses. */
    public static DescriptorWatcher shared() {
        Posix.require("DescriptorWatcher");
        return SHARED;
    }

    /**
     * Runs a task once, when one of the events is there or the descriptor is closed.
     *
     * @param descriptor what to watch
     * @param events a sum of {@link Poll#IN}, {@link Poll#OUT}, {@link Poll#PRI}
     * @param whenReady runs in the watcher's thread, or in the thread that closes the descriptor;
     *     must neither block nor take long
     * @return the watch, to be cancelled when it is no longer wanted
     * @throws ClosedDescriptorException when the descriptor is closed already
     */
    public Watch watch(Descriptor descriptor, int events, Runnable whenReady) throws IOException {
        Watch watch = new Watch(descriptor, events, whenReady);
        descriptor.acquire("watch");
        try {
            lock.lock();
            try {
                attach(watch);
            } finally {
                lock.unlock();
            }
        } finally {
            descriptor.release();
        }
        return watch;
    }

    /** Returns how many watches there are. */
    public int size() {
        lock.lock();
        try {
            return places.values().stream().mapToInt(place -> place.watches.size()).sum();
        } finally {
            lock.unlock();
        }
    }

    private void attach(Watch watch) throws IOException {
        startIfNeeded();
        int fd = watch.descriptor.number();
        Place place = places.get(fd);
        if (place == null) {
            place = new Place(fd, ++lastToken);
            places.put(fd, place);
            tokens.put(place.token, place);
        }
        place.watches.add(watch);
        watch.place = place;
        boolean attached = false;
        try {
            if (!watch.descriptor.addWaiter(watch.onClose)) {
                throw new ClosedDescriptorException("watch(" + fd + ")");
            }
            if (!multiplexer.arm(fd, place.events(), place.token)) {
                readyNow.add(watch);
                multiplexer.wakeup();
            }
            attached = true;
        } finally {
            if (!attached) {
                watch.detach();
            }
        }
    }

    private void startIfNeeded() throws IOException {
        if (multiplexer == null) {
            Multiplexer made = factory.open();
            Thread thread = new Thread(() -> loop(made), name);
            thread.setDaemon(true);
            multiplexer = made;
            thread.start();
        }
    }

    private void loop(Multiplexer waitsWith) {
        List<Watch> fired = new ArrayList<>();
        boolean idle = false;
        while (!(idle && stopped(waitsWith))) {
            long start = System.nanoTime();
            int time = timeToWait();
            waitAndCollect(waitsWith, time, fired);
            idle = time >= 0 && System.nanoTime() - start >= time * 1_000_000L;
            fired.forEach(this::run);
            fired.clear();
        }
    }

    /** For ever while something is watched, else as long as an idle thread stays. */
    private int timeToWait() {
        lock.lock();
        try {
            waitsForEver = !places.isEmpty();
            return waitsForEver ? -1 : IDLE_MILLIS;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Has the thread begin to count its idle time when the last place went, under the lock. A
     * caller that watches and cancels all the time wakes it once a second, not each time.
     */
    private void wakeIfLast() {
        if (waitsForEver && places.isEmpty()) {
            waitsForEver = false;
            multiplexer.wakeup();
        }
    }

    /** Ends the thread if nothing is watched; a watch that comes later starts another. */
    private boolean stopped(Multiplexer waitsWith) {
        lock.lock();
        try {
            if (!places.isEmpty()) {
                return false;
            }
            multiplexer = null;
        } finally {
            lock.unlock();
        }
        waitsWith.close();
        return true;
    }

    private void waitAndCollect(Multiplexer waitsWith, int milliseconds, List<Watch> fired) {
        try {
            waitsWith.await(milliseconds, (token, events) -> fire(token, events, fired));
        } catch (IOException e) {
            // poll and epoll_wait fail for want of memory only: say so, and look again later
            report(e);
        }
        lock.lock();
        try {
            Watch watch = readyNow.poll();
            while (watch != null) {
                if (watch.detach()) {
                    fired.add(watch);
                }
                watch = readyNow.poll();
            }
        } finally {
            lock.unlock();
        }
    }

    private void fire(long token, int events, List<Watch> fired) {
        lock.lock();
        try {
            Place place = tokens.get(token);
            if (place == null) {
                return;
            }
            detachMatching(place, events, fired);
            if (!place.watches.isEmpty()) {
                rearm(place, fired);
            }
        } finally {
            lock.unlock();
        }
    }

    private void rearm(Place place, List<Watch> fired) {
        try {
            multiplexer.arm(place.fd, place.events(), place.token);
        } catch (IOException e) {
            // nobody can be told later, so tell them now: they will look and meet the error
            report(e);
            detachMatching(place, ALWAYS, fired);
        }
    }

    private static void detachMatching(Place place, int events, List<Watch> fired) {
        for (Watch watch : List.copyOf(place.watches)) {
            if (((watch.events | ALWAYS) & events) != 0) {
                watch.detach();
                fired.add(watch);
            }
        }
    }

    private void run(Watch watch) {
        try {
            watch.whenReady.run();
        } catch (RuntimeException | Error e) {
            report(e);
        }
    }

    /** Hands a failure to the thread's handler, as if it ended the thread, which goes on. */
    private static void report(Throwable failure) {
        Thread thread = Thread.currentThread();
        thread.getUncaughtExceptionHandler().uncaughtException(thread, failure);
    }
}
