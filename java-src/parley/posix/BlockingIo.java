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
 * <pre>{@code
 * Descriptor[] ends = Sockets.socketpair("unix", "stream", 0);
 * BlockingIo.write(ends[0], new byte[] {1, 2, 3}, 0, 3, Long.MAX_VALUE);
 * BlockingIo.read(ends[1], new byte[8], 0, 8, 5_000_000_000L); // 3; it waits five seconds at most
 * }</pre>
 *
 * <p>A timeout is in nanoseconds. {@link Long#MAX_VALUE} stands for ever, and {@link #OPTION} for
 * the timeout that SO_RCVTIMEO or SO_SNDTIMEO sets. A call that times out throws a {@link
 * SocketTimeoutException}. If it has moved some bytes, it returns their number instead.
 */
public final class BlockingIo {
    /** Stands for the timeout that an option of the socket sets. */
    public static final long OPTION = -1;

    private BlockingIo() {}

    /** An attempt that does not wait, behind what was moved before. */
    private interface Attempt {
        /** Returns a count, EOF or {@link Descriptor#WOULD_BLOCK}. */
        int run(int done) throws IOException;
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
        Call call = new Call("recv", socket, DescriptorOption.SO_RCVTIMEO, timeoutNanos);
        Posix.checkBounds("recv", bytes, offset, length);
        return call.move(events, all && socket.socketType() == Constants.SOCK_STREAM ? length : 0,
                at -> socket.recv(bytes, offset + at, length - at, flags));
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
        Call call = new Call("recvmsg", socket, DescriptorOption.SO_RCVTIMEO, timeoutNanos);
        Datagrams.Received[] received = new Datagrams.Received[1];
        call.move(events, 0, at -> {
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
        Call call = new Call("send", socket, DescriptorOption.SO_SNDTIMEO, timeoutNanos);
        return call.move(Poll.OUT, length,
                at -> socket.send(bytes, offset + at, length - at, flags));
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
        Call call = new Call("sendmsg", socket, DescriptorOption.SO_SNDTIMEO, timeoutNanos);
        return call.move(Poll.OUT, 0,
                at -> Datagrams.send(socket, parts, address, control, flags));
    }

    /**
     * Reads from a descriptor of any kind: read(2).
     *
     * @return how many bytes, 0 at the end
     */
    public static int read(Descriptor from, byte[] bytes, int offset, int length,
            long timeoutNanos) throws IOException {
        Call call = new Call("read", from, DescriptorOption.SO_RCVTIMEO, timeoutNanos);
        return call.move(Poll.IN, 0, at -> from.read(bytes, offset, length));
    }

    /**
     * Writes all of it to a descriptor of any kind: write(2).
     *
     * @return how many bytes: all, unless the call timed out
     */
    public static int write(Descriptor to, byte[] bytes, int offset, int length,
            long timeoutNanos) throws IOException {
        Posix.checkBounds("write", bytes, offset, length);
        Call call = new Call("write", to, DescriptorOption.SO_SNDTIMEO, timeoutNanos);
        return call.move(Poll.OUT, length, at -> to.write(bytes, offset + at, length - at));
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

    /** A call that may wait, and the time that it has left. */
    private static final class Call {
        private final String name; // immutable
        private final Descriptor descriptor; // immutable
        private final DescriptorOption option; // immutable; read only when the call waits
        private final long start = System.nanoTime(); // immutable
        private long timeoutNanos; // used by one thread
        private int done; // how much was moved; used by one thread

        Call(String name, Descriptor descriptor, DescriptorOption option, long timeoutNanos) {
            this.name = name;
            this.descriptor = descriptor;
            this.option = option;
            this.timeoutNanos = timeoutNanos;
        }

        /**
         * Repeats attempts until at least so much is moved, the end is met, or the time has passed;
         * returns how much is. One attempt must succeed.
         */
        int move(int events, int least, Attempt attempt) throws IOException {
            int n;
            do {
                n = untilDone(events, attempt);
                done += Math.max(n, 0);
            } while (n > 0 && done < least);
            return done;
        }

        /**
         * Repeats an attempt until it need not wait. Returns WOULD_BLOCK when the time has passed
         * after a part was moved.
         */
        private int untilDone(int events, Attempt attempt) throws IOException {
            int n = attempt.run(done);
            while (n == Descriptor.WOULD_BLOCK) {
                try {
                    if (descriptor.await(events, left()) == 0) {
                        return timedOut();
                    }
                } catch (InterruptedIOException e) {
                    e.bytesTransferred = done;
                    throw e;
                }
                n = attempt.run(done);
            }
            return n;
        }

        private int timedOut() throws SocketTimeoutException {
            if (done == 0) {
                throw new SocketTimeoutException(
                        name + "(" + descriptor.number() + "): timed out after "
                        + BigDecimal.valueOf(timeoutNanos, 9).stripTrailingZeros().toPlainString()
                        + " s; nothing was moved, the call can be made again");
            }
            return Descriptor.WOULD_BLOCK;
        }

        private long left() throws IOException {
            if (timeoutNanos == OPTION) {
                timeoutNanos = ofOption(descriptor, option);
            }
            return Poll.left(start, timeoutNanos);
        }
    }
}
