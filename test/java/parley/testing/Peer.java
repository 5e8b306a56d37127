package parley.testing;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * The other side of a connection, on a plain {@link SocketChannel}, doing what it is told: sending
 * in given pieces, ending its output, resetting, reading slowly, leaving input unread. Every read
 * has a deadline. For use by one thread at a time.
 */
public final class Peer implements AutoCloseable {
    private static final Duration PATIENCE = Task.PATIENCE;
    private static final int CHUNK = 64 * 1024;

    private final SocketChannel channel; // immutable; blocking
    private Task<TlsPeer> handshake; // under way, or over; null without TLS

    /** A peer over a connected, blocking channel, which it owns from now on. */
    public Peer(SocketChannel channel) {
        this.channel = channel;
    }

    /** Connects to {@code address}; what is sent leaves at once, piece by piece. */
    public static Peer connect(SocketAddress address) throws IOException {
        return noDelay(SocketChannel.open(address));
    }

    static Peer noDelay(SocketChannel channel) throws IOException {
        if (channel.supportedOptions().contains(StandardSocketOptions.TCP_NODELAY)) {
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        }
        return new Peer(channel);
    }

    /** Begins TLS, in a thread of its own; whatever is done with this peer waits for the handshake. */
    public Peer secure(boolean client) {
        handshake = Threads.PLATFORM.start("handshake",
                () -> new TlsPeer(client).handshake(channel));
        return this;
    }

    /** The TLS of this connection, its handshake over; null without any. */
    public TlsPeer tls() throws IOException {
        try {
            return handshake == null ? null : handshake.await();
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException(e);
        }
    }

    /** The channel underneath. */
    public SocketChannel channel() {
        return channel;
    }

    /** Sends each piece with a write of its own; blocks while the other side does not read. */
    public Peer send(byte[]... pieces) throws IOException {
        for (byte[] piece : pieces) {
            TlsPeer.send(channel, tls() == null ? piece : tls().encrypt(piece));
        }
        return this;
    }

    /** Sends {@code text} in UTF-8. */
    public Peer send(String text) throws IOException {
        return send(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Sends {@code bytes} one at a time, {@code pause} apart. */
    public Peer trickle(byte[] bytes, Duration pause) throws IOException {
        for (byte b : bytes) {
            send(new byte[] {b});
            Await.pass(pause);
        }
        return this;
    }

    /** Receives exactly {@code count} bytes; an earlier end is an {@link EOFException}. */
    public byte[] receive(int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining()) {
            if (read(bytes) < 0) {
                throw new EOFException("end after " + bytes.position() + " of " + count + " bytes");
            }
        }
        return bytes.array();
    }

    /** As {@link #receive}, as text in UTF-8 of {@code count} bytes. */
    public String receiveText(int count) throws IOException {
        return new String(receive(count), StandardCharsets.UTF_8);
    }

    /** Receives everything up to the end of the other side's output. */
    public byte[] receiveAll() throws IOException {
        return receiveSlowly(CHUNK, Duration.ZERO);
    }

    /** As {@link #receiveAll}, at most {@code chunk} bytes at a time, {@code pause} apart. */
    public byte[] receiveSlowly(int chunk, Duration pause) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        ByteBuffer bytes = ByteBuffer.allocate(chunk);
        while (read(bytes.clear()) >= 0) {
            all.write(bytes.array(), 0, bytes.position());
            Await.pass(pause);
        }
        return all.toByteArray();
    }

    /** Fails unless the next thing to come is the end of the other side's output. */
    public void expectEnd() throws IOException {
        byte[] rest = receiveAll();
        if (rest.length > 0) {
            throw new AssertionError("expected the end, but " + rest.length + " bytes came first");
        }
    }

    /** Whether anything, be it the end or an error, can be read within {@code limit}. */
    public boolean readable(Duration limit) throws IOException {
        TlsPeer tls = tls();
        if (tls == null) {
            return channelIsReadable(limit);
        }
        long deadline = System.nanoTime() + limit.toNanos();
        while (!tls.hasInput()) {
            Duration left = Duration.ofNanos(Math.max(0, deadline - System.nanoTime()));
            if (!channelIsReadable(left)) {
                return false;
            } else if (tls.receive(channel) < 0) {
                throw new EOFException("the end without a close_notify");
            }
        }
        return true;
    }

    private boolean channelIsReadable(Duration limit) throws IOException {
        channel.configureBlocking(false);
        try (Selector selector = Selector.open()) {
            channel.register(selector, SelectionKey.OP_READ);
            return selector.select(Math.max(1, limit.toMillis())) > 0;
        } finally {
            channel.configureBlocking(true);
        }
    }

    /** One read, at the latest after {@link Task#PATIENCE}: the count, or -1 at the end. */
    public int read(ByteBuffer bytes) throws IOException {
        if (!readable(PATIENCE)) {
            throw new AssertionError("nothing came within " + PATIENCE);
        }
        return tls() == null ? channel.read(bytes) : tls().take(bytes);
    }

    /** Ends this side's output; input goes on. */
    public Peer endOutput() throws IOException {
        if (tls() == null) {
            channel.shutdownOutput();
        } else {
            TlsPeer.send(channel, tls().closeNotify());
        }
        return this;
    }

    /** Closes so that a TCP connection is reset (SO_LINGER 0). */
    public void reset() throws IOException {
        channel.setOption(StandardSocketOptions.SO_LINGER, 0);
        channel.close();
    }

    /** Closes as the kind of connection wants it: TLS tells the other side that this is the end. */
    @Override
    public void close() throws IOException {
        try {
            if (handshake != null && channel.isOpen() && handshake.isDone()) {
                endOutput();
            }
        } catch (IOException e) {
            return; // the other side has gone, or the handshake had failed
        } finally {
            channel.close();
        }
    }
}
