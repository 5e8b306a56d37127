package parley.net.wait;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.util.Map;
import java.util.WeakHashMap;
import parley.posix.ChannelDescriptor;
import parley.posix.Descriptor;
import parley.posix.Handles;
import parley.posix.Poll;
import parley.posix.Posix;
import parley.posix.StackSafeLock;

/** A non-blocking NIO channel as a source, or two that are waited for as one. */
public final class ChannelSource extends Source {
    private static final StackSafeLock FOREIGN_LOCK = new StackSafeLock();
    private static final Map<SelectableChannel, WeakReference<ChannelSource>> FOREIGN =
            new WeakHashMap<>(); // guarded by FOREIGN_LOCK

    final SelectableChannel channel;
    private final SelectableChannel twin; // of a server with two addresses; null for none
    private final boolean own;
    private volatile ChannelDescriptor descriptor; // once looked for: it never changes

    private ChannelSource(SelectableChannel channel, SelectableChannel twin, boolean own) {
        this.channel = channel;
        this.twin = twin;
        this.own = own;
    }

    /**
     * The source of a channel that is ours to close; keeps the selector of the event loop open
     * until {@link #release}.
     *
     * @throws IOException if the process is out of descriptors
     */
    public static ChannelSource ofOwn(SelectableChannel channel) throws IOException {
        return ofOwn(channel, null);
    }

    /** As {@link #ofOwn(SelectableChannel)}, of two channels that open and close together. */
    public static ChannelSource ofOwn(SelectableChannel channel, SelectableChannel twin)
            throws IOException {
        EventLoop.shared().retain();
        return new ChannelSource(channel, twin, true);
    }

    @Override
    public void released() {
        if (own) {
            EventLoop.shared().release();
        }
    }

    /**
     * Returns the source of a foreign channel, whose owner sends no notification of its close.
     * Always the same while it is used, since a poller has one registration for a channel.
     */
    public static ChannelSource ofForeign(SelectableChannel channel) {
        FOREIGN_LOCK.lock();
        try {
            WeakReference<ChannelSource> known = FOREIGN.get(channel);
            ChannelSource source = known == null ? null : known.get();
            if (source == null) {
                source = new ChannelSource(channel, null, false);
                FOREIGN.put(channel, new WeakReference<>(source));
            }
            return source;
        } finally {
            FOREIGN_LOCK.unlock();
        }
    }

    @Override
    public boolean announcesClose() {
        return own;
    }

    @Override
    public boolean isKnownTo(Poller poller) {
        return keyOf(poller) != null;
    }

    @Override
    public boolean isOpen() {
        return channel.isOpen();
    }

    @Override
    public Descriptor duplicate() throws IOException {
        return descriptor().duplicate();
    }

    @Override
    public int[] handles() throws IOException {
        int number = Handles.lend(descriptor());
        return new int[] {number, channel instanceof ServerSocketChannel ? -1 : number};
    }

    /**
     * Throws a reset that reads as an end of file, because a user of the descriptor has received
     * it: the kernel reports a reset once.
     */
    public void throwReset() throws IOException {
        if (descriptor != null) {
            descriptor.throwReset();
        }
    }

    /** Remembers, for users of the descriptor, that the peer has reset the connection. */
    public void noteReset() {
        if (descriptor != null) {
            descriptor.noteReset();
        }
    }

    /** Returns false when poll(2) reports nothing to read, true also where it cannot be asked. */
    public boolean mayRead() throws IOException {
        if (!Posix.available()) {
            return true;
        }
        try {
            return Poll.check(descriptor(), Poll.IN) != 0;
        } catch (UnsupportedOperationException e) {
            return true; // a JDK whose channels have no method for their number
        }
    }

    private ChannelDescriptor descriptor() throws IOException {
        ChannelDescriptor found = descriptor;
        if (found == null) {
            found = ChannelDescriptor.find(channel);
            descriptor = found;
        }
        return found;
    }

    /**
     * Returns the registration of the channel with a poller, made under whichever source, or null.
     */
    Registration keyOf(Poller poller) {
        SelectionKey key = channel.keyFor(poller.selector);
        return key == null || !key.isValid() ? null : (Registration) key.attachment();
    }

    @Override
    public Registration join(Poller poller, int ops, Object attachment) throws IOException {
        Registration registration = register(poller, ops, attachment);
        if (!channel.isOpen()) {
            // Closed since it was registered, perhaps by a thread that did not see the registration.
            registration.cancel();
            poller.flush();
            removed(registration);
            throw new ClosedChannelException();
        }
        return registration;
    }

    private Registration register(Poller poller, int ops, Object attachment) throws IOException {
        try {
            return new ChannelRegistration(this, poller, ops, attachment);
        } catch (CancelledKeyException e) {
            // An earlier key of the two was cancelled and not yet flushed (a trap of NIO).
            poller.flush();
            return new ChannelRegistration(this, poller, ops, attachment);
        }
    }

    private static final class ChannelRegistration extends Registration {
        private final SelectionKey key;
        private final SelectionKey twinKey; // null when there is no twin

        ChannelRegistration(ChannelSource source, Poller poller, int ops, Object attachment)
                throws ClosedChannelException {
            super(source, poller, attachment);
            key = source.channel.register(poller.selector, ops, this);
            twinKey = source.twin == null ? null
                    : source.twin.register(poller.selector, ops, this);
            source.added(this);
        }

        @Override
        public int interest() {
            try {
                return key.interestOps();
            } catch (CancelledKeyException e) {
                return 0; // closed meanwhile
            }
        }

        @Override
        public void interest(int ops) {
            try {
                if (key.interestOps() != ops) {
                    key.interestOps(ops);
                    if (twinKey != null) {
                        twinKey.interestOps(ops);
                    }
                }
            } catch (CancelledKeyException e) {
                // Closed meanwhile: waiting threads find out when they are woken.
                poller.wakeup();
            }
        }

        @Override
        public void cancel() {
            key.cancel();
            if (twinKey != null) {
                twinKey.cancel();
            }
        }
    }
}
