package parley.net;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Callable;
import parley.posix.Descriptor;
import parley.posix.Handles;
import parley.posix.Poll;
import parley.testing.Blocked;
import parley.testing.Family;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.Traced;

/**
 * What a child does for {@link SystemCallsTest}: no-hang, interactive and waiting operations on a
 * stream, one after the other, in the main thread. Marks before and after each say which step it
 * is and on which descriptors.
 */
@SuppressWarnings("try") // closing early is what ends some streams
final class SystemCallsSteps {
    /** The step that whatever is done between two steps belongs to. */
    static final String UNCOUNTED = "between";
    /** What is read. */
    static final String TEXT = "hello\nworld and!\n";
    /** How long nothing happens to objects that are waited for. */
    static final Duration IN_VAIN = Duration.ofSeconds(1);

    /** What the stream is over. */
    enum Kind { SOCKET, UNIX_SOCKET, HANDLE, PIPE, BLOCKING_PIPE, UNBUFFERED, FILE, MIXED }

    private final SocketStream stream;
    private final StreamInput in;
    private final int from; // number of the descriptor that the stream reads
    private final int to; // of the one that it writes
    private final byte[] buffer = new byte[100];

    private SystemCallsSteps(SocketStream stream) throws IOException {
        this.stream = stream;
        this.in = stream.in();
        int[] handles = SocketOptions.handles(stream);
        this.from = handles[0];
        this.to = handles[1] < 0 ? from : handles[1];
    }

    /** Does the steps of a kind, the second argument. */
    public static void main(String[] args) throws Exception {
        Traced.begin(args[0]);
        switch (Kind.valueOf(args[1])) {
            case SOCKET -> overChannel(Family.TCP4, options(true));
            case UNIX_SOCKET -> overChannel(Family.UNIX, options(true));
            case UNBUFFERED -> overChannel(Family.TCP4, options(false));
            case HANDLE -> overHandle();
            case PIPE -> overPipe();
            case BLOCKING_PIPE -> overBlockingPipe();
            case FILE -> file();
            default -> mixed();
        }
    }

    private static StreamOptions options(boolean buffered) {
        return StreamOptions.builder().elementType(ElementType.BIVALENT).buffered(buffered)
                .build();
    }

    // ---- what the stream is over -------------------------------------------------------------

    /** How the other side sends and ends; what of our own output comes back is forgotten. */
    private interface Peer {
        void send(String text) throws IOException;

        void end() throws IOException;

        default void forgetEcho() throws IOException { }
    }

    private record ChannelPeer(SocketChannel channel) implements Peer {
        @Override
        public void send(String text) throws IOException {
            channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
        }

        @Override
        public void end() throws IOException {
            channel.shutdownOutput();
        }
    }

    private static void overChannel(Family family, StreamOptions options) throws Exception {
        try (ServerSocketChannel server = family.listen(1);
                SocketStream stream = SocketStream.connect(server.getLocalAddress(), options);
                SocketChannel accepted = server.accept()) {
            SystemCallsSteps steps = new SystemCallsSteps(stream);
            if (options.inputBuffered()) {
                steps.all(new ChannelPeer(accepted));
            } else {
                steps.unbuffered(new ChannelPeer(accepted));
            }
        }
    }

    private static void overHandle() throws Exception {
        try (ServerSocketChannel server = Family.TCP4.listen(1);
                SocketStream first = SocketStream.connect(
                        server.getLocalAddress(), options(true));
                SocketChannel accepted = server.accept();
                SocketStream stream = DescriptorStreams.of(
                        SocketOptions.handles(first)[0], null, options(true))) {
            first.close();
            new SystemCallsSteps(stream).all(new ChannelPeer(accepted));
        }
    }

    private static void overPipe() throws Exception {
        try (SocketStream stream =
                DescriptorStreams.pipe("cat", Direction.IO, options(true))) {
            SystemCallsSteps steps = new SystemCallsSteps(stream);
            Descriptor output = Descriptor.borrow(steps.to);
            steps.all(new Peer() {
                @Override
                public void send(String text) throws IOException {
                    output.write(text.getBytes(StandardCharsets.UTF_8), 0, text.length());
                }

                @Override
                public void end() throws IOException {
                    output.close();
                    stream.shutdown(Direction.OUTPUT);
                }

                @Override
                public void forgetEcho() throws IOException {
                    stream.in().readBytes(steps.buffer, 0, 4, WaitMode.FULL);
                }
            });
        }
    }

