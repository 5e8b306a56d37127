package parley.net;

import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;
import parley.net.InputProbe.InputState;
import parley.net.wait.ChannelSource;
import parley.net.wait.Deadline;
import parley.net.wait.Source;
import parley.net.wait.ThreadWaits;
import parley.net.wait.ThreadWaits.HasDeadline;

/**
 * Whatever {@code socket-status} can be asked about: a {@link SocketStream}, a
 * {@link SocketServer}, a foreign NIO channel or a descriptor.
 *
 * <pre>{@code
 * Pollable channel = Pollable.of(nioChannel); // a SelectableChannel in non-blocking mode
 * channel.status(Direction.INPUT, Duration.ofSeconds(1));
 * }</pre>
 */
public abstract class Pollable implements Closeable {
    /** Told that something changed which the kernel will not report; must not block. */
    interface Observer {
        /** Bytes were left in a buffer, or the object was closed. */
        void changed(Pollable object);

        /** Returns the call that waits with this observer, or null. */
        default OpenObjects.Wait waits() {
            return null;
        }
    }

    /** In place of ready operations: unknown, so that a check polls the kernel. */
    static final int UNKNOWN = -1;

    // An updater, since streams are many: a lock would take 48 bytes in each.
    private static final AtomicReferenceFieldUpdater<Pollable, Object> OBSERVERS =
            AtomicReferenceFieldUpdater.newUpdater(Pollable.class, Object.class, "observers");

    // Null, the only Observer, which is the usual case and saves an array, or an Observer[]; replaced
    // as a whole, by OBSERVERS.
    private volatile Object observers;

    private volatile CloseRecord closing; // null until it is closed by a call of ours

    Pollable() {
    }

    /**
     * Makes a foreign NIO channel checkable. Its buffers are not the library's, so that its status
     * is the kernel's: data and the end of file are both {@link SocketStatus#INPUT}, a connection
     * to accept is {@link SocketStatus#READY}.
     *
     * @param channel in non-blocking mode whenever it is checked
     * @return the channel as a pollable object; equal to others of the same channel
     * @throws IllegalArgumentException if the channel is null
     */
    public static Pollable of(SelectableChannel channel) {
        return OfChannel.make(channel);
    }

    /**
     * Makes a handle checkable: the number of a raw socket, a pipe, a terminal or standard input.
     * Its status is the kernel's; a listening socket has {@link SocketStatus#INPUT} when a
     * connection can be accepted.
     *
     * @param handle the number of an open descriptor
     * @return the handle as a pollable object
     * @throws UnsupportedOperationException without JNA, and on other platforms than Linux and
     *     macOS
     * @throws IOException if the handle is closed
     * @throws IllegalArgumentException if it is no socket, pipe or terminal
     */
    public static Pollable of(int handle) throws IOException {
        return Handle.make("socket-status", handle);
    }

    /**
     * As {@link #of(int)}, for the Clojure functions whose names messages must have.
     *
     * @param operation what is called, for messages
     * @param handle the number of an open descriptor
     * @return the handle as a pollable object
     * @throws IOException if the handle is closed
     */
    public static Pollable of(String operation, int handle) throws IOException {
        return Handle.make(operation, handle);
    }

    /**
     * Reports what can be done right now without blocking, or waits until something can
     * (CLISP {@code SOCKET:SOCKET-STATUS}).
     *
     * @param direction what to look for; a server takes any
     * @param timeout how long to wait for a status other than {@link SocketStatus#NONE}: null for
     *     ever, zero to poll
     * @return the status; {@link SocketStatus#NONE} only when the call times out
     * @throws IllegalStateException if the object is closed
     * @throws java.nio.channels.AsynchronousCloseException if it is closed during the wait
     * @throws java.io.InterruptedIOException if the thread is interrupted during the wait
     * @throws IOException if the process is out of descriptors
     */
    public SocketStatus status(Direction direction, Duration timeout) throws IOException {
        return status("socket-status", direction, timeout);
    }

    /** As {@link #status(Direction, Duration)}, with the name of the operation for errors. */
    final SocketStatus status(String operation, Direction direction, Duration timeout)
            throws IOException {
        Deadline deadline = Deadline.in(Errors.timeout(operation, timeout));
        requireOpen(operation);
        Errors.direction(operation, direction);
        SocketStatus status = look(operation, direction);
        return status.isActionable() || deadline.hasPassed() ? status
                : awaitStatus(operation, direction, deadline);
    }

    /** Checks once; the result of a check during a close is discarded. */
    private SocketStatus look(String operation, Direction direction) throws IOException {
        SocketStatus status = evaluate(direction, UNKNOWN);
        if (!isOpen()) {
            throw Errors.closedMeanwhile(operation, this);
        }
        return status;
    }

