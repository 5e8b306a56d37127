package parley.net;

import java.io.IOException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import parley.net.InputProbe.InputState;
import parley.net.wait.ChannelSource;
import parley.net.wait.Source;
import parley.net.wait.ThreadWaits;

/**
 * A foreign NIO channel as a pollable object. Its buffers are not visible, so its status is that of
 * the kernel: data and the end of file are both {@link SocketStatus#INPUT}; a connection to accept
 * is {@link SocketStatus#READY}.
 */
final class PollableChannel extends Pollable {
    private static final int INPUT_OPS = SelectionKey.OP_READ | SelectionKey.OP_ACCEPT;
    private static final int OUTPUT_OPS = SelectionKey.OP_WRITE | SelectionKey.OP_CONNECT;

    private final SelectableChannel channel;
    private final ChannelSource source;

    private PollableChannel(SelectableChannel channel) {
        this.channel = channel;
        this.source = ChannelSource.ofForeign(channel);
    }

    /** As {@link Pollable#of(SelectableChannel)}. */
    static PollableChannel make(SelectableChannel channel) {
        if (channel == null || channel.isOpen() && channel.isBlocking()) {
            throw new IllegalArgumentException(Errors.name("socket-status") + ": the channel is "
                    + (channel == null ? "null" : "in blocking mode: " + channel)
                    + ", expected one in non-blocking mode; call configureBlocking(false)");
        }
        return new PollableChannel(channel);
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
        int ready = known == UNKNOWN ? ops == 0 ? 0 : ThreadWaits.ready(source, ops) : known & ops;
        if ((ready & SelectionKey.OP_ACCEPT) != 0) {
            return SocketStatus.READY;
        }
        return SocketStatus.of((ready & SelectionKey.OP_READ) != 0 ? InputState.AVAILABLE
                : InputState.NOTHING, (ready & OUTPUT_OPS) != 0);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PollableChannel && ((PollableChannel) other).channel == channel;
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
