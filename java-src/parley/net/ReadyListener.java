package parley.net;

/** Told by the {@link Reactor} that an object has become actionable. */
@FunctionalInterface
public interface ReadyListener {
    /**
     * Called once, on the reactor's thread or in the call that registered the listener; must not
     * block. What it throws is logged and harms nobody else.
     *
     * @param status what can be done; {@link SocketStatus#ERROR} also when the object was closed
     */
    void ready(SocketStatus status);
}
