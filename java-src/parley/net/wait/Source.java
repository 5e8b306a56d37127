package parley.net.wait;

import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;
import parley.posix.Descriptor;

/**
 * A channel or a descriptor whose readiness the kernel reports. A source records all of its
 * {@link Registration}s, because the kernel object exists until the last poller has deregistered
 * it. {@link #release} deregisters it from all pollers before it returns.
 *
 * <p>Operations are the bits of {@link java.nio.channels.SelectionKey}.
 */
public abstract class Source {
    private static final Registration[] NO_REGISTRATIONS = {};

    // An updater, since sources are many: a lock would take 48 bytes in each.
    private static final AtomicReferenceFieldUpdater<Source, Registration[]> REGISTRATIONS =
            AtomicReferenceFieldUpdater.newUpdater(
                    Source.class, Registration[].class, "registrations");

    private volatile Registration[] registrations = NO_REGISTRATIONS; // by REGISTRATIONS, as a whole

    /** Makes the poller report this source; called with no registration of the two in force. */
    public abstract Registration join(Poller poller, int ops, Object attachment) throws IOException;

    /** Returns false once it was closed. */
    public abstract boolean isOpen();

    /** Returns whether the kernel object is registered with the poller under another source. */
    public boolean isKnownTo(Poller poller) {
        return false;
    }

    /** True when {@link #release} will be called on closing, so that registrations may stay. */
    public abstract boolean announcesClose();

    /** True when a poll that waits for this ends as soon as it is closed, by whomever. */
    public boolean endsPollOnClose() {
        return announcesClose();
    }

    /**
     * A duplicate of the descriptor underneath, for a call on it; the caller closes it soon.
     *
     * @throws java.nio.channels.ClosedChannelException if the source is closed
     */
    public abstract Descriptor duplicate() throws IOException;

    /**
     * The numbers of the descriptors for input and output, -1 for one that there is not.
     *
     * @throws java.nio.channels.ClosedChannelException if the source is closed
     */
    public abstract int[] handles() throws IOException;

    /** The registration with a poller, or null. */
    final Registration registrationWith(Poller poller) {
        for (Registration each : registrations()) {
            if (each.poller == poller) {
                return each;
            }
        }
        return null;
    }

    /** Returns the registrations with all pollers; not to be changed. */
    public final Registration[] registrations() {
        return registrations;
    }

    final void added(Registration registration) {
        REGISTRATIONS.updateAndGet(this, old -> {
            Registration[] more = Arrays.copyOf(old, old.length + 1);
            more[old.length] = registration;
            return more;
        });
    }

    final void removed(Registration registration) {
        REGISTRATIONS.updateAndGet(this, old -> {
            int at = Arrays.asList(old).indexOf(registration);
            if (at < 0) {
                return old;
            } else if (old.length == 1) {
                return NO_REGISTRATIONS;
            }
            Registration[] rest = Arrays.copyOf(old, old.length - 1);
            System.arraycopy(old, at + 1, rest, at, rest.length - at);
            return rest;
        });
    }

    /** Makes every thread that waits for this source look again at what it waits for. */
    public void wake() {
        for (Registration each : registrations()) {
            each.poller.owner().wake(each);
        }
    }

    /** After the kernel object was closed: makes every poller let go of it, now. */
    public final void release() {
        for (Registration each : registrations()) {
            each.poller.owner().sourceClosed(each);
            removed(each);
        }
        released();
    }

    /** At the end of {@link #release}, once. */
    void released() {
    }
}
