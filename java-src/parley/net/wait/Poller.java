package parley.net.wait;

import java.io.IOException;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import parley.net.wait.DescriptorSource.Members;
import parley.posix.DescriptorWatcher;
import parley.posix.StackSafeLock;

/**
 * Waits for many sources: a selector, and the protocol by which closing a source deregisters it.
 * One thread at a time polls; any thread may {@link #wakeup}, {@link #flush} or {@link #close}.
 * Keys are visited inside the selector's own loop, so that a poll allocates nothing and leaves no
 * selected set behind.
 */
public final class Poller implements AutoCloseable {
    /** Visits each ready registration, inside the poll: it must only record them. */
    public interface Visitor {
        /** Records that a registration is ready for these operations. */
        void ready(Registration registration, int ops);
    }

    /** The user of a poller, notified by other threads of what happens to its sources. */
    public interface Owner {
        /** An owner that learns from observers of the objects that it has to look again. */
        Owner PASSIVE = new Owner() { };

        /** A thread that waits for this registration must look again. */
        default void wake(Registration registration) {
        }

        /** The source is closed: when this returns the poller has let go of it. */
        default void sourceClosed(Registration registration) {
            registration.poller.flush();
        }
    }

    private static final Consumer<SelectionKey> IGNORE = key -> { };
    private static final long MILLI = 1_000_000L;

    final Selector selector;
    private final Owner owner;
    // Held while selecting. Fair, so that a flusher's turn comes before the owner's next one.
    private final StackSafeLock turn = new StackSafeLock(true);
    private final AtomicInteger flushers = new AtomicInteger();
    private Visitor visitor; // guarded by turn
    private final Members descriptors = new Members(this::wakeup);
    private final Consumer<SelectionKey> visit = this::visit; // run with turn held

    /**
     * Opens a selector.
     *
     * @throws IOException if the process is out of descriptors
     */
    public Poller(Owner owner) throws IOException {
        this.owner = owner;
        this.selector = Selector.open();
    }

    Owner owner() {
        return owner;
    }

    boolean isOpen() {
        return selector.isOpen();
    }

    /**
     * Waits until a source is ready, the wait times out, or this thread is woken or interrupted.
     * Calls the visitor for each ready registration. May return early without a reason, so callers
     * loop. When very many sources are ready, one poll visits some of them, and the next one
     * others.
     *
     * @param nanos how long to wait; 0 polls, {@code Long.MAX_VALUE} has no limit
     * @return the number of visits
     */
    public int poll(long nanos, Visitor visitor) throws IOException {
        turn.lock();
        try {
            this.visitor = visitor;
            return descriptors.isEmpty() ? pollChannels(nanos) : pollBoth(nanos);
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
        // 0 is no limit; a limit, however far, starts and cancels a timer for a virtual thread.
        return selector.select(visit, nanos == Long.MAX_VALUE ? 0
                : nanos / MILLI + (nanos % MILLI == 0 ? 0 : 1));
    }

    /** One wait for channels and descriptors: a descriptor that becomes ready ends the select. */
    private int pollBoth(long nanos) throws IOException {
        int found = descriptors.check(visitor);
        if (found > 0 || nanos == 0 || flushers.get() > 0) {
            return found + (selector.keys().isEmpty() ? 0 : pollChannels(0));
        }
        DescriptorWatcher.Watch watch = descriptors.watch();
        try {
            found = pollChannels(nanos);
        } finally {
            descriptors.endWatch(watch);
        }
        return found + descriptors.check(visitor);
    }

    /** The descriptors among what is polled. */
    Members descriptors() {
        return descriptors;
    }

    private void visit(SelectionKey key) {
        int ops;
        try {
            ops = key.readyOps();
        } catch (CancelledKeyException e) {
            return; // closed by another thread just now, which notifies the owners
        }
        visitor.ready((Registration) key.attachment(), ops);
    }

    /** Makes a poll under way, or else the next one, return early. */
    public void wakeup() {
        selector.wakeup();
    }

    /** Makes the selector drop closed and cancelled sources before this call returns. */
    public void flush() {
        StackSafeLock.reserveStack();
        takeTurn();
        try {
            if (selector.isOpen()) {
                selector.selectNow(IGNORE);
                wakeup(); // selectNow has consumed what may have been meant for the owner
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
    public void release(Registration registration) throws IOException {
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

    /** Returns the registrations that are not cancelled. */
    public List<Registration> registrations() {
        List<Registration> all = new ArrayList<>();
        try {
            for (SelectionKey key : selector.keys()) {
                all.add((Registration) key.attachment());
            }
        } catch (ClosedSelectorException e) {
            return all; // closed meanwhile: nothing is registered
        }
        all.addAll(descriptors.registrations());
        return all;
    }

    /**
     * Closes the selector, which lets go of every source, and forgets the registrations; a poll
     * under way in another thread returns.
     */
    @Override
    public void close() {
        StackSafeLock.reserveStack();
        closeToEnd();
    }

    /** As {@link #close}, to end what was begun with enough room on the stack. */
    void closeToEnd() {
        takeTurn();
        try {
            List<Registration> all = registrations();
            selector.close();
            descriptors.close();
            // Only now: who closes a source meanwhile must find the registration, and wait.
            all.forEach(each -> each.source.removed(each));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } finally {
            endTurn();
        }
    }

    /** Takes the turn from a polling thread, however long that poll would wait. */
    private void takeTurn() {
        flushers.incrementAndGet();
        wakeup();
        turn.lockToEnd();
    }

    private void endTurn() {
        turn.unlock();
        flushers.decrementAndGet();
    }
}
