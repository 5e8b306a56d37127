package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import parley.net.ExternalFormat.CodingAction;
import parley.net.StreamInput.LineTooLongException;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.Threads;

/** Bytes that make no character, or none that is wanted, without an end. */
@Guarded
class EndlessInputTest {
    private static final Duration SHORT = Duration.ofMillis(30);

    /** Bytes that make no character, in hexadecimal, by charset. */
    private static final Map<String, String> NOTHING = Map.of(
            "UTF-8", "FF",
            "US-ASCII", "80",
            "GBK", "FF",
            "UTF-16BE", "DC00",
            "ISO-2022-JP", "1B28421B2442",
            "ISO-2022-KR", "0E0F",
            "x-IBM930", "0E0F");

    static Stream<String> charsets() {
        return NOTHING.keySet().stream().sorted();
    }

    private static byte[] junk(String charset, int size) {
        byte[] unit = HexFormat.of().parseHex(NOTHING.get(charset));
        byte[] junk = new byte[size / unit.length * unit.length];
        for (int i = 0; i < junk.length; i++) {
            junk[i] = unit[i % unit.length];
        }
        return junk;
    }

    private static StreamOptions options(String charset) {
        return StreamOptions.builder().lineLimit(1 << 20).externalFormat(
                ExternalFormat.of(Charset.forName(charset))
                        .withInputErrorAction(CodingAction.IGNORE)).build();
    }

    private interface Use {
        void with(SocketStream stream) throws Exception;
    }

    /** Uses a stream whose peer sends the same bytes until the stream is closed. */
    private static void flooded(StreamOptions options, byte[] junk, Use use) throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = SocketStream.connect(listener.address(), options);
                Peer peer = listener.accept()) {
            Task<Void> flood = Threads.PLATFORM.start("flood", () -> {
                assertThrows(IOException.class, () -> {
                    for (;;) {
                        peer.send(junk);
                    }
                });
                return null;
            });
            use.with(stream);
            stream.abort();
            flood.await();
        }
    }

    @ParameterizedTest
    @MethodSource("charsets")
    void a_poll_looks_and_returns(String charset) throws Exception {
        flooded(options(charset), junk(charset, 1 << 16), stream -> {
            StreamInput in = stream.in();
            char[] chars = new char[10];
            assertEquals(SocketStatus.NONE, stream.status(Direction.INPUT, Duration.ZERO));
            assertFalse(in.listen());
            assertTrue(in.readCharWillHang());
            assertFalse(stream.reader().ready());
            assertEquals(StreamInput.NOTHING, in.readCharNoHang());
            assertEquals(0, in.readChars(chars, 0, 10, WaitMode.NO_HANG));
            assertNull(in.takeNow(Framing.lines(1 << 24)));
            assertEquals(SocketStatus.NONE, stream.status(Direction.INPUT, SHORT));
        });
    }

    @ParameterizedTest
    @MethodSource("charsets")
    void a_deadline_covers_the_whole_call(String charset) throws Exception {
        flooded(options(charset), junk(charset, 1 << 16), stream -> {
            StreamInput in = stream.in();
            char[] chars = new char[10];
            stream.readTimeout(SHORT);
            assertThrows(SocketTimeoutException.class, in::readChar);
            assertThrows(SocketTimeoutException.class, in::peekChar);
            assertThrows(SocketTimeoutException.class, () -> in.peekChar(each -> true));
            assertThrows(SocketTimeoutException.class,
                    () -> in.readChars(chars, 0, 10, WaitMode.FULL));
            assertThrows(SocketTimeoutException.class,
                    () -> in.readChars(chars, 0, 10, WaitMode.INTERACTIVE));
        });
    }

    @Test
    void a_peek_that_skips_obeys_its_deadline() throws Exception {
        for (String charset : new String[] {"UTF-8", "UTF-16LE"}) {
            byte[] spaces = " ".repeat(1 << 15).getBytes(Charset.forName(charset));
            flooded(options(charset), spaces, stream -> {
                stream.readTimeout(SHORT);
                assertThrows(SocketTimeoutException.class,
                        () -> stream.in().peekChar(each -> each == ' '));
                assertEquals(' ', stream.in().readChar());
            });
        }
    }

    @Test
    void clearing_drops_what_has_arrived_and_returns() throws Exception {
        flooded(options("UTF-8"), new byte[1 << 16], stream -> stream.in().clear());
    }

    @ParameterizedTest
    @MethodSource("charsets")
    void memory_is_bounded_whatever_comes_before(String charset) throws Exception {
        for (String before : new String[] {"", "ab"}) {
            InputBuffer buffer = new InputBuffer();
            CharacterCursor cursor = new CharacterCursor(buffer, options(charset).externalFormat());
            feed(buffer, before.getBytes(Charset.forName(charset)));
            for (int i = 0; i < before.length(); i++) {
                assertEquals(before.charAt(i), cursor.read(false));
            }
            byte[] junk = junk(charset, 8 * 1024);
            for (int i = 0; i < 60; i++) {
                feed(buffer, junk);
                assertEquals(CharacterCursor.MORE, cursor.peek(false, true));
                assertTrue(buffer.bytes.length <= 4 * Segment.SIZE, () -> "holds "
                        + buffer.bytes.length);
            }
            if (!before.isEmpty()) {
                assertTrue(cursor.unread('b'), "the character read last can still be unread");
                assertEquals('b', cursor.read(false));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("charsets")
    void a_line_that_goes_on_without_characters_is_too_long(String charset) throws Exception {
        InputBuffer buffer = new InputBuffer();
        CharacterCursor cursor = new CharacterCursor(buffer, options(charset).externalFormat());
        feed(buffer, "ab".getBytes(Charset.forName(charset)));
        byte[] junk = junk(charset, 8 * 1024);
        assertThrows(LineTooLongException.class, () -> {
            for (int i = 0; i < 100; i++) {
                assertNull(cursor.lines().read(false, 1 << 14));
                feed(buffer, junk);
            }
        });
    }

    private static void feed(InputBuffer buffer, byte[] bytes) throws IOException {
        ByteBuffer source = ByteBuffer.wrap(bytes);
        Pieces transport = new Pieces(bytes, null) {
            @Override
            public int read(ByteBuffer into) {
                int n = Math.min(into.remaining(), source.remaining());
                into.put(source.slice(source.position(), n));
                source.position(source.position() + n);
                return n;
            }
        };
        while (source.hasRemaining()) {
            buffer.fill(transport, 0);
        }
    }
}
