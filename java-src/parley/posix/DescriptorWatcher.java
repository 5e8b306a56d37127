package parley.posix;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import parley.posix.Poll.Blocking;

/**
 * Waits for descriptors. A platform thread that waits polls its own ({@link Blocking}), unless
 * many do that already. For all other watches one daemon thread, {@code parley-descriptors}, polls.
 *
 * <pre>{@code
 * Poll.Entry[] entries = {new Poll.Entry(descriptor, Poll.IN, null)};
 * DescriptorWatcher.Watch watch = DescriptorWatcher.watch(entries, 1, () -> handle(descriptor));
 * watch.cancel(); // the task does not run, unless it has begun
 * }</pre>
 *
 * <p>The daemon thread starts with such a watch and ends a second after the last one. The wake-up
 * descriptors of the polls open with the first {@link Descriptor} and are kept, so that waiting
 * needs no descriptor when the process has none left.
 *
 * <p>A watch ends when it fires, when it is cancelled, or when one of its descriptors is closed,
 * which fires it. Watches know descriptors, never numbers: the thread holds a use of each
 * descriptor during its poll, and {@link Descriptor#close} wakes the thread, so that the number is
 * given back only after the poll.
 *
 * <p>Thread-safe.
 */
public final class DescriptorWatcher {
    private static final String NAME = "parley-descriptors";
    /** The time that the thread stays without a watch, since starting one costs 100 µs. */
    private static final int IDLE_MILLIS = 1000;

    private static final StackSafeLock OPENING = new StackSafeLock();
    private static volatile DescriptorWatcher shared; // written once, under OPENING

    private final Poll.WakeUp wakeUp = new Poll.WakeUp(); // immutable; of the daemon thread
    private final Blocking blocking = new Blocking(); // immutable
    private final StackSafeLock lock = new StackSafeLock();
    private final List<Watch> watches = new ArrayList<>(); // guarded by lock
    private volatile int size; // of watches; written under lock
    private int direct; // of these, those whose threads poll themselves; guarded by lock
    private Thread thread; // the daemon; guarded by lock; null while none runs
    private boolean polling; // guarded by lock; a poll is under way, or about to begin
    private boolean woken; // guarded by lock; the wake-up descriptor is readable

    // These belong to the thread.
    private final List<Descriptor> held = new ArrayList<>(); // used during the poll under way
    private int[] places = new int[64]; // by number: the index among those polled, 0 for none

    private DescriptorWatcher() throws IOException {
    }

    /** Returns the watcher of this process. Every descriptor opens it, before anything waits. */
    static DescriptorWatcher shared() throws IOException {
        DescriptorWatcher opened = shared;
        if (opened == null) {
            Posix.require("DescriptorWatcher");
            OPENING.lock();
            try {
                if (shared == null) {
                    shared = new DescriptorWatcher();
                }
                opened = shared;
            } finally {
                OPENING.unlock();
            }
        }
        return opened;
    }

    /** Interest in some descriptors that fires once. */
    public final class Watch implements AutoCloseable {
        final Poll.Entry[] entries; // the first count are immutable
        final int count; // immutable
        private final Thread waiter; // immutable; null for a watch with a task
        private final Runnable task; // immutable; null for a watch with a waiter
        private int index; // among the watches; guarded by lock
        private boolean isDirect; // the waiter polls itself; set before others find the watch
        private volatile boolean over; // written under lock
        private IOException failure; // written before over

        private Watch(Poll.Entry[] entries, int count, Thread waiter, Runnable task) {
            Poll.checkCount(entries, count);
            this.entries = entries;
            this.count = count;
            this.waiter = waiter;
            this.task = task;
        }

        /**
         * Ends the watch. When this returns, its task will not begin to run; a task that is running
         * already goes on. Idempotent.
         *
         * @return true when the watch had not fired
         */
        public boolean cancel() {
            lock.lock();
            try {
                boolean first = end(null);
                if (first && !isDirect && watches.size() == direct) {
                    wake(); // the thread lets go of what it polls, and counts its idle time
                }
                return first;
            } finally {
                lock.unlock();
            }
        }

        /** Does the same as {@link #cancel}. */
        @Override
        public void close() {
            cancel();
        }

        /** Ends the watch as if one of its descriptors had become ready. */
        public void fire() {
            if (cancel()) {
                report();
            }
        }

        /**
         * Blocks the thread that made the watch until the watch is over, the wait times out, or the
         * thread is interrupted, whose flag stays set.
         *
         * @param timeoutNanos the longest wait in nanoseconds; {@link Long#MAX_VALUE} for ever
         * @throws IOException when the descriptors cannot be polled
         */
        public void await(long timeoutNanos) throws IOException {
            long start = System.nanoTime();
            long left = timeoutNanos;
            boolean ready = false;
            while (!ready && !over && left > 0 && !Thread.currentThread().isInterrupted()) {
                if (isDirect) {
                    ready = blocking.poll(this, left);
                } else {
                    LockSupport.parkNanos(this, left);
                }
                left = Poll.left(start, timeoutNanos);
            }
            throwFailure();
        }

