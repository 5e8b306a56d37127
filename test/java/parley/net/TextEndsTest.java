package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.reflect.Proxy;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import parley.net.ExternalFormat.CodingAction;
import parley.net.ExternalFormat.CodingException;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.Threads;

/** What goes out ends in the initial state of its charset, and a new text goes on from there. */
@Guarded
class TextEndsTest {
    private static final Duration SHORT = Duration.ofMillis(100);

    private interface Use {
        void with(SocketStream stream, Peer peer) throws Exception;
    }

    private static void pair(ExternalFormat format, Use use) throws Exception {
        try (PeerListener listener = PeerListener.withReceiveBuffer(Family.TCP4, 4096)) {
            SocketChannel channel = SocketChannel.open();
            channel.setOption(StandardSocketOptions.SO_SNDBUF, 4096);
            channel.connect(listener.address());
            StreamOptions options = StreamOptions.builder().elementType(ElementType.BIVALENT)
                    .externalFormat(format).closeTimeout(Duration.ofSeconds(2)).build();
            try (SocketStream stream = SocketStream.adopt(channel, options);
                    Peer peer = listener.accept()) {
                use.with(stream, peer);
                stream.abort();
            }
        }
    }

    private static void pair(String charset, Use use) throws Exception {
        pair(ExternalFormat.of(Charset.forName(charset)), use);
    }