    private static void overBlockingPipe() throws Exception {
        Descriptor[] pipe = Descriptor.pipe();
        pipe[0].nonblocking(false);
        int handle = Handles.register(pipe[0]);
        try (Descriptor output = pipe[1];
                SocketStream stream = DescriptorStreams.of(handle, null, options(true))) {
            new SystemCallsSteps(stream).all(new Peer() {
                @Override
                public void send(String text) throws IOException {
                    output.write(text.getBytes(StandardCharsets.UTF_8), 0, text.length());
                }

                @Override
                public void end() {
                    output.close();
                }
            });
        } finally {
            Handles.close(handle);
        }
    }

    // ---- steps -------------------------------------------------------------------------------

    private void step(String name, Object expected, Callable<?> body) throws Exception {
        mark(name);
        Object found = body.call();
        mark(UNCOUNTED);
        if (!Objects.equals(expected, found)) {
            throw new AssertionError(name + ": " + found + " instead of " + expected);
        }
    }

    private void mark(String name) throws IOException {
        Traced.mark(from + "-" + to + "/" + name);
    }

    private String sequence(int count, WaitMode blocking) throws IOException {
        Arrays.fill(buffer, (byte) '?');
        int end = in.readBytes(buffer, 0, count, blocking);
        return new String(buffer, 0, end, StandardCharsets.UTF_8);
    }

    private void all(Peer peer) throws Exception {
        nothing();
        arrive(peer, "abc");
        step("interactive sequence of three", "abc", () -> sequence(10, WaitMode.INTERACTIVE));
        arrive(peer, TEXT);
        step("read-byte-lookahead of two lines", 1, in::byteLookahead);
        buffered();
        step("no-hang sequence of more than there is", "!\n",
                () -> sequence(10, WaitMode.NO_HANG));
        waiting(peer);
        if (stream.isOutput()) {
            output();
            peer.forgetEcho();
        }
        peer.end();
        arrived();
        ended();
    }

    /** Sends, and returns when it is there to be read. */
    private void arrive(Peer peer, String text) throws IOException {
        peer.send(text);
        arrived();
    }

    private void arrived() throws IOException {
        try (Descriptor input = Descriptor.borrow(from)) {
            if (input.await(Poll.IN, Task.PATIENCE.toNanos()) == 0) {
                throw new AssertionError("nothing came");
            }
        }
    }

    private void nothing() throws Exception {
        step("read-byte-no-hang of nothing", StreamInput.NOTHING, in::readByteNoHang);
        step("read-char-no-hang of nothing", StreamInput.NOTHING, in::readCharNoHang);
        step("read-byte-lookahead of nothing", StreamInput.NOTHING, in::byteLookahead);
        step("listen to nothing", false, in::listen);
        step("read-char-will-hang of nothing", true, in::readCharWillHang);
        step("no-hang sequence of nothing", "", () -> sequence(10, WaitMode.NO_HANG));
    }

    private void buffered() throws Exception {
        step("read-byte-lookahead", 1, in::byteLookahead);
        step("read-byte-no-hang", (int) 'h', in::readByteNoHang);
        step("read-byte", (int) 'e', in::readByte);
        step("listen", true, in::listen);
        step("read-char", (int) 'l', in::readChar);
        step("unread-char", null, () -> {
            in.unreadChar('l');
            return null;
        });
        step("peek-char", (int) 'l', in::peekChar);
        step("read-char-no-hang", (int) 'l', in::readCharNoHang);
        step("read-char-will-hang", false, in::readCharWillHang);
        step("socket-status of input", SocketStatus.INPUT,
                () -> stream.status(Direction.INPUT, Duration.ZERO));
        step("read-line", "lo", in::readLine);
        step("no-hang sequence", "wor", () -> sequence(3, WaitMode.NO_HANG));
        step("interactive sequence", "ld ", () -> sequence(3, WaitMode.INTERACTIVE));
        step("sequence", "and", () -> sequence(3, WaitMode.FULL));
    }

    private void waiting(Peer peer) throws Exception {
        Task<Void> sender = sendWhenBlocked(peer, "x");
        step("read-byte that waits", (int) 'x', in::readByte);
        sender.await();
        sender = sendWhenBlocked(peer, "xyz");
        step("interactive sequence that waits", "xyz", () -> sequence(10, WaitMode.INTERACTIVE));
        sender.await();
    }

    private static Task<Void> sendWhenBlocked(Peer peer, String text) {
        Thread main = Thread.currentThread();
        return Threads.PLATFORM.start("sender", () -> {
            // Not in the look before: then it would have no need to wait.
            Blocked.inOne(main, "parley.net.wait.Poller.poll", "DescriptorWatcher$Watch.await");
            peer.send(text);
            return null;
        });
    }

    private void output() throws Exception {
        StreamOutput out = stream.out();
        step("write-byte", null, () -> {
            out.writeByte('x');
            return null;
        });
        step("write-line", null, () -> {
            out.writeLine("yz");
            return null;
        });
        for (String name : new String[] {"finish-output", "finish-output of nothing"}) {
            step(name, 0, () -> {
                out.flush();
                return out.pending();
            });
        }
    }