    private SocketStatus awaitStatus(String operation, Direction direction, Deadline deadline)
            throws IOException {
        StatusWait wait = new StatusWait(operation, deadline);
        observe(wait); // before looking again, or news from in between would be missed
        try {
            for (;;) {
                wait.changed = false;
                SocketStatus status = look(operation, direction);
                if (status.isActionable() || deadline.hasPassed()) {
                    return status;
                }
                await(operation, interest(direction), wait);
            }
        } finally {
            forget(wait);
        }
    }

    /**
     * Ends the wait for the kernel when another thread leaves something that it does not report.
     */
    private static final class StatusWait implements Observer, HasDeadline {
        private final String operation;
        private final Thread thread = Thread.currentThread();
        private final Deadline deadline;
        private volatile boolean changed;

        StatusWait(String operation, Deadline deadline) {
            this.operation = operation;
            this.deadline = deadline;
        }

        /** Asked once the wait can be woken, so that no change falls in between. */
        @Override
        public Deadline deadline() {
            return changed ? Deadline.PASSED : deadline;
        }

        @Override
        public void changed(Pollable object) {
            changed = true;
            object.source().wake();
        }

        @Override
        public OpenObjects.Wait waits() {
            return new OpenObjects.Wait(operation, thread.getName());
        }
    }

    /** {@return whether the object can still be used: false once it was closed} */
    public abstract boolean isOpen();

    /** Closes the object; closing it again does nothing. */
    @Override
    public abstract void close() throws IOException;

    /**
     * {@return the object that this was made of, for callers that use it: the channel of an NIO
     * channel, the number of a descriptor, else this object}
     */
    public Object subject() {
        return this;
    }

    /** Remembers that this thread closes the object now. */
    final void noteClosing() {
        closing = new CloseRecord();
    }

    /**
     * The closing, or null while the object is open, or when only the channel underneath was
     * closed.
     */
    final CloseRecord closing() {
        return closing;
    }

    /** Returns the source that is polled for this object. */
    abstract Source source();

    /** The operations whose readiness could make the object actionable in the direction. */
    abstract int interest(Direction direction);

    /**
     * The status as of now, never waiting.
     *
     * @param ready the operations that the kernel reports of those of {@link #interest}, or
     *     {@link #UNKNOWN}
     */
    abstract SocketStatus evaluate(Direction direction, int ready) throws IOException;

    /**
     * Blocks until the kernel may be ready for one of the operations, or the patient's deadline
     * has passed, or for no reason.
     */
    final void await(String operation, int ops, HasDeadline patient) throws IOException {
        ifInterrupted(operation, patient);
        Object event = FlightEvents.waiting();
        try {
            ThreadWaits.await(source(), ops, patient);
        } catch (ClosedChannelException e) {
            throw Errors.closedMeanwhile(operation, this);
        } catch (IOException e) {
            throw Errors.cannotWait(operation, this, e);
        } finally {
            FlightEvents.waited(event, operation, this);
        }
        if (!isOpen()) {
            throw Errors.closedMeanwhile(operation, this);
        }
        ifInterrupted(operation, patient);
    }

    /** Makes the hint, which walks the stack, only for a thread that is interrupted. */
    private void ifInterrupted(String operation, HasDeadline patient)
            throws InterruptedIOException {
        if (Thread.currentThread().isInterrupted()) {
            Errors.ifInterrupted(operation, this, patient instanceof StreamSide side
                    ? side.interruptHint() : Errors.NOTHING_LOST);
        }
    }

    /**
     * Waits as {@link #await(String, int, HasDeadline)}, and is seen by {@link #waits} meanwhile.
     */
    final void awaitVisibly(String operation, int ops, Deadline deadline) throws IOException {
        StatusWait wait = new StatusWait(operation, deadline);
        observe(wait);
        try {
            await(operation, ops, wait);
        } finally {
            forget(wait);
        }
    }

    /** Returns the calls that wait for the status of this object, or for a connection. */
    final List<OpenObjects.Wait> waits() {
        Object seen = observers;
        List<OpenObjects.Wait> waits = new ArrayList<>();
        for (Observer each : seen instanceof Observer[] ? (Observer[]) seen
                : seen == null ? new Observer[0] : new Observer[] {(Observer) seen}) {
            OpenObjects.Wait wait = each.waits();
            if (wait != null) {
                waits.add(wait);
            }
        }
        return waits;
    }

    final void requireOpen(String operation) {
        if (!isOpen()) {
            throw Errors.closed(operation, this);
        }
    }

