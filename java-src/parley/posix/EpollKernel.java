package parley.posix;

import java.io.IOException;
import java.util.function.Consumer;

/** A {@link DescriptorSet} by a level-triggered epoll(7), which can itself be watched. */
final class EpollKernel implements DescriptorSet.Kernel {
    private static final int AT_ONCE = 128;

    /** The token of the waker, which no entry has. */
    private static final long WAKE = -1;

    private final DescriptorSet set; // thread-safe
    private final Descriptor epoll; // thread-safe
    private final Waker waker; // thread-safe

    EpollKernel(DescriptorSet set) throws IOException {
        this.set = set;
        int made = Posix.check(LinuxC.epoll_create1(Constants.O_CLOEXEC), "epoll_create1");
        epoll = Descriptor.ownOrClose(made);
        Waker opened = null;
        try {
            opened = new Waker();
            Epoll.addOrModify(made, opened.number(), Poll.IN, WAKE);
        } catch (IOException e) {
            epoll.close();
            if (opened != null) {
                opened.close();
            }
            throw e;
        }
        waker = opened;
    }

    @Override
    public boolean set(DescriptorSet.Entry entry, int events) throws IOException {
        int fd = entry.descriptor.number();
        try {
            Epoll.addOrModify(epoll.number(), fd, events, entry.token);
            return true;
        } catch (PosixException e) {
            if (e.errno() == Constants.EPERM) {
                return false;
            }
            throw e;
        }
    }

    @Override
    public void remove(DescriptorSet.Entry entry) {
        Epoll.remove(epoll.number(), entry.descriptor.number());
    }

    @Override
    public void check(Consumer<DescriptorSet.Entry> ready) throws IOException {
        look(0, ready);
    }

    @Override
    public boolean awaits() {
        return true;
    }

    @Override
    public void await(int milliseconds, Consumer<DescriptorSet.Entry> ready) throws IOException {
        Waiting.InterruptHook hook = new Waiting.InterruptHook(waker);
        hook.enter();
        try {
            look(milliseconds, ready);
            waker.reset();
        } finally {
            hook.leaveQuietly();
        }
    }

    private void look(int milliseconds, Consumer<DescriptorSet.Entry> ready) throws IOException {
        if (!epoll.tryAcquire()) {
            return; // closed by another thread: nothing is in it
        }
        try (NativeBuffer events = NativeBuffer.take(AT_ONCE * Epoll.EVENT)) {
            int n = Epoll.await(epoll.number(), events, AT_ONCE, milliseconds);
            for (int i = 0; i < n; i++) {
                show(Epoll.token(events, i), Epoll.found(events, i), ready);
            }
        } finally {
            epoll.release();
        }
    }

    private void show(long token, int found, Consumer<DescriptorSet.Entry> ready) {
        // the waker's stays as it is: a mere check must not take what is meant for the next wait
        DescriptorSet.Entry entry = token == WAKE ? null : set.entryOf(token);
        if (entry != null) {
            entry.found(found);
            ready.accept(entry);
        }
    }

    @Override
    public void wake() {
        waker.wake();
    }

    @Override
    public Runnable watch(Runnable whenReady) throws IOException {
        waker.reset(); // who wakes in this way wakes the watcher too
        return DescriptorWatcher.shared().watch(epoll, Poll.IN, whenReady)::cancel;
    }

    @Override
    public void close() {
        waker.wake(); // a look under way ends, and close need not wait for it
        epoll.close();
        waker.close();
    }
}
