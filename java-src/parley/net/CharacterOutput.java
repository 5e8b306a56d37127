package parley.net;

import java.io.IOException;

/**
 * Characters into an {@link OutputBuffer}, by the rules of an external format. Guarded by the
 * writer's lock.
 */
final class CharacterOutput {
    private final StreamOutput side;
    private final OutputBuffer buffer;
    private final One one = new One();
    private ExternalFormat format;
    private Encoder encoder; // made with the first character
    private boolean ascii; // the encoder is there, and ASCII is one byte each to it
    private boolean unix; // newlines are line feeds

    // What undo goes back to is in the fields of the same name with "marked".
    private int pendingHigh = -1; // half of a surrogate pair whose other half has not come
    private int lastWritten = -1; // a code point; from it the state of an encoder can be had again
    private boolean lineStart = true;
    private int markedHigh;
    private int markedLast;
    private boolean markedStart;

    /** One character as a sequence, so that writing one makes no string. */
    private static final class One implements CharSequence {
        private char unit;

        @Override
        public int length() {
            return 1;
        }

        @Override
        public char charAt(int index) {
            return unit;
        }

        @Override
        public CharSequence subSequence(int from, int to) {
            return toString().substring(from, to);
        }

        @Override
        public String toString() {
            return String.valueOf(unit);
        }
    }

    CharacterOutput(StreamOutput side, OutputBuffer buffer, ExternalFormat format) {
        this.side = side;
        this.buffer = buffer;
        this.format = format;
        unix = format.lineTerminator() == LineTerminator.UNIX;
    }

    // ---- undoing -----------------------------------------------------------------------------

    /** Remembers the state at the beginning of an operation. */
    void mark() {
        markedHigh = pendingHigh;
        markedLast = lastWritten;
        markedStart = lineStart;
    }

    /**
     * Goes back to the mark: the operation has failed and its bytes were dropped.
     *
     * @param told whether the failure has told of half a pair: then that is gone too
     */
    void undo(boolean told) {
        pendingHigh = told ? -1 : markedHigh;
        lineStart = markedStart;
        if (encoder != null && !ascii) {
            encoder = Encoder.of(format.charset());
            if (markedLast >= 0) {
                String last = Character.toString(markedLast);
                encoder.encode(last.toCharArray(), 0, last.length(), new byte[64], 0, 64);
            }
        }
        lastWritten = markedLast;
    }

    void drop() {
        pendingHigh = -1;
    }

    // ---- writing -----------------------------------------------------------------------------

    boolean isLineStart() {
        return lineStart;
    }

    /** Writes a character if that takes nothing but moving one byte. */
    boolean putQuick(int unit) {
        if (!ascii || unit < ' ' || unit >= 0x80 || pendingHigh >= 0 || !buffer.putQuick(unit)) {
            return false;
        }
        lineStart = false;
        lastWritten = unit;
        return true;
    }

    void put(char unit) throws IOException {
        one.unit = unit;
        put(one);
    }

    void put(CharSequence text) throws IOException {
        int length = text.length();
        if (length == 0) {
            return;
        }
        CharSequence chars = text;
        if (pendingHigh >= 0) {
            chars = String.valueOf((char) pendingHigh) + text;
            pendingHigh = -1;
            length++;
        }
        char last = chars.charAt(length - 1);
        boolean half = Character.isHighSurrogate(last);
        putLines(chars, half ? length - 1 : length);
        lineStart = last == '\n';
        if (half) {
            pendingHigh = last;
        } else {
            lastWritten = Character.codePointBefore(chars, length);
        }
    }

    void newLine() throws IOException {
        if (!ascii || !unix || pendingHigh >= 0) {
            put('\n');
            return;
        }
        buffer.put('\n');
        lineStart = true;
        lastWritten = '\n';
    }

