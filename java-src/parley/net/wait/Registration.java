package parley.net.wait;

import java.io.IOException;

/** One source in one poller. */
public abstract class Registration {
    final Source source;
    /** The poller that polls the source. */
    public final Poller poller;
    /** The data of the poller's owner for the source. */
    public final Object attachment;

    // Of ThreadWaits, all guarded by its lock: the neighbours among the idle registrations.
    Registration older;
    Registration newer;
    boolean idle;

    // Of the EventLoop, guarded by its lock.
    Interest interests; // the first of a list
    boolean cancelled; // and not to be used again
    int unwanted; // polls in a row that found something in which there was no interest

    int found; // what the poll under way found; belongs to the thread that polls

    Registration(Source source, Poller poller, Object attachment) {
        this.source = source;
        this.poller = poller;
        this.attachment = attachment;
    }

    /** In place of one whose source has no kernel object any more: nothing will be reported. */
    public static Registration ofNothing(Source source, Poller poller) {
        return new Nothing(source, poller);
    }

    /** Under the loop's lock: adds an interest in the source. */
    final void add(Interest interest) {
        interest.next = interests;
        interests = interest;
    }

    /** Under the loop's lock: removes an interest in the source. */
    final void remove(Interest interest) {
        if (interests == interest) {
            interests = interest.next;
            return;
        }
        for (Interest each = interests; each != null; each = each.next) {
            if (each.next == interest) {
                each.next = interest.next;
                return;
            }
        }
    }

    /** The operations asked for; 0 keeps the source registered and silent. */
    public abstract int interest();

    /** Asks for these operations from the next poll on; does nothing once the source is closed. */
    public abstract void interest(int ops);

    /**
     * Ends the registration; the poller lets go of the source in its next poll, and the source is
     * to forget the registration after that: see {@link Poller#release}.
     */
    public abstract void cancel();

    private static final class Nothing extends Registration {
        Nothing(Source source, Poller poller) {
            super(source, poller, null);
        }

        @Override
        public int interest() {
            return 0;
        }

        @Override
        public void interest(int ops) {
            // No owner is left to notify.
        }

        @Override
        public void cancel() {
            // Nothing was registered.
        }
    }

    /** Returns the registration of a source with a poller, which is made if need be. */
    static Registration of(Source source, Poller poller) throws IOException {
        Registration own = source.registrationWith(poller);
        if (own == null && source instanceof ChannelSource channel) {
            own = channel.keyOf(poller); // under another source: a selector has one key for both
        }
        if (own != null && own.cancelled) {
            own.source.removed(own);
            own = null;
        }
        return own != null ? own : source.join(poller, 0, null);
    }
}
