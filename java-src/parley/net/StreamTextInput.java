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
     * {@return how many characters (bytes, in ASCII and UTF-8) a read of a line gathers at most, a
     * positive number}
     */
    public int lineLimit() {
        return lineLimit;
    }

    /**
     * Sets how many characters a later read of a line gathers at most.
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
     * @throws LineTooLongException if the {@link #lineLimit()} is reached without a newline
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
            String line = cursor.lines().readPlain();
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
     * Returns whether a character can be read without waiting (Common Lisp {@code LISTEN}).
     *
     * @return false at the end of the input too
     */
    public boolean listen() throws IOException {
        requireCharacters("listen");
        return sight.now("listen", Sought.CHARACTER) == InputState.AVAILABLE;
    }

    /**
     * Returns whether {@link #readChar} would wait (CLISP {@code EXT:READ-CHAR-WILL-HANG-P}).
     *
     * @return false at the end of the input
     */
    public boolean readCharWillHang() throws IOException {
        requireCharacters("read-char-will-hang?");
        return sight.now("read-char-will-hang?", Sought.CHARACTER) == InputState.NOTHING;
    }

    /** Returns the number of bytes that the buffer must remember for an unread. */
    int unreadable() {
        return cursor.unreadable();
    }
}
