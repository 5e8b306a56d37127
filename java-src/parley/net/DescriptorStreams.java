package parley.net;

import java.io.IOException;
import java.time.Duration;
import java.util.Collections;
import java.util.Locale;
import java.util.Map;
import java.util.WeakHashMap;
import parley.net.wait.Deadline;
import parley.posix.Descriptor;
import parley.posix.DescriptorOption;
import parley.posix.Handles;
import parley.posix.ShellProcess;
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
                    + " is not a pipe to a command, expected a stream made by " + Errors.spell("make-pipe-…-stream", "DescriptorStreams.pipe"));
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
}
