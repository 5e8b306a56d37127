package parley.net.wait;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import parley.posix.DescriptorWatcher;
import parley.posix.Poll;
import parley.posix.StackSafeLock;

/**
 * The descriptors that a {@link Poller} polls besides its channels. Any thread may add, change and
 * remove them; one at a time checks and watches.
 */
final class DescriptorMembers {
    private static final Poll.Entry[] NONE = {};

    private final Runnable wake; // ends the wait of the thread that watches
    private final StackSafeLock lock = new StackSafeLock();
    private final List<DescriptorSource.DescriptorRegistration> ready =
            new ArrayList<>(); // belongs to the thread that checks
    // Guarded by lock. What stands before size does not change: removing makes a new array.
    private Poll.Entry[] entries = NONE;
    private volatile int size;
    private volatile boolean watching;

    DescriptorMembers(Runnable wake) {
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
                note((DescriptorSource.DescriptorRegistration) now[i].attachment(), found);
            }
        }
        return show(visitor) + left;
    }

    /** Notes what is ready; a source with a descriptor for each direction is shown once. */
    private void note(DescriptorSource.DescriptorRegistration registration, int found) {
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
