package parley.net;

import java.io.Closeable;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import parley.net.wait.Deadline;
import parley.net.wait.ThreadWaits.HasDeadline;

/**
 * The common part of the two sides of a stream: a lock that makes each operation atomic, the
 * deadlines, and the protocol of beginning, waiting and ending. The locks of both sides are
 * independent.
 */
abstract class StreamSide extends SideLock implements HasDeadline {
    final SocketStream stream;
    private final int ops; // what the transport must be ready for

    private String operation = ""; // under way; guarded by lock
    boolean unchanged; // the operation under way has found nothing new; guarded by lock
    private Duration operationTimeout; // of it, or null; guarded by lock
    private long operationBegan; // System.nanoTime() of its beginning; guarded by lock
    private Deadline operationDeadline = Deadline.NONE; // null until asked for; guarded by lock
    private volatile Deadline deadline = Deadline.NONE; // of all operations, set by any thread
    private volatile Duration timeout; // of each operation, set by any thread
    private volatile boolean shut; // this side was shut down by us, or closed

    StreamSide(SocketStream stream, int ops) {
        this.stream = stream;
        this.ops = ops;
    }

    // ---- what the sides differ in ------------------------------------------------------------

    /** Under the lock, the side has just been found shut. */
    abstract void onShut();

    /** Under the lock, at the end of an operation. */
    abstract void finish();

    /** Called under the lock: returns whether observers of the stream should check it. */
    abstract boolean leavesNews();

    abstract String sideName();

    abstract String timeoutHint();

    /** The function that sets the deadline of this side. */
    abstract String deadlineSetter();

    /** The hint for an error after an interrupt. */
    String interruptHint() {
        return Errors.NOTHING_LOST;
    }

    /** The hint for a wait that may be in vain since the peer was not sent what was written. */
    String unsentHint() {
        return "";
    }

    // ---- the protocol of an operation --------------------------------------------------------

    /** The body of an operation, run under the lock. */
    interface Body<T> {
        T run() throws IOException;
    }

    /** The body of an operation that returns a number, run under the lock. */
    interface IntBody {
        int run() throws IOException;
    }

    /** The way in which an operation begins. */
    enum Entry {
        /** Waits for the lock and the connection, within the deadline. */
        WAIT,
        /** Waits for the lock; moves no bytes, so that no deadline applies. */
        LOCAL,
        /** Waits for nothing; fails after the deadline. */
        POLL,
        /** Waits for nothing, whatever the deadline. */
        TRY,
        /** As {@link #TRY}, also while the stream is being connected. */
        LOOK;

        static Entry of(WaitMode mode) {
            return mode == WaitMode.NO_HANG ? POLL : WAIT;
        }
    }

    /**
     * Runs an operation with the lock, which is free afterwards whatever is thrown: releasing it is
     * no call, and so works with a full stack.
     *
     * @param otherwise the result when the operation must not wait and would
     */
    final <T> T run(String name, Entry entry, T otherwise, Body<T> body) throws IOException {
        if (!enter(name, entry)) {
            return otherwise;
        }
        Object me = owner;
        try {
            return body.run();
        } catch (IOException e) {
            throw ErrorInfo.located(e, stream);
        } finally {
            try {
                end();
            } finally {
                if (owner == me) {
                    owner = null;
                    unparkNext();
                }
            }
        }
    }

    /** As {@link #run}, for a number. */
    final int runInt(String name, Entry entry, int otherwise, IntBody body) throws IOException {
        if (!enter(name, entry)) {
            return otherwise;
        }
        Object me = owner;
        try {
            return body.run();
        } catch (IOException e) {
            throw ErrorInfo.located(e, stream);
        } finally {
            try {
                end();
            } finally {
                if (owner == me) {
                    owner = null;
                    unparkNext();
                }
            }
        }
    }

    /**
     * Takes the lock: nothing that can fail follows once it is taken. For operations on one
     * element, which release it as {@link #run} does and must not allocate a body.
     */
    final boolean enter(String name, Entry entry) throws IOException {
        if (entry == Entry.WAIT) {
            start(name, true);
            return true;
        } else if (entry == Entry.LOCAL) {
            start(name, false);
            return true;
        }
        if (entry != Entry.LOOK) {
            stream.requireOpen(name);
            if (!stream.isConnectedNow(name)) {
                return false;
            }
        }
        return startNow(name, entry == Entry.POLL);
    }

