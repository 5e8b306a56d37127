package parley.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import parley.net.ExternalFormat.CodingAction;
import parley.testing.Family;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Seeds;

/**
 * Bytes as they come out of a stream, however its text was cut into calls, beside the JDK's encoder
 * on all the text at once: for every charset of the JDK.
 */
@Timeout(180)
class EncodingTest {
    private static final int ROUNDS = 2;
    private static final String LETTERS = "ab z\t0é€ßжя漢字가あア\uFF71";

    static Stream<Charset> charsets() {
        return Charset.availableCharsets().values().stream().filter(Charset::canEncode);
    }

    @ParameterizedTest
    @MethodSource("charsets")
    void text_becomes_the_bytes_that_the_encoder_of_the_JDK_makes(Charset charset)
            throws Exception {
        Seeds.with(random -> {
            try (PeerListener listener = PeerListener.on(Family.TCP4)) {
                for (int round = 0; round < ROUNDS; round++) {
                    String text = text(random);
                    byte[] sent = sent(listener, charset, text, random);
                    assertArrayEquals(atOnce(charset, text), sent, () -> charset + " of " + text);
                }
            }
        });
    }

    /** Mostly ASCII, of any length about that of the pieces in which text is encoded. */
    private static String text(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(3 * Segment.CHARS); i > 0; i--) {
            int at = random.nextInt(LETTERS.length());
            text.append(random.nextInt(4) > 0 ? "x" : random.nextInt(3) == 0 ? "𝄞"
                    : LETTERS.substring(at, at + 1));
        }
        return text.toString();
    }

    private static byte[] sent(PeerListener listener, Charset charset, String text, Random random)
            throws Exception {
        ExternalFormat format = ExternalFormat.of(charset)
                .withOutputErrorAction(CodingAction.IGNORE);
        SocketAddress address = listener.address();
        try (SocketStream stream = SocketStream.connect(address,
                StreamOptions.builder().externalFormat(format).build());
                Peer peer = listener.accept()) {
            write(stream.out(), text, random);
            stream.externalFormat(ExternalFormat.of(StandardCharsets.UTF_8)); // to the first state
            stream.shutdown(Direction.OUTPUT);
            return peer.receiveAll();
        }
    }

    private static void write(StreamOutput out, String text, Random random) throws Exception {
        int at = 0;
        while (at < text.length()) {
            int end = Math.min(text.length(), at + 1 + (random.nextBoolean() ? random.nextInt(5)
                    : random.nextInt(2 * Segment.CHARS)));
            String piece = text.substring(at, end);
            switch (random.nextInt(4)) {
                case 0 -> out.writeString(new StringBuilder(piece));
                case 1 -> out.writeString(CharBuffer.wrap(piece.toCharArray()));
                case 2 -> {
                    for (char each : piece.toCharArray()) {
                        out.writeChar(each);
                    }
                }
                default -> out.writeString(piece);
            }
            at = end;
        }
    }

    /** A newline, which is left out, brings each charset to its initial state. */
    private static byte[] atOnce(Charset charset, String text) {
        CharsetEncoder encoder = charset.newEncoder()
                .onMalformedInput(CodingErrorAction.IGNORE)
                .onUnmappableCharacter(CodingErrorAction.IGNORE);
        ByteBuffer out = ByteBuffer.allocate(text.length() * 12 + 64);
        encoder.encode(CharBuffer.wrap(text), out, false);
        int newline = 0;
        if (!text.isEmpty() && charset.newEncoder().canEncode('\n')) {
            newline = "\n\n".getBytes(charset).length - "\n".getBytes(charset).length;
            encoder.encode(CharBuffer.wrap("\n"), out, true);
        }
        return Arrays.copyOf(out.array(), out.position() - newline);
    }
}
