package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What the two sides of a stream have in common: a lock that makes each operation a whole, the
 * deadlines, and the protocol of beginning, waiting and ending. One side's lock says nothing about
 * the other side.
 */
abstract class StreamSide implements Waits.Patient {
    private static final long SLICE_NANOS = Duration.ofMillis(50).toNanos();

    final SocketStream stream;
    private final int ops; // what the transport must be ready for
    private final ReentrantLock lock = new ReentrantLock();
    private final QuickLock quick = new QuickLock(); // taken inside lock, or alone for a moment

    private String operation = ""; // under way; guarded by lock
    private Duration operationTimeout; // of it, or null; guarded by lock
    private long operationBegan; // System.nanoTime() of its beginning; guarded by lock
    private Deadline operationDeadline = Deadline.NONE; // null until asked for; guarded by lock
    private volatile Deadline deadline = Deadline.NONE; // of all operations, set by any thread
    private volatile Duration timeout; // of each operation, set by any thread
    private volatile boolean shut; // this side was shut down by us, or closed
    private volatile boolean waiting; // the holder of the lock waits for the transport

    StreamSide(SocketStream stream, int ops) {
        this.stream = stream;
        this.ops = ops;
    }

    // ---- what the sides differ in ------------------------------------------------------------

    /** Under the lock, the side has just been found shut. */
    abstract void onShut();

    /** Under the lock, at the end of an operation. */
    abstract void finish();

    /** Under the lock: tells whether those who watch the stream should look at it. */
    abstract boolean leavesNews();

    abstract String sideName();

    abstract String timeoutHint();

    /** What to do after an interrupt. */
    String interruptHint() {
        return Errors.NOTHING_LOST;
    }

    // ---- the protocol of an operation --------------------------------------------------------

    final void begin(String name, boolean characters) throws IOException {
        if (characters) {
            requireCharacters(name);
        } else {
            requireBytes(name);
        }
        begin(name);
    }

    /** Begins an operation; {@link #end} must follow unless this throws. */
    final void begin(String name) throws IOException {
        start(name, true);
        requireTimeOrEnd();
    }

    /**
     * As {@link #begin}, of what waits as long as {@code blocking} says.
     *
     * @return false when it must not wait, and would: for the connection, or for a thread that waits
     *     for the transport itself
     */
    final boolean begin(String name, Blocking blocking) throws IOException {
        if (blocking != Blocking.NO_HANG) {
            begin(name);
            return true;
        }
        boolean begun = tryBegin(name);
        if (begun) {
            requireTimeOrEnd();
        }
        return begun;
    }

    /** Begins an operation, whatever the deadline, unless it would have to wait: then false. */
    final boolean tryBegin(String name) throws IOException {
        stream.requireOpen(name);
        return stream.isConnectedNow(name) && beginNow(name);
    }

    private void requireTimeOrEnd() throws IOException {
        boolean begun = false;
        try {
            requireTime();
            begun = true;
        } finally {
            if (!begun) {
                end();
            }
        }
    }

    /** As {@link #begin}, of what does not touch the transport: no deadline has a say in it. */
    final void beginLocal(String name) throws IOException {
        start(name, false);
    }

    /** Nothing is moved after the deadline, not even what could be. */
    final void requireTime() throws IOException {
        if (deadline.hasPassed()) {
            throw timedOut();
        }
    }

    private void start(String name, boolean moves) throws IOException {
        stream.requireOpen(name);
        Duration bound = timeout;
        long began = bound == null ? 0 : System.nanoTime();
        if (!lock.tryLock()) {
            acquire(name, after(bound, began), moves);
        }
        quick.lock();
        boolean begun = false;
        try {
            operation = name;
            operationTimeout = bound;
            operationBegan = began;
            operationDeadline = bound == null ? Deadline.NONE : null;
            if (!stream.isOpen()) {
                throw Errors.closedMeanwhile(name, stream);
            }
            if (moves) {
                finishConnecting(name);
            }
            if (shut) {
                onShut();
            }
            begun = true;
        } finally {
            if (!begun) {
                unlock();
            }
        }
    }

    private void finishConnecting(String name) throws IOException {
        if (stream.isConnecting()) {
            waiting = true; // for others, who may not wait
            try {
                stream.finishConnecting(name, this);
            } finally {
                waiting = false;
            }
        }
    }

    /**
     * Begins an operation that touches nothing but the buffer and takes a moment; {@link #endQuick}
     * must follow.
     *
     * @return false when the long way is needed: somebody is in, watches or has set a deadline, or
     *     the side is shut
     */
    final boolean beginQuick() {
        if (!quick.tryLock()) {
            return false;
        }
        if (shut || deadline != Deadline.NONE || stream.isObserved()) {
            quick.unlock();
            return false;
        }
        return true;
    }

    final void endQuick() {
        quick.unlock();
    }

