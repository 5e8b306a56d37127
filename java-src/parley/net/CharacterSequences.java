package parley.net;

import java.io.IOException;
import java.util.function.IntPredicate;

/** Many characters at once, into an array. Guarded by the reader's lock. */
final class CharacterSequences {
    private final Refill refill;
    private final CharacterCursor cursor;

    CharacterSequences(Refill refill, CharacterCursor cursor) {
        this.refill = refill;
        this.cursor = cursor;
    }

    /** The index behind the last character read; less than asked for at the end, or no wait. */
    int read(char[] into, int from, int to, Blocking blocking) throws IOException {
        return blocking == Blocking.FULL ? readWhole(into, from, to)
                : readSome(into, from, to, blocking);
    }

    private int readSome(char[] into, int from, int to, Blocking blocking) throws IOException {
        int at = from;
        try {
            do {
                boolean atEnd = refill.atEnd();
                at = fillSome(into, from, at, to, atEnd);
                if (at == to || atEnd || cursor.peek(false, true) != CharacterCursor.MORE) {
                    break; // all, the end, or bad bytes, which the next read will tell of
                }
            } while (refill.more(ByteCursor.mayWait(blocking, at > from), 1));
            return at;
        } catch (IOException e) {
            if (at > from && refill.failure() != null) {
                return at; // the error comes with the next read
            }
            throw e;
        }
    }

    /** Bad bytes are an error only where nothing was read before them. */
    private int fillSome(char[] into, int from, int at, int to, boolean atEnd)
            throws CodingException {
        boolean bad = at > from && cursor.peek(atEnd, true) >= 0 && !cursor.hasAhead();
        return bad ? at : cursor.fill(into, at, to, atEnd, true);
    }

    /** All of them, or up to the end; when that fails, none was read. */
    private int readWhole(char[] into, int from, int to) throws IOException {
        int at = from;
        cursor.mark();
        try {
            for (;;) {
                boolean atEnd = refill.atEnd();
                at = cursor.fill(into, at, to, atEnd, false);
                if (at == to || atEnd) {
                    return at;
                }
                refill.more(1);
            }
        } catch (IOException e) {
            if (at > from && refill.failure() != null) {
                return at; // the error comes with the next read
            }
            cursor.rewind();
            throw e;
        } finally {
            cursor.unmark();
        }
    }

    /**
     * The first character that is not to be skipped; when that fails, none was skipped, but for
     * each full `most` of them: what is skipped without an end must not fill the memory.
     */
    int peekPast(IntPredicate skip, int most) throws IOException {
        cursor.mark();
        try {
            for (int skipped = 0;;) {
                boolean atEnd = refill.atEnd();
                int unit = cursor.peek(atEnd, false);
                if (unit == CharacterCursor.MORE) {
                    refill.more(1);
                } else if (unit < 0 || !skip.test(unit)) {
                    return unit;
                } else {
                    cursor.read(atEnd);
                    if (++skipped % most == 0) {
                        cursor.mark();
                    }
                }
            }
        } catch (IOException e) {
            cursor.rewind();
            throw e;
        } finally {
            cursor.unmark();
        }
    }
}
