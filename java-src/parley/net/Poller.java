package parley.net;

import java.io.IOException;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import parley.posix.DescriptorSet;

/**
 * One place to wait for many sources: a selector, and the protocol by which somebody who closes a
 * source makes it let go. One thread at a time polls; any thread may {@link #wakeup},
 * {@link #flush} or {@link #close}. Keys are visited inside the selector's own loop, so that a poll
 * allocates nothing and leaves no selected set behind.
 */
final class Poller implements AutoCloseable {
    /** Told of each ready registration, inside the poll: it must only take notes. */
    interface Visitor {
        /** The registration is ready for these operations. */
        void ready(Registration registration, int ops);
    }

    /** Whoever polls a poller, told what happens to its sources by other threads. */
    interface Owner {
        /** A thread that waits for this registration must look again. */
        void wake(Registration registration);

        /** The source is closed: when this returns the poller has let go of it. */
        void sourceClosed(Registration registration);
    }

    private static final Consumer<SelectionKey> IGNORE = key -> { };
    private static final long MILLI = 1_000_000L;

    volatile Selector selector; // replaced by the polling thread, with turn and keys held
    private final Owner owner;
    // Held while selecting. Fair, so that a flusher's turn comes before the owner's next one.
    private final ReentrantLock turn = new ReentrantLock(true);
    final ReentrantLock keys = new ReentrantLock(); // held while a key is made or changed
    private final SpinGuard spin = new SpinGuard();
    private final AtomicInteger flushers = new AtomicInteger();
    private Visitor visitor; // guarded by turn
    private volatile DescriptorMembers descriptors; // null until the first one; set under this lock
    private final ReentrantLock descriptorsLock = new ReentrantLock();
    private final Consumer<SelectionKey> visit = this::visit; // run with turn held

    Poller(Owner owner) throws IOException {
        this.owner = owner;
        this.selector = open();
    }

    private static Selector open() throws IOException {
        try {
            return Selector.open();
        } catch (IOException e) {
            throw ErrorInfo.attach(new IOException("selector: " + Errors.words(e)
                    + ": a selector takes some; close some streams, or raise the limit"), null, e);
        }
    }

    Owner owner() {
        return owner;
    }

    boolean isOpen() {
        return selector.isOpen();
    }

    /** As {@link #poll(long, Visitor)}, until a deadline. */
    int poll(Deadline deadline, Visitor visitor) throws IOException {
        return poll(deadline.remaining(), visitor);
    }

    /**
     * Waits until a source is ready, time is up, or somebody wakes or interrupts this thread, and
     * shows the visitor what is ready. May return early without a reason: callers loop. When very
     * many sources are ready one poll shows only some of them, and the next one others.
     *
     * @param nanos how long to wait; 0 only looks, {@code Long.MAX_VALUE} is for ever
     * @return how many were shown
     */
    int poll(long nanos, Visitor visitor) throws IOException {
        turn.lock();
        try {
            this.visitor = visitor;
            DescriptorMembers members = descriptors;
            return members == null ? pollChannels(nanos) : pollBoth(members, nanos);
        } catch (ClosedSelectorException e) {
            // Closed by another thread: nothing is registered any more, and callers look around.
            return 0;
        } finally {
            this.visitor = null;
            turn.unlock();
        }
    }

    private int pollChannels(long nanos) throws IOException {
        if (nanos == 0 || flushers.get() > 0) {
            return selector.selectNow(visit);
        }
        spin.begins();
        int found = selector.select(visit, nanos / MILLI + (nanos % MILLI == 0 ? 0 : 1));
        if (spin.ends(found, nanos)) {
            replaceSelector();
        }
        return found;
    }

    /** What {@link SpinGuard} asks for; every registration goes on with a key of the new selector. */
    private void replaceSelector() {
        keys.lock();
        try {
            Selector spinning = selector;
            Selector fresh = open();
            for (SelectionKey key : spinning.keys()) {
                ((Registration) key.attachment()).moveTo(fresh);
            }
            selector = fresh;
            spinning.close();
            Reports.warning("a selector returned early more than " + SpinGuard.LIMIT + " times in"
                    + " a row without a reason; it was replaced");
        } catch (IOException e) {
            Reports.error("a selector returns early without a reason, and cannot be replaced", e);
        } finally {
            keys.unlock();
            wakeup(); // the old one may have swallowed what was meant for this thread
        }
    }

