package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import parley.testing.FullStack;
import parley.testing.Guarded;
import parley.testing.Race;
import parley.testing.Task;
import parley.testing.Threads;

/** A change of the external format that fails half-way, or races with readers and writers. */
@Guarded
class FormatFaultsTest {
    private static final int LINES = 300;
    private static final List<ExternalFormat> FORMATS = List.of(
            ExternalFormat.of(StandardCharsets.ISO_8859_1), ExternalFormat.DEFAULT,
            ExternalFormat.of(Charset.forName("x-SJIS_0213")));

    private SocketStream stream;
    private SocketStream peer;
    private int changes;

    @BeforeEach
    void connect() throws IOException {
        List<SocketStream> pair = SocketStream.pair(StreamOptions.DEFAULT);
        stream = pair.get(0);
        peer = pair.get(1);
        peer.externalFormat(FORMATS.get(0)); // each byte is a character
    }

    @AfterEach
    void disconnect() throws IOException {
        stream.abort();
        peer.abort();
    }

    private void change() throws IOException {
        stream.externalFormat(FORMATS.get(changes++ % FORMATS.size()));
    }

    /** Returns the answers when the stream and its sides have different ones. */
    private Object differing() {
        ExternalFormat format = stream.externalFormat();
        return stream.in().cursor.format == format && stream.out().characters.format == format
                ? null : "different formats";
    }

    @Test
    void a_full_stack_changes_both_sides_or_none() throws Exception {
        for (int i = 0; i < 6; i++) {
            change();
            stream.out().writeString("a"); // a text to be ended
        }
        FullStack.probe("externalFormat", () -> {
            change();
            stream.out().writeString("a");
        }, this::differing);
        change();
        stream.out().writeLine("b");
        stream.out().flush();
        assertTrue(peer.in().readLine().endsWith("ab"));
    }

    @Race(3)
    @Test
    void readers_and_writers_lose_nothing_when_the_format_changes() throws Exception {
        List<SocketStream> pair = SocketStream.pair(StreamOptions.DEFAULT);
        try (SocketStream one = pair.get(0); SocketStream other = pair.get(1)) {
            other.externalFormat(FORMATS.get(0));
            Task<Void> writer = Threads.PLATFORM.start("writer", () -> {
                for (int i = 0; i < LINES; i++) {
                    one.out().writeLine("é" + i);
                    one.out().flush();
                }
                return null;
            });
            Task<Void> reader = Threads.PLATFORM.start("reader", () -> {
                for (int i = 0; i < LINES; i++) {
                    assertEquals("line " + i, one.in().readLine());
                }
                return null;
            });
            // It waits for a reader that is blocked, and so needs a thread of its own.
            Task<Void> changer = Threads.PLATFORM.start("changer", () -> {
                for (int i = 0; i < LINES; i++) {
                    one.externalFormat(FORMATS.get(i % 2));
                }
                return null;
            });
            for (int i = 0; i < LINES; i++) {
                other.out().writeLine("line " + i);
                other.out().flush();
                String line = other.in().readLine();
                assertTrue(Set.of("é" + i, "Ã©" + i).contains(line), line);
            }
            writer.await();
            reader.await();
            changer.await();
            assertEquals(FORMATS.get((LINES - 1) % 2), one.externalFormat());
        }
    }
}