    private static String endOf(SocketStream stream, Peer peer, String charset) throws Exception {
        stream.shutdown(Direction.OUTPUT);
        return new String(peer.receiveAll(), charset);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ISO-2022-JP", "x-IBM930", "ISO-2022-KR", "UTF-16", "x-SJIS_0213"})
    void what_is_cleared_leaves_no_trace(String charset) throws Exception {
        pair(charset, (stream, peer) -> {
            StreamOutput out = stream.out();
            out.writeString("日");
            out.clear();
            out.writeString("本");
            out.flush();
            out.writeString("日");
            out.clear();
            out.writeString("本x");
            assertEquals("本本x", endOf(stream, peer, charset));
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"ISO-2022-JP", "x-IBM930", "ISO-2022-KR", "UTF-16", "x-SJIS_0213"})
    void a_text_that_went_in_part_is_ended_whole(String charset) throws Exception {
        pair(charset, (stream, peer) -> {
            StreamOutput out = stream.out();
            fill(stream);
            out.clear();
            Task<byte[]> reader = Threads.PLATFORM.start("reader", peer::receiveAll);
            out.timeout(null);
            out.writeString("x本");
            stream.shutdown(Direction.OUTPUT);
            String got = new String(reader.await(), charset);
            assertTrue(got.matches("日+x本"), () -> got.length() + " " + got.substring(
                    Math.max(0, got.length() - 20)));
        });
    }

    /** A transport that takes so many bytes, and then none until it is opened. */
    private static final class Valve {
        private static final int EVERYTHING = -1; // and drop it

        private final ByteArrayOutputStream taken = new ByteArrayOutputStream();
        private int room;

        SocketStream stream(SocketStream real, StreamOptions options) throws IOException {
            Transport transport = (Transport) Proxy.newProxyInstance(
                    Transport.class.getClassLoader(), new Class<?>[] {Transport.class},
                    (proxy, method, args) -> method.getName().equals("write")
                            ? write((ByteBuffer) args[0])
                            : method.invoke(real.transport(), args));
            return new SocketStream(transport, "test", 0, options);
        }

        private int write(ByteBuffer from) {
            int n = room == EVERYTHING ? from.remaining() : Math.min(room, from.remaining());
            if (room == EVERYTHING) {
                from.position(from.limit());
                return n;
            }
            for (int i = 0; i < n; i++) {
                taken.write(from.get());
            }
            room -= n;
            return n;
        }
    }

    /** A piece of what is written: a text in a charset, or a byte where that is null. */
    private record Piece(String charset, String text) {
        void write(SocketStream stream) throws IOException {
            if (charset == null) {
                stream.out().writeByte(text.charAt(0));
                return;
            }
            if (!stream.externalFormat().charset().equals(Charset.forName(charset))) {
                stream.externalFormat(ExternalFormat.of(Charset.forName(charset)));
            }
            stream.out().writeString(text);
        }

        String bytes(int length) throws IOException {
            String part = text.substring(0, length);
            return charset == null ? part
                    : new String(part.getBytes(charset), StandardCharsets.ISO_8859_1);
        }
    }

    private static final List<List<Piece>> MIXES = List.of(
            List.of(new Piece("UTF-8", "aé日\ud834\udd1e"), new Piece(null, "!"),
                    new Piece("UTF-8", "日")),
            List.of(new Piece("UTF-8", "a日"), new Piece("ISO-2022-JP", "日本")),
            List.of(new Piece("ISO-2022-JP", "a日本"), new Piece(null, "!"),
                    new Piece("ISO-2022-JP", "日本"), new Piece(null, "?"),
                    new Piece("ISO-2022-JP", "日")),
            List.of(new Piece("ISO-2022-JP", "日本"), new Piece("UTF-8", "日é")),
            List.of(new Piece("x-IBM930", "a日本"), new Piece(null, "!"),
                    new Piece("ISO-2022-JP", "日本"), new Piece("Shift_JIS", "日本")),
            List.of(new Piece("x-SJIS_0213", "aかきか\u309aか"), new Piece(null, "!"),
                    new Piece("x-SJIS_0213", "か")),
            List.of(new Piece("x-SJIS_0213", "か"), new Piece("ISO-2022-JP", "日")));

    /** Returns what may have gone: whole texts, and one that ends behind any character. */
    private static Set<String> wholes(List<Piece> pieces, String next) throws IOException {
        Set<String> wholes = new HashSet<>();
        String before = "";
        for (Piece piece : pieces) {
            for (int i = 0; i <= piece.text.length(); i++) {
                wholes.add(before + piece.bytes(i) + next);
            }
            before += piece.bytes(piece.text.length());
        }
        return wholes;
    }

    /** Wherever it is cut: the peer gets whole characters, and then what is written next. */
    @Test
    void clearing_leaves_whole_characters_wherever_the_system_stopped() throws Exception {
        StreamOptions options = StreamOptions.builder().elementType(ElementType.BIVALENT).build();
        for (List<Piece> pieces : MIXES) {
            Piece next = new Piece(pieces.get(pieces.size() - 1).charset, "x日");
            Set<String> wholes = wholes(pieces, next.bytes(2));
            boolean more = true;
            for (int room = 1; more; room++) {
                List<SocketStream> pair = SocketStream.pair(options);
                Valve valve = new Valve();
                try (SocketStream under = pair.get(0);
                        SocketStream peer = pair.get(1);
                        SocketStream stream = valve.stream(under, options)) {
                    assertTrue(peer.isOpen());
                    valve.room = room;
                    more = writeAndClear(stream, pieces);
                    valve.room = Integer.MAX_VALUE;
                    next.write(stream);
                    stream.out().flush();
                }
                String got = valve.taken.toString(StandardCharsets.ISO_8859_1);
                assertTrue(wholes.contains(got), pieces + " cut at " + room + ": " + got);
            }
        }
    }

    @Test
    void nothing_is_miscounted_behind_two_gigabytes() throws Exception {
        long much = 3L << 30;
        StreamOptions options = StreamOptions.builder().elementType(ElementType.BIVALENT)
                .externalFormat(ExternalFormat.of(Charset.forName("Shift_JIS"))).build();
        List<SocketStream> pair = SocketStream.pair(options);
        Valve valve = new Valve();
        try (SocketStream under = pair.get(0);
                SocketStream peer = pair.get(1);
                SocketStream stream = valve.stream(under, options)) {
            assertTrue(peer.isOpen());
            valve.room = Valve.EVERYTHING;
            byte[] piece = new byte[1 << 24];
            stream.out().writeString("日");
            for (long sent = 0; sent < much; sent += piece.length) {
                stream.out().writeBytes(piece, 0, piece.length, WaitMode.FULL);
            }
            valve.room = 3;
            stream.out().writeString("日本語");
            stream.out().timeout(Duration.ZERO);
            SocketTimeoutException e =
                    assertThrows(SocketTimeoutException.class, stream.out()::flush);
            assertEquals(3, e.bytesTransferred);
            ErrorInfo.moved(e, much);
            assertEquals(Integer.MAX_VALUE, e.bytesTransferred);
            assertEquals(much, ErrorInfo.of(e).bytesDone());
            stream.out().clear();
            valve.room = Integer.MAX_VALUE;
            stream.out().writeString("x");
            stream.out().flush();
            assertEquals("日本x", valve.taken.toString("Shift_JIS"));
        }
    }

    /** Returns whether something was dropped. */
    private static boolean writeAndClear(SocketStream stream, List<Piece> pieces)
            throws IOException {
        for (Piece piece : pieces) {
            piece.write(stream);
        }
        stream.out().timeout(Duration.ZERO);
        try {
            stream.out().flush();
            return false;
        } catch (SocketTimeoutException e) {
            return true;
        } finally {
            stream.out().timeout(null);
            stream.out().clear();
        }
    }

    /** Writes until the peer takes no more, and the text is cut anywhere. */
    private static void fill(SocketStream stream) throws Exception {
        StreamOutput out = stream.out();
        out.timeout(SHORT);
        SocketTimeoutException e = assertThrows(SocketTimeoutException.class, () -> {
            for (;;) {
                out.writeString("日".repeat(1001));
                out.flush();
            }
        });
        assertTrue(e.bytesTransferred >= 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"x-SJIS_0213", "x-MS932_0213", "ISO-2022-JP", "x-IBM930"})
    void a_flush_sends_all_of_the_text(String charset) throws Exception {
        pair(charset, (stream, peer) -> {
            byte[] expected = "か".getBytes(charset);
            for (int i = 0; i < 2; i++) {
                stream.out().writeString("か");
                stream.out().flush();
                assertEquals("か", new String(peer.receive(expected.length), charset));
            }
        });
    }

    @Test
    void bytes_and_another_charset_end_the_text() throws Exception {
        pair("ISO-2022-JP", (stream, peer) -> {
            stream.out().writeString("日");
            stream.out().writeByte('!');
            stream.out().writeString("日");
            stream.externalFormat(ExternalFormat.DEFAULT);
            stream.out().writeString("é");
            byte[] text = "日".getBytes("ISO-2022-JP");
            stream.out().flush();
            assertEquals("日!日", new String(peer.receive(2 * text.length + 1), "ISO-2022-JP"));
            assertEquals("é", peer.receiveText(2));
        });
    }

    @Test
    void a_byte_order_mark_is_written_once() throws Exception {
        pair("UTF-16", (stream, peer) -> {
            stream.out().writeString("a");
            stream.out().flush();
            stream.out().writeBytes(new byte[] {0, 'b'}, 0, 2, WaitMode.FULL);
            stream.out().writeString("c");
            assertEquals("abc", endOf(stream, peer, "UTF-16"));
        });
    }

    @Test
    void half_a_pair_is_reported_at_each_end() throws Exception {
        pair("UTF-8", (stream, peer) -> {
            stream.out().writeString("a\ud834");
            assertThrows(CodingException.class, () -> stream.out().writeByte('b'));
            stream.out().writeString("c\ud834");
            assertThrows(CodingException.class,
                    () -> stream.externalFormat(ExternalFormat.of(StandardCharsets.US_ASCII)));
            assertEquals(ExternalFormat.DEFAULT, stream.externalFormat());
            stream.out().writeString("é\ud834");
            assertThrows(CodingException.class, () -> stream.shutdown(Direction.OUTPUT));
            assertFalse(stream.isOutput());
            assertEquals("acé", new String(peer.receiveAll(), StandardCharsets.UTF_8));
        });
        pair("UTF-8", (stream, peer) -> {
            stream.out().writeString("a\ud834");
            assertThrows(CodingException.class, stream::close);
            assertEquals("a", new String(peer.receiveAll(), StandardCharsets.UTF_8));
        });
    }

    @Test
    void half_a_pair_becomes_the_replacement_at_each_end() throws Exception {
        pair(ExternalFormat.DEFAULT.withOutputErrorAction(CodingAction.replaceWith('?')),
                (stream, peer) -> {
                    stream.out().writeString("a\ud834");
                    stream.out().writeByte('b');
                    stream.out().writeString("c\ud834");
                    assertEquals("a?bc?", endOf(stream, peer, "UTF-8"));
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"UTF-8", "UTF-16LE", "x-IBM930"})
    void a_fresh_line_after_clearing_goes_by_what_went(String charset) throws Exception {
        pair(charset, (stream, peer) -> {
            StreamOutput out = stream.out();
            out.writeString("dropped");
            out.clear();
            assertFalse(out.freshLine(), "nothing was written");
            out.writeString("a\n");
            out.flush();
            out.writeString("dropped");
            out.clear();
            assertFalse(out.freshLine(), "a newline went last");
            out.writeString("b");
            out.flush();
            out.writeString("dropped\n");
            out.clear();
            assertTrue(out.freshLine(), "the b went last");
            assertEquals("a\nb\n", endOf(stream, peer, charset));
        });
    }

    @Test
    void a_sink_of_lines_leaves_the_stream_at_a_fresh_line() throws Exception {
        pair("UTF-16", (stream, peer) -> {
            stream.out().writeString("a");
            assertEquals(Framing.Taken.WHOLE, stream.out().offerLine("b"));
            assertFalse(stream.out().freshLine());
            assertEquals("ab\n", endOf(stream, peer, "UTF-16"));
        });
    }

    @Test
    void a_sequence_that_throws_writes_nothing_and_leaves_the_stream_usable() throws Exception {
        CharSequence bad = new CharSequence() {
            @Override
            public int length() {
                return 3;
            }

            @Override
            public char charAt(int index) {
                if (index == 1) {
                    throw new StackOverflowError("a sequence's own");
                }
                return '日';
            }

            @Override
            public CharSequence subSequence(int start, int end) {
                return this;
            }
        };
        pair("ISO-2022-JP", (stream, peer) -> {
            stream.out().writeString("日");
            assertThrows(StackOverflowError.class, () -> stream.out().writeLine(bad));
            stream.out().writeString("本");
            assertEquals("日本", endOf(stream, peer, "ISO-2022-JP"));
        });
    }

    /** Writes until the peer has taken no more for a while: a late acknowledgement makes room. */
    private static void fillWithBytes(SocketStream stream) throws Exception {
        byte[] much = new byte[1 << 20];
        long quietSince = System.nanoTime();
        while (System.nanoTime() - quietSince < Duration.ofMillis(150).toNanos()) {
            if (stream.out().writeBytes(much, 0, much.length, WaitMode.NO_HANG) > 0) {
                quietSince = System.nanoTime();
            } else {
                Await.pass(Duration.ofMillis(1));
            }
        }
    }

    // ---- an end that cannot be reached ---------------------------------------------------------

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void a_shutdown_that_is_given_up_shuts_nothing_and_loses_nothing(boolean interrupt)
            throws Exception {
        pair("UTF-8", (stream, peer) -> {
            fillWithBytes(stream);
            stream.out().timeout(interrupt ? null : SHORT);
            stream.out().writeString("the end");
            Task<Void> shutter = Threads.PLATFORM.start("shutter", () -> {
                stream.shutdown(Direction.IO);
                return null;
            });
            if (interrupt) {
                shutter.interrupt();
            }
            shutter.failure(InterruptedIOException.class);
            assertTrue(stream.isOutput() && stream.isInput());
            stream.out().timeout(null);
            Task<byte[]> reader = Threads.PLATFORM.start("reader", peer::receiveAll);
            stream.shutdown(Direction.OUTPUT);
            byte[] got = reader.await();
            assertEquals("the end", new String(
                    Arrays.copyOfRange(got, got.length - 7, got.length), StandardCharsets.UTF_8));
        });
    }

    @Test
    void a_close_that_is_interrupted_reports_what_is_lost() throws Exception {
        pair("UTF-8", (stream, peer) -> {
            fillWithBytes(stream);
            stream.out().writeBytes(new byte[16_000], 0, 16_000, WaitMode.FULL);
            Task<Void> closer = Threads.PLATFORM.start("closer", () -> {
                Thread.currentThread().interrupt();
                stream.close();
                return null;
            });
            InterruptedIOException e = closer.failure(InterruptedIOException.class);
            int lost = 16_000 - e.bytesTransferred;
            assertTrue(e.getMessage().contains(lost + " bytes that were written are lost"),
                    e::toString);
            assertFalse(stream.isOpen());
        });
    }

    @Test
    void a_format_is_changed_on_both_sides_or_on_neither() throws Exception {
        pair("UTF-8", (stream, peer) -> {
            stream.readTimeout(SHORT);
            Task<Integer> reader = Threads.PLATFORM.start("reader", () -> {
                stream.readTimeout(null);
                return stream.in().readChar();
            });
            Blocked.in(reader, "parley.net.wait.ThreadWaits.await");
            stream.readTimeout(SHORT);
            ExternalFormat latin = ExternalFormat.of(StandardCharsets.ISO_8859_1);
            assertThrows(SocketTimeoutException.class, () -> stream.externalFormat(latin));
            assertEquals(ExternalFormat.DEFAULT, stream.externalFormat());
            stream.out().writeString("é");
            stream.out().flush();
            assertEquals("é", peer.receiveText(2));
            peer.send("é");
            assertEquals('é', reader.await());
        });
    }
}
