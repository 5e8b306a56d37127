package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.ConnectException;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import parley.net.Direction;
import parley.net.ElementType;
import parley.net.ExternalFormat;
import parley.net.Framing;
import parley.net.Intake;
import parley.net.Outlet;
import parley.net.Pollable;
import parley.net.Reactor;
import parley.net.ServerOptions;
import parley.net.SocketOptions;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.net.StreamOptions;
import parley.net.WaitMode;
import parley.posix.DescriptorOption;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Threads;

/** Mistakes of callers in Java, each with the words that it is told in. */
@Guarded
class MisuseTest {
    private record Mistake(Class<? extends Exception> type, String says, Executable call) {
    }

    private final List<Mistake> mistakes = new ArrayList<>();

    private void argument(String says, Executable call) {
        mistakes.add(new Mistake(IllegalArgumentException.class, says, call));
    }

    private void range(String says, Executable call) {
        mistakes.add(new Mistake(IndexOutOfBoundsException.class, says, call));
    }

    private void checkAll() {
        for (Mistake each : mistakes) {
            String said = assertThrows(each.type, each.call, each.says).getMessage();
            assertTrue(said.matches(each.says), () -> said + "\nis not\n" + each.says);
        }
        mistakes.clear();
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX}, on = Threads.PLATFORM)
    void what_must_not_be_null_is_named_with_what_was_expected(Case cell) throws Exception {
        try (Link link = Link.connected(cell); SocketServer server = Sockets.listen(cell);
                StatusSet set = new StatusSet()) {
            SocketStream stream = link.stream;
            argument("SocketServer.listen: the options are null, expected ServerOptions",
                    () -> SocketServer.listen((ServerOptions) null));
            argument("SocketServer.adopt: the channel is null, expected an open and bound .*",
                    () -> SocketServer.adopt(null));
            argument("SocketServer.accept: the options are null, expected StreamOptions, .*",
                    () -> server.accept(null));
            argument("SocketStream.connect: the options are null, expected StreamOptions, .*",
                    () -> SocketStream.connect("127.0.0.1", 80, null));
            argument("SocketStream.connect: the options are null, expected StreamOptions, .*",
                    () -> SocketStream.connect(server.localAddress(), null));
            argument("SocketStream.connect: the host is missing, expected a name or an address; .*",
                    () -> SocketStream.connect(null, 80, StreamOptions.DEFAULT));
            argument("SocketStream.connect: the address is null, expected an InetSocketAddress or a .*",
                    () -> SocketStream.connect(null, StreamOptions.DEFAULT));
            argument("SocketStream.adopt: the channel is null, expected an open and connected .*",
                    () -> SocketStream.adopt(null, StreamOptions.DEFAULT));
            argument("Pollable.status: the direction is null, expected a Direction",
                    () -> stream.status(null, Duration.ZERO));
            argument("SocketStream.shutdown: the direction is null, expected a Direction",
                    () -> stream.shutdown(null));
            argument("SocketStream.adopt: the options are null, expected StreamOptions, .*",
                    () -> SocketStream.adopt(stream.channel(), null));
            argument("SocketStream.elementType: the type is null, expected an ElementType",
                    () -> stream.elementType(null));
            argument("SocketStream.externalFormat: the format is null, expected an .*",
                    () -> stream.externalFormat(null));
            argument("StreamInput.readChars: the wait mode is null, expected a WaitMode",
                    () -> stream.in().readChars(new char[1], 0, 1, null));
            argument("StreamInput.readBytes: the wait mode is null, expected a WaitMode",
                    () -> stream.in().readBytes(new byte[1], 0, 1, null));
            argument("StreamInput.readElement: the wait mode is null, expected a WaitMode",
                    () -> stream.in().readElement(null));
            argument("StreamOutput.writeBytes: the wait mode is null, expected a WaitMode",
                    () -> stream.out().writeBytes(new byte[1], 0, 1, null));
            argument("StreamInput.peekChar: the predicate is null, expected one that returns true for characters to skip",
                    () -> stream.in().peekChar(null));
            argument("SocketStatus.of: the objects are null, expected an array of at least one",
                    () -> SocketStatus.of(null, new Direction[0], null));
            argument("SocketStatus.of: the directions are null, expected one for each object",
                    () -> SocketStatus.of(new Pollable[] {stream}, null, null));
            argument("StatusSet.add: the object is null, expected a stream, a server or .*",
                    () -> set.add(null, Direction.INPUT));
            argument("StatusSet.add: the direction is null, expected .*",
                    () -> set.add(stream, null));
            argument("StatusSet.forEachActionable: the visitor is null, expected a BiConsumer",
                    () -> set.forEachActionable(null));
            argument("SocketOptions.get: the option is null, expected a DescriptorOption",
                    () -> SocketOptions.get(stream, null));
            argument("SocketOptions.set: the object is null, expected a stream, a server or .*",
                    () -> SocketOptions.set(null, DescriptorOption.SO_KEEPALIVE, true));
            argument("SocketOptions.handles: the object is null, expected a stream, a server or .*",
                    () -> SocketOptions.handles(null));
            argument("Reactor.whenReady: the object is null, expected a stream, a server or another .*",
                    () -> Reactor.shared().whenReady(null, Direction.INPUT, status -> { }));
            argument("Reactor.whenReady: the direction is null, expected a Direction",
                    () -> Reactor.shared().whenReady(stream, null, status -> { }));
            argument("Reactor.whenReady: the listener is null, expected a Consumer",
                    () -> Reactor.shared().whenReady(stream, Direction.INPUT, null));
            argument("Intake.statuses: the object is null, expected a stream, a server or another .*",
                    () -> Intake.statuses(null, Direction.INPUT, Runnable::run));
            argument("Intake.connections: the object is null, expected a stream, a server or .*",
                    () -> Intake.connections(null, StreamOptions.DEFAULT, Runnable::run));
            argument("Intake.elements: the object is null, expected a stream, a server or another .*",
                    () -> Intake.elements(null, Framing.lines(10), Runnable::run));
            argument("new Outlet: the object is null, expected a stream, a server or another .*",
                    () -> new Outlet<>(null, Framing.lines(10), Outlet.Ending.CLOSE,
                            Runnable::run));
            checkAll();
            assertThrows(IllegalArgumentException.class, () -> server.acceptNow(null));
            link.roundTrip();
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void what_lies_outside_is_named_and_nothing_is_moved(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            byte[] bytes = new byte[4];
            char[] chars = new char[4];
            for (int[] wrong : new int[][] {{-1, 2}, {2, 1}, {0, 5}, {5, 5},
                {Integer.MAX_VALUE, Integer.MIN_VALUE}}) {
                String what = ": the range is " + wrong[0] + " to " + wrong[1]
                        + ", expected one within the array, 0 to 4";
                range("StreamInput.readBytes" + what, () -> link.stream.in().readBytes(
                        bytes, wrong[0], wrong[1], WaitMode.FULL));
                range("StreamInput.readChars" + what, () -> link.stream.in().readChars(
                        chars, wrong[0], wrong[1], WaitMode.FULL));
                range("StreamInput.readCharsOfLine" + what, () -> link.stream.in().readCharsOfLine(
                        chars, wrong[0], wrong[1]));
                range("StreamOutput.writeBytes" + what, () -> link.stream.out().writeBytes(
                        bytes, wrong[0], wrong[1], WaitMode.FULL));
                range("StreamInput.readElements" + what, () -> link.stream.in().readElements(
                        new long[4], wrong[0], wrong[1], WaitMode.FULL));
                range("StreamOutput.writeElements" + what, () -> link.stream.out().writeElements(
                        new long[4], wrong[0], wrong[1], WaitMode.FULL));
            }
            argument("StreamInput.readBytes: the array is null, expected one with room for the range",
                    () -> link.stream.in().readBytes(null, 0, 1, WaitMode.FULL));
            for (int width : new int[] {-1, 0, 9, Integer.MAX_VALUE}) {
                argument("StreamInput.readInteger: the width is " + width + " bytes, expected 1 to 8",
                        () -> link.stream.in().readInteger(
                                width, true, ByteOrder.BIG_ENDIAN, WaitMode.FULL));
                argument("StreamOutput.writeInteger: the width is " + width + " bytes, expected 1 to 8",
                        () -> link.stream.out().writeInteger(1, width, ByteOrder.BIG_ENDIAN));
            }
            checkAll();
            link.roundTrip();
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void values_are_spelled_as_java_programs_have_them(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.elementType(ElementType.UNSIGNED_BYTE_16);
            mistakes.add(new Mistake(IllegalStateException.class, "StreamInput.readLine: the element"
                    + " type of .* is UNSIGNED_BYTE_16, expected one with characters; switch with"
                    + " SocketStream.elementType to CHARACTER or BIVALENT",
                    () -> link.stream.in().readLine()));
            argument("StreamOutput.writeElement: the value 65536 does not fit .*, expected a value of"
                    + " UNSIGNED_BYTE_16", () -> link.stream.out().writeElement(65536));
            argument("ExternalFormat.of: the charset is null, expected a Charset",
                    () -> ExternalFormat.of(null));
            argument("StreamOptions.Builder.timeout: the timeout is PT-1S, expected null .*",
                    () -> StreamOptions.builder().timeout(Duration.ofSeconds(-1)));
            checkAll();
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void what_fails_on_a_thread_of_the_library_is_named_as_java_has_it(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            Intake<String> lines =
                    Intake.elements(link.stream, Framing.lines(2), ForkJoinPool.commonPool());
            CompletableFuture<String> line = new CompletableFuture<>();
            lines.take(line::complete);
            link.peer.send("too long\n");
            assertNull(line.get(10, TimeUnit.SECONDS));
            String said = lines.cause().getMessage();
            assertTrue(said.startsWith("Intake.elements: a line of "), said);
        }
    }

    @Test
    void numbers_that_cannot_be_are_named_with_their_limits() {
        for (int port : new int[] {-1, 65536}) {
            argument("SocketStream.connect: the port is " + port + ", expected 0 to 65535 .*",
                    () -> SocketStream.connect("no-such-host.invalid", port,
                            StreamOptions.DEFAULT));
            argument("SocketServer.listen: the port is " + port + ", expected 0 to 65535 .*",
                    () -> SocketServer.listen(port));
        }
        argument("ServerOptions.Builder.mode: the mode is \"null\", expected nine letters as ls shows them, .*",
                () -> ServerOptions.builder().mode(null));
        argument("ServerOptions.Builder.backlog: the backlog is 0, expected a positive .*", () -> ServerOptions.builder().backlog(0));
        argument("StreamOptions.Builder.timeout: the timeout is PT-1S, expected null .*",
                () -> StreamOptions.builder().timeout(Duration.ofSeconds(-1)));
        argument("StreamOptions.Builder.lineLimit: the limit is 0, expected a positive .*", () -> StreamOptions.builder().lineLimit(0));
        mistakes.add(new Mistake(ConnectException.class, "SocketStream.connect: 127.0.0.1:0: Connection"
                + " refused: port 0 is for servers, which get a free port; connect to the port that the server has got",
                () -> SocketStream.connect("127.0.0.1", 0, StreamOptions.DEFAULT)));
        checkAll();
    }
}
