package parley.net;

/**
 * Something to do once when a source is ready. Belongs to the {@link EventLoop} while it is armed;
 * can be armed again and again, so that waiting allocates nothing.
 */
abstract class Interest {
    // All guarded by the reactor's lock.
    boolean armed;
    int ops; // what the source must be ready for; 0 for nothing but its being closed
    Registration registration; // where it is armed, else null
    Interest next; // among those in the same source
    int ready; // what it was found ready for when it was fired

    /** Where readiness is seen; always the same. */
    abstract Source source();

    /** The source is ready for some of the operations; on the reactor's thread. */
    abstract void fire(int ready);

    /** The source was closed; on the thread that closed it. */
    abstract void sourceClosed();

    /** Tells whether {@link #isStale} may come to hold without anybody telling the reactor. */
    boolean isDoubtful() {
        return false;
    }

    /** Tells whether nobody waits any more; asked now and then while it is doubtful, no lock held. */
    boolean isStale() {
        return false;
    }
}
