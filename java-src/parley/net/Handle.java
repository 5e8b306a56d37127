package parley.net;

import java.io.IOException;
import java.nio.channels.SelectionKey;
import java.time.Duration;
import java.util.Arrays;
import parley.net.InputProbe.InputState;
import parley.net.Pollable.OfChannel;
import parley.net.wait.Deadline;
import parley.net.wait.DescriptorSource;
import parley.net.wait.Source;
import parley.posix.ChannelDescriptor;
import parley.posix.Descriptor;
import parley.posix.DescriptorWatcher;
import parley.posix.Handles;
import parley.posix.Poll;
import parley.posix.PosixException;

/**
 * A handle, the number of a descriptor, as a pollable object: a raw socket, a pipe, standard input.
 * Its status is the kernel's. A listening socket has {@link SocketStatus#INPUT} when a connection
 * can be accepted.
 */
final class Handle extends Pollable {
    private static final int ENDS = Poll.ERR | Poll.HUP | Poll.NVAL;

    private final Descriptor descriptor;
    private final DescriptorSource source;

    private Handle(Descriptor descriptor) {
        this.descriptor = descriptor;
        this.source = new DescriptorSource(descriptor, descriptor, false);
    }

    /** As {@link Pollable#of(String, int)}. */
    static Pollable make(String operation, int handle) throws IOException {
        Errors.needLibrary(operation);
        ChannelDescriptor channel = Handles.channel(operation, handle);
        return channel != null
                ? OfChannel.make(channel.channel())
                : new Handle(Handles.descriptor(operation, handle));
    }

    @Override
    public Object subject() {
        return (long) descriptor.number();
    }

    @Override
    public boolean isOpen() {
        return descriptor.isOpen();
    }

    /** Closes the handle, if the raw socket functions have made it. */
    @Override
    public void close() throws IOException {
        if (descriptor.isOpen()) {
            Handles.close(descriptor.number());
            source.release();
            tellObservers();
        }
    }

    @Override
    Source source() {
        return source;
    }

    @Override
    int interest(Direction direction) {
        return (direction.includesInput() ? SelectionKey.OP_READ : 0)
                | (direction.includesOutput() ? SelectionKey.OP_WRITE : 0);
    }

    @Override
    SocketStatus evaluate(Direction direction, int ready) throws IOException {
        int found = ready == UNKNOWN
                ? Poll.check(descriptor, DescriptorSource.events(interest(direction)))
                : DescriptorSource.eventsOf(ready);
        return found == 0 ? SocketStatus.NONE : status(direction, found);
    }

    /** The status that the events found by poll(2) mean. */
    private SocketStatus status(Direction direction, int found) throws IOException {
        boolean ends = (found & ENDS) != 0;
        InputState input = ends || (found & Poll.IN) != 0 ? input(found) : InputState.NOTHING;
        if (input == InputState.BROKEN) {
            return SocketStatus.ERROR;
        }
        SocketStatus status = SocketStatus.of(direction.includesInput() ? input
                : InputState.NOTHING, (found & Poll.OUT) != 0);
        // the kernel reports an end again and again, so it must never look like nothing
        return ends && !status.isActionable() ? SocketStatus.ERROR : status;
    }

    private InputState input(int found) throws IOException {
        if (descriptor.socketType() == 0) {
            return (found & (Poll.ERR | Poll.NVAL)) != 0 ? InputState.BROKEN
                    : (found & Poll.IN) != 0 ? InputState.AVAILABLE : InputState.ENDED;
        }
        // a pending error of a datagram socket is what the next operation takes, at once
        return descriptor.hasConnections() ? peek(found)
                : (found & (Poll.IN | Poll.ERR)) != 0 ? InputState.AVAILABLE : InputState.ENDED;
    }

    /** Data, the end and a failure look the same before a read. */
    private InputState peek(int found) throws IOException {
        int n;
        try {
            n = descriptor.peek();
        } catch (PosixException e) {
            return InputState.BROKEN; // which the descriptor remembers
        }
        if (n == Descriptor.NOT_CONNECTED) {
            // a socket that listens, has never been connected, or was shut down before
            return (found & Poll.HUP) == 0 ? InputState.AVAILABLE : InputState.BROKEN;
        } else if (n == Descriptor.EOF) {
            return InputState.ENDED;
        }
        // what ends, but not by reading, is a queue of errors
        return n > 0 || (found & ENDS) != 0 ? InputState.AVAILABLE : InputState.NOTHING;
    }

    /** True if each object is a handle, so that {@link #check} can be called. */
    static boolean areAll(Pollable[] objects) {
        for (Pollable each : objects) {
            if (!(each instanceof Handle)) {
                return false;
            }
        }
        return true;
    }

    /** Finds the status of handles, as {@link StatusCheck.StatusList#check}, without a selector. */
    static SocketStatus[] check(Pollable[] handles, Direction[] directions, Duration timeout)
            throws IOException {
        Poll.Entry[] entries = new Poll.Entry[handles.length];
        for (int i = 0; i < entries.length; i++) {
            int events = DescriptorSource.events(handles[i].interest(directions[i]));
            entries[i] = new Poll.Entry(((Handle) handles[i]).descriptor, events, null);
        }
        SocketStatus[] statuses = new SocketStatus[entries.length];
        boolean poll = timeout != null && timeout.isZero();
        Deadline deadline = poll ? Deadline.PASSED : Deadline.in(timeout);
        while (!check(handles, directions, entries, statuses) && !deadline.hasPassed()) {
            Errors.ifInterrupted("socket-status", Arrays.toString(handles));
            try (DescriptorWatcher.Watch watch = DescriptorWatcher.watch(entries, entries.length)) {
                watch.await(deadline.remaining());
            }
        }
        return statuses;
    }

    private static boolean check(Pollable[] handles, Direction[] directions, Poll.Entry[] entries,
            SocketStatus[] statuses) throws IOException {
        Poll.check(entries, entries.length);
        boolean actionable = false;
        for (int i = 0; i < entries.length; i++) {
            int found = entries[i].found();
            statuses[i] = found == 0 ? SocketStatus.NONE
                    : !handles[i].isOpen() ? SocketStatus.ERROR
                    : ((Handle) handles[i]).status(directions[i], found);
            actionable |= statuses[i].isActionable();
        }
        return actionable;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Handle
                && ((Handle) other).descriptor == descriptor;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(descriptor);
    }

    @Override
    public String toString() {
        return descriptor.toString();
    }
}
