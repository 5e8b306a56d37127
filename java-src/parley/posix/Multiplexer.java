package parley.posix;

import java.io.IOException;

/**
 * A set of numbers that one thread waits on, and that any thread changes meanwhile.
 *
 * <p>A number is armed for one report, after which it stays silent until it is armed again. Each
 * arming carries a token, so that a report about a number that was meanwhile removed and recycled
 * is recognised.
 */
interface Multiplexer extends AutoCloseable {
    /** Receives the reports of one wait. */
    interface Sink {
        void ready(long token, int events);
    }

    /**
     * Arms a number, which must stay open until it is removed.
     *
     * @return false when it can never be waited for because it is always ready: a regular file
     */
    boolean arm(int fd, int events, long token) throws IOException;

    /** Takes a number out; harmless when it is not in. */
    void remove(int fd);

    /** Waits for reports, at most so long, -1 for ever; only the owning thread calls this. */
    void await(int milliseconds, Sink sink) throws IOException;

    /** Has the running or the next wait end at once. */
    void wakeup();

    /** Frees everything; only after the last wait has returned. */
    @Override
    void close();
}