    /**
     * One wait for channels and descriptors: a descriptor that becomes ready ends the select. A
     * platform thread that has no channels waits for the descriptors themselves.
     */
    private int pollBoth(DescriptorMembers members, long nanos) throws IOException {
        int found = members.check(visitor);
        if (found > 0 || nanos == 0 || flushers.get() > 0) {
            return found + pollChannels(0);
        }
        if (members.awaits() && selector.keys().isEmpty() && !Threads.currentIsVirtual()) {
            return members.await(nanos, visitor);
        }
        Runnable endWatch = members.watch(this::wakeSelector);
        try {
            found = pollChannels(nanos);
        } finally {
            endWatch.run();
        }
        return found + members.check(visitor);
    }

    /** The descriptors among what is polled. */
    DescriptorMembers descriptors() throws IOException {
        descriptorsLock.lock();
        try {
            if (descriptors == null) {
                descriptors = new DescriptorMembers(new DescriptorSet());
            }
            return descriptors;
        } finally {
            descriptorsLock.unlock();
        }
    }

    private void visit(SelectionKey key) {
        int ops;
        try {
            ops = key.readyOps();
        } catch (CancelledKeyException e) {
            return; // closed by another thread just now, which will tell whoever has to know
        }
        visitor.ready((Registration) key.attachment(), ops);
    }

    /** Makes a poll under way, or else the next one, return early. */
    void wakeup() {
        wakeSelector();
        DescriptorMembers members = descriptors;
        if (members != null) {
            members.wake();
        }
    }

    private void wakeSelector() {
        spin.woken();
        selector.wakeup();
    }

    /** Makes the selector drop closed and cancelled sources before this call returns. */
    void flush() {
        takeTurn();
        try {
            if (selector.isOpen()) {
                selector.selectNow(IGNORE);
                wakeSelector(); // selectNow has consumed what may have been meant for the owner
            }
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (ClosedSelectorException e) {
            return; // closed in between: then it holds nothing
        } finally {
            endTurn();
        }
    }

    /** By the thread that polls: ends a registration and lets go of its source at once. */
    void release(Registration registration) throws IOException {
        registration.cancel();
        turn.lock();
        try {
            selector.selectNow(IGNORE);
        } catch (ClosedSelectorException e) {
            return; // then it holds nothing
        } finally {
            turn.unlock();
            // Only now: who closes the source meanwhile must find the registration, and wait.
            registration.source.removed(registration);
        }
    }

    /** What is registered, and not cancelled, now. */
    List<Registration> registrations() {
        List<Registration> all = new ArrayList<>();
        try {
            for (SelectionKey key : selector.keys()) {
                all.add((Registration) key.attachment());
            }
        } catch (ClosedSelectorException e) {
            return all; // closed meanwhile: nothing is registered
        }
        DescriptorMembers members = descriptors;
        if (members != null) {
            all.addAll(members.registrations());
        }
        return all;
    }

    /**
     * Closes the selector, which lets go of every source, and forgets the registrations; a poll
     * under way in another thread returns.
     */
    @Override
    public void close() {
        takeTurn();
        try {
            List<Registration> all = registrations();
            selector.close();
            DescriptorMembers members = descriptors;
            if (members != null) {
                members.close();
            }
            // Only now: who closes a source meanwhile must find the registration, and wait.
            all.forEach(each -> each.source.removed(each));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } finally {
            endTurn();
        }
    }

    /** Gets the turn from whoever polls, however long that poll would wait. */
    private void takeTurn() {
        flushers.incrementAndGet();
        wakeup();
        turn.lock();
    }

    private void endTurn() {
        turn.unlock();
        flushers.decrementAndGet();
    }
}
