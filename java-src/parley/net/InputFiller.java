package parley.net;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Fills the {@link InputBuffer}: reads the transport, waits for it, and remembers how the input
 * ended or broke. Guarded by the reader's lock.
 */
final class InputFiller {
    /** Maximum number of reads of a no-wait operation while its input makes no element. */
    private static final int LOOKS = 64;

    final InputBuffer buffer = new InputBuffer();

    private final StreamTextInput side;
    private final boolean buffered;
    private int looks; // at the transport, in the operation under way; big ones count more
    private volatile boolean ended; // written under the lock; no more bytes will come
    private volatile IOException failure; // written under the lock; the error of the system

    InputFiller(StreamTextInput side, boolean buffered) {
        this.side = side;
        this.buffered = buffered;
    }

    boolean isBuffered() {
        return buffered;
    }

    IOException failure() {
        return failure;
    }

    boolean hasEnded() {
        return ended;
    }

    /** Drops the buffered input, after a shutdown of this side. */
    void shut() {
        buffer.clear();
        ended = true;
    }

    /**
     * Returns whether the input has ended; throws when the reason is that other code has closed
     * the stream meanwhile, which is not the end of the input.
     */
    boolean atEnd() throws IOException {
        if (ended && !side.stream.isOpen()) {
            throw Errors.closedMeanwhile(side.operation(), side.stream);
        }
        return ended;
    }

    /** True when bytes have come or the end has just been found; false when that is all. */
    boolean more(boolean mayWait, int count) throws IOException {
        if (atEnd()) {
            return false;
        }
        if (mayWait) {
            more(count);
            return true;
        }
        return pollMore(count);
    }

    /**
     * Waits until bytes have come or the input has ended; only the first time in an operation when
     * the deadline has passed, since bytes that never make an element could come for ever.
     */
    void more(int count) throws IOException {
        if (looks > 0) {
            side.requireTimeLeft();
        }
        while (!moreNow(count)) {
            await();
        }
    }

    /** True when bytes have come or the input has ended, false when neither. */
    boolean moreNow(int count) throws IOException {
        return !ended && transfer(null, buffered ? 0 : count) != 0;
    }

    /** As {@link #moreNow}, for an operation that does not wait: false after many looks, too. */
    boolean pollMore(int count) throws IOException {
        return looks < LOOKS && moreNow(count);
    }

    /**
     * As {@link #pollMore}, for a check without a read: takes little, so that thousands of streams
     * that were looked at hold little memory.
     */
    boolean pollLittle() throws IOException {
        return looks < LOOKS && !ended && transfer(null, buffered ? Segment.SMALL : 1) != 0;
    }

    /** The operation under way ends. */
    void finish() {
        looks = 0;
    }

    /** Waits until the transport may have something; no memory is held meanwhile. */
    void await() throws IOException {
        buffer.releaseIfEmpty(side.unreadable());
        side.await();
    }

    /**
     * One read of the transport, into a caller's buffer or, where that is null, into this one.
     *
     * @param most how many bytes to take, 0 for as many as fit
     * @return as {@link Transport#read}
     */
    int transfer(ByteBuffer into, int most) throws IOException {
        if (failure != null) {
            throw Errors.again(side.operation(), side.stream, failure);
        }
        int n;
        try {
            n = side.isShut() ? -1
                    : into == null ? buffer.fill(side.stream.transport(), most)
                    : side.stream.transport().read(into);
        } catch (IOException e) {
            throw broken(e);
        }
        if (n < 0 && !side.isShut()) {
            failIfOutputKnowsBetter();
        }
        ended = n < 0;
        looks += 1 + Math.max(0, n) / Segment.SIZE;
        atEnd();
        return n;
    }

    /**
     * The system reports a lost connection once, in a read or in a write; later reads return an
     * end. The failure of a write therefore holds here, too. A write to a peer that has ended in
     * order fails with a broken pipe instead.
     */
    private void failIfOutputKnowsBetter() throws IOException {
        IOException failed = side.stream.out().failure();
        ErrorCode code = failed == null ? null : ErrorCode.of(failed);
        if (code == ErrorCode.ECONNRESET || code == ErrorCode.ETIMEDOUT
                || code == ErrorCode.ECONNABORTED || code == ErrorCode.EHOSTUNREACH
                || code == ErrorCode.ENETUNREACH) {
            throw broken(failed);
        }
    }

    private IOException broken(IOException e) {
        if (!side.stream.isOpen()) {
            return Errors.closedMeanwhile(side.operation(), side.stream);
        }
        failure = e;
        return Errors.again(side.operation(), side.stream, e);
    }
}
