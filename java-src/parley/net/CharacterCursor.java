package parley.net;

import java.util.Arrays;
import parley.net.ExternalFormat.CodingAction;
import parley.net.ExternalFormat.CodingException;
import parley.net.text.DecodedChars;
import parley.net.text.Decoder;

/**
 * Characters out of an {@link InputBuffer}, one at a time, by the rules of an external format:
 * {@code \n}, {@code \r\n} and {@code \r} are each one newline. What was decoded and not yet read
 * is {@link DecodedChars} and has its bytes still in the buffer. Guarded by the reader's lock.
 */
final class CharacterCursor {
    /** In place of a character: more bytes are needed. */
    static final int MORE = -2;
    /** In place of a character: no more will come. */
    static final int END = -1;

    /** So many bytes that make no character are kept, for a byte read; more are read for good. */
    private static final int MOST_PASSED = 8 * 1024;

    private final InputBuffer buffer;
    private final DecodedChars ahead = new DecodedChars();
    private final LineCursor lines;
    ExternalFormat format; // set by format
    private Decoder decoder; // made with the first character, so that byte streams need none
    private boolean ascii; // the decoder exists and decodes bytes below 128 as ASCII

    /** A return was read as a newline: a line feed right behind it is its other half. */
    private boolean skipNewline;
    /** The bytes of that line feed when the charset was changed since, else null. */
    private byte[] formerNewline;

    // The character read last, for unread; lastLength is -1 when there is none.
    private int lastUnit;
    private int lastLength = -1;
    private boolean lastReturn;

    private int passed; // bytes after those ahead that are known to make no character
    private int judged; // negated: how many bytes behind those are bad, as a look has found; or 0
    private long reported; // offset after the bad bytes that an error has reported

    private Mark mark; // what rewind goes back to, or null

    private record Mark(boolean skipNewline, byte[] formerNewline, int unit, int length,
            boolean wasReturn, String owed) {
    }

    CharacterCursor(InputBuffer buffer, ExternalFormat format) {
        this.buffer = buffer;
        this.format = format;
        this.lines = new LineCursor(this, buffer, ahead);
    }

    /** Reads lines from this. */
    LineCursor lines() {
        return lines;
    }

    void format(ExternalFormat newFormat) {
        boolean same = newFormat.charset().equals(format.charset());
        if (same && passed > 0 && decoder().hasAsciiNewlines()) {
            forgetAhead(); // what was passed over may be an error now
        } else if (!same) {
            if (skipNewline && formerNewline == null) {
                formerNewline = decoder().newline();
            }
            forgetAhead();
            decoder = null;
            ascii = false;
            lastLength = -1;
            reported = 0; // bytes that are bad in one charset may be good in another
        }
        format = newFormat;
    }

    /**
     * Bytes are read next: what was decoded ahead is theirs, and nothing can be unread. The text
     * ends here: a charset with shift sequences goes on from its initial state.
     */
    void leave() {
        if (decoder != null || !ahead.isEmpty()) {
            forgetAhead();
        }
        lastLength = -1;
    }

    /** Everything unread is dropped. */
    void clear() {
        ahead.clear();
        forgetAhead();
        lastLength = -1;
        skipNewline = false;
    }

    private void forgetAhead() {
        ahead.forget();
        passed = 0;
        judged = 0;
        if (decoder != null) {
            decoder.reset();
        }
        lines.rescan();
    }

    /** Returns whether a line feed, when it comes next, is the other half of a return. */
    boolean skipsNewline() {
        return skipNewline;
    }

    void skipsNewline(boolean skips) {
        skipNewline = skips;
    }

    /** Where that changes no state: goes back to the bytes of what is ahead. */
    boolean dropAhead() {
        if (!ahead.isEmpty() && ahead.owed() > 0) {
            return false; // some of it has no bytes
        }
        ahead.clear();
        passed = 0;
        judged = 0;
        return true;
    }

