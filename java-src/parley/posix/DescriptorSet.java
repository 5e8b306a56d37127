package parley.posix;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * Descriptors that are checked together, again and again: who is ready costs time in the number of
 * the ready ones (Linux, epoll) or of all (elsewhere, poll), and is told again as long as it is so.
 *
 * <p>One thread checks; any thread may add, change and remove. A descriptor that is closed leaves
 * the set before its number is given back, and wakes whoever {@link #watch watches} the set. The
 * set takes one descriptor of its own on Linux.
 */
public final class DescriptorSet implements AutoCloseable {
    /** What finds the ready ones. */
    interface Kernel {
        /** Looks for events from now on; false when there is no need since it is always ready. */
        boolean set(Entry entry, int events) throws IOException;

        void remove(Entry entry);

        void check(Consumer<Entry> ready) throws IOException;

        /** Waits in native code until one is ready or {@link #wake}; -1 milliseconds for ever. */
        void await(int milliseconds, Consumer<Entry> ready) throws IOException;

        /** Whether {@link #await} can be called. */
        boolean awaits();

        /** Has the running or the next {@link #await} end at once. */
        void wake();

        /** Runs the task when one is ready, at the latest when the result is closed. */
        Runnable watch(Runnable whenReady) throws IOException;

        void close();
    }

    private static final Entry[] NONE = {};

    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Long, Entry> entries = new HashMap<>(); // by token; guarded by lock
    private final Map<Long, Entry> alwaysReady = new HashMap<>(); // regular files; guarded by lock
    private final AtomicReference<Runnable> watcher = new AtomicReference<>(); // of one watch
    private final Kernel kernel; // thread-safe
    private long lastToken; // guarded by lock
    private boolean closed; // guarded by lock

    /** Makes an empty set. */
    public DescriptorSet() throws IOException {
        Posix.require("DescriptorSet");
        kernel = Constants.LINUX ? new EpollKernel(this) : new PollKernel(this);
    }

    DescriptorSet(boolean withPoll) throws IOException {
        kernel = withPoll ? new PollKernel(this) : new EpollKernel(this);
    }

    /** One descriptor in the set. */
    public final class Entry {
        final Descriptor descriptor; // immutable
        final long token; // immutable
        private final Object attachment; // immutable
        private final Runnable whenClosed; // immutable
        private final Runnable onClose = this::descriptorClosed; // immutable
        private int events; // guarded by lock
        private boolean there = true; // guarded by lock
        private int ready; // the checking thread's own

        private Entry(
                Descriptor descriptor, long token, Object attachment, Runnable whenClosed) {
            this.descriptor = descriptor;
            this.token = token;
            this.attachment = attachment;
            this.whenClosed = whenClosed;
        }

        /** Returns what was given when it was added. */
        public Object attachment() {
            return attachment;
        }

        /** Returns what the check under way found, a sum of the constants of {@link Poll}. */
        public int ready() {
            return ready;
        }

        /** Looks for other events from now on; 0 for none at all, not even a hang-up. */
        public void events(int wanted) throws IOException {
            lock.lock();
            try {
                if (there && wanted != events) {
                    change(wanted);
                }
            } finally {
                lock.unlock();
            }
        }

        private void change(int wanted) throws IOException {
            int before = events;
            events = wanted;
            alwaysReady.remove(token);
            if (wanted == 0) {
                kernel.remove(this);
            } else if (!kernel.set(this, wanted)) {
                alwaysReady.put(token, this);
            } else if (before == 0) {
                wakeWatcher();
            }
        }

        /** Takes the descriptor out of the set. Idempotent. */
        public void remove() {
            lock.lock();
            try {
                if (there) {
                    there = false;
                    descriptor.removeWaiter(onClose);
                    entries.remove(token);
                    alwaysReady.remove(token);
                    if (events != 0 && !closed) {
                        kernel.remove(this);
                    }
                }
            } finally {
                lock.unlock();
            }
        }

        private void descriptorClosed() {
            remove();
            wakeWatcher();
            whenClosed.run();
        }

        void found(int what) {
            ready = what;
        }

        int events() {
            return events;
        }
    }

    /**
     * Adds a descriptor, which must not be in the set.
     *
     * @param events a sum of {@link Poll#IN}, {@link Poll#OUT}, {@link Poll#PRI}, or 0 for none yet
     * @param attachment anything
     * @throws ClosedDescriptorException when it is closed
     */
    public Entry add(Descriptor descriptor, int events, Object attachment) throws IOException {
        return add(descriptor, events, attachment, () -> { });
    }

    /**
     * As {@link #add(Descriptor, int, Object)}.
     *
     * @param whenClosed run when the descriptor is closed while it is in the set, once it has left
     *     it, by the thread that closes it; must neither block nor take long
     */
    public Entry add(
            Descriptor descriptor, int events, Object attachment, Runnable whenClosed)
            throws IOException {
        descriptor.acquire("poll");
        try {
            lock.lock();
            try {
                Entry entry = new Entry(descriptor, ++lastToken, attachment, whenClosed);
                entries.put(entry.token, entry);
                boolean added = false;
                try {
                    if (!descriptor.addWaiter(entry.onClose)) {
                        throw new ClosedDescriptorException("poll(" + descriptor.number() + ")");
                    }
                    entry.events(events);
                    added = true;
                } finally {
                    if (!added) {
                        entry.events = 0;
                        entry.remove();
                    }
                }
                return entry;
            } finally {
                lock.unlock();
            }
        } finally {
            descriptor.release();
        }
    }

    /**
     * Shows those that are ready now, never waiting.
     *
     * @param ready given each with its {@link Entry#ready}; when very many are ready, only some
     * @return how many
     */
    public int check(Consumer<Entry> ready) throws IOException {
        int[] count = {0};
        Consumer<Entry> counting = entry -> {
            count[0]++;
            ready.accept(entry);
        };
        kernel.check(counting);
        showAlwaysReady(counting);
        return count[0];
    }

    private void showAlwaysReady(Consumer<Entry> ready) {
        for (Entry entry : alwaysReady()) {
            entry.found(entry.events);
            ready.accept(entry);
        }
    }

    /** Says whether {@link #await} can be called on this platform. */
    public boolean awaits() {
        return kernel.awaits();
    }

    /**
     * Waits in native code until one is ready, one is closed, time is up, {@link #wake} is called or
     * the thread is interrupted, whose flag stays set; shows those that are ready. May return early.
     * For platform threads.
     *
     * @param timeoutNanos at most so long; {@link Long#MAX_VALUE} for ever
     */
    public void await(long timeoutNanos, Consumer<Entry> ready) throws IOException {
        watcher.set(kernel::wake);
        try {
            kernel.await(Poll.milliseconds(timeoutNanos), ready);
            showAlwaysReady(ready);
        } finally {
            watcher.set(null);
        }
    }

    /** Has the running or the next {@link #await} end at once; a {@link #watch} takes it back. */
    public void wake() {
        kernel.wake();
    }

    private Entry[] alwaysReady() {
        lock.lock();
        try {
            return alwaysReady.isEmpty() ? NONE : alwaysReady.values().toArray(NONE);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Runs a task when one of them is ready or closed; perhaps several times, in any thread.
     * One watch at a time.
     *
     * @return to be run to end the watch
     */
    public Runnable watch(Runnable whenReady) throws IOException {
        watcher.set(whenReady);
        Runnable end = kernel.watch(whenReady);
        return () -> {
            watcher.set(null);
            end.run();
        };
    }

    /** Under no lock of ours that a task could need: a task only wakes somebody. */
    private void wakeWatcher() {
        Runnable task = watcher.get();
        if (task != null) {
            task.run();
        }
    }

    Entry entryOf(long token) {
        lock.lock();
        try {
            return entries.get(token);
        } finally {
            lock.unlock();
        }
    }

    /** Those that the kernel is asked about. */
    Entry[] asked() {
        lock.lock();
        try {
            return entries.values().stream()
                    .filter(entry -> entry.events != 0 && !alwaysReady.containsKey(entry.token))
                    .toArray(Entry[]::new);
        } finally {
            lock.unlock();
        }
    }

    /** Empties the set and gives its own descriptor back; the others stay open. Idempotent. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            for (Entry entry : entries.values().toArray(Entry[]::new)) {
                entry.remove();
            }
        } finally {
            lock.unlock();
        }
        kernel.close();
    }
}
