package parley.net;

import parley.net.ExternalFormat.CodingException;
import parley.net.StreamInput.LineTooLongException;
import parley.net.text.DecodedChars;
import parley.net.text.Decoder;
import parley.net.text.LineScanner;

/**
 * Lines out of an {@link InputBuffer}. Where newlines are certain bytes, the end is looked for in
 * the bytes and the line made of them at once; else, and where some are bad, character by
 * character. Guarded by the reader's lock.
 */
final class LineCursor {
    private final CharacterCursor characters;
    private final InputBuffer buffer;
    private final DecodedChars ahead;

    private int scanned; // bytes behind the position known to hold no line end
    private boolean unterminated;

    LineCursor(CharacterCursor characters, InputBuffer buffer, DecodedChars ahead) {
        this.characters = characters;
        this.buffer = buffer;
        this.ahead = ahead;
    }

    /** Forgets the scanned part, after a move or a change of format. */
    void rescan() {
        if (scanned != 0) {
            scanned = 0;
        }
    }

    /** Returns whether the line returned last was ended by the end of the input. */
    boolean wasUnterminated() {
        return unterminated;
    }

    /**
     * Reads a line without its end. Nothing is consumed of a line with more bytes or characters,
     * whether or not its end has come.
     *
     * @param most how many bytes (where newlines are those of ASCII) or characters a line may have
     * @return the line; null when more bytes are needed, or at the end when there is none
     */
    String read(boolean atEnd, int most) throws CodingException, LineTooLongException {
        if (!characters.settleFormerNewline(atEnd)) {
            return null;
        }
        if (characters.decoder().hasAsciiNewlines() && characters.dropAhead()) {
            skipNewline();
            String line = readRun(atEnd, most);
            if (line != null || scanned == buffer.remaining()) {
                requireWithin(line == null ? scanned : 0, most);
                return line;
            }
        }
        String line = readSlowly(atEnd, Integer.MAX_VALUE, most);
        if (line == null) {
            requireWithin(ahead.size(), most);
            // Four bytes a character are enough: what makes none is bounded, too.
            requireWithin(characters.bytesAhead() / 4, most);
        }
        return line;
    }

    /**
     * Reads a line without its end, of a charset whose line ends are not those of ASCII; nothing is
     * consumed of one with more bytes, whether or not its end has come.
     */
    String readWithin(boolean atEnd, int most) throws CodingException, LineTooLongException {
        if (!characters.settleFormerNewline(atEnd)) {
            return null;
        }
        String line = readSlowly(atEnd, most, Integer.MAX_VALUE);
        if (line == null) {
            requireWithin(characters.bytesAhead(), most);
        }
        return line;
    }

    /**
     * Reads a line that is whole in the buffer, with something behind it, and plain; else null.
     *
     * @param most how many bytes it may have
     */
    String readPlain(int most) {
        Decoder decoder = characters.plainDecoder();
        if (decoder == null) {
            return null;
        }
        int from = buffer.position;
        int at = LineScanner.find(buffer.bytes, from + scanned, buffer.limit - 1);
        if (at < 0 || at - from > most || buffer.bytes[at] == '\r' && at + 2 >= buffer.limit) {
            return null;
        }
        String line = decoder.decodeRun(buffer.bytes, from, at, buffer);
        if (line != null) {
            endRun(at);
        }
        return line;
    }

    /** Another byte may still be passed over, and a line feed behind it be the one to skip. */
    private void skipNewline() {
        if (characters.skipsNewline() && buffer.remaining() > 0
                && buffer.bytes[buffer.position] == '\n') {
            characters.skipLineFeed(1);
        }
    }

    private static void requireWithin(int length, int most) throws LineTooLongException {
        if (length > most) {
            throw new LineTooLongException(most);
        }
    }

    private String readRun(boolean atEnd, int most) throws LineTooLongException {
        int from = buffer.position;
        int at = LineScanner.find(buffer.bytes, from + scanned, buffer.limit);
        if (at < 0) {
            scanned = buffer.remaining();
            if (!atEnd || scanned == 0) {
                return null;
            }
            at = buffer.limit;
        }
        requireWithin(at - from, most);
        String line = characters.decoder().decodeRun(buffer.bytes, from, at, buffer);
        if (line == null) {
            scanned = -1; // some bytes are bad: character by character
            return null;
        }
        endRun(at);
        return line;
    }

    private void endRun(int at) {
        boolean atLimit = at == buffer.limit;
        int next = at;
        if (atLimit) {
            characters.skipsNewline(false);
            characters.seal();
        } else {
            boolean isReturn = buffer.bytes[at] == '\r';
            boolean both = isReturn && at + 1 < buffer.limit && buffer.bytes[at + 1] == '\n';
            next = both ? at + 2 : at + 1;
            characters.took('\n', next - at, isReturn && !both);
        }
        unterminated = atLimit;
        scanned = 0;
        buffer.position = next; // last: an Error before has read nothing
    }

    private String readSlowly(boolean atEnd, int mostBytes, int mostCharacters)
            throws CodingException, LineTooLongException {
        scanned = 0;
        int newline = ahead.newline();
        while (newline < 0) {
            int unit = characters.decodeAhead(atEnd, false);
            if (unit == CharacterCursor.MORE || unit == CharacterCursor.END && ahead.isEmpty()) {
                return null;
            } else if (unit == CharacterCursor.END) {
                return take(ahead.size(), true, mostBytes, mostCharacters);
            } else if (unit == '\n') {
                newline = ahead.size() - 1;
            }
        }
        return take(newline, false, mostBytes, mostCharacters);
    }

    private String take(int count, boolean endOfInput, int mostBytes, int mostCharacters)
            throws LineTooLongException {
        requireWithin(count, mostCharacters);
        if (mostBytes < Integer.MAX_VALUE) {
            requireWithin(ahead.bytes(count), mostBytes);
        }
        String line = ahead.text(count);
        characters.takeAhead(count);
        unterminated = endOfInput;
        if (endOfInput) {
            characters.seal();
        } else {
            characters.take();
        }
        return line;
    }
}
