package parley.net.wait;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectionKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import parley.net.wait.ThreadWaits.HasDeadline;
import parley.posix.ClosedDescriptorException;
import parley.posix.Descriptor;
import parley.posix.DescriptorWatcher;
import parley.posix.Handles;
import parley.posix.Poll;
import parley.posix.StackSafeLock;

/** A descriptor as a source, or two: one for input and one for output, as of pipes. */
public final class DescriptorSource extends Source {
    private static final int READ = SelectionKey.OP_READ | SelectionKey.OP_ACCEPT;
    private static final int WRITE = SelectionKey.OP_WRITE | SelectionKey.OP_CONNECT;
    /** Where the events that poll(2) found stand, above the operations that they mean. */
    private static final int EVENTS_SHIFT = 16;

    private final Descriptor input; // immutable; null for none
    private final Descriptor output; // immutable; null for none; the same one for a socket
    private final boolean own;
    private final List<DescriptorWatcher.Watch> waits = new CopyOnWriteArrayList<>(); // few

    /**
     * @param own true when the code that closes the descriptors calls {@link #release} after that
     */
    public DescriptorSource(Descriptor input, Descriptor output, boolean own) {
        this.input = input;
        this.output = output;
        this.own = own;
    }

    @Override
    public boolean isOpen() {
        return isOpen(input) || isOpen(output);
    }

    private static boolean isOpen(Descriptor descriptor) {
        return descriptor != null && descriptor.isOpen();
    }

    @Override
    public boolean announcesClose() {
        return own;
    }

    /** The poller is woken by the descriptor itself. */
    @Override
    public boolean endsPollOnClose() {
        return true;
    }

    @Override
    public Descriptor duplicate() throws IOException {
        try {
            return (isOpen(input) ? input : output).duplicate();
        } catch (ClosedDescriptorException e) {
            throw closed(e);
        }
    }

