package parley.posix;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.util.Arrays;

/**
 * The descriptor number that is private to an NIO channel, found from public things only.
 *
 * <p>A connection between internet addresses is alone in having them, so that its number is the one
 * whose addresses are the channel's. For others, on Linux, a non-blocking channel is registered for
 * a moment with a selector, and the kernel says in {@code /proc/self/fdinfo} which number the
 * selector's epoll has got: right whatever look-alikes there are. Otherwise the process's
 * descriptors are searched for the channel's addresses, and where several have them the one is
 * taken that shows an option which is changed through the channel and changed back.
 *
 * <p>A channel keeps its number until it is closed; then the number is somebody else's. So what is
 * found is remembered with the identity of the socket, checked by {@link #number} and, without any
 * race, by {@link #duplicate}: use the latter for every call on the number.
 *
 * <p>A reset that a duplicate met is remembered, and can be told by who reads the channel.
 *
 * <p>Thread-safe.
 */
public final class ChannelDescriptor {
    private final SelectableChannel channel; // immutable
    private final int fd; // immutable
    private final String identity; // immutable; null where the system has no inodes for sockets
    private final byte[] local; // immutable; stands in for a missing identity
    private final byte[] peer; // immutable; likewise, null where there was none
    private final ResetMemory reset = new ResetMemory(); // thread-safe; that of all duplicates

    private ChannelDescriptor(SelectableChannel channel, int fd) {
        this.channel = channel;
        this.fd = fd;
        this.identity = OpenNumbers.identity(fd);
        this.local = identity == null ? Addresses.local(fd) : null;
        this.peer = identity == null ? Addresses.peer(fd) : null;
    }

    /**
     * Finds the descriptor of an open channel.
     *
     * @param channel socket, server, datagram channel or pipe end of this JDK; on Linux best
     *     non-blocking, since one in blocking mode is found by its addresses only
     * @throws ClosedChannelException when it is closed
     * @throws UnsupportedOperationException when it cannot be found, saying why
     */
    public static ChannelDescriptor find(SelectableChannel channel) throws IOException {
        Posix.require("ChannelDescriptor.find");
        int fd = AddressFinder.findConnection(channel);
        if (fd < 0 && Constants.LINUX && !channel.isBlocking()) {
            fd = EpollFinder.find(channel);
        }
        if (fd < 0) {
            fd = AddressFinder.find(channel);
        }
        ChannelDescriptor found = new ChannelDescriptor(channel, fd);
        if (!channel.isOpen()) {
            throw new ClosedChannelException();
        }
        return found;
    }

    /** Returns the channel. */
    public SelectableChannel channel() {
        return channel;
    }

    /**
     * Returns the number, which was the channel's own at the time of the call.
     *
     * @throws ClosedChannelException when the channel is closed
     */
    public int number() throws ClosedChannelException {
        if (!channel.isOpen() || !same(fd)) {
            throw new ClosedChannelException();
        }
        return fd;
    }

    /**
     * Returns a duplicate of the descriptor, which cannot be recycled as long as it is open. It
     * keeps the connection open too, so close it soon.
     *
     * @throws ClosedChannelException when the channel is closed
     */
    public Descriptor duplicate() throws IOException {
        if (!channel.isOpen()) {
            throw new ClosedChannelException();
        }
        Descriptor copy = Descriptor.duplicate(fd, reset);
        // checked on the copy, whose socket can no longer change
        if (!same(copy.number())) {
            copy.close();
            throw new ClosedChannelException();
        }
        return copy;
    }

    /**
     * Throws the reset that a duplicate met, which took it from the channel: the channel then tells
     * an end of file. Call it when the channel does.
     */
    public void throwReset() throws PosixException {
        reset.throwAgain("read(" + fd + ")");
    }

    /** Remembers for all duplicates that the channel met a reset, which they are not told. */
    public void noteReset() {
        reset.note(new PosixException(Constants.ECONNRESET, "read(" + fd + ")"));
    }

    private boolean same(int number) {
        return identity != null
                ? identity.equals(OpenNumbers.identity(number))
                : Arrays.equals(local, Addresses.local(number))
                        && (peer == null || Arrays.equals(peer, Addresses.peer(number)));
    }

    @Override
    public String toString() {
        return "#<descriptor " + fd + " of " + channel + ">";
    }
}
