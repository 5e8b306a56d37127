package parley.net.wait;

/**
 * Something to do once when a source is ready. Belongs to the {@link EventLoop} while it is armed;
 * can be armed again and again, so that waiting allocates nothing.
 */
public abstract class Interest {
    // All guarded by the reactor's lock.
    boolean armed;
    int ops; // what the source must be ready for; 0 for nothing but its being closed
    Registration registration; // where it is armed, else null
    Interest next; // among those in the same source
    int ready; // what it was found ready for when it was fired

    /** Where readiness is seen; always the same. */
    public abstract Source source();

    /** The source is ready for some of the operations; on the reactor's thread. */
    public abstract void fire(int ready);

    /** The source was closed; on the thread that closed it. */
    public abstract void sourceClosed();

    /** Returns whether {@link #isStale} may come to hold without anybody telling the reactor. */
    public boolean isDoubtful() {
        return false;
    }

    /** Returns whether no request waits any more; called periodically, without a lock. */
    public boolean isStale() {
        return false;
    }
}
