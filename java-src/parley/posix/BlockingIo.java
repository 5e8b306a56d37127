package parley.posix;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.math.BigDecimal;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.List;

/**
 * Receives and sends as the C functions do on blocking sockets. Each call waits until it can be
 * done. Close, an interrupt and the timeout end the wait.
 *
 * <p>A timeout is in nanoseconds. {@link Long#MAX_VALUE} stands for ever, and {@link #OPTION} for
 * the timeout that SO_RCVTIMEO or SO_SNDTIMEO sets. A call that times out throws a {@link
 * SocketTimeoutException}. If it has moved some bytes, it returns their number instead.
 */
public final class BlockingIo {
    /** Stands for the timeout that an option of the socket sets. */
    public static final long OPTION = -1;

    private BlockingIo() {}

    /** One attempt that does not wait: a count, EOF or {@link Descriptor#WOULD_BLOCK}. */
    private interface Attempt {
        int run() throws IOException;
    }

    /**
     * Receives: recv(2).
     *
     * @param all wait until the part of the array is full or the stream ends: MSG_WAITALL
     * @return how many bytes, 0 at the end of a stream
     */
    public static int receive(Descriptor socket, byte[] bytes, int offset, int length, int flags,
            boolean all, long timeoutNanos) throws IOException {
        if (all && (flags & MessageFlags.PEEK) != 0) {
            throw new IllegalArgumentException("recv: peek and waitall are both given,"
                    + " expected one of them: peeked bytes stay, so that no more would come");
        }
        int events = (flags & MessageFlags.OOB) != 0 ? Poll.PRI : Poll.IN;
        Clock clock = new Clock("recv", socket, DescriptorOption.SO_RCVTIMEO, timeoutNanos);
        Posix.checkBounds("recv", bytes, offset, length);
        int total = 0;
        int n;
        do {
            int at = total;
            n = untilDone(socket, events, clock, total, () ->
                    socket.recv(bytes, offset + at, length - at, flags));
            total += Math.max(n, 0);
        } while (all && n > 0 && total < length
                && socket.socketType() == Constants.SOCK_STREAM);
        return total;
    }

    /**
     * Receives a message: recvmsg(2). Descriptors that come with it are handles from then on.
     *
     * @param controlSize how many bytes of control data to take at most
     * @return never {@link Descriptor#WOULD_BLOCK}
     */
    public static Datagrams.Received receive(Descriptor socket, List<Datagrams.Part> parts,
            int controlSize, int flags, long timeoutNanos) throws IOException {
        int events = (flags & MessageFlags.OOB) != 0 ? Poll.PRI : Poll.IN;
        Clock clock = new Clock("recvmsg", socket, DescriptorOption.SO_RCVTIMEO, timeoutNanos);
        Datagrams.Received[] received = new Datagrams.Received[1];
        untilDone(socket, events, clock, 0, () -> {
            received[0] = Datagrams.receive(socket, parts, controlSize, flags, true);
            return received[0].count();
        });
        return received[0];
    }

    /**
     * Sends all of it: send(2).
     *
     * @return how many bytes: all, unless the call timed out
     */
    public static int send(Descriptor socket, byte[] bytes, int offset, int length, int flags,
            long timeoutNanos) throws IOException {
        Posix.checkBounds("send", bytes, offset, length);
        Clock clock = new Clock("send", socket, DescriptorOption.SO_SNDTIMEO, timeoutNanos);
        int total = 0;
        do {
            int at = total;
            int n = untilDone(socket, Poll.OUT, clock, total, () ->
                    socket.send(bytes, offset + at, length - at, flags));
            if (n < 0) {
                return total;
            }
            total += n;
        } while (total < length);
        return total;
    }

