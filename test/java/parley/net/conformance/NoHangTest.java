package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.channels.AsynchronousCloseException;
import java.time.Duration;
import parley.net.WaitMode;
import parley.net.ElementType;
import parley.net.SocketStream;
import parley.net.StreamInput;
import parley.net.StreamOptions;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.PeerListener;
import parley.testing.Task;

/** What never waits does not wait for the connection or for another thread either. */
@Guarded
class NoHangTest {
    private static void nothingIsThere(SocketStream stream) throws IOException {
        StreamInput in = stream.in();
        assertFalse(in.listen());
        assertTrue(in.readCharWillHang());
        assertEquals(StreamInput.NOTHING, in.byteLookahead());
        assertEquals(StreamInput.NOTHING, in.readCharNoHang());
        assertEquals(StreamInput.NOTHING, in.readByteNoHang());
        assertNull(in.readInteger(4, true, ByteOrder.BIG_ENDIAN, WaitMode.NO_HANG));
        assertEquals(1, in.readBytes(new byte[9], 1, 9, WaitMode.NO_HANG));
        assertEquals(1, in.readChars(new char[9], 1, 9, WaitMode.NO_HANG));
        assertEquals(0, stream.inputStream().available());
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void no_look_and_no_hang_call_waits_for_the_connection(Case cell) throws Exception {
        try (PeerListener full = PeerListener.full(cell.family());
                SocketStream stream = SocketStream.connect(full.address(),
                        StreamOptions.builder().elementType(ElementType.BIVALENT)
                                .timeout(Duration.ZERO).build())) {
            nothingIsThere(stream);
            stream.in().clear();
            assertEquals(0, stream.out().writeBytes(new byte[9], 0, 9, WaitMode.NO_HANG));
            Task<Integer> reader = cell.start("reader", () -> stream.in().readChar());
            Blocked.in(reader, "StreamConnection$Connecting.finish");
            nothingIsThere(stream);
            stream.abort();
            reader.failure(AsynchronousCloseException.class);
        }
    }

    @EveryCase
    void no_look_and_no_hang_call_waits_for_a_thread_that_waits(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            SocketStream stream = link.stream;
            Task<Integer> reader = cell.start("reader", () -> stream.in().readChar());
            Blocked.in(reader, "parley.net.StreamSide.await");
            nothingIsThere(stream);
            link.peer.send("x");
            assertEquals('x', reader.await());
        }
    }

    @EveryCase
    void no_no_hang_write_waits_for_a_thread_that_waits(Case cell) throws Exception {
        try (Link link = Link.narrow(cell, 4096)) {
            SocketStream stream = link.stream;
            Task<Integer> writer = cell.start("writer", () ->
                    stream.out().writeBytes(new byte[Link.MUCH], 0, Link.MUCH, WaitMode.FULL));
            Blocked.in(writer, "parley.net.StreamSide.await");
            assertEquals(2, stream.out().writeBytes(new byte[9], 2, 9, WaitMode.NO_HANG));
            stream.abort();
            writer.failure(AsynchronousCloseException.class);
        }
    }
}
