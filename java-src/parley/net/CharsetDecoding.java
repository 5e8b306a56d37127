package parley.net;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Any charset, through the JDK's decoder, which is fed byte by byte until a character comes out: so
 * it cannot look ahead, whatever state it keeps. Bytes that only change its state (a byte order
 * mark, an escape sequence) belong to the character that follows them.
 *
 * <p>The JDK's decoders cannot go back. This one can, by starting anew and replaying what made the
 * state: the first character, which settles the byte order, and the sequences that changed the
 * state since, each once, in the order of their last use.
 */
final class CharsetDecoding extends Decoder {
    private static final int REPLAYED = 64; // sequences; no charset has so many

    private final CharsetDecoder decoder;
    private final CharBuffer out = CharBuffer.allocate(8);
    private ByteBuffer in; // over the array of the last call
    private int fed; // bytes of the present character that the decoder has consumed already
    private boolean fresh = true; // nothing was decoded since the decoder started anew
    private int heldBack = -1;
    private byte[] first; // what was read first, or null
    private final List<byte[]> shifts = new ArrayList<>();

    private record State(byte[] first, List<byte[]> shifts) {
    }

    CharsetDecoding(Charset charset) {
        decoder = charset.newDecoder(); // reports errors, which is its default
    }

    @Override
    int decode(byte[] bytes, int from, int to, boolean atEnd) {
        if (in == null || in.array() != bytes) {
            in = ByteBuffer.wrap(bytes);
        }
        int at = from + fed;
        for (int end = at + 1; end <= to; end++) {
            CoderResult result = step(at, end, false);
            if (out.position() > 0) {
                return found(from, at);
            }
            at = in.position();
            if (result.isError()) {
                return bad(from, at, result.length());
            }
            fed = at - from;
        }
        return atEnd ? last(from, at, to) : 0;
    }

    private CoderResult step(int from, int to, boolean atEnd) {
        fresh &= from == to;
        in.limit(to).position(from);
        out.clear();
        return decoder.decode(in, out, atEnd);
    }

    private int found(int from, int at) {
        shift = at - from;
        fed = 0;
        out.flip();
        unit = out.get();
        low = out.hasRemaining() ? out.get() : -1;
        return in.position() - from;
    }

    private int bad(int from, int at, int length) {
        shift = at - from;
        fed = 0;
        return -(at - from + length);
    }

    /** What the bytes at the very end of the input come to. */
    private int last(int from, int at, int to) {
        CoderResult result = step(at, to, true);
        int n;
        if (out.position() > 0) {
            n = found(from, at);
        } else if (result.isError()) {
            n = bad(from, in.position(), result.length());
        } else {
            n = flushed(from, at, to);
        }
        fed = 0;
        replay(); // a decoder that was told of the end must start anew
        return n;
    }

    private int flushed(int from, int at, int to) {
        decoder.flush(out);
        if (out.position() > 0 && !fresh) {
            in.position(to);
            int n = found(from, at);
            heldBack = n == 0 ? unit : -1;
            return n;
        }
        unit = -1;
        low = -1;
        shift = to - from;
        return to - from;
    }

    @Override
    int heldBack() {
        int held = heldBack;
        heldBack = -1;
        return held;
    }

    @Override
    void consumed(byte[] bytes, int from, int to, int count) {
        if (first == null) {
            first = Arrays.copyOfRange(bytes, from, to);
        }
        if (count > 0) {
            byte[] sequence = Arrays.copyOfRange(bytes, from, from + count);
            shifts.removeIf(each -> Arrays.equals(each, sequence));
            shifts.add(sequence);
            if (shifts.size() > REPLAYED) {
                shifts.remove(0);
            }
        }
    }

    @Override
    boolean holdsBytes() {
        return fed > 0;
    }

    @Override
    void reset() {
        fed = 0;
        replay();
    }

    private void replay() {
        decoder.reset();
        if (first != null) {
            replay(first);
        }
        shifts.forEach(this::replay);
        fresh = true;
    }

    private void replay(byte[] sequence) {
        CharBuffer ignored = CharBuffer.allocate(sequence.length * 2 + 8);
        ByteBuffer bytes = ByteBuffer.wrap(sequence);
        CoderResult result = decoder.decode(bytes, ignored, false);
        while (result.isError()) {
            bytes.position(bytes.position() + result.length());
            result = decoder.decode(bytes, ignored, false);
        }
    }

    @Override
    Object state() {
        return new State(first, List.copyOf(shifts));
    }

    @Override
    void restore(Object state) {
        first = ((State) state).first;
        shifts.clear();
        shifts.addAll(((State) state).shifts);
        reset();
    }

    @Override
    boolean hasAsciiNewlines() {
        return false;
    }

    @Override
    boolean isAsciiCompatible() {
        return false;
    }

    @Override
    String decodeRun(InputBuffer buffer, int from, int to) {
        return null;
    }

    /** In the byte order of the stream, where the charset has two. */
    @Override
    byte[] newline() {
        Charset charset = decoder.charset();
        if (!charset.canEncode()) {
            return super.newline();
        }
        byte[] one = "\n".getBytes(charset);
        byte[] two = "\n\n".getBytes(charset); // the difference is no byte order mark
        byte[] newline = Arrays.copyOfRange(two, one.length, two.length);
        byte[] start = first == null ? new byte[0] : first;
        byte[] trial = Arrays.copyOf(start, start.length + newline.length);
        System.arraycopy(newline, 0, trial, start.length, newline.length);
        return new String(trial, charset).endsWith("\n") ? newline : reversed(newline);
    }

    private static byte[] reversed(byte[] bytes) {
        byte[] reversed = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            reversed[i] = bytes[bytes.length - 1 - i];
        }
        return reversed;
    }
}
