package parley.net;

import java.io.IOException;
import java.nio.channels.SelectionKey;
import java.util.function.Function;
import java.util.function.IntPredicate;
import parley.net.ExternalFormat.CodingException;
import parley.net.InputProbe.InputState;
import parley.net.InputProbe.Sought;
import parley.net.StreamInput.Line;
import parley.net.StreamInput.LineTooLongException;

/**
 * The characters of the input side of a stream. {@link StreamInput} adds the bytes; both are read
 * from one buffer.
 */
abstract class StreamTextInput extends StreamSide {
    /** Returned instead of an element at the end of the input. */
    public static final int END = CharacterCursor.END;
    /** Returned instead of an element that has not arrived. */
    public static final int NOTHING = CharacterCursor.MORE;

    private volatile int lineLimit;

    // All guarded by the lock of this side.
    final InputFiller refill;
    final CharacterCursor cursor;
    final ByteCursor bytes;
    final InputProbe sight;

    StreamTextInput(SocketStream stream, StreamOptions options) {
        super(stream, SelectionKey.OP_READ);
        refill = new InputFiller(this, options.inputBuffered());
        cursor = new CharacterCursor(refill.buffer, options.externalFormat());
        bytes = new ByteCursor(refill, cursor);
        sight = new InputProbe(this, refill, cursor, bytes);
        lineLimit = options.lineLimit();
    }

    /**
     * {@return how many characters (bytes, in ASCII and UTF-8) a line may have at most, a positive
     * number}
     */
    public int lineLimit() {
        return lineLimit;
    }

    /**
     * Sets how many characters (bytes, in ASCII and UTF-8) a line of a later read may have.
     *
     * @param limit a positive number
     */
    public void lineLimit(int limit) {
        lineLimit = StreamOptions.checkLineLimit("set-line-limit!", limit);
    }

    /**
     * Reads a character (Common Lisp {@code READ-CHAR}); a newline, however it was sent, is
     * {@code '\n'}. Characters beyond 16 bits are two.
     *
     * @return the character, or {@link #END}
     * @throws IOException see above; {@link CodingException} for bytes that are no character
     */
    public int readChar() throws IOException {
        int plain = readPlain();
        return plain >= 0 ? plain : character("read-char", true);
    }

    /** The usual case made short: a plain character, and another behind it. */
    private int readPlain() {
        if (!stream.elementType().hasCharacters() || !beginMoment()) {
            return NOTHING;
        }
        boolean ended = false;
        try {
            int unit = cursor.readPlain();
            endMoment();
            ended = true;
            return unit;
        } finally {
            if (!ended) {
                owner = null;
            }
        }
    }

    private int character(String name, boolean take) throws IOException {
        requireCharacters(name);
        enter(name, Entry.WAIT);
        Object me = owner;
        try {
            for (;;) {
                boolean atEnd = refill.atEnd();
                int found = take ? cursor.read(atEnd) : cursor.peek(atEnd, false);
                if (found != NOTHING) {
                    return found;
                }
                refill.more(1);
            }
        } catch (IOException e) {
            throw ErrorInfo.located(e, stream);
        } finally {
            try {
                end();
            } finally {
                if (owner == me) {
                    owner = null;
                    unparkNext();
                }
            }
        }
    }

    /**
     * Returns the next character and leaves it there (Common Lisp {@code PEEK-CHAR}).
     *
     * @return the character, or {@link #END}
     */
    public int peekChar() throws IOException {
        return character("peek-char", false);
    }

    /**
     * Skips characters and returns the next one, which stays in the input (Common Lisp
     * {@code PEEK-CHAR} with a peek type).
     *
     * @param skip returns true for characters to skip; it must not use the stream
     * @return the first other character, or {@link #END}
     * @throws IOException as {@link #readChar}; then nothing was skipped, or where many were, not
     *     the last of them
     */
    public int peekChar(IntPredicate skip) throws IOException {
        Errors.need("peek-char", "the predicate", skip, "one that returns true for characters to skip");
        requireCharacters("peek-char");
        return runInt("peek-char", Entry.WAIT, NOTHING,
                () -> new CharacterSequences(refill, cursor, false).peekPast(c -> skips(skip, c)));
    }

    private boolean skips(IntPredicate skip, int unit) {
        try {
            runsForeign(true);
            return skip.test(unit);
        } finally {
            foreign = false;
        }
    }

    /**
     * Reads a character if one has arrived (Common Lisp {@code READ-CHAR-NO-HANG}).
     *
     * @return the character, {@link #NOTHING} or {@link #END}
     */
    public int readCharNoHang() throws IOException {
        requireCharacters("read-char-no-hang");
        return runInt("read-char-no-hang", Entry.POLL, NOTHING, () -> {
            int found;
            do {
                found = cursor.read(refill.atEnd());
            } while (found == NOTHING && refill.pollMore(1));
            return found;
        });
    }