    private void ended() throws Exception {
        step("read-byte-no-hang at the end", StreamInput.END, in::readByteNoHang);
        step("read-byte-no-hang after the end", StreamInput.END, in::readByteNoHang);
        step("read-char after the end", StreamInput.END, in::readChar);
        step("no-hang sequence after the end", "", () -> sequence(3, WaitMode.NO_HANG));
        step("socket-status after the end", SocketStatus.EOF,
                () -> stream.status(Direction.INPUT, Duration.ZERO));
    }

    private void unbuffered(Peer peer) throws Exception {
        StreamOutput out = stream.out();
        step("write-byte", null, () -> {
            out.writeByte('x');
            return null;
        });
        step("write-line", null, () -> {
            out.writeLine("yz");
            return null;
        });
        arrive(peer, TEXT);
        step("read-byte", (int) 'h', in::readByte);
        step("read-byte-no-hang", (int) 'e', in::readByteNoHang);
        step("no-hang sequence", "llo", () -> sequence(3, WaitMode.NO_HANG));
    }

    private static void file() throws Exception {
        SocketStream stream = DescriptorStreams.keyboard();
        stream.elementType(ElementType.BIVALENT);
        SystemCallsSteps steps = new SystemCallsSteps(stream);
        StreamInput in = stream.in();
        steps.step("read-byte-lookahead of two lines", 1, in::byteLookahead);
        steps.step("read-byte-no-hang", (int) 'h', in::readByteNoHang);
        steps.step("listen", true, in::listen);
        steps.step("peek-char", (int) 'e', in::peekChar);
        steps.step("read-line", "ello", in::readLine);
        steps.step("socket-status of input", SocketStatus.INPUT,
                () -> stream.status(Direction.INPUT, Duration.ZERO));
        steps.step("interactive sequence", "world",
                () -> steps.sequence(5, WaitMode.INTERACTIVE));
        steps.step("no-hang sequence up to the end", " and!\n",
                () -> steps.sequence(100, WaitMode.NO_HANG));
        steps.step("read-byte-no-hang after the end", StreamInput.END, in::readByteNoHang);
        steps.step("socket-status after the end", SocketStatus.EOF,
                () -> stream.status(Direction.INPUT, Duration.ZERO));
    }

    // ---- several objects ---------------------------------------------------------------------

    private static void mixed() throws Exception {
        Descriptor[] pair = parley.posix.Sockets.socketpair("unix", "stream", 0);
        int handle = Handles.register(pair[0]);
        try (SocketServer server = SocketServer.listen(
                        ServerOptions.builder().host("127.0.0.1").port(0).build());
                SocketStream client = SocketStream.connect(server.localAddress(), options(true));
                SocketStream accepted = server.accept(options(true));
                SocketStream pipe = DescriptorStreams.pipe("cat", Direction.IO, options(true))) {
            Pollable[] objects = {server, client, Pollable.of(handle), pipe,
                DescriptorStreams.keyboard()};
            SystemCallsSteps steps = new SystemCallsSteps(client);
            steps.status("socket-status in vain", objects, -1, () -> { }, IN_VAIN);
            steps.status("socket-status until a pipe has input", objects, 3,
                    () -> say(pipe), null);
            pipe.in().readByte();
            steps.status("socket-status until a raw socket has input", objects, 2,
                    () -> pair[1].write(new byte[1], 0, 1), null);
            pair[0].read(new byte[1], 0, 1);
            steps.status("socket-status until a socket has input", objects, 1,
                    () -> say(accepted), null);
        } finally {
            Handles.close(handle);
            pair[1].close();
        }
    }

    private interface Act {
        void run() throws IOException;
    }

    private static void say(SocketStream stream) throws IOException {
        stream.out().writeByte('x');
        stream.out().flush();
    }

    /** Checks them all for input; while that waits, the act is done, and the one has input. */
    private void status(String name, Pollable[] objects, int one, Act act, Duration timeout)
            throws Exception {
        Direction[] directions = new Direction[objects.length];
        Arrays.fill(directions, Direction.INPUT);
        SocketStatus[] expected = new SocketStatus[objects.length];
        Arrays.fill(expected, SocketStatus.NONE);
        if (one >= 0) {
            expected[one] = SocketStatus.INPUT;
        }
        Thread main = Thread.currentThread();
        Task<Void> actor = Threads.PLATFORM.start("actor", () -> {
            Blocked.in(main, "parley.net.wait.Poller.poll");
            act.run();
            return null;
        });
        step(name, Arrays.asList(expected),
                () -> Arrays.asList(SocketStatus.of(objects, directions, timeout)));
        actor.await();
    }
}
