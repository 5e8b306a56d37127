package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import parley.net.ExternalFormat.CodingException;
import parley.net.Direction;
import parley.net.ElementType;
import parley.net.ExternalFormat;
import parley.net.ExternalFormat.CodingAction;
import parley.net.StreamInput.LineTooLongException;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StreamInput;
import parley.net.StreamOptions;
import parley.net.WaitMode;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.Threads;

/** TXT: characters and lines. */
@Guarded
@OverHandlesToo
class TextTest {
    private static final String MIXED = "aß€𝄞\u0000\uFEFF\u2028 z\n漢字\r\nend";

    @EveryCase
    void TXT_1_a_line_without_an_end_stops_at_the_limit(Case cell) throws Exception {
        int limit = 1 << 20;
        try (Link link = Link.connected(cell, Sockets.options().lineLimit(limit).build())) {
            Task<Void> flood = cell.start("flood", () -> flood(link.peer));
            LineTooLongException e = assertThrows(LineTooLongException.class,
                    () -> link.stream.in().readLine());
            assertTrue(e.getMessage().contains("1048576"), e::getMessage);
            assertEquals('x', link.stream.in().readChar());
            link.stream.abort();
            flood.failure(IOException.class);
        }
    }

    private static Void flood(Peer peer) throws IOException {
        byte[] block = new byte[64 * 1024];
        java.util.Arrays.fill(block, (byte) 'x');
        while (true) {
            peer.send(block);
        }
    }

    /** Bytes that are no UTF-8. */
    enum Malformed {
        LONE_CONTINUATION(0x80),
        OVERLONG(0xC0, 0xAF),
        SURROGATE(0xED, 0xA0, 0x80),
        TOO_HIGH(0xF4, 0x90, 0x80, 0x80),
        FE(0xFE),
        FF(0xFF),
        CUT_SHORT(0xE2, 0x82);

        private final byte[] bytes;