    /**
     * Puts the character read last back (Common Lisp {@code UNREAD-CHAR}).
     *
     * @param unit that character
     * @throws IllegalStateException if the last operation did not read this character
     */
    public void unreadChar(int unit) throws IOException {
        if (!unread("unread-char", unit, false)) {
            throw new IllegalStateException(Errors.name("unread-char") + ": the character "
                    + Errors.character(unit) + " was not read last from " + stream
                    + ", expected the one that " + Errors.spell("read-char", "readChar")
                    + " has just returned");
        }
    }

    /** Puts any character back, for the Reader view, whose callers may do so. */
    void pushBack(int unit) throws IOException {
        unread("unread", unit, true);
    }

    private boolean unread(String name, int unit, boolean any) throws IOException {
        requireCharacters(name);
        return run(name, Entry.LOCAL, false, () -> {
            boolean done = cursor.unread(unit);
            if (!done && any) {
                cursor.push(unit);
            }
            return done;
        });
    }

    /**
     * Reads a line (Common Lisp {@code READ-LINE}).
     *
     * @return the line without its end, or null at the end of the input
     * @throws LineTooLongException if the line is longer than the {@link #lineLimit()}
     */
    public String readLine() throws IOException {
        String plain = readPlainLine();
        return plain != null ? plain : line(text -> text);
    }

    private String readPlainLine() {
        if (!stream.elementType().hasCharacters() || !beginMoment()) {
            return null;
        }
        boolean ended = false;
        try {
            String line = cursor.lines().readPlain(lineLimit);
            endMoment();
            ended = true;
            return line;
        } finally {
            if (!ended) {
                owner = null;
            }
        }
    }

    /**
     * Reads a line and how it ended (the second value of Common Lisp's {@code READ-LINE}).
     *
     * @return the line, or null at the end of the input
     */
    public Line readLineValues() throws IOException {
        return line(text -> new Line(text, cursor.lines().wasUnterminated()));
    }

    private <T> T line(Function<String, T> result) throws IOException {
        requireCharacters("read-line");
        return run("read-line", Entry.WAIT, null, () -> {
            for (;;) {
                boolean atEnd = refill.atEnd();
                String text = cursor.lines().read(atEnd, lineLimit);
                if (text != null) {
                    return result.apply(text);
                } else if (atEnd) {
                    return null;
                }
                refill.more(1);
            }
        });
    }

    /**
     * Reads characters (CLISP {@code EXT:READ-CHAR-SEQUENCE}).
     *
     * @return the index of the first character not filled; {@code to} unless the input ended, or
     *     nothing more was there and the call does not wait
     */
    public int readChars(char[] into, int from, int to, WaitMode mode) throws IOException {
        Errors.range("read-char-sequence", from, to, into == null ? -1 : into.length);
        Errors.waitMode("read-char-sequence", mode);
        requireCharacters("read-char-sequence");
        return runInt("read-char-sequence", Entry.of(mode), from,
                () -> new CharacterSequences(refill, cursor, false).read(into, from, to, mode));
    }

    /**
     * Reads what has arrived of one line, its newline included. Waits for the first character only.
     *
     * @return the index of the first character not filled; {@code from} at the end of the input
     */
    public int readCharsOfLine(char[] into, int from, int to) throws IOException {
        Errors.range("read-char-sequence", from, to, into == null ? -1 : into.length);
        requireCharacters("read-char-sequence");
        return runInt("read-char-sequence", Entry.of(WaitMode.INTERACTIVE), from,
                () -> new CharacterSequences(refill, cursor, true).read(into, from, to, WaitMode.INTERACTIVE));
    }

    /**
     * {@return whether a character can be read without waiting (Common Lisp {@code LISTEN}): false
     * at the end of the input, too}
     */
    public boolean listen() throws IOException {
        requireCharacters("listen");
        return sight.now("listen", Sought.CHARACTER) == InputState.AVAILABLE;
    }

    /**
     * {@return whether {@link #readChar} would wait (CLISP {@code EXT:READ-CHAR-WILL-HANG-P}):
     * false at the end of the input}
     */
    public boolean readCharWillHang() throws IOException {
        requireCharacters("read-char-will-hang?");
        return sight.now("read-char-will-hang?", Sought.CHARACTER) == InputState.NOTHING;
    }

    /** Returns the number of bytes that the buffer must remember for an unread. */
    int unreadable() {
        return cursor.unreadable();
    }

    /** Many characters at once, into an array. Guarded by the reader's lock. */
    static final class CharacterSequences {
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
                    if (at == to || atEnd || endsLine(into, from, at)
                            || cursor.peek(false, true) != CharacterCursor.MORE) {
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
         * All of them, or up to the end; when that fails, none was read. Where very many bytes make
         * few characters, these can only be put back as characters.
         */
        private int readWhole(char[] into, int from, int to) throws IOException {
            boolean plain = cursor.hasAsciiNewlines(); // else the charset may be unable to go back
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
                    int held = plain ? cursor.held() : cursor.bytesAhead();
                    boolean heavy = held / 4 > to - from + KEPT;
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
        private int fill(char[] into, int from, int to, boolean atEnd, boolean quiet)
                throws CodingException {
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

        /**
         * Reads characters that are decoded, as many as there are up to an index; returns where.
         */
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
}