    /**
     * Sends a message: sendmsg(2) and sendto(2).
     *
     * @param address the address to send to, null on a connected socket
     * @param control the control data, empty for none
     * @return how many bytes
     */
    public static int send(Descriptor socket, List<Datagrams.Part> parts, SockAddr address,
            byte[] control, int flags, long timeoutNanos) throws IOException {
        Clock clock = new Clock("sendmsg", socket, DescriptorOption.SO_SNDTIMEO, timeoutNanos);
        return untilDone(socket, Poll.OUT, clock, 0, () ->
                Datagrams.send(socket, parts, address, control, flags));
    }

    /**
     * Reads from a descriptor of any kind: read(2). Returns 0 at the end.
     *
     * @param from the descriptor
     * @return how many bytes, 0 at the end
     */
    public static int read(Descriptor from, byte[] bytes, int offset, int length,
            long timeoutNanos) throws IOException {
        Clock clock = new Clock("read", from, DescriptorOption.SO_RCVTIMEO, timeoutNanos);
        return Math.max(0, untilDone(from, Poll.IN, clock, 0, () ->
                from.read(bytes, offset, length)));
    }

    /**
     * Writes all of it to a descriptor of any kind: write(2).
     *
     * @param to the descriptor
     * @return how many bytes: all, unless the call timed out
     */
    public static int write(Descriptor to, byte[] bytes, int offset, int length,
            long timeoutNanos) throws IOException {
        Posix.checkBounds("write", bytes, offset, length);
        Clock clock = new Clock("write", to, DescriptorOption.SO_SNDTIMEO, timeoutNanos);
        int total = 0;
        do {
            int at = total;
            int n = untilDone(to, Poll.OUT, clock, total, () ->
                    to.write(bytes, offset + at, length - at));
            if (n < 0) {
                return total;
            }
            total += n;
        } while (total < length);
        return total;
    }

    /** Repeats an attempt until it need not wait. Returns WOULD_BLOCK on a timeout after a part. */
    private static int untilDone(
            Descriptor descriptor, int events, Clock clock, int done, Attempt attempt)
            throws IOException {
        int n = attempt.run();
        while (n == Descriptor.WOULD_BLOCK) {
            try {
                if (descriptor.await(events, clock.left()) == 0) {
                    return timedOut(descriptor, done, clock);
                }
            } catch (InterruptedIOException e) {
                e.bytesTransferred = done;
                throw e;
            }
            n = attempt.run();
        }
        return n;
    }

    private static int timedOut(Descriptor descriptor, int done, Clock clock)
            throws SocketTimeoutException {
        if (done == 0) {
            throw new SocketTimeoutException(
                    clock.call + "(" + descriptor.number() + "): timed out after "
                    + BigDecimal.valueOf(clock.timeoutNanos, 9).stripTrailingZeros().toPlainString()
                    + " s; nothing was moved, the call can be made again");
        }
        return Descriptor.WOULD_BLOCK;
    }

    /** Returns the timeout that SO_RCVTIMEO or SO_SNDTIMEO of a socket sets. */
    static long ofOption(Descriptor descriptor, DescriptorOption option) throws IOException {
        if (!descriptor.isSocket()) {
            return Long.MAX_VALUE;
        }
        Duration limit = (Duration) option.get(descriptor);
        boolean none = limit.isZero() || limit.getSeconds() > Integer.MAX_VALUE;
        return none ? Long.MAX_VALUE : limit.toNanos();
    }

    /** The time that a call has left. An option is read only when the call waits. */
    private static final class Clock {
        private final String call; // immutable
        private final Descriptor descriptor; // immutable
        private final DescriptorOption option; // immutable
        private final long start = System.nanoTime(); // immutable
        private long timeoutNanos; // used by one thread

        Clock(String call, Descriptor descriptor, DescriptorOption option, long timeoutNanos) {
            this.call = call;
            this.descriptor = descriptor;
            this.option = option;
            this.timeoutNanos = timeoutNanos;
        }

        long left() throws IOException {
            if (timeoutNanos == OPTION) {
                timeoutNanos = ofOption(descriptor, option);
            }
            return Poll.left(start, timeoutNanos);
        }
    }
}
