package parley.net;

/**
 * Told how a request of an {@link Intake} or an {@link Outlet} ended.
 *
 * @param <T> what was asked for
 */
@FunctionalInterface
public interface Receiver<T> {
    /**
     * Called once, on the executor of the intake or outlet.
     *
     * @param value what came; null when the intake is closed
     */
    void receive(T value);
}
