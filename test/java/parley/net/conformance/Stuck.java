package parley.net.conformance;

import java.io.IOException;
import java.time.Duration;
import parley.net.Pollable;

/**
 * One call that blocks until somebody else does something, and what is around it: what another
 * thread would close to end it, and how to show afterwards that nothing was lost.
 */
abstract class Stuck implements AutoCloseable {
    /** Makes the call; null as timeout blocks for ever. */
    abstract void call(Duration timeout) throws IOException;

    /** What the call is made on. */
    abstract Pollable object();

    /** Ends the wait as the other side would, after which a call succeeds. */
    abstract void release() throws Exception;

    /** Fails unless the object works as if the calls that failed had not been made. */
    abstract void proveUsable() throws Exception;

    @Override
    public abstract void close() throws IOException;
}
