package parley.net;

import java.io.IOException;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import parley.net.ExternalFormat.CodingAction;
import parley.net.ExternalFormat.CodingException;
import parley.net.ExternalFormat.LineTerminator;
import parley.net.text.Decoder;
import parley.net.text.Encoder;

/**
 * Characters into an {@link OutputBuffer}, by the rules of an external format. Guarded by the
 * writer's lock.
 */
final class CharacterOutput {
    private static final long NOT = -1;
    private static final long OPEN = Long.MAX_VALUE;
    private static final int MOST_BYTES = 32; // of a character, with the shift sequences before it
    private static final char[] NO_CHARS = {};

    private final StreamTextOutput side;
    private final OutputBuffer buffer;
    private final char[] one = new char[1];
    private final CharBuffer oneText = CharBuffer.wrap(one); // so that writing one makes no string
    ExternalFormat format; // set by format
    private Encoder encoder; // made with the first character
    private boolean ascii; // the encoder exists and encodes ASCII as one byte each
    private boolean unix; // newlines are line feeds

    private int pendingHigh = -1; // half of a surrogate pair whose other half has not come
    private boolean lineStart = true;

    // An encoder with state is made again, when its output is dropped, from what came before it. All
    // are places in the output.
    private long begunAt = NOT; // where the charset began, with its byte order mark
    private long textFrom; // where the last text began, in the charset's initial state
    private long textEnd; // where it ended, in that state again; OPEN while it goes on
    private char[] last = NO_CHARS; // the last character of an open text
    private long utf8End; // where UTF-8 was left for another charset
    private Deque<Text> earlier; // texts before the last one that may not be sent whole; null for none

    private final Mark mark = new Mark(); // what undo goes back to

    /** A text in a charset with state; as the fields of the same names. */
    private record Text(Charset charset, long begunAt, long from, long end) {
        boolean isCutAt(long sent) {
            return from < sent && sent < end;
        }
    }

    /** The state at the beginning of an operation; as the fields of the same names. */
    private static final class Mark {
        private int pendingHigh;
        private boolean lineStart;
        private long begunAt;
        private long textFrom;
        private long textEnd;
        private char[] last;
    }

    CharacterOutput(StreamTextOutput side, OutputBuffer buffer, ExternalFormat format) {
        this.side = side;
        this.buffer = buffer;
        this.format = format;
        unix = format.lineTerminator() == LineTerminator.UNIX;
    }

    // ---- undoing -----------------------------------------------------------------------------

    /** Remembers the state at the beginning of an operation. */
    void mark() {
        mark.pendingHigh = pendingHigh;
        mark.lineStart = lineStart;
        mark.begunAt = begunAt;
        mark.textFrom = textFrom;
        mark.textEnd = textEnd;
        mark.last = last;
    }

    /**
     * Takes an operation that has failed back, as far as its bytes have not gone.
     *
     * @param from where in the output it began
     * @param reported whether the failure has reported half a pair: then that is dropped, too
     */
    void undo(long from, boolean reported) {
        if (buffer.sent() > from) {
            dropUnsent();
            return;
        }
        buffer.dropAfter(from);
        if (earlier != null) {
            earlier.removeIf(text -> text.end > from);
        }
        pendingHigh = reported ? -1 : mark.pendingHigh;
        lineStart = mark.lineStart;
        begunAt = mark.begunAt;
        textFrom = mark.textFrom;
        textEnd = mark.textEnd;
        last = mark.last;
        forgetEncoder();
    }

    /** Drops what is not sent, but for what ends the text that the peer has seen. */
    void dropUnsent() {
        long sent = buffer.sent();
        boolean some = buffer.pending() > 0;
        Text cut = cutAt(sent);
        pendingHigh = -1;
        earlier = null;
        if (cut == null) {
            buffer.dropAfter(sent + restOfUtf8());
        } else {
            endWhole(cut, sent);
        }
        begunAt = begunAt >= sent ? NOT : begunAt;
        boolean same = cut != null && cut.charset.equals(format.charset());
        textFrom = same ? cut.from : buffer.accepted();
        textEnd = buffer.accepted();
        last = NO_CHARS;
        if (cut != null && !same) {
            keepEarlier(new Text(cut.charset, cut.begunAt, cut.from, textEnd));
        }
        lineStart = some ? buffer.isUnused() || buffer.endsWith(lineEnd()) : lineStart;
        forgetEncoder();
    }

    /** Returns the text of which the peer has seen a part, or null. */
    private Text cutAt(long sent) {
        Text current = new Text(format.charset(), begunAt, textFrom, textEnd);
        if (current.isCutAt(sent) || earlier == null) {
            return current.isCutAt(sent) ? current : null;
        }
        return earlier.stream().filter(text -> text.isCutAt(sent)).findFirst().orElse(null);
    }