    @Override
    public int[] handles() throws IOException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
        return new int[] {handle(input), handle(output)};
    }

    /** Returns the number, which raw socket functions refuse once the system has reused it. */
    private int handle(Descriptor descriptor) {
        if (!isOpen(descriptor)) {
            return -1;
        }
        return own ? Handles.lend(descriptor) : descriptor.number();
    }

    private static ClosedChannelException closed(ClosedDescriptorException e) {
        ClosedChannelException closed = new ClosedChannelException();
        closed.addSuppressed(e);
        return closed;
    }

    // ---- the three questions

    /** Returns the operations of those asked for that are possible now, by poll(2). */
    int ready(int ops) throws IOException {
        if (input == output) {
            return operations(Poll.check(input, events(ops))) & ops;
        }
        int in = input == null || (ops & READ) == 0 ? 0 : Poll.check(input, Poll.IN);
        int out = output == null || (ops & WRITE) == 0 ? 0 : Poll.check(output, Poll.OUT);
        return operations(in) & READ & ops | operations(out) & WRITE & ops;
    }

    /**
     * Blocks until one of the operations may be possible, the source is woken or closed, the
     * deadline has passed or the thread is interrupted. Needs no descriptor.
     *
     * @throws ClosedChannelException if the source is closed already
     */
    void await(int ops, HasDeadline patient) throws IOException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
        Poll.Entry[] entries = entries(ops);
        if (Poll.check(entries, entries.length) > 0) {
            return;
        }
        DescriptorWatcher.Watch watch = DescriptorWatcher.watch(entries, entries.length);
        waits.add(watch);
        try {
            watch.await(patient.deadline().remaining());
        } finally {
            waits.remove(watch);
            watch.cancel();
        }
    }

    private Poll.Entry[] entries(int ops) {
        if (input == output) {
            return new Poll.Entry[] {new Poll.Entry(input, events(ops), null)};
        }
        boolean in = isOpen(input) && (ops & READ) != 0;
        boolean out = isOpen(output) && (ops & WRITE) != 0;
        Poll.Entry[] entries = new Poll.Entry[(in ? 1 : 0) + (out ? 1 : 0)];
        if (in) {
            entries[0] = new Poll.Entry(input, Poll.IN, null);
        }
        if (out) {
            entries[in ? 1 : 0] = new Poll.Entry(output, Poll.OUT, null);
        }
        return entries;
    }

    @Override
    public void wake() {
        waits.forEach(DescriptorWatcher.Watch::fire);
        super.wake();
    }

    /** Returns the events of poll(2) that stand for the operations. */
    public static int events(int ops) {
        return ((ops & READ) == 0 ? 0 : Poll.IN) | ((ops & WRITE) == 0 ? 0 : Poll.OUT);
    }

    /** The operations that end at once: those that are possible, and those that will fail. */
    private static int operations(int found) {
        int ends = found & (Poll.ERR | Poll.HUP | Poll.NVAL);
        return (ends != 0 || (found & Poll.IN) != 0 ? READ : 0)
                | (ends != 0 || (found & Poll.OUT) != 0 ? WRITE : 0);
    }

    /** Returns the events that stand beside the operations which a poller has shown. */
    public static int eventsOf(int ready) {
        return ready >>> EVENTS_SHIFT;
    }

    @Override
    public Registration join(Poller poller, int ops, Object attachment) throws IOException {
        DescriptorRegistration registration =
                new DescriptorRegistration(this, poller, ops, attachment);
        added(registration);
        if (!isOpen()) {
            // Closed since, perhaps by a thread that did not see the registration.
            registration.cancel();
            removed(registration);
            throw new ClosedChannelException();
        }
        return registration;
    }

    /** The descriptors among a poller's members. */
    static final class DescriptorRegistration extends Registration {
        private final Members members;
        private final Poll.Entry reading; // null for none
        private final Poll.Entry writing; // null for none; the same one for a socket
        private volatile int interest;
        private int ready; // what the poll under way found; the polling thread's own

        DescriptorRegistration(
                DescriptorSource source, Poller poller, int ops, Object attachment) {
            super(source, poller, attachment);
            boolean single = source.input == source.output;
            members = poller.descriptors();
            reading = source.input == null ? null
                    : new Poll.Entry(source.input, single ? events(ops) : events(ops & READ), this);
            writing = single ? reading : source.output == null ? null
                    : new Poll.Entry(source.output, events(ops & WRITE), this);
            interest = ops;
            if (reading != null) {
                members.add(reading);
            }
            if (writing != null && !single) {
                members.add(writing);
            }
        }

        @Override
        public int interest() {
            return interest;
        }

        @Override
        public void interest(int ops) {
            if (ops == interest) {
                return;
            }
            interest = ops;
            if (reading != null) {
                members.change(reading, events(reading == writing ? ops : ops & READ));
            }
            if (writing != null && writing != reading) {
                members.change(writing, events(ops & WRITE));
            }
        }

        @Override
        public void cancel() {
            if (reading != null) {
                members.remove(reading);
            }
            if (writing != null && writing != reading) {
                members.remove(writing);
            }
        }

        /** Takes a note of the events found; true for the first ones of a poll. */
        boolean noteReady(int found) {
            boolean first = ready == 0;
            int ops = operations(found) & interest;
            ready |= ops == 0 ? 0 : ops | found << EVENTS_SHIFT;
            return first && ready != 0;
        }

        int takeReady() {
            int found = ready;
            ready = 0;
            return found;
        }
    }

    /**
     * The descriptors that a {@link Poller} polls besides its channels. Any thread may add, change
     * and remove them; one at a time checks and watches.
     */
    static final class Members {
        private static final Poll.Entry[] NONE = {};

        private final Runnable wake; // ends the wait of the thread that watches
        private final StackSafeLock lock = new StackSafeLock();
        private final List<DescriptorRegistration> ready =
                new ArrayList<>(); // belongs to the thread that checks
        // Guarded by lock. What stands before size does not change: removing makes a new array.
        private Poll.Entry[] entries = NONE;
        private volatile int size;
        private volatile boolean watching;

        Members(Runnable wake) {
            this.wake = wake;
        }

        boolean isEmpty() {
            return size == 0;
        }

        /** Adds an entry whose attachment is its registration. */
        void add(Poll.Entry entry) {
            lock.lock();
            try {
                if (size == entries.length) {
                    entries = Arrays.copyOf(entries, Math.max(4, size * 2));
                }
                entries[size++] = entry;
            } finally {
                lock.unlock();
            }
            wakeWatching();
        }

        /** Changes the events to look for, from now on. */
        void change(Poll.Entry entry, int events) {
            int before = entry.events();
            entry.events(events);
            if ((events & ~before) != 0) {
                wakeWatching();
            }
        }

        /** After a change that a wait under way does not know of. */
        private void wakeWatching() {
            if (watching) {
                wake.run();
            }
        }

        /** Removes an entry, if it exists. */
        void remove(Poll.Entry entry) {
            lock.lock();
            try {
                int at = Arrays.asList(entries).subList(0, size).indexOf(entry);
                if (at >= 0) {
                    Poll.Entry[] fewer = new Poll.Entry[entries.length];
                    System.arraycopy(entries, 0, fewer, 0, at);
                    System.arraycopy(entries, at + 1, fewer, at, size - at - 1);
                    entries = fewer;
                    size--;
                }
            } finally {
                lock.unlock();
            }
        }

        /** Returns the registrations of sources that have an open descriptor. */
        List<Registration> registrations() {
            List<Registration> all = new ArrayList<>();
            lock.lock();
            try {
                for (int i = 0; i < size; i++) {
                    Registration each = (Registration) entries[i].attachment();
                    if (!all.contains(each)) {
                        all.add(each);
                    }
                }
            } finally {
                lock.unlock();
            }
            return all;
        }

        /**
         * Shows the visitor what is ready now, by one poll(2). Descriptors that were closed leave.
         *
         * @return how many were shown or have left
         */
        int check(Poller.Visitor visitor) throws IOException {
            Poll.Entry[] now;
            int count;
            lock.lock();
            try {
                now = entries;
                count = size;
            } finally {
                lock.unlock();
            }
            if (count == 0 || Poll.check(now, count) == 0) {
                return 0;
            }
            int left = 0;
            for (int i = 0; i < count; i++) {
                int found = now[i].found();
                if (found == Poll.NVAL) {
                    remove(now[i]);
                    left++;
                } else if (found != 0) {
                    note((DescriptorRegistration) now[i].attachment(), found);
                }
            }
            return show(visitor) + left;
        }

        /** Notes what is ready; a source with a descriptor for each direction is shown once. */
        private void note(DescriptorRegistration registration, int found) {
            if (registration.noteReady(found)) {
                ready.add(registration);
            }
        }

        private int show(Poller.Visitor visitor) {
            int count = ready.size();
            for (int i = 0; i < count; i++) {
                visitor.ready(ready.get(i), ready.get(i).takeReady());
            }
            ready.clear();
            return count;
        }

        /** Wakes the poller once, when a descriptor is ready or closed; until {@link #endWatch}. */
        DescriptorWatcher.Watch watch() throws IOException {
            watching = true; // before the entries are read: a change that these lack wakes
            Poll.Entry[] now;
            int count;
            lock.lock();
            try {
                now = entries;
                count = size;
            } finally {
                lock.unlock();
            }
            return DescriptorWatcher.watch(now, count, wake);
        }

        void endWatch(DescriptorWatcher.Watch watch) throws IOException {
            watching = false;
            watch.cancel();
            watch.throwFailure();
        }

        void close() {
            lock.lock();
            try {
                entries = NONE;
                size = 0;
            } finally {
                lock.unlock();
            }
        }
    }
}
