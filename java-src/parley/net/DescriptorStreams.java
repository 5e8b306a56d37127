package parley.net;

import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Collections;
import java.util.Locale;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import parley.net.wait.Deadline;
import parley.net.wait.DescriptorSource;
import parley.net.wait.Source;
import parley.posix.Descriptor;
import parley.posix.DescriptorOption;
import parley.posix.Handles;
import parley.posix.MessageFlags;
import parley.posix.Poll;
import parley.posix.PosixException;
import parley.posix.ShellProcess;
import parley.posix.Sockets;
import parley.posix.StackSafeLock;

/**
 * Streams over descriptors instead of channels: over a handle (CLISP {@code EXT:MAKE-STREAM}), over
 * pipes to a shell command ({@code EXT:MAKE-PIPE-INPUT-STREAM} and its kin), and over standard
 * input ({@code EXT:*KEYBOARD-INPUT*}). They are {@link SocketStream}s in all they can do.
 *
 * <p>Linux and macOS; elsewhere an {@link UnsupportedOperationException} names what is missing.
 *
 * <pre>{@code
 * try (SocketStream sorted = DescriptorStreams.pipe("sort", Direction.IO, StreamOptions.DEFAULT)) {
 *     sorted.out().writeLine("b");
 *     sorted.out().writeLine("a");
 *     sorted.shutdown(Direction.OUTPUT);
 *     sorted.in().readLine(); // "a"
 * }
 * }</pre>
 */
public final class DescriptorStreams {
    private static final Map<SocketStream, ShellProcess> PROCESSES =
            Collections.synchronizedMap(new WeakHashMap<>());
    private static final StackSafeLock KEYBOARD_LOCK = new StackSafeLock();
    private static SocketStream keyboard; // guarded by KEYBOARD_LOCK

    private DescriptorStreams() {
    }

    /**
     * Makes a stream over a duplicate of a handle, which stays open and the caller's.
     *
     * @param handle a socket, a pipe, a terminal or standard input
     * @param direction which sides the stream has; null for those that the handle was opened for
     * @param options as of any stream
     * @throws IOException if the handle is closed
     * @throws IllegalArgumentException if it is none of these
     */
    public static SocketStream of(int handle, Direction direction, StreamOptions options)
            throws IOException {
        Errors.plainOptions("make-stream", options);
        Errors.needLibrary("make-stream");
        Descriptor descriptor = Handles.duplicate("make-stream", handle);
        try {
            if ("stream".equals(typeOf(descriptor)) && isInternet(descriptor)) {
                DescriptorOption.TCP_NODELAY.set(descriptor, true); // streams do the buffering
            }
            Direction sides = direction == null ? directionOf(descriptor) : direction;
            Duration reading = limit(descriptor, DescriptorOption.SO_RCVTIMEO);
            Duration writing = limit(descriptor, DescriptorOption.SO_SNDTIMEO);
            SocketStream stream = stream(new DescriptorTransport(
                    descriptor, descriptor, sides, "handle " + handle), sides, options);
            stream.readTimeout(options.readTimeoutOr(reading));
            stream.writeTimeout(options.writeTimeoutOr(writing));
            return stream;
        } catch (IOException | RuntimeException | Error e) {
            descriptor.close();
            throw e;
        }
    }

    /** What SO_RCVTIMEO or SO_SNDTIMEO bounds, null for no bound. */
    private static Duration limit(Descriptor descriptor, DescriptorOption option)
            throws IOException {
        return descriptor.isSocket()
                ? SocketOptions.bound((Duration) option.get(descriptor)) : null;
    }

    private static Direction directionOf(Descriptor descriptor) throws IOException {
        return !descriptor.writable() ? Direction.INPUT
                : !descriptor.readable() ? Direction.OUTPUT : Direction.IO;
    }

    private static Object typeOf(Descriptor descriptor) throws IOException {
        return descriptor.isSocket() ? DescriptorOption.SO_TYPE.get(descriptor) : null;
    }

    private static boolean isInternet(Descriptor descriptor) throws IOException {
        return parley.posix.Sockets.localAddress(descriptor).inetAddress() != null;
    }

    /**
     * Runs a shell command, whose output is read, whose input is written, or both.
     *
     * <p>Closing the stream closes its pipes; the command goes on until it finds its input at the
     * end, or writes to the closed pipe. It is reaped when it ends.
     *
     * @param command what {@code /bin/sh -c} runs
     * @param direction {@link Direction#INPUT} to read what it writes, {@link Direction#OUTPUT} to
     *     write what it reads, or {@link Direction#IO}; what is not a pipe is this process's own
     * @param options as of any stream
     * @throws IOException if the command cannot be run
     */
    public static SocketStream pipe(String command, Direction direction, StreamOptions options)
            throws IOException {
        String name = "make-pipe-" + direction.name().toLowerCase(Locale.ROOT) + "-stream";
        Errors.plainOptions(name, options);
        Errors.needLibrary(name);
        ShellProcess process = ShellProcess.start(
                command, direction.includesInput(), direction.includesOutput());
        boolean made = false;
        try {
            SocketStream stream = stream(new DescriptorTransport(
                    process.input(), process.output(), direction, "pipe " + command),
                    direction, options);
            PROCESSES.put(stream, process);
            made = true;
            return stream;
        } finally {
            if (!made) {
                process.close();
            }
        }
    }