    private void keepEarlier(Text text) {
        if (earlier == null) {
            earlier = new ArrayDeque<>();
        }
        earlier.removeIf(each -> each.end <= buffer.sent());
        earlier.add(text);
    }

    /**
     * Returns how many of the next bytes end the UTF-8 character that the peer has seen a part of.
     */
    private int restOfUtf8() {
        boolean utf8 = isUtf8() || buffer.sent() < utf8End;
        return utf8 && side.stream.elementType().hasCharacters() ? buffer.restOfUtf8() : 0;
    }

    private boolean isUtf8() {
        return format.charset().equals(StandardCharsets.UTF_8);
    }

    /** The peer may have seen part of a character, whose rest it needs in order to go on. */
    private void endWhole(Text text, long sent) {
        Decoder decoder = Decoder.of(text.charset);
        if (text.begunAt < text.from) { // what a text begins with is not here
            byte[] start = "\n".getBytes(text.charset);
            decode(decoder, start, 0, start.length, start.length, false);
        }
        int end = buffer.index(sent);
        int to = buffer.index(Math.min(text.end, buffer.accepted()));
        int at = decode(decoder, buffer.bytes, buffer.index(text.from), end, to, true);
        buffer.dropAfter(sent + at - end);
        Encoder encoder = Encoder.of(text.charset);
        encoder.resume(decoder.unit() >= 0 ? units(decoder) : NO_CHARS, true);
        buffer.keep(encoder.finish());
    }

    /** Decodes up to an index or the end of the character there; returns where that is. */
    private static int decode(Decoder decoder, byte[] bytes, int from, int end, int to,
            boolean atEnd) {
        int at = from;
        for (int n = 1; at < end && n != 0; at += Math.abs(n)) {
            n = decoder.decode(bytes, at, to, atEnd);
        }
        return at;
    }

    private static char[] units(Decoder decoder) {
        return decoder.low() < 0 ? new char[] {(char) decoder.unit()}
                : new char[] {(char) decoder.unit(), (char) decoder.low()};
    }

    private void forgetEncoder() {
        if (!ascii) {
            encoder = null;
        }
    }

    private byte[] lineEnd() {
        String end = format.lineTerminator().text();
        return Encoder.unmarked(format.charset(), end.charAt(end.length() - 1));
    }

    /** This side is shut, and everything is dropped. */
    void drop() {
        pendingHigh = -1;
        earlier = null;
        textEnd = textFrom;
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
        return true;
    }

    /** Writes a line if that takes nothing but encoding a few characters. */
    boolean putQuickLine(String line) {
        if (!ascii || !unix || pendingHigh >= 0 || !buffer.putQuickLine(line, encoder)) {
            return false;
        }
        lineStart = true;
        return true;
    }

    void put(char unit) throws IOException {
        one[0] = unit;
        put(oneText);
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
        char end = chars.charAt(length - 1);
        boolean half = Character.isHighSurrogate(end);
        putLines(chars, half ? length - 1 : length);
        lineStart = end == '\n';
        if (half) {
            pendingHigh = end;
        }
    }

    void newLine() throws IOException {
        if (!ascii || !unix || pendingHigh >= 0) {
            put('\n');
            return;
        }
        buffer.put('\n');
        lineStart = true;
    }