    private void putLines(CharSequence chars, int end) throws IOException {
        if (unix) {
            encode(chars, 0, end);
            return;
        }
        String terminator = format.lineTerminator().text();
        int from = 0;
        for (int i = 0; i < end; i++) {
            if (chars.charAt(i) == '\n') {
                encode(chars, from, i);
                encode(terminator, 0, terminator.length());
                from = i + 1;
            }
        }
        encode(chars, from, end);
    }

    /** Encodes piece by piece, each moved into an array first: that is what goes through fastest. */
    private void encode(CharSequence text, int from, int to) throws IOException {
        int at = from;
        while (at < to) {
            buffer.room(1);
            char[] chars = buffer.chars();
            int count = move(text, at, to, chars);
            encode(chars, count);
            at += count;
        }
    }

    /** Moves what there is room for, but no half of a pair whose other half comes behind. */
    private static int move(CharSequence text, int from, int to, char[] into) {
        int count = Math.min(to - from, into.length);
        if (text instanceof String) {
            ((String) text).getChars(from, from + count, into, 0);
        } else {
            for (int i = 0; i < count; i++) {
                into[i] = text.charAt(from + i);
            }
        }
        boolean parted = count < to - from && Character.isHighSurrogate(into[count - 1]);
        return parted ? count - 1 : count;
    }

    private void encode(char[] chars, int to) throws IOException {
        Encoder with = encoder();
        int at = 0;
        while (at < to) {
            buffer.room(1);
            int next = with.encode(chars, at, to, buffer.bytes, buffer.tail, buffer.bytes.length);
            boolean full = next == at && with.end == buffer.tail;
            buffer.tail = with.end;
            at = next;
            int bad = with.bad; // encoding a replacement changes it
            if (bad > 0) {
                unencodable(Character.codePointAt(chars, at, to));
                at += bad;
            } else if (at < to && full) {
                buffer.drain();
            }
        }
    }

    private void unencodable(int codePoint) throws IOException {
        CodingAction action = format.outputErrorAction();
        if (action == CodingAction.ERROR) {
            throw new CodingException(Errors.name(side.operation()) + ": the character U+"
                    + Integer.toHexString(codePoint) + " has no bytes in "
                    + format.charset() + "; it was not written, use another charset or set an "
                    + Errors.spell(":output-error-action", "outputErrorAction"), buffer.accepted());
        } else if (action.replacement() >= 0) {
            char replacement = (char) action.replacement();
            if (!format.charset().newEncoder().canEncode(replacement)) {
                throw new CodingException(Errors.name(side.operation())
                        + ": the replacement character U+"
                        + Integer.toHexString(action.replacement()) + " has no bytes in "
                        + format.charset() + " itself; choose another", buffer.accepted());
            }
            encode(new char[] {replacement}, 1); // of its own: the others are not done yet
        }
    }

    /** Something else than characters comes: half a pair that waits will never be whole. */
    void settle() throws IOException {
        if (pendingHigh >= 0) {
            char[] half = {(char) pendingHigh};
            pendingHigh = -1;
            encode(half, 1);
        }
    }

    private Encoder encoder() {
        if (encoder == null) {
            encoder = Encoder.of(format.charset());
            ascii = encoder.isAsciiCompatible();
        }
        return encoder;
    }

    // ---- the format --------------------------------------------------------------------------

    /**
     * Changes the format.
     *
     * @param writable false when nothing can be written any more
     */
    void format(ExternalFormat newFormat, boolean writable) throws IOException {
        if (!newFormat.charset().equals(format.charset())) {
            if (writable) {
                leaveCharset();
            }
            encoder = null;
            ascii = false;
            lastWritten = -1;
        }
        format = newFormat;
        unix = format.lineTerminator() == LineTerminator.UNIX;
    }

    /** Writes what brings a charset with state back to its initial one. */
    void leaveCharset() throws IOException {
        settle();
        if (encoder != null) {
            byte[] shift = encoder.reset();
            buffer.put(shift, 0, shift.length);
        }
    }
}
