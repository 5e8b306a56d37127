package parley.net;

import java.io.IOException;
import java.nio.channels.SelectionKey;
import parley.posix.ChannelDescriptor;
import parley.posix.Descriptor;
import parley.posix.DescriptorOption;
import parley.posix.Handles;
import parley.posix.Poll;
import parley.posix.PosixException;

/**
 * A handle, the number of a descriptor, as something to check: a raw socket, a pipe, standard
 * input. What can be told is what the kernel tells; a socket that listens has {@link SocketStatus#INPUT}
 * when a connection waits.
 */
public final class PollableDescriptor extends Pollable {
    private final Descriptor descriptor;
    private final DescriptorSource source;

    private PollableDescriptor(Descriptor descriptor) {
        this.descriptor = descriptor;
        this.source = new DescriptorSource(descriptor, descriptor, false);
    }

    /**
     * Makes a handle checkable.
     *
     * @param handle as the raw socket functions give it, or the number of any socket, pipe or
     *     terminal; that of a stream's channel is checked as the channel
     * @return a value equal to every other one of the same descriptor
     * @throws IOException if the handle is closed
     * @throws IllegalArgumentException if it is no socket, pipe or terminal
     */
    public static Pollable of(int handle) throws IOException {
        return of("socket-status", handle);
    }

    /**
     * Makes a handle checkable, or one whose options can be set.
     *
     * @param operation what is called, for messages
     * @param handle as {@link #of(int)}
     * @return as there
     * @throws IOException as there
     */
    public static Pollable of(String operation, int handle) throws IOException {
        ChannelDescriptor channel = Handles.channel(operation, handle);
        return channel != null
                ? PollableChannel.of(channel.channel())
                : new PollableDescriptor(Handles.descriptor(operation, handle));
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
        int[] found = new int[1];
        int events = (direction.includesInput() ? Poll.IN : 0)
                | (direction.includesOutput() ? Poll.OUT : 0);
        Poll.check(new Descriptor[] {descriptor}, new int[] {events}, found, 1);
        if (found[0] == 0) {
            return SocketStatus.NONE;
        }
        InputState input = input(found[0]);
        boolean output = (found[0] & Poll.OUT) != 0;
        boolean broken = input == InputState.BROKEN
                || !descriptor.isSocket() && (found[0] & (Poll.ERR | Poll.NVAL)) != 0;
        return broken ? SocketStatus.ERROR
                : SocketStatus.of(direction.includesInput() ? input : InputState.NOTHING, output);
    }

    private InputState input(int events) throws IOException {
        if ((events & (Poll.IN | Poll.HUP | Poll.ERR)) == 0) {
            return InputState.NOTHING;
        }
        if (!descriptor.isSocket()) {
            return (events & Poll.IN) != 0 ? InputState.AVAILABLE
                    : (events & Poll.HUP) != 0 ? InputState.ENDED : InputState.NOTHING;
        }
        if ("stream".equals(DescriptorOption.SO_TYPE.get(descriptor))
                && !(boolean) DescriptorOption.SO_ACCEPTCONN.get(descriptor)) {
            return peek();
        }
        return (events & Poll.IN) != 0 ? InputState.AVAILABLE : InputState.NOTHING;
    }

    /** Whether what is there is data, the end or a reset, only the data can tell. */
    private InputState peek() throws IOException {
        try {
            int n = descriptor.recv(new byte[1], 0, 1, parley.posix.Message.PEEK);
            return n == 0 ? InputState.ENDED
                    : n > 0 ? InputState.AVAILABLE : InputState.NOTHING;
        } catch (PosixException e) {
            return ErrorCode.of(e) == ErrorCode.ENOTCONN ? InputState.NOTHING
                    : InputState.BROKEN;
        }
    }

    @Override
    boolean hasLocalNews(Direction direction) {
        return false;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PollableDescriptor
                && ((PollableDescriptor) other).descriptor.number() == descriptor.number();
    }

    @Override
    public int hashCode() {
        return descriptor.number();
    }

    @Override
    public String toString() {
        return descriptor.toString();
    }
}