    /**
     * Writes a line if the system takes some of it now, after all that came before; never waits.
     *
     * @return false when it takes none: then none is written
     */
    boolean offerLine(String line) throws IOException {
        finish();
        if (!buffer.drainNow()) {
            return false;
        }
        long from = buffer.accepted();
        mark();
        buffer.grows(true);
        boolean taken = false;
        try {
            put(line);
            newLine();
            finish();
            buffer.drainNow();
            taken = buffer.sent() > from;
        } finally {
            buffer.grows(false);
            if (!taken) {
                undo(from, false);
            }
        }
        return taken;
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

    /**
     * Encodes piece by piece, each moved into an array first: that is what goes through fastest.
     */
    private void encode(CharSequence text, int from, int to) throws IOException {
        int at = from;
        while (at < to) {
            makeRoom();
            char[] chars = buffer.chars();
            int count = move(text, at, to, chars);
            encode(chars, count);
            at += count;
        }
    }

    /** Makes room for a character, and with it for what ends a text. */
    private void makeRoom() throws IOException {
        encoder();
        int count = ascii ? 1 : Encoder.FINISH + MOST_BYTES;
        if (!ascii && !buffer.hasRoom(count)) {
            finish(); // what is sent ends in the initial state
        }
        buffer.room(count);
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
        int at = 0;
        while (at < to) {
            makeRoom();
            Encoder with = encoder();
            int limit = buffer.bytes.length;
            if (!ascii) {
                open();
                limit -= Encoder.FINISH;
            }
            int next = with.encode(chars, at, to, buffer.bytes, buffer.tail, limit);
            boolean full = next == at && with.end() == buffer.tail;
            buffer.tail = with.end();
            int bad = with.bad(); // encoding a replacement changes it
            if (!ascii && next > at) {
                last = lastOf(chars, next);
            }
            at = next + bad;
            if (bad > 0) {
                unencodable(Character.codePointAt(chars, next, to));
            } else if (at < to && full) {
                finish();
                buffer.makeRoom();
            }
        }
    }

    private void open() {
        if (textEnd != OPEN) {
            long here = buffer.accepted();
            boolean goesOn = begunAt != NOT && textEnd == here && buffer.pending() > 0;
            if (!goesOn && textEnd > buffer.sent()) {
                keepEarlier(new Text(format.charset(), begunAt, textFrom, textEnd));
            }
            begunAt = begunAt == NOT ? here : begunAt;
            textFrom = goesOn ? textFrom : here;
            textEnd = OPEN;
        }
    }

    private static char[] lastOf(char[] chars, int end) {
        int from = end > 1 && Character.isSurrogatePair(chars[end - 2], chars[end - 1]) ? end - 2
                : end - 1;
        return Arrays.copyOfRange(chars, from, end);
    }

    private void unencodable(int codePoint) throws IOException {
        CodingAction action = format.outputErrorAction();
        if (action == CodingAction.ERROR) {
            throw new CodingException(Errors.name(side.operation()) + ": the character "
                    + Errors.character(codePoint) + " has no bytes in "
                    + format.charset() + "; it was not written, use another charset or set an "
                    + Errors.spell(":output-error-action", "outputErrorAction"), buffer.accepted());
        } else if (action.replacement() >= 0) {
            char replacement = (char) action.replacement();
            if (!format.charset().newEncoder().canEncode(replacement)) {
                throw new CodingException(Errors.name(side.operation()) + ": the replacement character "
                        + Errors.character(replacement) + " has no bytes in "
                        + format.charset() + " itself; choose another", buffer.accepted());
            }
            encode(new char[] {replacement}, 1); // of its own: the others are not done yet
        }
    }

    private Encoder encoder() {
        if (encoder == null) {
            if (!format.charset().canEncode()) {
                throw new IllegalArgumentException(Errors.name("external format") + ": the charset "
                        + format.charset() + " cannot be written, expected one that can");
            }
            Encoder made = Encoder.of(format.charset());
            if (begunAt != NOT) {
                made.resume(last, false);
            }
            ascii = made.isAsciiCompatible();
            encoder = made;
        }
        return encoder;
    }

    // ---- the end of a text -------------------------------------------------------------------

    /** Something else than characters comes: half a pair that waits will never be whole. */
    void leave() throws IOException {
        try {
            settle();
        } finally {
            finish();
        }
    }

    private void settle() throws IOException {
        if (pendingHigh >= 0) {
            char[] half = {(char) pendingHigh};
            pendingHigh = -1;
            encode(half, 1);
        }
    }

    /** Returns whether {@link #leave} may have something to write. */
    boolean isOpen() {
        return textEnd == OPEN || pendingHigh >= 0;
    }

    /**
     * Adds what the encoder has held back, and what brings it to its initial state; sends nothing.
     */
    void finish() {
        if (textEnd == OPEN) {
            buffer.keep(encoder().finish());
            last = NO_CHARS;
            textEnd = buffer.accepted();
        }
    }

    // ---- the format --------------------------------------------------------------------------

    /** Returns whether a format ends the text that is being written. */
    boolean leaves(ExternalFormat newFormat) {
        return !newFormat.charset().equals(format.charset());
    }

    /** Takes a new format. */
    void format(ExternalFormat newFormat) {
        if (leaves(newFormat)) {
            utf8End = isUtf8() ? buffer.accepted() : utf8End;
            if (textEnd > buffer.sent()) {
                keepEarlier(new Text(format.charset(), begunAt, textFrom, textEnd));
            }
            encoder = null;
            ascii = false;
            last = NO_CHARS;
            begunAt = NOT;
            textFrom = buffer.accepted();
            textEnd = textFrom;
        }
        format = newFormat;
        unix = format.lineTerminator() == LineTerminator.UNIX;
    }
}