    /**
     * The exit status of a pipe's command, waiting for its end; also once the stream is closed.
     *
     * @param stream made by {@link #pipe}
     * @param timeout null to wait for ever, zero not at all
     * @return the status, 128 and more for a command ended by a signal, null when the call
     *     times out
     * @throws IllegalArgumentException if the stream is no pipe
     * @throws IOException if the thread is interrupted
     */
    public static Integer exitStatus(SocketStream stream, Duration timeout) throws IOException {
        ShellProcess process = process("pipe-exit-status", stream);
        Deadline deadline = Deadline.in(Errors.timeout("pipe-exit-status", timeout));
        try {
            return process.waitFor(deadline.remaining());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            Errors.ifInterrupted("pipe-exit-status", stream);
            throw new AssertionError("the interrupt flag is set", e);
        }
    }

    /**
     * Ends a pipe's command by a signal, if it still runs.
     *
     * @param stream made by {@link #pipe}
     * @param forcibly SIGKILL instead of SIGTERM
     * @throws IllegalArgumentException if the stream is no pipe
     */
    public static void kill(SocketStream stream, boolean forcibly) {
        process("pipe-kill", stream).kill(forcibly);
    }

    private static ShellProcess process(String operation, SocketStream stream) {
        ShellProcess process = PROCESSES.get(stream);
        if (process == null) {
            throw new IllegalArgumentException(Errors.name(operation) + ": " + stream
                    + " is not a pipe to a command, expected a stream made by "
                    + Errors.spell("make-pipe-…-stream", "DescriptorStreams.pipe"));
        }
        return process;
    }

    /**
     * Standard input as an input stream: a pipe, a file or a terminal. Nothing is taken from it
     * before the stream is read or checked; from then on {@link System#in} misses what this stream
     * has in its buffer.
     *
     * @return always the same one, until it is closed, which leaves standard input itself open
     * @throws IOException if the process has no standard input
     */
    public static SocketStream keyboard() throws IOException {
        Errors.needLibrary("keyboard-input");
        KEYBOARD_LOCK.lock();
        try {
            if (keyboard == null || !keyboard.isOpen()) {
                Descriptor descriptor = Descriptor.borrow(0);
                keyboard = stream(new DescriptorTransport(
                        descriptor, null, Direction.INPUT, "standard input"),
                        Direction.INPUT, StreamOptions.builder().build());
            }
            return keyboard;
        } finally {
            KEYBOARD_LOCK.unlock();
        }
    }

    private static SocketStream stream(
            DescriptorTransport transport, Direction direction, StreamOptions options)
            throws IOException {
        String host = Addresses.host(transport.peer());
        int port = Addresses.port(transport.peer());
        SocketStream stream = new SocketStream(transport, host, port, options);
        if (!direction.includesInput()) {
            stream.in().shut();
        }
        if (!direction.includesOutput()) {
            stream.out().shut();
        }
        return stream;
    }

    /** A descriptor that is not the JDK's, a socket, a pipe, a terminal or a file; or two pipes. */
    static final class DescriptorTransport implements Transport {
        private static final int MOST_EMPTY = 1000;

        private long bytesIn; // written under the lock of the input
        private long bytesOut; // written under the lock of the output
        private final Descriptor input; // immutable; null for none
        private final Descriptor output; // immutable; null for none; the same one for a socket
        private final Descriptor socket; // immutable; both of these, or null for what is no socket
        private final Direction direction;
        private final String title;
        private final DescriptorSource source;
        private final AtomicBoolean closed = new AtomicBoolean();

        /** Takes over the descriptors, for these directions; they are shown as {@code title}. */
        DescriptorTransport(
                Descriptor input, Descriptor output, Direction direction, String title) {
            this.input = input;
            this.output = output;
            this.socket = input == output && input.isSocket() ? input : null;
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
        public int peek(byte[] into) throws IOException {
            try {
                return input != null && input.hasConnections()
                        ? Math.max(0, input.recv(into, 0, into.length, MessageFlags.PEEK)) : 0;
            } catch (PosixException e) {
                return 0; // a read meets it again: the descriptor remembers what is reported once
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
            if (socket != null) {
                Sockets.shutdown(socket, direction.includesInput(), direction.includesOutput());
            } else if (input != output) {
                close(direction.includesInput() ? input : null);
                close(direction.includesOutput() ? output : null);
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
                if (reset && socket != null && lingers()) {
                    DescriptorOption.SO_LINGER.set(socket, 0);
                }
            } finally {
                close(input);
                close(output);
                source.release();
            }
        }

        private static void close(Descriptor descriptor) {
            if (descriptor != null) {
                descriptor.close();
            }
        }

        /** True when close(2) would wait for the peer. */
        private boolean lingers() throws IOException {
            Object seconds = DescriptorOption.SO_LINGER.get(socket);
            return seconds != null && (int) seconds > 0;
        }

        @Override
        public SocketAddress peer() throws IOException {
            try {
                return socket == null ? null : Addresses.of(Sockets.peerAddress(socket));
            } catch (PosixException e) {
                if (ErrorCode.of(e) == ErrorCode.ENOTCONN) {
                    return null;
                }
                throw e;
            }
        }

        @Override
        public SocketAddress local() throws IOException {
            return socket == null ? null : Addresses.of(Sockets.localAddress(socket));
        }

        @Override
        public Source source() {
            return source;
        }
    }
}