        /**
         * Throws why the watch has fired although no descriptor need be ready.
         *
         * @throws IOException when the descriptors could not be polled
         */
        public void throwFailure() throws IOException {
            if (over && failure != null) {
                throw new IOException(failure.getMessage(), failure);
            }
        }

        boolean isOver() {
            return over;
        }

        /** Takes the watch out, under the lock; returns false when it is out. */
        private boolean end(IOException why) {
            if (over) {
                return false;
            }
            failure = why;
            over = true;
            Watch last = watches.remove(watches.size() - 1);
            if (last != this) {
                watches.set(index, last);
                last.index = index;
            }
            size = watches.size();
            direct -= isDirect ? 1 : 0;
            return true;
        }

        private void report() {
            if (isDirect) {
                blocking.wake();
                return;
            } else if (waiter != null) {
                LockSupport.unpark(waiter);
                return;
            }
            try {
                task.run();
            } catch (RuntimeException | Error e) {
                // the same as if it ended the thread, which goes on
                Thread current = Thread.currentThread();
                current.getUncaughtExceptionHandler().uncaughtException(current, e);
            }
        }

        private boolean isOf(Descriptor descriptor) {
            for (int i = 0; i < count; i++) {
                if (entries[i].descriptor == descriptor) {
                    return true;
                }
            }
            return false;
        }

        private boolean hasClosed() {
            for (int i = 0; i < count; i++) {
                if (!entries[i].descriptor.isOpen()) {
                    return true;
                }
            }
            return false;
        }
    }

    /**
     * Runs a task once, when one of the descriptors is ready or closed.
     *
     * @param entries what to watch, which must not be replaced in the array while the watch lasts
     * @param count how many of the entries, from the first on
     * @param task runs in the watcher's thread, in the thread that closes a descriptor or, when one
     *     is closed already, in this thread; must neither block nor take long
     * @return the watch
     * @throws IOException when the watcher's thread cannot be started; the next watch tries again
     */
    public static Watch watch(Poll.Entry[] entries, int count, Runnable task) throws IOException {
        DescriptorWatcher watcher = shared();
        return watcher.add(watcher.new Watch(entries, count, null, task));
    }

    /**
     * As {@link #watch(Poll.Entry[], int, Runnable)}, for {@link Watch#await} of this thread.
     *
     * @param entries what to watch, which must not be replaced in the array while the watch lasts
     * @param count how many of the entries, from the first on
     * @return the watch
     */
    public static Watch watch(Poll.Entry[] entries, int count) throws IOException {
        DescriptorWatcher watcher = shared();
        return watcher.add(watcher.new Watch(entries, count, Thread.currentThread(), null));
    }

    private Watch add(Watch watch) throws IOException {
        lock.lock();
        try {
            watch.isDirect = watch.waiter != null && watch.count <= Blocking.MOST_ENTRIES
                    && direct < Blocking.MOST && !OwnThreads.currentIsVirtual();
            if (!watch.isDirect) {
                startIfNeeded();
            }
            watch.index = watches.size();
            watches.add(watch);
            size = watches.size();
            direct += watch.isDirect ? 1 : 0;
            if (!watch.isDirect) {
                wake();
            }
        } finally {
            lock.unlock();
        }
        // after threads that close a descriptor can find the watch
        if (watch.hasClosed()) {
            watch.fire();
        }
        return watch;
    }

    /** Returns how many watches are waiting. */
    static int size() throws IOException {
        return shared().size;
    }

    private void startIfNeeded() throws IOException {
        if (thread == null) {
            Thread fresh = OwnThreads.daemon(NAME, this::run);
            try {
                fresh.start();
            } catch (OutOfMemoryError e) {
                throw new IOException("the thread " + NAME + ", which waits for descriptors, cannot"
                        + " be started: " + e.getMessage(), e);
            }
            thread = fresh;
        }
    }

    /** Has the poll under way return, under the lock. */
    private void wake() {
        if (polling && !woken) {
            woken = true;
            wakeUp.write();
        }
    }

    /**
     * Fires the watches of a descriptor that no call can begin to use any more.
     *
     * @param used whether calls use it, of which the poll may be one
     */
    static void closed(Descriptor descriptor, boolean used) {
        DescriptorWatcher watcher = shared;
        if (watcher != null && (used || watcher.size > 0)) {
            watcher.fireAll(descriptor, used).forEach(Watch::report);
        }
    }

