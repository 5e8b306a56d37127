package parley.net;

import java.io.IOException;
import java.nio.channels.Pipe;
import java.time.Duration;
import parley.net.wait.Log;
import parley.posix.Posix;

/**
 * How long something that accepts connections rests while the process or the system has nothing left
 * to accept with. The failure belongs to the connection that waits in the queue; trying again at once
 * would burn a processor, so the pauses grow, from 10 milliseconds to a second. It waits for nothing
 * itself, so that a caller that has other things to wait for can use it. For one thread at a time.
 */
public final class BackOff {
    static final Duration LONGEST = Duration.ofSeconds(1);
    private static final Duration FIRST = Duration.ofMillis(10);

    private static volatile boolean prepared;

    private Duration next = FIRST;

    /** Of a caller that has not failed yet. */
    public BackOff() {
    }

    /**
     * The pause after one more failure.
     *
     * @return twice the one before, at most a second
     */
    public Duration next() {
        Duration pause = next;
        Duration twice = pause.multipliedBy(2);
        next = twice.compareTo(LONGEST) < 0 ? twice : LONGEST;
        return pause;
    }

    /** Accepting works: the next pause is the first. */
    public void reset() {
        next = FIRST;
    }

    /**
     * Tells whether an accept failed for want of descriptors or memory.
     *
     * @param e what it threw
     * @return true when trying again later is of use; where the C library cannot be called, also for a
     *     failure in words of another language, since it may be this one
     */
    public static boolean isExhaustion(IOException e) {
        ErrorCode code = ErrorCode.of(e);
        return code == ErrorCode.EMFILE || code == ErrorCode.ENFILE || code == ErrorCode.ENOBUFS
                || code == ErrorCode.ENOMEM || ErrorCode.isUnknown(e);
    }

    /**
     * Loads, before the first stream or server is made, what cannot be loaded once descriptors have run
     * out, and may then never be: the JDK's dispatcher of writes, the C library, and what telling of the
     * exhaustion takes. Does nothing when it has been done.
     *
     * @throws IOException if too few descriptors are left; the next call tries again
     */
    static void prepare() throws IOException {
        if (prepared) {
            return;
        }
        Posix.requireDescriptors();
        Pipe pipe = Pipe.open();
        pipe.source().close();
        pipe.sink().close();
        Posix.available();
        Log.prepare();
        isExhaustion(Errors.again("accept", "an example", new IOException("an example")));
        DescriptorUsage.count();
        prepared = true;
    }
}
