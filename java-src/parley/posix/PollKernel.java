package parley.posix;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** A {@link DescriptorSet} by poll(2), which looks at all of them each time. */
final class PollKernel implements DescriptorSet.Kernel {
    private final DescriptorSet set; // thread-safe

    PollKernel(DescriptorSet set) {
        this.set = set;
    }

    @Override
    public boolean set(DescriptorSet.Entry entry, int events) {
        return true;
    }

    @Override
    public void remove(DescriptorSet.Entry entry) {
        // what is no longer among those asked about is not looked at
    }

    @Override
    public void check(Consumer<DescriptorSet.Entry> ready) throws IOException {
        DescriptorSet.Entry[] entries = set.asked();
        Descriptor[] descriptors =
                Arrays.stream(entries).map(entry -> entry.descriptor).toArray(Descriptor[]::new);
        int[] events = Arrays.stream(entries).mapToInt(DescriptorSet.Entry::events).toArray();
        int[] found = new int[entries.length];
        Poll.check(descriptors, events, found, entries.length);
        for (int i = 0; i < entries.length; i++) {
            if (found[i] != 0 && found[i] != Poll.NVAL) {
                entries[i].found(found[i]);
                ready.accept(entries[i]);
            }
        }
    }

    @Override
    public boolean awaits() {
        return false;
    }

    @Override
    public void await(int milliseconds, Consumer<DescriptorSet.Entry> ready) {
        throw new UnsupportedOperationException("DescriptorSet.await: only with epoll");
    }

    @Override
    public void wake() {
        // nobody waits in here
    }

    @Override
    public Runnable watch(Runnable whenReady) throws IOException {
        List<DescriptorWatcher.Watch> watches = new ArrayList<>();
        for (DescriptorSet.Entry entry : set.asked()) {
            if (entry.descriptor.isOpen()) {
                watches.add(DescriptorWatcher.shared()
                        .watch(entry.descriptor, entry.events(), whenReady));
            }
        }
        return () -> watches.forEach(DescriptorWatcher.Watch::cancel);
    }

    @Override
    public void close() {
        // there is nothing of its own
    }
}