    /** Returns whether characters were decoded, or put back, and not read. */
    boolean hasAhead() {
        return !ahead.isEmpty();
    }

    /** Returns whether characters wait that have no bytes in the buffer. */
    boolean hasOwed() {
        return ahead.owed() > 0;
    }

    /** Returns whether the bytes of line ends stand for nothing else. */
    boolean hasAsciiNewlines() {
        return decoder().hasAsciiNewlines();
    }

    /** Bytes that {@link InputBuffer#releaseIfEmpty} must remember. */
    int unreadable() {
        return Math.max(0, lastLength);
    }

    Decoder decoder() {
        if (decoder == null) {
            decoder = Decoder.of(format.charset());
            ascii = decoder.isAsciiCompatible();
        }
        return decoder;
    }

    /** The decoder, when lines can be read right off the buffer; else null. */
    Decoder plainDecoder() {
        return decoder != null && isSettled() && decoder.hasAsciiNewlines() ? decoder : null;
    }

    /** Returns whether a byte behind {@code '\r'} and below 128 is the next character. */
    boolean isPlain() {
        return ascii && isSettled();
    }

    /** Returns whether the next character begins with the next byte. */
    boolean isSettled() {
        return !skipNewline && ahead.isEmpty();
    }

    // ---- reading -----------------------------------------------------------------------------

    /** Reads the next character when that is plain, and not the last one there; else MORE. */
    int readPlain() {
        int at = buffer.position;
        if (at + 1 < buffer.limit && isPlain()) {
            int next = buffer.bytes[at];
            if (next > '\r') {
                lines.rescan();
                tookPlain(next);
                buffer.position = at + 1; // last: an Error before has read nothing
                return next;
            }
        }
        return MORE;
    }

    /** Reads one character: it, {@link #MORE} or {@link #END}. */
    int read(boolean atEnd) throws CodingException {
        int found = peek(atEnd, false);
        return found < 0 ? found : take();
    }

    /**
     * The next character without reading it: it, {@link #MORE} or {@link #END}.
     *
     * @param quiet bad bytes are not an error now but a replacement character, for a check that
     *     only asks whether there is anything
     */
    int peek(boolean atEnd, boolean quiet) throws CodingException {
        return ahead.isEmpty() ? decodeAhead(atEnd, quiet) : ahead.unit();
    }

    /** Decodes one character behind those that are ahead; bad bytes with none ahead are read. */
    int decodeAhead(boolean atEnd, boolean quiet) throws CodingException {
        return decodeAhead(atEnd, quiet, false);
    }

    private int decodeAhead(boolean atEnd, boolean quiet, boolean keepsBad) throws CodingException {
        if (!settleFormerNewline(atEnd)) {
            return MORE;
        } else if (decoder == null && buffer.remaining() == 0) {
            return atEnd ? END : MORE; // streams that are only checked need none
        }
        for (;;) {
            int from = buffer.position + ahead.bytes() + passed;
            int n = judged < 0 ? judged
                    : decoder().decode(buffer.bytes, from, buffer.limit, atEnd);
            judged = 0;
            if (n == 0) {
                return nothing(atEnd);
            }
            int length = Math.abs(n);
            int unit = n < 0 ? bad(from, length, quiet, keepsBad) : decoder.unit();
            if (unit < 0) {
                pass(length);
            } else if (skipNewline && unit == '\n' && n > 0 && ahead.bytes() == 0) {
                skipLineFeed(length);
            } else if (unit == '\n' && n > 0 && ahead.endsInReturn()) {
                ahead.joinLineFeed(passed + length);
                passed = 0;
            } else if (n < 0 && quiet && format.inputErrorAction() == CodingAction.ERROR) {
                skipNewline = false; // nothing is ahead
                judged = n;
                return unit;
            } else {
                return found(unit, length, n < 0 ? -1 : decoder.low());
            }
        }
    }

