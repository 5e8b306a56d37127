package parley.net;

import java.util.function.Consumer;

/**
 * A request of an {@link Intake} or an {@link Outlet} that may be withdrawn until the moment it is
 * served: one branch of a choice, say, of which only one is to happen. Serving it goes: {@link #lock},
 * {@link #isActive}, the deed itself, {@link #commit}, {@link #unlock}. The deed is done only if the
 * request is active, and committed only if it was done.
 *
 * @param <T> what is asked for
 */
public interface Request<T> {
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
    Consumer<T> commit();

    /**
     * A request that stands until it is served.
     *
     * @param <T> what is asked for
     * @param receiver told of the result
     * @return a request, for one use
     */
    static <T> Request<T> of(Consumer<T> receiver) {
        Errors.need("request", "the receiver", receiver, "a Consumer of the result");
        return new Request<>() {
            @Override
            public boolean isActive() {
                return true;
            }

            @Override
            public boolean mayLapse() {
                return false;
            }

            @Override
            public boolean mayWait() {
                return true;
            }

            @Override
            public void lock() {
                // No other thread decides about this request.
            }

            @Override
            public void unlock() {
                // As lock.
            }

            @Override
            public Consumer<T> commit() {
                return receiver;
            }
        };
    }
}
