package parley.net;

import java.io.IOException;
import java.util.function.IntPredicate;
import parley.net.ExternalFormat.CodingException;

/** Many characters at once, into an array. Guarded by the reader's lock. */
final class CharacterSequences {
    private static final int KEPT = 16 * 1024; // characters

    private final InputFiller refill;
    private final CharacterCursor cursor;
    private final boolean oneLine;

    CharacterSequences(InputFiller refill, CharacterCursor cursor, boolean oneLine) {
        this.refill = refill;
        this.cursor = cursor;
        this.oneLine = oneLine;
    }

    /** The index behind the last character read; less than asked for at the end, or no wait. */
    int read(char[] into, int from, int to, WaitMode mode) throws IOException {
        return mode == WaitMode.FULL ? readWhole(into, from, to)
                : readSome(into, from, to, mode);
    }

    private int readSome(char[] into, int from, int to, WaitMode mode) throws IOException {
        int at = from;
        try {
            do {
                boolean atEnd = refill.atEnd();
                at = fillSome(into, from, at, to, atEnd);
                if (at == to || atEnd || endsLine(into, from, at) || cursor.peek(false, true) != CharacterCursor.MORE) {
                    break; // all, the end, or bad bytes, which the next read will report
                }
            } while (refill.more(ByteCursor.mayWait(mode, at > from), 1));
            return at;
        } catch (IOException e) {
            if (at > from && refill.failure() != null) {
                return at; // the error comes with the next read
            }
            throw e;
        }
    }

    private boolean endsLine(char[] into, int from, int at) {
        return oneLine && at > from && into[at - 1] == '\n';
    }

    /** Bad bytes are an error only where nothing was read before them. */
    private int fillSome(char[] into, int from, int at, int to, boolean atEnd)
            throws CodingException {
        boolean bad = at > from && cursor.peek(atEnd, true) >= 0 && !cursor.hasAhead();
        return bad ? at : fill(into, at, to, atEnd, true);
    }

    /**
     * All of them, or up to the end; when that fails, none was read. Where very many bytes make few
     * characters, these can only be put back as characters.
     */
    private int readWhole(char[] into, int from, int to) throws IOException {
        boolean plain = cursor.hasAsciiNewlines(); // else the charset may not be able to go back
        int settled = from;
        int at = from;
        if (plain) {
            cursor.mark();
        }
        try {
            for (;;) {
                boolean atEnd = refill.atEnd();
                boolean all = plain ? (at = fill(into, at, to, atEnd, false)) == to || atEnd
                        : cursor.decodeAhead(to - at, atEnd) != CharacterCursor.MORE;
                boolean heavy = (plain ? cursor.held() : cursor.bytesAhead()) / 4 > to - from + KEPT;
                if (!plain && (all || heavy)) {
                    at = take(into, at, to);
                }
                if (all) {
                    return at;
                } else if (heavy) {
                    settled = at;
                    remark(plain);
                }
                refill.more(1);
            }
        } catch (IOException | RuntimeException | Error e) {
            at = plain || refill.failure() == null ? at : take(into, at, to);
            if (at > from && refill.failure() != null) {
                return at; // the error comes with the next read
            }
            putBack(into, from, settled, plain);
            throw e;
        } finally {
            cursor.unmark();
        }
    }

    private void remark(boolean plain) {
        if (plain) {
            cursor.mark();
        }
    }

    private void putBack(char[] into, int from, int to, boolean plain) {
        if (plain) {
            cursor.rewind();
        }
        for (int i = to - 1; i >= from; i--) {
            cursor.push(into[i]);
        }
    }

    /**
     * Reads the available characters.
     *
     * @param quiet true to stop before bad bytes, instead of throwing, once one was read
     * @return the index behind the last one
     */
    private int fill(char[] into, int from, int to, boolean atEnd, boolean quiet) throws CodingException {
        int at = from;
        for (;;) {
            at = fillPlain(into, at, to);
            if (at == to || cursor.peek(atEnd, quiet && at > from) < 0 || !cursor.hasAhead()) {
                return at; // all, or nothing more, or it is only pretended
            }
            into[at++] = (char) cursor.take();
            if (endsLine(into, from, at)) {
                return at;
            }
        }
    }

    private int fillPlain(char[] into, int from, int to) {
        if (!cursor.isPlain()) {
            return from;
        }
        InputBuffer buffer = refill.buffer;
        byte[] bytes = buffer.bytes;
        int n = Math.min(to - from, buffer.remaining());
        int start = buffer.position;
        int i = 0;
        while (i < n && bytes[start + i] > '\r') {
            into[from + i] = (char) bytes[start + i];
            i++;
        }
        if (i > 0) {
            cursor.consume(i);
            cursor.took(bytes[start + i - 1], 1, false);
        }
        return from + i;
    }

    /** Reads characters that are decoded, as many as there are up to an index; returns where. */
    private int take(char[] into, int from, int to) {
        int at = from;
        while (at < to && cursor.hasAhead()) {
            into[at++] = (char) cursor.take();
        }
        return at;
    }

    /**
     * The first character that is not to be skipped; when that fails, none was skipped, but for
     * each full {@link #KEPT} of them: what is skipped without an end must not fill the memory.
     */
    int peekPast(IntPredicate skip) throws IOException {
        for (int skipped = 0;;) {
            boolean atEnd = refill.atEnd();
            int unit = cursor.decodeAhead(skipped + 1, atEnd);
            if (unit != CharacterCursor.MORE) {
                unit = unit < 0 ? unit : cursor.ahead(skipped);
                if (unit < 0 || !skip.test(unit)) {
                    cursor.takeAhead(skipped);
                    return unit;
                }
                skipped++;
            }
            if (skipped == KEPT || cursor.bytesAhead() / 4 > KEPT) {
                cursor.takeAhead(skipped);
                skipped = 0;
            }
            if (unit == CharacterCursor.MORE) {
                refill.more(1);
            }
        }
    }
}
