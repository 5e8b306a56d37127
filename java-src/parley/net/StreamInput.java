package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.util.function.Function;
import java.util.function.IntPredicate;

import parley.net.InputProbe.Sought;

/**
 * The input side of a stream: characters and bytes out of one buffer, so that the kinds can be mixed
 * with nothing lost. Several threads may read; each operation is done as a whole before the next.
 * An operation that times out or is interrupted has consumed nothing.
 *
 * <p>Every operation throws {@link IllegalStateException} on a closed stream and on one whose
 * element type does not fit, {@link java.nio.channels.AsynchronousCloseException} when the stream
 * is closed during it, {@link java.net.SocketTimeoutException} when time is up,
 * {@link InterruptedIOException} when the thread is interrupted (the flag stays set) and
 * {@link IOException} when the connection is broken. "The end" is that of the input: the peer has
 * closed or shut down its output, or this side has shut down its input; it is told again and again.
 */
public final class StreamInput extends StreamSide {
    /** In place of an element: the end of the input. */
    public static final int END = CharacterCursor.END;
    /** In place of an element: nothing is there yet. */
    public static final int NOTHING = CharacterCursor.MORE;

    /** More than a socket buffers: what a peer sends while it is dropped has not arrived yet. */
    private static final long MOST_CLEARED = 32 << 20;

    private final int lineLimit;

    // All guarded by the lock of this side.
    private final InputFiller refill;
    private final CharacterCursor cursor;
    private final ByteCursor bytes;
    private final InputProbe sight;

    StreamInput(SocketStream stream, StreamOptions options) {
        super(stream, SelectionKey.OP_READ);
        refill = new InputFiller(this, options.inputBuffered());
        cursor = new CharacterCursor(refill.buffer, options.externalFormat());
        bytes = new ByteCursor(refill, cursor);
        sight = new InputProbe(this, refill, cursor, bytes);
        lineLimit = options.lineLimit();
    }

