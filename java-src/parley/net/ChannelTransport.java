package parley.net;

import java.io.IOException;
import java.net.SocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;
import java.util.concurrent.atomic.AtomicLongFieldUpdater;
import parley.net.wait.ChannelSource;
import parley.net.wait.Source;

/** A connected, or connecting, NIO socket channel: TCP or Unix-domain. */
final class ChannelTransport implements Transport {
    // An updater, since transports are many: an AtomicBoolean would take 16 bytes in each.
    private static final AtomicIntegerFieldUpdater<ChannelTransport> CLOSED =
            AtomicIntegerFieldUpdater.newUpdater(ChannelTransport.class, "closed");

    private static final AtomicLongFieldUpdater<ChannelTransport> BYTES_IN =
            AtomicLongFieldUpdater.newUpdater(ChannelTransport.class, "bytesIn");
    private static final AtomicLongFieldUpdater<ChannelTransport> BYTES_OUT =
            AtomicLongFieldUpdater.newUpdater(ChannelTransport.class, "bytesOut");

    final SocketChannel channel;
    private final ChannelSource source;
    private volatile int closed; // 1 once it was; through CLOSED
    // Each has one writer at a time, so that setting it needs no memory fence.
    private volatile long bytesIn; // through BYTES_IN
    private volatile long bytesOut; // through BYTES_OUT
    private Ends ends; // null: those that the system reports; set before it is shared

    /** The addresses of the ends where those of the system say nothing; null for the system's. */
    private record Ends(SocketAddress local, SocketAddress peer) {
    }

    /** Takes over the channel and makes it non-blocking. */
    ChannelTransport(SocketChannel channel) throws IOException {
        this.channel = channel;
        channel.configureBlocking(false);
        if (channel.supportedOptions().contains(StandardSocketOptions.TCP_NODELAY)) {
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true); // streams do the buffering
        }
        this.source = ChannelSource.ofOwn(channel); // last: a source must be released
    }

    /** Takes over a channel that was just made, which is closed when that fails. */
    static ChannelTransport ofNew(SocketChannel channel) throws IOException {
        try {
            return new ChannelTransport(channel);
        } catch (IOException | RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    @Override
    public int read(ByteBuffer into) throws IOException {
        int n;
        try {
            n = channel.read(into);
        } catch (IOException e) {
            if (ErrorCode.of(e) == ErrorCode.ECONNRESET) {
                source.noteReset();
            }
            throw e;
        }
        if (n < 0) {
            source.throwReset();
        } else if (n > 0) {
            BYTES_IN.lazySet(this, bytesIn + n);
        }
        return n;
    }

    @Override
    public boolean mayRead() throws IOException {
        try {
            return source.mayRead();
        } catch (ClosedChannelException e) {
            return true; // reading finds that out
        }
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
        int n = channel.write(from);
        if (n > 0) {
            BYTES_OUT.lazySet(this, bytesOut + n);
        }
        return n;
    }

    @Override
    public long bytesIn() {
        return bytesIn;
    }

    @Override
    public long bytesOut() {
        return bytesOut;
    }

    @Override
    public void shutdown(Direction direction) throws IOException {
        if (direction.includesInput()) {
            channel.shutdownInput();
        }
        if (direction.includesOutput()) {
            channel.shutdownOutput();
        }
    }

    @Override
    public SocketChannel channel() {
        return channel;
    }

    @Override
    public boolean isConnecting() {
        return channel.isConnectionPending();
    }

    @Override
    public boolean finishConnect() throws IOException {
        return channel.finishConnect();
    }

    @Override
    public boolean isOpen() {
        return channel.isOpen();
    }

    @Override
    public void close(boolean reset) throws IOException {
        if (!CLOSED.compareAndSet(this, 0, 1)) {
            return;
        }
        try {
            if (reset && channel.isConnected() && lingers()) {
                channel.setOption(StandardSocketOptions.SO_LINGER, 0);
            }
        } finally {
            try {
                channel.close();
            } finally {
                source.release();
            }
        }
    }

    /** True when close(2) would wait for the peer. */
    private boolean lingers() throws IOException {
        return channel.supportedOptions().contains(StandardSocketOptions.SO_LINGER)
                && channel.getOption(StandardSocketOptions.SO_LINGER) > 0;
    }

    @Override
    public String describe() {
        try {
            return "a socket stream to " + Addresses.show(peer());
        } catch (IOException e) {
            return "a socket stream whose channel was closed by other code";
        }
    }

    @Override
    public SocketAddress peer() throws IOException {
        return ends != null ? ends.peer : channel.getRemoteAddress();
    }

    /** Sets the peer that a trusted proxy has announced; before the transport has a stream. */
    void announce(SocketAddress peer) {
        ends = new Ends(null, peer);
    }

    /** Names both ends; before the transport has a stream. */
    void name(SocketAddress local, SocketAddress peer) {
        ends = new Ends(local, peer);
    }

    @Override
    public SocketAddress proxy() throws IOException {
        return ends == null || ends.local != null ? null : channel.getRemoteAddress();
    }

    @Override
    public SocketAddress local() throws IOException {
        return ends != null && ends.local != null ? ends.local : channel.getLocalAddress();
    }

    @Override
    public Source source() {
        return source;
    }
}