    final void observe(Observer observer) {
        OBSERVERS.updateAndGet(this, old -> {
            if (old == null) {
                return observer;
            } else if (old instanceof Observer) {
                return new Observer[] {(Observer) old, observer};
            }
            Observer[] all = (Observer[]) old;
            Observer[] more = Arrays.copyOf(all, all.length + 1);
            more[all.length] = observer;
            return more;
        });
    }

    final void forget(Observer observer) {
        OBSERVERS.updateAndGet(this, old -> {
            if (old == observer) {
                return null;
            } else if (!(old instanceof Observer[])) {
                return old;
            }
            Observer[] all = (Observer[]) old;
            int at = Arrays.asList(all).indexOf(observer);
            if (at < 0) {
                return old;
            } else if (all.length == 2) {
                return all[1 - at];
            }
            Observer[] fewer = Arrays.copyOf(all, all.length - 1);
            System.arraycopy(all, at + 1, fewer, at, fewer.length - at);
            return fewer;
        });
    }

    final boolean isObserved() {
        return observers != null;
    }

    final void tellObservers() {
        Object notified = observers;
        if (notified instanceof Observer) {
            ((Observer) notified).changed(this);
        } else if (notified != null) {
            for (Observer each : (Observer[]) notified) {
                each.changed(this);
            }
        }
    }

    /** The thread that closed an object, and when: shown by the errors of later calls. */
    static final class CloseRecord {
        private static final long MILLISECOND = 1_000_000;
        private static final long SECOND = 1000 * MILLISECOND;

        // Its name alone, which keeps no thread from ending.
        private final String thread = Thread.currentThread().getName();
        private final long at = System.nanoTime();

        @Override
        public String toString() {
            long since = System.nanoTime() - at;
            return "by " + (thread.isEmpty() ? "a thread without a name" : "the thread " + thread) + " "
                    + (since < SECOND ? since / MILLISECOND + " ms" : since / SECOND + " s") + " ago";
        }
    }

    /**
     * A foreign NIO channel as a pollable object. Its buffers are not visible, so its status is
     * that of the kernel: data and the end of file are both {@link SocketStatus#INPUT}; a
     * connection to accept is {@link SocketStatus#READY}.
     */
    static final class OfChannel extends Pollable {
        private static final int INPUT_OPS = SelectionKey.OP_READ | SelectionKey.OP_ACCEPT;
        private static final int OUTPUT_OPS = SelectionKey.OP_WRITE | SelectionKey.OP_CONNECT;

        private final SelectableChannel channel;
        private final ChannelSource source;

        private OfChannel(SelectableChannel channel) {
            this.channel = channel;
            this.source = ChannelSource.ofForeign(channel);
        }

        /** As {@link Pollable#of(SelectableChannel)}. */
        static OfChannel make(SelectableChannel channel) {
            if (channel == null || channel.isOpen() && channel.isBlocking()) {
                throw new IllegalArgumentException(Errors.name("socket-status")
                        + ": the channel is " + (channel == null ? "null" : "in blocking mode: " + channel)
                        + ", expected one in non-blocking mode; call configureBlocking(false)");
            }
            return new OfChannel(channel);
        }

        @Override
        public Object subject() {
            return channel;
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        /** Closes the channel itself. */
        @Override
        public void close() throws IOException {
            channel.close();
            source.release();
            tellObservers();
        }

        @Override
        Source source() {
            return source;
        }

        @Override
        int interest(Direction direction) {
            int wanted = (direction.includesInput() ? INPUT_OPS : 0)
                    | (direction.includesOutput() ? OUTPUT_OPS : 0);
            int ops = channel.validOps() & wanted;
            return isConnecting() ? ops & SelectionKey.OP_CONNECT : ops & ~SelectionKey.OP_CONNECT;
        }

        private boolean isConnecting() {
            return channel instanceof java.nio.channels.SocketChannel
                    && ((java.nio.channels.SocketChannel) channel).isConnectionPending();
        }

        @Override
        SocketStatus evaluate(Direction direction, int known) throws IOException {
            int ops = interest(direction);
            int ready = known != UNKNOWN ? known & ops
                    : ops == 0 ? 0 : ThreadWaits.ready(source, ops);
            if ((ready & SelectionKey.OP_ACCEPT) != 0) {
                return SocketStatus.READY;
            }
            return SocketStatus.of((ready & SelectionKey.OP_READ) != 0 ? InputState.AVAILABLE
                    : InputState.NOTHING, (ready & OUTPUT_OPS) != 0);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof OfChannel && ((OfChannel) other).channel == channel;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(channel);
        }

        @Override
        public String toString() {
            return "#<channel " + channel + ">";
        }
    }
}
