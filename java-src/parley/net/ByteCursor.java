package parley.net;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Bytes out of the input: through the buffer, big reads past it. Guarded by the reader's lock. */
final class ByteCursor {
    private static final int CHUNK = 64 * 1024;
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    private final InputFiller refill;
    private final InputBuffer buffer;
    private final CharacterCursor characters;

    ByteCursor(InputFiller refill, CharacterCursor characters) {
        this.refill = refill;
        this.buffer = refill.buffer;
        this.characters = characters;
    }

    static boolean mayWait(WaitMode mode, boolean some) {
        return mode == WaitMode.FULL || mode == WaitMode.INTERACTIVE && !some;
    }

    /** Leaves the characters for the bytes; false while a line feed may have to be skipped. */
    boolean settle() throws IOException {
        if (!characters.settleNewline(refill.atEnd())) {
            return false;
        }
        characters.leave();
        return true;
    }

    /** Returns true when n bytes are buffered; false at the end, or without a wait. */
    boolean ensure(int count, WaitMode mode) throws IOException {
        while (!settle() || buffer.remaining() < count) {
            if (!refill.more(mayWait(mode, false), count - buffer.remaining())) {
                return false;
            }
        }
        return true;
    }

    /** Returns the next byte, after {@link #ensure}. */
    int take() {
        return buffer.bytes[buffer.position++] & 0xff;
    }

    long takeInteger(int width, boolean signed, ByteOrder order) {
        long value = ElementType.decode(buffer.bytes, buffer.position, width, signed, order);
        buffer.position += width;
        return value;
    }

    /** Checks for an integer of n bytes: returns 1, {@link CharacterCursor#MORE} or END. */
    int look(int width) {
        boolean ended = refill.hasEnded();
        if (characters.settleNewline(ended) && buffer.remaining() >= width) {
            return 1;
        }
        return ended ? CharacterCursor.END : CharacterCursor.MORE;
    }

    /** Returns the number of bytes that can be read without waiting. */
    int available() throws IOException {
        if (look(1) == CharacterCursor.MORE && refill.failure() == null) {
            refill.moreNow(1);
        }
        return look(1) == 1 ? buffer.remaining() : 0;
    }

    /**
     * Reads bytes into an array; when that fails, none was read, unless some came before the
     * connection broke: then the error is left to the next read.
     *
     * @return the index behind the last one
     */
    int read(byte[] into, int from, int to, WaitMode mode) throws IOException {
        int at = from;
        try {
            while (at < to) {
                int n = step(into, at, to, mayWait(mode, at > from));
                if (n < 0) {
                    break;
                }
                at += n;
            }
            return at;
        } catch (IOException e) {
            if (refill.failure() != null && at > from) {
                return at;
            }
            buffer.putBack(into, from, at - from);
            throw e;
        }
    }

    /**
     * Reads integers into an array; when that fails, none was read, unless some came before the
     * connection broke: then the error is left to the next read.
     *
     * @return the index behind the last one
     */
    int readIntegers(long[] into, int from, int to, ElementType type, WaitMode mode)
            throws IOException {
        int width = type.width();
        int at = from;
        try {
            while (at < to && ensure(width, mayWait(mode, at > from) ? mode
                    : WaitMode.NO_HANG)) {
                byte[] chunk = new byte[(int) Math.min(CHUNK, (long) (to - at) * width)];
                int n = read(chunk, 0, chunk.length, mode == WaitMode.FULL ? mode
                        : WaitMode.NO_HANG);
                buffer.putBack(chunk, n - n % width, n % width);
                for (int i = 0; i <= n - width; i += width) {
                    into[at++] = ElementType.decode(chunk, i, width, type.isSigned(), ORDER);
                }
            }
            return at;
        } catch (IOException e) {
            if (refill.failure() != null && at > from) {
                return at;
            }
            byte[] bytes = ElementType.encode(into, from, at, width, ORDER);
            buffer.putBack(bytes, 0, bytes.length);
            throw e;
        }
    }

    /** Reads once: the number of bytes, 0 to try again, -1 when that is all. */
    private int step(byte[] into, int at, int to, boolean mayWait) throws IOException {
        boolean settled = settle();
        if (settled && buffer.remaining() > 0) {
            return buffer.take(into, at, to);
        } else if (settled && (!refill.isBuffered() || to - at >= Segment.SIZE)) {
            return direct(into, at, to, mayWait);
        }
        return refill.more(mayWait, to - at) ? 0 : -1;
    }

    private int direct(byte[] into, int at, int to, boolean mayWait) throws IOException {
        if (refill.atEnd()) {
            return -1;
        }
        int n = refill.transfer(ByteBuffer.wrap(into, at, Math.min(CHUNK, to - at)), 0);
        if (n > 0) {
            buffer.passed(n);
        } else if (n == 0) {
            if (!mayWait) {
                return -1;
            }
            refill.await();
        }
        return n;
    }
}