        Malformed(int... bytes) {
            this.bytes = new byte[bytes.length];
            for (int i = 0; i < bytes.length; i++) {
                this.bytes[i] = (byte) bytes[i];
            }
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX, Family.HANDLE})
    void TXT_2_bad_bytes_are_reported_with_their_place_and_what_follows_is_read(Case cell,
            Malformed bad) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("ok".getBytes(StandardCharsets.UTF_8), bad.bytes,
                    "then\n".getBytes(StandardCharsets.UTF_8)).endOutput();
            assertEquals('o', link.stream.in().readChar());
            assertEquals('k', link.stream.in().readChar());
            CodingException e = assertThrows(CodingException.class,
                    () -> link.stream.in().readChar());
            assertEquals(2, e.offset());
            assertTrue(e.getMessage().contains(String.format(" %02X", bad.bytes[0])),
                    e::getMessage);
            assertTrue(readPast(link.stream.in()).endsWith("then"));
        }
    }

    /** The next line, past as many errors as there are. */
    private static String readPast(StreamInput in) throws IOException {
        while (true) {
            try {
                return in.readLine();
            } catch (CodingException e) {
                assertTrue(e.offset() >= 2, e::getMessage);
            }
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void TXT_2_bad_bytes_are_replaced_where_that_was_asked_for(Case cell, Malformed bad)
            throws Exception {
        StreamOptions replacing = Sockets.options().externalFormat(ExternalFormat.DEFAULT
                .withInputErrorAction(CodingAction.replaceWith('\uFFFD'))).build();
        try (Link link = Link.connected(cell, replacing)) {
            byte[] all = concatenated("ok".getBytes(StandardCharsets.UTF_8), bad.bytes,
                    "then".getBytes(StandardCharsets.UTF_8));
            link.peer.send(all, new byte[] {'\n'});
            // the JDK's decoder replaces one bad sequence by one character too
            assertEquals(new String(all, StandardCharsets.UTF_8), link.stream.in().readLine());
        }
    }

    private static byte[] concatenated(byte[]... parts) {
        java.io.ByteArrayOutputStream all = new java.io.ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    @EveryCase
    void TXT_3_a_character_cut_by_the_end_is_an_error_and_then_the_end(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send(new byte[] {'a', (byte) 0xE2, (byte) 0x82}).endOutput();
            assertEquals('a', link.stream.in().readChar());
            CodingException e = assertThrows(CodingException.class,
                    () -> link.stream.in().readChar());
            assertTrue(e.getMessage().contains("E2 82"), e::getMessage);
            assertEquals(StreamInput.END, link.stream.in().readChar());
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX, Family.HANDLE})
    void TXT_4_text_cut_at_every_byte_is_the_same_text(Case cell, Format format)
            throws Exception {
        Charset charset = format.charset;
        String text = format.text;
        StreamOptions options = Sockets.options()
                .externalFormat(ExternalFormat.of(charset)).build();
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = Sockets.over(
                        cell, SocketStream.connect(listener.address(), options), options);
                Peer peer = listener.accept()) {
            byte[] bytes = (text + "\n").repeat(3).getBytes(charset);
            Task<Peer> sender = Threads.PLATFORM.start("sender",
                    () -> peer.trickle(bytes, Duration.ofNanos(1)).endOutput());
            List<String> lines = List.of(text.split("\r?\n"));
            for (String line : lines) {
                assertEquals(line, stream.in().readLine());
            }
            for (int at = 0; at < text.length(); at++) {
                at += text.charAt(at) == '\r' ? 1 : 0; // \r\n is one newline
                assertEquals(text.charAt(at), stream.in().readChar(), "at " + at);
            }
            assertEquals('\n', stream.in().readChar());
            for (String line : lines) {
                assertEquals(line, stream.in().readLine());
            }
            assertNull(stream.in().readLine());
            sender.await();
        }
    }

    /** Charsets of different kinds. */
    enum Format {
        UTF_8("UTF-8", MIXED),
        LATIN_1("ISO-8859-1", "plain \u00e9\nand\r\nend"),
        UTF_16LE("UTF-16LE", MIXED),
        EUC_JP("EUC-JP", "a漢\r\n字b\n終");

        private final Charset charset;
        private final String text;

        Format(String charset, String text) {
            this.charset = Charset.forName(charset);
            this.text = text;
        }
    }

    @EveryCase
    void TXT_5_a_return_ends_a_line_without_waiting_for_a_line_feed(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.readTimeout(Duration.ofSeconds(10));
            link.peer.send("one\r");
            assertEquals("one", link.stream.in().readLine());
            assertEquals(SocketStatus.NONE,
                    link.stream.status(Direction.INPUT, Duration.ofMillis(20)));
            link.peer.send("\n");
            assertEquals(SocketStatus.NONE,
                    link.stream.status(Direction.INPUT, Duration.ofMillis(20)));
            link.peer.send("two\r\nthree\n\rfour\r");
            for (String line : List.of("two", "three", "", "four")) {
                assertEquals(line, link.stream.in().readLine());
            }
            link.peer.endOutput();
            assertNull(link.stream.in().readLine());
        }
    }

    @EveryCase
    void TXT_5_the_line_feed_of_a_return_is_skipped_by_a_byte_read_too(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("abc\r");
            assertEquals("abc", link.stream.in().readLine());
            link.peer.send("\nB");
            assertEquals('B', link.stream.in().readByte());
        }
    }

    @EveryCase
    void TXT_6_kinds_of_reads_can_be_mixed_and_account_for_every_byte(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("a\u20ac" + "bline\n" + "c\u00e9" + "rest of it");
            StreamInput in = link.stream.in();
            assertEquals('a', in.readByte());
            assertEquals('\u20ac', in.readChar());
            assertEquals('b', in.readByte());
            assertEquals("line", in.readLine());
            assertEquals('c', in.readChar());
            assertEquals(0xc3, in.readByte());
            assertEquals(0xa9, in.readByte());
            byte[] four = new byte[4];
            assertEquals(4, in.readBytes(four, 0, 4, WaitMode.FULL));
            assertArrayEquals("rest".getBytes(StandardCharsets.US_ASCII), four);
            assertEquals(' ', link.stream.reader().read());
            assertEquals('o', link.stream.inputStream().read());
            assertEquals('f', in.peekChar());
            assertEquals('f', in.readByte());
        }
    }

    @EveryCase
    void TXT_7_a_charset_switched_in_mid_stream_begins_at_the_next_character(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("\u00e4\n".getBytes(StandardCharsets.UTF_8),
                    "\u00e4\n".getBytes(StandardCharsets.ISO_8859_1),
                    "\u00e4\n".getBytes(StandardCharsets.UTF_16BE));
            for (Charset charset : List.of(StandardCharsets.UTF_8, StandardCharsets.ISO_8859_1,
                    StandardCharsets.UTF_16BE)) {
                link.stream.externalFormat(ExternalFormat.of(charset));
                assertEquals("\u00e4", link.stream.in().readLine());
            }
        }
    }

    @EveryCase
    void TXT_8_a_character_without_bytes_is_an_error_before_any_byte_of_it(Case cell)
            throws Exception {
        StreamOptions ascii = Sockets.options()
                .externalFormat(ExternalFormat.of(StandardCharsets.US_ASCII)).build();
        try (Link link = Link.connected(cell, ascii)) {
            link.stream.out().writeString("fine");
            assertThrows(CodingException.class, () -> link.stream.out().writeChar('\u20ac'));
            link.stream.out().writeString("!");
            link.stream.close();
            assertEquals("fine!", link.peer.receiveText(5));
            link.peer.expectEnd();
        }
    }

    @EveryCase
    void TXT_9_a_stateful_charset_is_shifted_back_on_close(Case cell) throws Exception {
        Charset charset = Charset.forName("ISO-2022-JP");
        try (Link link = Link.connected(cell, Sockets.options()
                .externalFormat(ExternalFormat.of(charset)).build())) {
            link.stream.out().writeString("漢");
            link.stream.close();
            assertArrayEquals("漢".getBytes(charset), link.peer.receiveAll());
        }
    }

    @EveryCase
    void TXT_10_unread_works_after_a_timeout_and_at_the_end(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            StreamInput in = link.stream.in();
            link.peer.send("u");
            assertEquals('u', in.readChar());
            in.unreadChar('u');
            assertEquals('u', in.readChar());
            link.stream.readTimeout(Duration.ofMillis(10));
            assertThrows(SocketTimeoutException.class, in::readChar);
            link.stream.readTimeout(null);
            in.unreadChar('u');
            link.peer.endOutput();
            assertEquals('u', in.readChar());
            assertEquals(StreamInput.END, in.readChar());
            in.unreadChar('u');
            assertEquals('u', in.readChar());
        }
    }

    @EveryCase
    void TXT_11_control_characters_pass_untouched(Case cell) throws Exception {
        String text = "\u0000\uFEFF\u2028\u001b[31m\u0007";
        try (Link link = Link.connected(cell)) {
            link.peer.send(text + "\n");
            assertEquals(text, link.stream.in().readLine());
            link.stream.out().writeString(text);
            link.stream.close();
            assertArrayEquals(text.getBytes(StandardCharsets.UTF_8), link.peer.receiveAll());
        }
    }

    @EveryCase
    void TXT_half_a_character_is_none_for_a_character_stream(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            link.stream.elementType(ElementType.CHARACTER);
            link.peer.send(new byte[] {(byte) 0xE2, (byte) 0x82});
            assertEquals(SocketStatus.NONE,
                    link.stream.status(Direction.INPUT, Duration.ofMillis(50)));
            assertEquals(StreamInput.NOTHING, link.stream.in().readCharNoHang());
            link.stream.elementType(ElementType.UNSIGNED_BYTE_8);
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, Duration.ZERO));
            link.stream.elementType(ElementType.CHARACTER);
            link.peer.send(new byte[] {(byte) 0xAC});
            assertEquals(SocketStatus.INPUT,
                    link.stream.status(Direction.INPUT, Duration.ofSeconds(10)));
            assertEquals('\u20ac', link.stream.in().readChar());
        }
    }
}