    // ---- characters -------------------------------------------------------------------------

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
        if (!stream.elementType().hasCharacters() || !beginQuick()) {
            return NOTHING;
        }
        try {
            return cursor.readPlain();
        } finally {
            endQuick();
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
     * Tells the next character and leaves it there (Common Lisp {@code PEEK-CHAR}).
     *
     * @return the character, or {@link #END}
     * @throws IOException as {@link #readChar}
     */
    public int peekChar() throws IOException {
        return character("peek-char", false);
    }

    /**
     * Skips characters and tells the next one, which it leaves there (Common Lisp {@code PEEK-CHAR}
     * with a peek type).
     *
     * @param skip tells which characters to skip; it must not use the stream
     * @return the first other character, or {@link #END}
     * @throws IOException as {@link #readChar}; then nothing was skipped, or where many were, not
     *     the last of them
     */
    public int peekChar(IntPredicate skip) throws IOException {
        Errors.need("peek-char", "the predicate", skip, "one that tells what to skip");
        requireCharacters("peek-char");
        return runInt("peek-char", Entry.WAIT, NOTHING,
                () -> new CharacterSequences(refill, cursor).peekPast(c -> skips(skip, c)));
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
     * Reads a character if one is there (Common Lisp {@code READ-CHAR-NO-HANG}).
     *
     * @return the character, {@link #NOTHING} or {@link #END}
     * @throws IOException as {@link #readChar}
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
     * @throws IOException if the lock cannot be had in time
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
     * @throws LineTooLongException if the limit of the stream options is reached without a newline
     * @throws IOException as {@link #readChar}
     */
    public String readLine() throws IOException {
        String plain = readPlainLine();
        return plain != null ? plain : line(text -> text);
    }

    private String readPlainLine() {
        if (!stream.elementType().hasCharacters() || !beginQuick()) {
            return null;
        }
        try {
            return cursor.lines().readPlain();
        } finally {
            endQuick();
        }
    }

    /**
     * Reads a line and how it ended (the second value of Common Lisp's {@code READ-LINE}).
     *
     * @return the line, or null at the end of the input
     * @throws IOException as {@link #readLine}
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
     * @param into where to put them
     * @param from the first index to fill
     * @param to the index behind the last one
     * @param blocking how long to wait
     * @return the index of the first character not filled; {@code to} unless the input ended, or
     *     nothing more was there and the call does not wait
     * @throws IndexOutOfBoundsException if the indices are not within the array
     * @throws IOException as {@link #readChar}
     */
    public int readChars(char[] into, int from, int to, Blocking blocking) throws IOException {
        Errors.range("read-char-sequence", from, to, into == null ? -1 : into.length);
        Errors.blocking("read-char-sequence", blocking);
        requireCharacters("read-char-sequence");
        return runInt("read-char-sequence", Entry.of(blocking), from,
                () -> new CharacterSequences(refill, cursor).read(into, from, to, blocking));
    }

    /**
     * Tells whether a character can be read without waiting (Common Lisp {@code LISTEN}).
     *
     * @return false at the end of the input too
     * @throws IOException if the lock cannot be had in time
     */
    public boolean listen() throws IOException {
        requireCharacters("listen");
        return sight.now("listen", Sought.CHARACTER) == InputState.AVAILABLE;
    }

    /**
     * Tells whether {@link #readChar} would wait (CLISP {@code EXT:READ-CHAR-WILL-HANG-P}).
     *
     * @return false at the end of the input
     * @throws IOException if the lock cannot be had in time
     */
    public boolean readCharWillHang() throws IOException {
        requireCharacters("read-char-will-hang?");
        return sight.now("read-char-will-hang?", Sought.CHARACTER) == InputState.NOTHING;
    }

    /**
     * Drops all input that has arrived (Common Lisp {@code CLEAR-INPUT}).
     *
     * @throws IOException if the lock cannot be had in time
     */
    public void clear() throws IOException {
        if (!stream.isConnectedNow("clear-input")) {
            return; // nothing has come
        }
        run("clear-input", Entry.LOCAL, null, () -> {
            long most = refill.buffer.offset() + MOST_CLEARED;
            do {
                drop();
                Errors.ifInterrupted("clear-input", stream);
            } while (refill.failure() == null && !deadline().hasPassed()
                    && refill.buffer.offset() < most && refill.moreNow(0) && !refill.atEnd());
            return null;
        });
    }

    private void drop() {
        boolean pending = cursor.skipsNewline() && refill.buffer.remaining() == 0;
        cursor.clear();
        refill.buffer.clear();
        cursor.skipsNewline(pending); // that line feed has not come yet
    }

    // ---- bytes ------------------------------------------------------------------------------

    /**
     * Reads a byte, whatever the width of the stream's element type (CLISP {@code READ-BYTE} on a
     * stream of {@code (UNSIGNED-BYTE 8)}).
     *
     * @return 0 to 255, or {@link #END}
     * @throws IOException see the class
     */
    public int readByte() throws IOException {
        requireBytes("read-byte");
        return viewByte();
    }

    /** As {@link #readByte}, whatever the element type. */
    int viewByte() throws IOException {
        return oneByte("read-byte", Blocking.FULL);
    }

    private int oneByte(String name, Blocking blocking) throws IOException {
        if (!enter(name, Entry.of(blocking))) {
            return NOTHING;
        }
        Object me = owner;
        try {
            return bytes.ensure(1, blocking) ? bytes.take() : refill.atEnd() ? END : NOTHING;
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
     * Reads a byte if one is there (CLISP {@code EXT:READ-BYTE-NO-HANG}).
     *
     * @return 0 to 255, {@link #NOTHING} or {@link #END}
     * @throws IOException see the class
     */
    public int readByteNoHang() throws IOException {
        requireBytes("read-byte-no-hang");
        return oneByte("read-byte-no-hang", Blocking.NO_HANG);
    }

    /**
     * Reads an integer of the stream's element type (Common Lisp {@code READ-BYTE}).
     *
     * @param blocking {@link Blocking#NO_HANG} to take it only when it is there
     * @return its bits, sign-extended when the type is signed, or null: the end of the input, or
     *     nothing there when the call does not wait
     * @throws IOException see the class
     */
    public Long readElement(Blocking blocking) throws IOException {
        ElementType type = stream.elementType();
        return integer("read-byte", type.width(), type.isSigned(), ByteOrder.LITTLE_ENDIAN, blocking);
    }

    /**
     * Reads an integer of any width (CLISP {@code EXT:READ-INTEGER}).
     *
     * @param width bytes it takes, 1 to 8
     * @param signed whether its highest bit is its sign
     * @param order which byte comes first
     * @param blocking {@link Blocking#NO_HANG} to take it only when it is there
     * @return its bits, or null as {@link #readElement}; an unsigned one of 8 bytes may be negative
     * @throws IOException see the class
     */
    public Long readInteger(int width, boolean signed, ByteOrder order, Blocking blocking)
            throws IOException {
        Errors.integer("read-integer", width, order);
        return integer("read-integer", width, signed, order, blocking);
    }

    private Long integer(String name, int width, boolean signed, ByteOrder order,
            Blocking blocking) throws IOException {
        Errors.blocking(name, blocking);
        requireBytes(name);
        if (!enter(name, Entry.of(blocking))) {
            return null;
        }
        Object me = owner;
        try {
            return bytes.ensure(width, blocking)
                    ? Integers.box(bytes.takeInteger(width, signed, order)) : null;
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
     * Reads bytes (CLISP {@code EXT:READ-BYTE-SEQUENCE}). Big reads go straight into the array.
     *
     * @param into where to put them
     * @param from the first index to fill
     * @param to the index behind the last one
     * @param blocking how long to wait
     * @return the index of the first byte not filled; {@code to} unless the input ended, or nothing
     *     more was there and the call does not wait
     * @throws IndexOutOfBoundsException if the indices are not within the array
     * @throws IOException see the class
     */
    public int readBytes(byte[] into, int from, int to, Blocking blocking) throws IOException {
        requireBytes("read-byte-sequence");
        return viewBytes(into, from, to, blocking);
    }

    /** As {@link #readBytes}, whatever the element type. */
    int viewBytes(byte[] into, int from, int to, Blocking blocking) throws IOException {
        Errors.range("read-byte-sequence", from, to, into == null ? -1 : into.length);
        Errors.blocking("read-byte-sequence", blocking);
        return runInt("read-byte-sequence", Entry.of(blocking), from,
                () -> bytes.read(into, from, to, blocking));
    }

    /**
     * Reads integers of the stream's element type (CLISP {@code EXT:READ-BYTE-SEQUENCE}).
     *
     * @param into where to put their bits, as {@link #readElement} tells them
     * @param from the first index to fill
     * @param to the index behind the last one
     * @param blocking how long to wait
     * @return the index of the first integer not filled, as {@link #readBytes}
     * @throws IndexOutOfBoundsException if the indices are not within the array
     * @throws IOException see the class
     */
    public int readElements(long[] into, int from, int to, Blocking blocking)
            throws IOException {
        Errors.range("read-byte-sequence", from, to, into == null ? -1 : into.length);
        Errors.blocking("read-byte-sequence", blocking);
        ElementType type = stream.elementType();
        requireBytes("read-byte-sequence");
        return runInt("read-byte-sequence", Entry.of(blocking), from,
                () -> bytes.readIntegers(into, from, to, type, blocking));
    }

    /**
     * Tells what the next byte operation would find (CLISP {@code EXT:READ-BYTE-LOOKAHEAD}).
     *
     * @return {@link #NOTHING} when it would wait, {@link #END}, or 1 when an element is there
     * @throws IOException if the connection is broken
     */
    public int byteLookahead() throws IOException {
        requireBytes("read-byte-lookahead");
        switch (sight.now("read-byte-lookahead", Sought.INTEGER)) {
            case NOTHING:
                return NOTHING;
            case ENDED:
                return END;
            default:
                return 1;
        }
    }

    /** How many bytes are there without waiting. */
    int available() throws IOException {
        return runInt("available", Entry.POLL, 0, bytes::available);
    }

    /**
     * Takes an element of the kind that a framing describes when all of it is there; never waits.
     *
     * @return the element; null when it is not there yet
     * @throws java.io.EOFException if the input has ended and nothing is left
     * @throws FramingException if what is there cannot become an element; nothing was consumed
     * @throws IOException if the connection is broken
     */
    <T> T takeNow(Framing<T> framing) throws IOException {
        return run(framing.reading, Entry.TRY, null, () -> {
            unchanged = true;
            T taken = take(framing);
            while (taken == null && refill.pollMore(1)) {
                unchanged = false;
                taken = take(framing);
            }
            if (taken == null && refill.atEnd()) {
                throw framing.atEnd(refill.buffer);
            }
            unchanged &= taken == null;
            return taken;
        });
    }

    private <T> T take(Framing<T> framing) throws IOException {
        if (!framing.isForeign()) {
            return takeOwn(framing);
        }
        try {
            runsForeign(true);
            return takeOwn(framing);
        } finally {
            foreign = false;
        }
    }

    private <T> T takeOwn(Framing<T> framing) throws IOException {
        return framing.isText() || bytes.settle()
                ? framing.take(refill.buffer, cursor, refill.atEnd()) : null;
    }

    // ---- what status checks see -------------------------------------------------------------

    /**
     * What is there for the next read, never waiting.
     *
     * @param ask whether to ask the transport when the buffer does not tell
     */
    InputState look() throws IOException {
        return sight.look(Sought.ANYTHING);
    }

    InputState look(boolean ask) {
        return sight.look(ask, Sought.ANYTHING);
    }

    IOException failure() {
        return refill.failure();
    }

    /** Tells whether the transport has said that no more will come: it need not be asked again. */
    boolean hasEnded() {
        return refill.hasEnded();
    }

    @Override
    boolean leavesNews() {
        return sight.leavesNews();
    }

    // ---- life -------------------------------------------------------------------------------

    /** Takes the new format from the next character on, if the output takes it. */
    void format(ExternalFormat format, StreamOutput out) throws IOException {
        run("set-stream-external-format!", Entry.LOCAL, null, () -> {
            out.format(format);
            cursor.format(format);
            return null;
        });
    }

    @Override
    void onShut() {
        cursor.clear();
        refill.shut();
    }

    @Override
    void finish() {
        refill.finish();
        if (isShut() && !refill.hasEnded() || !stream.isOpen()) {
            onShut();
        } else if (refill.buffer.remaining() == 0) {
            refill.buffer.releaseIfEmpty(unreadable());
        }
    }

    /** How many bytes the buffer must remember, for an unread. */
    int unreadable() {
        return cursor.unreadable();
    }

    @Override
    String sideName() {
        return "input from";
    }

    @Override
    String timeoutHint() {
        return "nothing was consumed, the call can be made again";
    }

    /**
     * How many bytes of the stream were read so far.
     *
     * @return their number since the connection was made
     * @throws IOException if the lock cannot be had in time
     */
    public long offset() throws IOException {
        return run("offset", Entry.LOCAL, 0L, refill.buffer::offset);
    }
}