    private void acquire(String name, Deadline mine, boolean moves) throws IOException {
        try {
            for (;;) {
                Deadline both = moves ? mine.min(deadline) : mine;
                if (lock.tryLock(Math.min(both.remaining(), SLICE_NANOS), TimeUnit.NANOSECONDS)) {
                    return;
                } else if (both.hasPassed()) {
                    throw Errors.timeout(name, sideName() + " " + stream
                            + ", which another thread uses", stream, timeoutHint());
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            Errors.ifInterrupted(name, stream);
        }
    }

    /** Ends an operation. */
    final void end() {
        end(true);
    }

    /** Ends an operation, which may have changed what those who watch the stream would find. */
    final void end(boolean changed) {
        boolean tell;
        try {
            finish();
            tell = changed && stream.isObserved() && leavesNews();
        } finally {
            unlock();
        }
        if (tell) {
            stream.tellObservers();
        }
    }

    /** Begins a look at the state; false when a thread that waits for the transport is in. */
    final boolean beginLook() {
        return beginNow("socket-status");
    }

    /** Begins what never waits; false when a thread that waits for the transport is in. */
    final boolean beginNow(String name) {
        while (!lock.tryLock()) {
            if (waiting) {
                return false;
            }
            Thread.yield(); // the holder does not block, so it is soon done
        }
        quick.lock();
        operation = name;
        operationDeadline = Deadline.NONE;
        if (shut) {
            onShut();
        }
        return true;
    }

    /** Waits until the transport may be ready, within the deadlines. */
    final void await() throws IOException {
        if (deadline().hasPassed()) {
            throw timedOut();
        }
        waiting = true;
        try {
            stream.await(operation, ops, this, interruptHint());
        } finally {
            waiting = false;
        }
    }

    final IOException timedOut() {
        return Errors.timeout(operation, sideName() + " " + stream, stream, timeoutHint());
    }

    final String operation() {
        return operation;
    }

    // ---- deadlines ---------------------------------------------------------------------------

    /** The deadline of the operation under way. */
    @Override
    public final Deadline deadline() {
        if (operationDeadline == null) { // most operations end without ever asking
            operationDeadline = after(operationTimeout, operationBegan);
        }
        return operationDeadline.min(deadline);
    }

    /** The deadline of a call that begins now. */
    final Deadline ofNow() {
        return Deadline.in(timeout).min(deadline);
    }

    private static Deadline after(Duration timeout, long began) {
        if (timeout == null || timeout.isZero()) {
            return Deadline.in(timeout);
        }
        long gone = System.nanoTime() - began;
        return Deadline.inNanos(Math.max(0, Deadline.nanos(timeout) - gone));
    }

    /** Ends all operations from a point in time on; the operation under way learns of it. */
    final void deadline(Deadline newDeadline) {
        deadline = newDeadline;
        stream.source().wake();
    }

    void timeout(Duration newTimeout) {
        timeout = Deadline.check("timeout", newTimeout);
    }

    Duration timeout() {
        return timeout;
    }

    // ---- shutting ----------------------------------------------------------------------------

    final boolean isShut() {
        return shut;
    }

    /** Marks this side as shut; whoever waits finds out. */
    final void shut() {
        shut = true;
        stream.source().wake();
        if (lock.tryLock()) {
            quick.lock();
            try {
                onShut();
            } finally {
                unlock();
            }
        }
    }

    /**
     * Begins closing: waits for the operation under way unless that waits for the transport.
     *
     * @return false when it does, or the deadline has passed; else {@link #unlock} must follow
     */
    final boolean lockToClose(Deadline until) {
        while (!lock.tryLock()) {
            if (waiting || until.hasPassed()) {
                return false;
            }
            Thread.yield(); // the holder finds out that the stream closes before it can block
        }
        quick.lock();
        operation = "close";
        operationDeadline = until;
        return true;
    }

    final void unlock() {
        quick.unlock();
        lock.unlock();
    }

    // ---- kinds of elements -------------------------------------------------------------------

    final void requireCharacters(String name) {
        if (!stream.elementType().hasCharacters()) {
            throw wrongKind(name, "characters", ElementType.CHARACTER);
        }
    }

    final void requireBytes(String name) {
        if (!stream.elementType().hasBytes()) {
            throw wrongKind(name, "bytes", ElementType.UNSIGNED_BYTE_8);
        }
    }

    private IllegalStateException wrongKind(String name, String kind, ElementType wanted) {
        return new IllegalStateException(Errors.name(name)
                + ": the element type of " + stream + " is "
                + Errors.spell(stream.elementType()) + ", expected one with " + kind
                + "; switch with "
                        + Errors.spell("set-stream-element-type!", "SocketStream.elementType")
                + " to " + Errors.spell(wanted) + " or " + Errors.spell(ElementType.BIVALENT));
    }

    @Override
    public String toString() {
        return "#<" + sideName() + " " + stream + ">";
    }

    static IOException withTransferred(IOException e, long bytes) {
        ErrorInfo.moved(e, bytes);
        if (e instanceof InterruptedIOException) {
            ((InterruptedIOException) e).bytesTransferred =
                    (int) Math.min(Integer.MAX_VALUE, bytes);
        }
        return e;
    }
}
