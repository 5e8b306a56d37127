package parley.net;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;
import parley.net.wait.DescriptorSource;
import parley.net.wait.Source;
import parley.posix.Descriptor;
import parley.posix.DescriptorOption;
import parley.posix.MessageFlags;
import parley.posix.Poll;
import parley.posix.PosixException;
import parley.posix.SockAddr;
import parley.posix.Sockets;

/** A descriptor that is not the JDK's, a socket, a pipe, a terminal or a file; or two pipes. */
final class DescriptorTransport implements Transport {
    private static final int MOST_EMPTY = 1000;

    private long bytesIn; // written under the lock of the input
    private long bytesOut; // written under the lock of the output
    private final Descriptor input; // immutable; null for none
    private final Descriptor output; // immutable; null for none; the same one for a socket
    private final Direction direction;
    private final String title;
    private final DescriptorSource source;
    private final AtomicBoolean closed = new AtomicBoolean();

    /** Takes over the descriptors, for these directions; they are shown as {@code title}. */
    DescriptorTransport(
            Descriptor input, Descriptor output, Direction direction, String title) {
        this.input = input;
        this.output = output;
        this.direction = direction;
        this.title = title;
        this.source = new DescriptorSource(input, output, true);
    }

    @Override
    public String title() {
        return title;
    }

    @Override
    public Direction narrow(Direction looked) {
        return direction == Direction.OUTPUT && looked == Direction.IO ? direction : looked;
    }

    /** Passes over empty datagrams, a bounded number of them, which are nothing to a stream. */
    @Override
    public int read(ByteBuffer into) throws IOException {
        int n = input == null ? Descriptor.EOF : input.read(into);
        for (int empty = 1; n == 0 && into.hasRemaining() && empty < MOST_EMPTY; empty++) {
            n = input.read(into);
        }
        bytesIn += Math.max(0, n);
        return n == Descriptor.WOULD_BLOCK ? 0 : n;
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
    public boolean mayRead() throws IOException {
        return input == null || !input.hasConnections() || Poll.check(input, Poll.IN) != 0;
    }

    @Override
    public boolean canPeek() {
        return input != null && input.hasConnections();
    }

    @Override
    public int peek(byte[] into) throws IOException {
        try {
            return canPeek()
                    ? Math.max(0, input.recv(into, 0, into.length, MessageFlags.PEEK)) : 0;
        } catch (PosixException e) {
            return 0; // a read meets it again, since the descriptor remembers what is reported once
        }
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
        int n = output.write(from);
        bytesOut += Math.max(0, n);
        return n == Descriptor.WOULD_BLOCK ? 0 : n;
    }

    /** Ends a direction of a socket, or closes the pipe of that direction. */
    @Override
    public void shutdown(Direction direction) throws IOException {
        if (input == output) {
            if (input.isSocket()) {
                Sockets.shutdown(input, direction.includesInput(), direction.includesOutput());
            }
            return;
        }
        if (direction.includesInput() && input != null) {
            input.close();
        }
        if (direction.includesOutput() && output != null) {
            output.close();
        }
    }

    @Override
    public boolean isConnecting() {
        return false;
    }

    @Override
    public boolean finishConnect() {
        return true;
    }

    @Override
    public boolean isOpen() {
        return !closed.get();
    }

    @Override
    public void close(boolean reset) throws IOException {
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        try {
            if (reset && input == output && input.isSocket() && lingers()) {
                DescriptorOption.SO_LINGER.set(input, 0);
            }
        } finally {
            if (input != null) {
                input.close();
            }
            if (output != null) {
                output.close();
            }
            source.release();
        }
    }

    /** True when close(2) would wait for the peer. */
    private boolean lingers() throws IOException {
        Object seconds = DescriptorOption.SO_LINGER.get(input);
        return seconds != null && (int) seconds > 0;
    }

    @Override
    public SocketAddress peer() throws IOException {
        try {
            return input == output && input.isSocket()
                    ? address(Sockets.peerAddress(input)) : null;
        } catch (PosixException e) {
            if (ErrorCode.of(e) == ErrorCode.ENOTCONN) {
                return null;
            }
            throw e;
        }
    }

    @Override
    public SocketAddress local() throws IOException {
        return input == output && input.isSocket() ? address(Sockets.localAddress(input)) : null;
    }

    /** The JDK's address, null for families that it does not know. */
    static SocketAddress address(SockAddr address) {
        if (address.inetAddress() != null) {
            return new InetSocketAddress(address.inetAddress(), address.port());
        }
        return address.path() == null ? null : Addresses.ofUnix(address.path());
    }

    @Override
    public Source source() {
        return source;
    }
}
