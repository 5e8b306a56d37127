package parley.net;

/**
 * A request of an {@link Intake} or an {@link Outlet} that may be withdrawn until the moment it is
 * served: one branch of a choice, say, of which only one is to happen. Serving it goes: {@link #lock},
 * {@link #isActive}, the deed itself, {@link #commit}, {@link #unlock}. The deed is done only if the
 * claim is active, and committed only if it was done.
 *
 * @param <T> what is asked for
 */
public interface Claim<T> {
    /**
     * Tells whether the request still stands; called with and without the lock.
     *
     * @return false once it was committed, here or elsewhere, or withdrawn
     */
    boolean isActive();

    /**
     * Tells whether the request may cease to stand without being served here.
     *
     * @return true for a branch of a choice; then {@link #isActive} is asked now and then
     */
    boolean mayLapse();

    /**
     * Tells whether the request is to wait when it cannot be served at once.
     *
     * @return false for one that is made again later
     */
    boolean mayWait();

    /** Keeps the request from being withdrawn, or committed elsewhere, until {@link #unlock}. */
    void lock();

    /** Ends what {@link #lock} began. */
    void unlock();

    /**
     * Decides that the request is served, here; under the lock, when it is active.
     *
     * @return told of the result later, without any lock
     */
    Receiver<T> commit();

    /**
     * A request that stands until it is served.
     *
     * @param <T> what is asked for
     * @param receiver told of the result
     * @return a claim, for one use
     */
    static <T> Claim<T> of(Receiver<T> receiver) {
        return new FirmClaim<>(receiver);
    }
}