    /** Nothing is moved after the deadline, not even what could be. */
    final void requireTime() throws IOException {
        Deadline ends = deadline;
        if (ends.hasPassed()) {
            throw timedOut(operation, ends, null, "");
        }
    }

    private void start(String name, boolean moves) throws IOException {
        stream.requireOpen(name);
        Deadline own = CallBound.of(this);
        Duration bound = own == null ? timeout : null;
        long began = bound == null ? 0 : System.nanoTime();
        if (!tryLock(name)) {
            acquire(name, own != null ? own : Deadline.after(bound, began), moves);
        }
        boolean begun = false;
        try {
            operation = name;
            unchanged = false;
            operationTimeout = bound;
            operationBegan = began;
            operationDeadline = own != null ? own : bound == null ? Deadline.NONE : null;
            if (!stream.isOpen()) {
                throw Errors.closedMeanwhile(name, stream);
            }
            if (moves) {
                finishConnecting(name);
            }
            if (shut) {
                onShut();
            }
            if (moves) {
                requireTime();
            }
            begun = true;
        } finally {
            if (!begun) {
                owner = null;
                unparkNext();
            }
        }
    }

    private void finishConnecting(String name) throws IOException {
        if (stream.isConnecting()) {
            try {
                waits(true);
                stream.finishConnecting(name, this);
            } finally {
                waiting = false;
            }
        }
    }

    /**
     * Begins an operation that touches nothing but the buffer and takes a moment. {@link
     * #endMoment} must follow, or {@code owner = null} if something was thrown: a full stack has no
     * room for a call.
     *
     * @return false when the slow path is needed: the lock is held, an observer or a deadline
     *     exists, or the side is shut
     */
    final boolean beginMoment() {
        if (!tryMoment()) {
            return false;
        }
        boolean begun = false;
        try {
            begun = !shut && deadline == Deadline.NONE && !stream.isObserved();
            return begun;
        } finally {
            if (!begun) {
                owner = null;
            }
        }
    }

    private void acquire(String name, Deadline mine, boolean moves) throws IOException {
        lock(name, () -> {
            Deadline both = moves ? mine.min(deadline) : mine;
            Errors.ifInterrupted(name, stream);
            if (!stream.isOpen()) {
                throw Errors.closedMeanwhile(name, stream);
            } else if (both.hasPassed()) {
                throw timedOut(name, both, mine, ", which another thread uses");
            }
            return both.remaining();
        });
    }

    /** Ends an operation, and notifies the observers if they might find something new. */
    final void end() {
        boolean notify = false;
        try {
            finish();
            notify = stream.isObserved() && (refused || !unchanged && leavesNews());
        } finally {
            owner = null;
            unparkNext();
        }
        if (notify) {
            stream.tellObservers();
        }
    }

    private boolean startNow(String name, boolean timed) throws IOException {
        if (!lockSoon(name, Deadline.NONE)) {
            return false;
        }
        boolean begun = false;
        try {
            operation = name;
            unchanged = false;
            operationDeadline = Deadline.NONE;
            if (timed) {
                requireTime();
            }
            if (shut) {
                onShut();
            }
            begun = true;
        } finally {
            if (!begun) {
                owner = null;
                unparkNext();
            }
        }
        return true;
    }

    /** Waits until the transport may be ready, within the deadlines. */
    final void await() throws IOException {
        requireTimeLeft();
        try {
            waits(true);
            stream.await(operation, ops, this);
        } finally {
            waiting = false;
        }
    }

    /** Throws when the operation under way must not wait any longer. */
    final void requireTimeLeft() throws IOException {
        Deadline ends = deadline();
        if (ends.hasPassed()) {
            throw timedOut(operation, ends, operationDeadline, "");
        }
    }

    /** Names the limit that has passed: that of the operation, or the deadline of this side. */
    private IOException timedOut(String name, Deadline passed, Deadline ofOperation, String more) {
        String what = sideName() + " " + stream + more;
        return passed == ofOperation
                ? Errors.timeout(name, passed, what, stream, timeoutHint() + unsentHint())
                : Errors.timedOut(name, "timed out at the deadline of " + passed.shown() + " that "
                        + deadlineSetter() + " set,", what, stream,
                        timeoutHint() + " with another deadline" + unsentHint());
    }

    /** Adds the operation that waits for the transport, if one does. */
    final void addWait(List<OpenObjects.Wait> waits) {
        Object holder = owner;
        if (waiting && holder instanceof Thread) {
            waits.add(new OpenObjects.Wait(operation, ((Thread) holder).getName()));
        }
    }