    private List<Watch> fireAll(Descriptor descriptor, boolean used) {
        List<Watch> fired = new ArrayList<>();
        lock.lock();
        try {
            for (int i = watches.size() - 1; i >= 0; i--) {
                Watch watch = watches.get(i);
                if (watch.isOf(descriptor)) {
                    watch.end(null);
                    fired.add(watch);
                }
            }
            if (used || !fired.isEmpty()) {
                wake(); // the poll may hold the descriptor
            }
        } finally {
            lock.unlock();
        }
        return fired;
    }

    // ---- the thread

    private void run() {
        List<Watch> fired = new ArrayList<>();
        boolean ended = false;
        try {
            while (round(fired)) {
                fired.forEach(Watch::report);
                fired.clear();
            }
            ended = true;
        } finally {
            if (!ended) {
                abandon(fired);
            }
        }
    }

    /** Has those that wait look for themselves, and the next watch start another thread. */
    private void abandon(List<Watch> fired) {
        lock.lock();
        try {
            thread = null;
            polling = false;
            drain();
            while (!watches.isEmpty()) {
                Watch watch = watches.get(watches.size() - 1);
                watch.end(null);
                fired.add(watch);
            }
        } finally {
            lock.unlock();
        }
        fired.forEach(Watch::report);
    }

    /** Polls once and collects the watches that fire; returns false when the thread is to end. */
    private boolean round(List<Watch> fired) {
        NativeBuffer buffer = null;
        int count = 0;
        boolean idle;
        try {
            lock.lock();
            try {
                buffer = NativeBuffer.take((entries() + 1) * Poll.ENTRY);
                count = prepare(buffer);
                idle = watches.size() == direct;
            } finally {
                lock.unlock();
            }
            int n = LibC.poll(buffer.address, count, idle ? IDLE_MILLIS : -1);
            int errno = n < 0 ? LibC.errno() : 0;
            return settle(buffer, fired, idle && n == 0, errno == Constants.EINTR ? 0 : errno);
        } finally {
            release();
            if (buffer != null) {
                buffer.close();
            }
        }
    }

    private int entries() {
        int all = 0;
        for (int i = 0; i < watches.size(); i++) {
            all += watches.get(i).count;
        }
        return all;
    }

    /** Fills in what to poll, each number once, and begins to use it; under the lock. */
    private int prepare(NativeBuffer buffer) {
        polling = true;
        Poll.put(buffer, 0, wakeUp.input, Poll.IN);
        int count = 1;
        for (int i = 0; i < watches.size(); i++) {
            Watch watch = watches.get(i);
            for (int j = 0; j < watch.count && !watch.isDirect; j++) {
                count = prepare(buffer, watch.entries[j], count);
            }
        }
        return count;
    }

    private int prepare(NativeBuffer buffer, Poll.Entry entry, int count) {
        int number = entry.descriptor.number();
        int events = entry.events();
        int place = place(number);
        if (events == 0) {
            return count;
        } else if (place > 0) {
            int at = place * Poll.ENTRY + 4;
            buffer.bytes.putShort(at, (short) (buffer.bytes.getShort(at) | events));
            return count;
        } else if (!entry.descriptor.tryAcquire()) {
            return count; // being closed, which fires the watch
        }
        held.add(entry.descriptor);
        if (number >= places.length) {
            places = Arrays.copyOf(places, Math.max(number + 1, places.length * 2));
        }
        places[number] = count;
        Poll.put(buffer, count * Poll.ENTRY, number, events);
        return count + 1;
    }

    private int place(int number) {
        return number < places.length ? places[number] : 0;
    }

    private boolean settle(
            NativeBuffer buffer, List<Watch> fired, boolean idle, int errno) {
        lock.lock();
        try {
            polling = false;
            drain();
            if (idle && watches.size() == direct) {
                thread = null;
                return false;
            }
            IOException failure = errno == 0 ? null : new PosixException(errno, "poll");
            for (int i = watches.size() - 1; i >= 0; i--) {
                Watch watch = watches.get(i);
                if (!watch.isDirect && (failure != null || hasFound(watch, buffer))) {
                    watch.end(failure);
                    fired.add(watch);
                }
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    private void drain() {
        if (woken) {
            woken = false;
            wakeUp.drain();
        }
    }

    /** Returns whether the poll has found something, also for a watch made during the poll. */
    private boolean hasFound(Watch watch, NativeBuffer buffer) {
        for (int i = 0; i < watch.count; i++) {
            Poll.Entry entry = watch.entries[i];
            int events = entry.events();
            int place = place(entry.descriptor.number());
            if (events != 0 && place > 0 && (Poll.result(buffer, place * Poll.ENTRY)
                    & (events | Poll.ALWAYS)) != 0) {
                return true;
            }
        }
        return false;
    }

    private void release() {
        for (int i = held.size() - 1; i >= 0; i--) {
            Descriptor descriptor = held.remove(i);
            places[descriptor.number()] = 0;
            descriptor.release();
        }
    }
}
