package parley.net.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.util.Arrays;

/**
 * Any charset, through the JDK's decoder, which is fed byte by byte until a character comes out: so
 * it cannot look ahead, whatever state it keeps. Bytes that only change its state (a byte order
 * mark, an escape sequence) belong to the character that follows them.
 *
 * <p>The JDK's decoders cannot go back to an earlier state, only to the initial one. A byte order
 * is kept all the same, by decoding the first character once more.
 */
final class JdkDecoder extends Decoder {
    /** So many bytes without a character are given up together: they must not be kept for ever. */
    private static final int MOST = 4096;

    private final CharsetDecoder decoder;
    private final CharBuffer out = CharBuffer.allocate(8);
    private ByteBuffer in; // over the array of the last call
    private int fed; // bytes of the present character that the decoder has consumed already
    private boolean fresh = true; // nothing was decoded since the last reset
    private boolean ended; // the decoder has received the end of input
    private boolean flushed; // and has given all that it had
    private int heldBack = -1;
    private boolean started; // a character was consumed
    private byte[] first; // the bytes of that character when they settle a byte order, else null

    JdkDecoder(Charset charset) {
        decoder = charset.newDecoder(); // reports errors, which is its default
    }

    @Override
    public int decode(byte[] bytes, int from, int to, boolean atEnd) {
        if (in == null || in.array() != bytes) {
            in = ByteBuffer.wrap(bytes);
        }
        int at = from + fed;
        for (int end = at + 1; end <= to && !ended; end++) {
            CoderResult result = step(at, end, out.capacity(), false);
            if (out.position() > 0) {
                return found(from, at);
            }
            at = in.position();
            if (result.isError()) {
                return bad(from, at, result.length());
            }
            fed = at - from;
            if (fed >= MOST) {
                return none(fed);
            }
        }
        return atEnd && !flushed ? last(from, at, to) : 0;
    }

    private CoderResult step(int from, int to, int most, boolean atEnd) {
        fresh = false;
        in.limit(to).position(from);
        out.clear().limit(most);
        return decoder.decode(in, out, atEnd);
    }

    private int found(int from, int at) {
        out.flip();
        shift = at - from;
        unit = out.get();
        low = out.hasRemaining() ? out.get() : -1;
        fed = 0;
        return in.position() - from;
    }

    private int bad(int from, int at, int length) {
        shift = at - from;
        fed = 0;
        return -(at - from + length);
    }

    private int none(int length) {
        unit = -1;
        low = -1;
        shift = length;
        fed = 0;
        return length;
    }

    /** Decodes one character of the very end of the input: both halves of a pair, if it is one. */
    private int last(int from, int at, int to) {
        ended = true;
        CoderResult result = step(at, to, 1, true);
        int start = at;
        if (result.isOverflow() && out.position() == 0) {
            start = in.position();
            result = step(start, to, 2, true);
        }
        if (out.position() > 0) {
            return found(from, start);
        }
        return result.isError() ? bad(from, in.position(), result.length()) : flush(from, at, to);
    }

    private int flush(int from, int at, int to) {
        out.clear();
        decoder.flush(out);
        flushed = true;
        if (out.position() == 0) {
            return none(to - from);
        }
        in.position(to);
        int n = found(from, at);
        heldBack = n == 0 ? unit : -1;
        return n;
    }

    @Override
    public int heldBack() {
        int held = heldBack;
        heldBack = -1;
        return held;
    }

    @Override
    public void consumed(byte[] bytes, int from, int to) {
        if (!started) {
            first = encodedNewline().length > 1 ? Arrays.copyOfRange(bytes, from, to) : null;
            started = true;
        }
    }

    @Override
    public void reset() {
        if (!fresh) {
            fed = 0;
            heldBack = -1;
            decoder.reset();
            ended = false;
            flushed = false;
            if (first != null) {
                decodeAgain(first);
            }
            fresh = true;
        }
    }

    private void decodeAgain(byte[] sequence) {
        CharBuffer ignored = CharBuffer.allocate(sequence.length * 2 + 8);
        ByteBuffer bytes = ByteBuffer.wrap(sequence);
        CoderResult result = decoder.decode(bytes, ignored, false);
        while (result.isError()) {
            bytes.position(bytes.position() + result.length());
            result = decoder.decode(bytes, ignored, false);
        }
    }

    @Override
    public boolean hasAsciiNewlines() {
        return false;
    }

    @Override
    public boolean isAsciiCompatible() {
        return false;
    }

    @Override
    public String decodeRun(byte[] bytes, int from, int to, Room room) {
        return null;
    }

    /** Returns the bytes of a line feed, in the byte order of the stream if the charset has two. */
    @Override
    public byte[] newline() {
        byte[] newline = encodedNewline();
        if (first == null) {
            return newline;
        }
        byte[] trial = Arrays.copyOf(first, first.length + newline.length);
        System.arraycopy(newline, 0, trial, first.length, newline.length);
        return new String(trial, decoder.charset()).endsWith("\n") ? newline : reversed(newline);
    }

    private byte[] encodedNewline() {
        Charset charset = decoder.charset();
        return charset.canEncode() ? Encoder.newline(charset) : super.newline();
    }

    private static byte[] reversed(byte[] bytes) {
        byte[] reversed = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            reversed[i] = bytes[bytes.length - 1 - i];
        }
        return reversed;
    }
}