    private int nothing(boolean atEnd) {
        if (!atEnd) {
            return MORE;
        }
        int held = decoder.heldBack();
        if (held >= 0 && (held != '\n' || !skipNewline)) {
            boolean isReturn = held == '\r';
            ahead.append(isReturn ? '\n' : (char) held, -1, 0, 0, isReturn);
            return ahead.unit();
        }
        return END;
    }

    /** Goes over bytes without a character; they stay unread, unless there is no end of them. */
    private void pass(int length) {
        passed += length;
        if (passed >= MOST_PASSED && ahead.isEmpty()) {
            int count = passed;
            lastLength = Math.min(lastLength, 0); // its bytes are not the last ones any more
            passed = 0;
            consumed(count);
        }
    }

    /** Returns the number of unread bytes that are decoded or known to make no character. */
    int bytesAhead() {
        return ahead.bytes() + passed;
    }

    /** Bytes that are not ahead of anything were read. */
    private void consumed(int count) {
        if (count > 0) {
            int at = buffer.position;
            decoder.consumed(buffer.bytes, at, at + count);
            consume(count);
        }
    }

    /** Takes the other half of the return read last, of some bytes: they are unread as one. */
    void skipLineFeed(int length) {
        int count = passed + length;
        skipNewline = false;
        lastReturn = false;
        passed = 0;
        consumed(count);
        lastLength = lastLength < 0 ? -1 : lastLength + count;
    }

    void consume(int count) {
        buffer.position += count;
        lines.rescan();
    }

    private int found(int unit, int length, int low) {
        skipNewline &= ahead.bytes() > 0; // else this is what follows the return, and no line feed
        boolean isReturn = unit == '\r';
        int canonical = isReturn ? '\n' : unit;
        ahead.append((char) canonical, low, passed + length, length - decoder.shift(), isReturn);
        passed = 0;
        return canonical;
    }

    /** Returns the replacement of bad bytes: a character, or -1 for none. */
    private int bad(int start, int length, boolean quiet, boolean keeps) throws CodingException {
        CodingAction action = format.inputErrorAction();
        if (action != CodingAction.ERROR) {
            return action.replacement();
        }
        int from = start + decoder.shift(); // the position that the JDK reports
        long offset = buffer.offset() + from - buffer.position;
        if (offset < reported) {
            return -1;
        }
        if (quiet) {
            return '\uFFFD';
        }
        int count = start + length - from;
        reported = offset + count;
        CodingException error = CodingException.malformed(buffer.bytes, from, count, offset,
                format.charset(), buffer.beginsWithTls() ? Errors.plainServer()
                        : "read on without " + (count == 1 ? "it" : "them") + ", set an "
                                + Errors.spell(":input-error-action", "inputErrorAction") + ", or read bytes");
        passed += length;
        if (ahead.bytes() == 0 && !keeps) { // else what is ahead of it is still to be read
            int all = passed;
            passed = 0;
            consumed(all);
            skipNewline = false;
            lastLength = -1;
        }
        throw error;
    }

    /** Reads the character that is first ahead. */
    int take() {
        int unit = ahead.unit();
        int span = ahead.span();
        int own = ahead.own();
        boolean isReturn = ahead.isReturn();
        boolean pending = skipNewline && span == 0; // it came from elsewhere
        if (span > 0) {
            decoder.consumed(buffer.bytes, buffer.position, buffer.position + span);
        }
        lines.rescan();
        ahead.drop();
        // No call from here on: an Error finds all of it done, or nothing.
        buffer.position += span;
        lastUnit = unit;
        lastLength = own;
        lastReturn = isReturn;
        skipNewline = isReturn || pending;
        if (isReturn) {
            formerNewline = null;
        }
        return unit;
    }