    final String operation() {
        return operation;
    }

    // ---- deadlines ---------------------------------------------------------------------------

    /** The deadline of the operation under way. */
    @Override
    public final Deadline deadline() {
        if (operationDeadline == null) { // most operations end without ever asking
            operationDeadline = Deadline.after(operationTimeout, operationBegan);
        }
        return operationDeadline.min(deadline);
    }

    /** The deadline of a call that begins now. */
    final Deadline ofNow() {
        return Deadline.in(timeout).min(deadline);
    }

    /** Ends all operations from a point in time on; the operation under way learns of it. */
    final void deadline(Deadline newDeadline) {
        deadline = newDeadline;
        stream.source().wake();
        unparkAll();
    }

    /**
     * Bounds each later operation.
     *
     * @param newTimeout null for no bound
     * @see SocketStream#readTimeout(Duration)
     * @see SocketStream#writeTimeout(Duration)
     */
    public void timeout(Duration newTimeout) {
        timeout = Errors.timeout("timeout", newTimeout);
    }

    /** {@return the bound of each operation: null for none} */
    public Duration timeout() {
        return timeout;
    }

    /**
     * Bounds the calls of this thread on this side, all of them together, in place of the timeout
     * of the side, until the result is closed by the same thread.
     *
     * @param calls null for no bound, zero to take or hand over only what can be at once
     * @return ends the bound when it is closed
     */
    public Closeable within(Duration calls) {
        return new CallBound(this, Deadline.in(Errors.timeout("timeout", calls)));
    }

    // ---- shutting ----------------------------------------------------------------------------

    final boolean isShut() {
        return shut;
    }

    /** Marks this side as shut; threads that wait find out. */
    final void shut() {
        shut = true;
        stream.source().wake();
        unparkAll();
        if (owner != Thread.currentThread() && tryLock("close")) {
            try {
                onShut();
            } finally {
                owner = null;
                unparkNext();
            }
        }
    }

    /**
     * Begins closing: waits for the operation under way unless its owner waits for the transport or
     * runs code of the user's.
     *
     * @return false when it does, or the deadline has passed; else {@link #unlock} must follow
     */
    final boolean lockToClose(Deadline until) {
        unparkAll(); // they find that the stream is closing
        if (!lockSoon("close", until)) {
            return false;
        }
        operation = "close";
        operationDeadline = until;
        return true;
    }

    final void unlock() {
        owner = null;
        unparkNext();
    }

    // ---- kinds of elements -------------------------------------------------------------------

    final void requireCharacters(String name) {
        if (!stream.elementType().hasCharacters()) {
            throw Errors.wrongKind(name, stream, "characters", ElementType.CHARACTER);
        }
    }

    final void requireBytes(String name) {
        if (!stream.elementType().hasBytes()) {
            throw Errors.wrongKind(name, stream, "bytes", ElementType.UNSIGNED_BYTE_8);
        }
    }

    @Override
    public String toString() {
        return "#<" + sideName() + " " + stream + ">";
    }

    /**
     * The deadline of some calls of one thread on one side, in place of the timeout of the side.
     * While no thread of the process has one, an operation pays one look at a counter.
     */
    static final class CallBound implements Closeable {
        private static final AtomicInteger COUNT = new AtomicInteger();
        private static final ThreadLocal<CallBound> INNERMOST = new ThreadLocal<>();

        private final StreamSide side;
        private final Deadline deadline;
        private final CallBound outer;

        CallBound(StreamSide side, Deadline deadline) {
            this.side = side;
            this.deadline = deadline;
            this.outer = INNERMOST.get();
            COUNT.incrementAndGet();
            INNERMOST.set(this);
        }

        /** Returns the deadline of the calls of this thread on a side, or null. */
        static Deadline of(StreamSide side) {
            if (COUNT.get() == 0) {
                return null;
            }
            CallBound bound = INNERMOST.get();
            while (bound != null && bound.side != side) {
                bound = bound.outer;
            }
            return bound == null ? null : bound.deadline;
        }

        /**
         * Ends the bound; in the thread that made it, the last one first. Closing again does
         * nothing.
         */
        @Override
        public void close() {
            if (INNERMOST.get() == this) {
                COUNT.decrementAndGet();
                if (outer == null) {
                    INNERMOST.remove();
                } else {
                    INNERMOST.set(outer);
                }
            }
        }
    }
}
