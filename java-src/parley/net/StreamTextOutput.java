package parley.net;

import java.io.IOException;
import java.nio.channels.SelectionKey;
import parley.net.ExternalFormat.CodingException;

/**
 * The characters of the output side of a stream. {@link StreamOutput} adds the bytes; both go into
 * one buffer.
 */
abstract class StreamTextOutput extends StreamSide {
    private static final char NO_UNIT = 0; // there is a text instead

    final boolean buffered;

    // Guarded by the lock of this side.
    final OutputBuffer buffer;
    final CharacterOutput characters;

    StreamTextOutput(SocketStream stream, StreamOptions options) {
        super(stream, SelectionKey.OP_WRITE);
        buffered = options.outputBuffered();
        buffer = new OutputBuffer(this);
        characters = new CharacterOutput(this, buffer, options.externalFormat());
    }

    // ---- the protocol of a write -------------------------------------------------------------

    final long mark() throws IOException {
        requireOutput();
        characters.mark();
        return buffer.accepted();
    }

    final void written() throws IOException {
        if (!buffered) {
            characters.finish();
            buffer.drain();
        }
    }

    /**
     * Takes a write that failed back, as far as its bytes have not gone, and notes how many have.
     */
    final void undo(Throwable e, long mark) {
        long went = Math.max(0, buffer.sent() - mark);
        characters.undo(mark, e instanceof CodingException);
        ErrorInfo.moved(e, went);
    }

    final void requireOutput() throws IOException {
        if (isShut()) {
            throw Errors.outputShut(operation(), stream);
        }
        if (failure() != null) {
            throw Errors.again(operation(), stream, failure());
        }
    }

    // ---- characters -------------------------------------------------------------------------

    /**
     * Writes a character (Common Lisp {@code WRITE-CHAR}); {@code '\n'} becomes the line terminator
     * of the external format.
     *
     * @param unit a character; the two of a surrogate pair in two calls
     * @throws IOException see above; {@link CodingException} for a character that has no bytes
     */
    public void writeChar(int unit) throws IOException {
        if (buffered && stream.elementType().hasCharacters() && beginMoment()) {
            boolean ended = false;
            try {
                boolean done = failure() == null && characters.putQuick(unit);
                endMoment();
                ended = true;
                if (done) {
                    return;
                }
            } finally {
                if (!ended) {
                    owner = null;
                }
            }
        }
        writeSlowly((char) unit);
    }

    private void writeSlowly(char unit) throws IOException {
        write("write-char", null, unit, false, false);
    }

    /**
     * Writes a string (Common Lisp {@code WRITE-STRING}).
     *
     * @param text not null
     */
    public void writeString(CharSequence text) throws IOException {
        write("write-string", copy("write-string", text), NO_UNIT, false, false);
    }

    /**
     * Writes characters (CLISP {@code EXT:WRITE-CHAR-SEQUENCE}).
     *
     * @param chars the characters
     */
    public void writeChars(char[] chars, int from, int to) throws IOException {
        Errors.range("write-char-sequence", from, to, chars == null ? -1 : chars.length);
        write("write-char-sequence", new String(chars, from, to - from), NO_UNIT, false, false);
    }

    /**
     * Writes a string and a newline (Common Lisp {@code WRITE-LINE}).
     *
     * @param text not null
     */
    public void writeLine(CharSequence text) throws IOException {
        if (buffered && text instanceof String && stream.elementType().hasCharacters() && beginMoment()) {
            boolean ended = false;
            try {
                boolean done = failure() == null && characters.putQuickLine((String) text);
                endMoment();
                ended = true;
                if (done) {
                    return;
                }
            } finally {
                if (!ended) {
                    owner = null;
                }
            }
        }
        write("write-line", copy("write-line", text), NO_UNIT, true, false);
    }

    /** Writes a newline (Common Lisp {@code TERPRI}). */
    public void newLine() throws IOException {
        write("terpri", "", NO_UNIT, true, false);
    }

    /**
     * Writes a newline unless the last character written was one (Common Lisp {@code FRESH-LINE}).
     *
     * @return true when it wrote one
     */
    public boolean freshLine() throws IOException {
        return write("fresh-line", "", NO_UNIT, true, true);
    }

    /**
     * Returns the text; a sequence of the user's is copied, for its code must not run in the lock.
     */
    private static String copy(String name, CharSequence text) {
        if (text == null) {
            throw new IllegalArgumentException(
                    Errors.name(name) + ": the text is null, expected a string");
        }
        return text instanceof String ? (String) text : new StringBuilder(text).toString();
    }

    /**
     * Writes a text, or a single character where that is null, then perhaps a newline.
     *
     * @return false when a line that is fresh needs none
     */
    private boolean write(String name, String text, char unit, boolean line, boolean fresh)
            throws IOException {
        requireCharacters(name);
        enter(name, Entry.WAIT);
        Object me = owner;
        try {
            return writeMarked(mark(), text, unit, line, fresh);
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

    private boolean writeMarked(long mark, String text, char unit, boolean line, boolean fresh)
            throws IOException {
        try {
            if (fresh && characters.isLineStart()) {
                return false;
            }
            if (text == null) {
                characters.put(unit);
            } else {
                characters.put(text);
            }
            if (line) {
                characters.newLine();
            }
            written();
            return true;
        } catch (IOException | RuntimeException | Error e) {
            undo(e, mark);
            throw e;
        }
    }

    IOException failure() {
        return buffer.failure();
    }
}