    /** As {@link #took}, of one byte; a store less costs a third of reading such a character. */
    private void tookPlain(int unit) {
        lastUnit = unit;
        if (lastLength != 1) {
            lastLength = 1;
        }
        if (lastReturn) {
            lastReturn = false;
        }
    }

    int took(int unit, int length, boolean isReturn) {
        lastUnit = unit;
        lastLength = length;
        lastReturn = isReturn;
        skipNewline = isReturn;
        if (isReturn) {
            formerNewline = null;
        }
        return unit;
    }

    /** Makes a later unread of the last character an error. */
    void seal() {
        lastLength = -1;
    }

    // ---- going back --------------------------------------------------------------------------

    /** Puts the character read last back; false when it is not that one. */
    boolean unread(int unit) {
        if (lastLength < 0 || unit != lastUnit) {
            return false;
        }
        // Bytes that are no longer known, since too many were passed over, cannot come back.
        int own = buffer.unread(lastLength) ? lastLength : 0;
        ahead.push((char) unit, own, lastReturn);
        skipNewline = false;
        lastLength = -1;
        lines.rescan();
        return true;
    }

    /** Puts any character in front of the input, though no byte stands for it. */
    void push(int unit) {
        ahead.push((char) unit, 0, false);
        lastLength = -1;
        lines.rescan();
    }

    // ---- many at a time ----------------------------------------------------------------------

    /**
     * Decodes until so many characters are ahead; when that fails, none was read.
     *
     * @return 0 or more: so many are; {@link #MORE}; or {@link #END}
     */
    int decodeAhead(int count, boolean atEnd) throws CodingException {
        int unit = 0;
        while (ahead.size() < count && unit >= 0) {
            unit = decodeAhead(atEnd, false, true);
        }
        return unit;
    }

    /** Returns a character that {@link #decodeAhead} has decoded. */
    int ahead(int index) {
        return ahead.unit(index);
    }

    /** Reads so many characters that are ahead. */
    void takeAhead(int count) {
        for (int i = 0; i < count; i++) {
            take();
        }
    }

    /**
     * Remembers the place, so that {@link #rewind} can go back to it, in a charset without state.
     */
    void mark() {
        buffer.hold();
        mark = new Mark(skipNewline, formerNewline, lastUnit, lastLength, lastReturn,
                ahead.text(ahead.owed()));
    }

    /** Goes back to the mark. */
    void rewind() {
        forgetAhead();
        ahead.clear();
        for (int i = mark.owed.length() - 1; i >= 0; i--) {
            ahead.push(mark.owed.charAt(i), 0, false);
        }
        buffer.rewind();
        skipNewline = mark.skipNewline;
        formerNewline = mark.formerNewline;
        lastUnit = mark.unit;
        lastLength = mark.length;
        lastReturn = mark.wasReturn;
        lines.rescan();
    }

    /** Returns how many bytes are kept since the mark. */
    int held() {
        return buffer.holding() + passed;
    }

    /** Forgets the mark. */
    void unmark() {
        mark = null;
        buffer.letGo();
    }

    /** Before a charset decodes: what belongs to a return read in the charset before is skipped. */
    boolean settleFormerNewline(boolean atEnd) {
        return !skipNewline || formerNewline == null || settleNewline(atEnd);
    }

    /**
     * Before bytes are read: skips the line feed that belongs to a return read before.
     *
     * @return false when that is not known yet
     */
    boolean settleNewline(boolean atEnd) {
        if (!skipNewline) {
            return true;
        }
        byte[] newline = formerNewline != null ? formerNewline : decoder().newline();
        int there = Math.min(newline.length, buffer.remaining());
        boolean same = Arrays.equals(newline, 0, there, buffer.bytes, buffer.position,
                buffer.position + there);
        if (same && there < newline.length && !atEnd) {
            return false;
        }
        skipNewline = false;
        formerNewline = null;
        if (same) {
            consume(there == newline.length ? there : 0);
            lastLength = -1;
        }
        return true;
    }
}
