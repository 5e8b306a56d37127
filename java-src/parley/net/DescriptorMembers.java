package parley.net;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import parley.posix.DescriptorSet;

/** The descriptors that a {@link Poller} looks at besides its channels. */
final class DescriptorMembers {
    private final DescriptorSet set; // thread-safe
    private final Set<DescriptorSource.DescriptorRegistration> registrations =
            ConcurrentHashMap.newKeySet();
    private final List<DescriptorSource.DescriptorRegistration> ready =
            new ArrayList<>(); // the polling thread's own
    private final Consumer<DescriptorSet.Entry> note = this::note; // run by the polling thread

    DescriptorMembers(DescriptorSet set) {
        this.set = set;
    }

    DescriptorSet set() {
        return set;
    }

    void added(DescriptorSource.DescriptorRegistration registration) {
        registrations.add(registration);
    }

    void removed(DescriptorSource.DescriptorRegistration registration) {
        registrations.remove(registration);
    }

    List<Registration> registrations() {
        return new ArrayList<>(registrations);
    }

    /** Shows the visitor what is ready now; tells how many. */
    int check(Poller.Visitor visitor) throws IOException {
        set.check(note);
        return show(visitor);
    }

    /** As {@link #check}, waiting in native code. */
    int await(long nanos, Poller.Visitor visitor) throws IOException {
        set.await(nanos, note);
        return show(visitor);
    }

    /** Whether {@link #await} can be called. */
    boolean awaits() {
        return set.awaits();
    }

    /** Has the running or the next {@link #await} end at once. */
    void wake() {
        set.wake();
    }

    private int show(Poller.Visitor visitor) {
        int count = ready.size();
        for (int i = 0; i < count; i++) {
            visitor.ready(ready.get(i), ready.get(i).takeReady());
        }
        ready.clear();
        return count;
    }

    private void note(DescriptorSet.Entry entry) {
        DescriptorSource.DescriptorRegistration registration =
                (DescriptorSource.DescriptorRegistration) entry.attachment();
        // a source with a descriptor for each direction is shown once
        if (registration.noteReady(entry.ready())) {
            ready.add(registration);
        }
    }

    /** Has a task run when one becomes ready; the result ends that. */
    Runnable watch(Runnable whenReady) throws IOException {
        return set.watch(whenReady);
    }

    void close() {
        set.close();
        registrations.clear();
    }
}
