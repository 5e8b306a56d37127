package parley.net;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import parley.net.Framing.FormSyntax;
import parley.net.Framing.FramingException;

/** Forms of EDN, found by a scanner and read by the caller's reader. */
final class FormFraming<T> extends Framing<T> {
    private final FormSyntax<T> syntax;
    private final FormScanner scanner = new FormScanner();
    private long scannedFrom = -1; // stream offset where the scanner began

    FormFraming(int most, FormSyntax<T> syntax) {
        super(most);
        this.syntax = Errors.need("framing", "the syntax", syntax, "a FormSyntax");
    }

    @Override
    T take(InputBuffer buffer, CharacterCursor cursor, boolean ended) throws IOException {
        if (buffer.offset() != scannedFrom) {
            scannedFrom = buffer.offset();
            scanner.reset();
        }
        boolean whole = scanner.scan(buffer.bytes, buffer.position, buffer.limit, ended);
        int size = scanner.scanned() - scanner.ignored();
        if (size > most) {
            scannedFrom = -1;
            throw tooLong(size);
        }
        if (scanner.isTooDeep()) {
            scannedFrom = -1;
            throw new FramingException(reading + ": " + this + " is nested deeper than "
                    + FormScanner.DEPTH + "; nothing was consumed");
        }
        if (!whole) {
            skipIgnored(buffer);
            return null;
        }
        scannedFrom = -1;
        T form = read(buffer, scanner.scanned());
        buffer.position += scanner.scanned();
        return form;
    }

    /** White space and comments between forms need not be kept, nor do they count. */
    private void skipIgnored(InputBuffer buffer) {
        int ignored = scanner.ignored();
        if (ignored > 0) {
            buffer.position += ignored;
            scannedFrom = buffer.offset();
            scanner.skip(ignored);
        }
    }

    private T read(InputBuffer buffer, int size) throws IOException {
        try {
            String text = StandardCharsets.UTF_8.newDecoder()
                    .decode(ByteBuffer.wrap(buffer.bytes, buffer.position, size)).toString();
            return syntax.read(text);
        } catch (Exception | StackOverflowError e) {
            throw new FramingException(reading + ": " + this + " is malformed: "
                    + Errors.text(e) + "; nothing was consumed", e);
        }
    }

    @Override
    byte[] encode(T form, ExternalFormat format) {
        byte[] bytes = bytes(syntax.print(form) + "\n");
        if (bytes.length - 1 > most) {
            throw tooLongToPut(bytes.length - 1);
        }
        FormScanner written = new FormScanner();
        written.scan(bytes, 0, bytes.length, true);
        if (written.isTooDeep()) {
            throw new IllegalArgumentException(writing + ": the value is nested too deep,"
                    + " expected at most " + FormScanner.DEPTH + " levels, which is what elements reads");
        }
        return bytes;
    }

    private byte[] bytes(String text) {
        try {
            ByteBuffer encoded = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
            return Arrays.copyOf(encoded.array(), encoded.limit());
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(writing + ": the value has half of a surrogate pair,"
                    + " expected characters that UTF-8 has");
        }
    }

    @Override
    public String toString() {
        return "a form";
    }

    @Override
    boolean isForeign() {
        return true;
    }

    /**
     * Finds where a form of EDN ends, in bytes that come in pieces; each byte is looked at once. It
     * knows strings, characters, comments, brackets and the prefixes that belong to a following
     * form, and leaves all judgement to the reader: what is malformed ends somewhere, too.
     */
    private static final class FormScanner {
        /** Maximum nesting of brackets, since readers recurse. */
        static final int DEPTH = 512;

        private enum State { BETWEEN, TOKEN, STRING, ESCAPE, CHARACTER, HASH, COMMENT }

        private State state = State.BETWEEN;
        private int scanned; // bytes
        private int ignored; // bytes at the beginning that belong to no form
        private int depth; // open brackets
        private int wanted = 1; // forms still to end, outside of brackets
        private boolean tag; // the token under way is a tag, which is followed by its form
        private boolean prefixed; // something that belongs to the form has gone before it

        void reset() {
            state = State.BETWEEN;
            scanned = 0;
            ignored = 0;
            depth = 0;
            wanted = 1;
            tag = false;
            prefixed = false;
        }

        /** Returns the number of scanned bytes; for a whole form, its length. */
        int scanned() {
            return scanned;
        }

        /** Returns how many of them can be dropped while the form is not whole. */
        int ignored() {
            return ignored;
        }

        /** So many of the ignored bytes were dropped. */
        void skip(int count) {
            scanned -= count;
            ignored -= count;
        }

        boolean isTooDeep() {
            return depth > DEPTH;
        }

        /**
         * Goes on scanning bytes of which the first were scanned before.
         *
         * @return true when the form is whole
         */
        boolean scan(byte[] bytes, int from, int to, boolean ended) {
            while (from + scanned < to && depth <= DEPTH) {
                if (step(bytes[from + scanned])) {
                    return true;
                }
            }
            if (ended && state == State.COMMENT) {
                state = State.BETWEEN;
                ignore();
            }
            return ended && depth == 0 && state == State.TOKEN && tokenEnds();
        }

        /** Looks at a byte, counting it unless it belongs to what comes next; true at the end. */
        private boolean step(byte b) {
            switch (state) {
                case COMMENT:
                    count();
                    if (b == '\n' || b == '\r') {
                        state = State.BETWEEN;
                        ignore();
                    }
                    return false;
                case STRING:
                    state = b == '\\' ? State.ESCAPE : b == '"' ? State.BETWEEN : State.STRING;
                    count();
                    return b == '"' && formEnds();
                case ESCAPE:
                    state = State.STRING;
                    return count();
                case CHARACTER: // the one behind the backslash, whatever it is
                    state = State.TOKEN;
                    return count();
                case HASH:
                    return afterHash(b);
                case TOKEN:
                    if (isDelimiter(b)) {
                        return tokenEnds(); // the delimiter is still to be looked at
                    }
                    return count();
                default:
                    return between(b);
            }
        }

        private boolean between(byte b) {
            count();
            switch (b) {
                case ' ', '\t', '\n', '\r', '\f', ',', 0x0b, 0x1c, 0x1d, 0x1e, 0x1f:
                    ignore();
                    return false;
                case ';':
                    state = State.COMMENT;
                    return false;
                case '"':
                    state = State.STRING;
                    return false;
                case '\\':
                    state = State.CHARACTER;
                    return false;
                case '#':
                    state = State.HASH;
                    return false;
                case '^':
                    prefixed = true;
                    expect(1); // the tag or metadata, and its form
                    return false;
                case '(', '[', '{':
                    depth++;
                    return false;
                case ')', ']', '}':
                    depth = Math.max(0, depth - 1);
                    return formEnds();
                default:
                    state = State.TOKEN;
                    return false;
            }
        }

        private boolean afterHash(byte b) {
            state = State.BETWEEN;
            switch (b) {
                case '{', '(':
                    return false; // as without the hash
                case '_':
                    expect(1); // the form to ignore, then the one that is wanted
                    return count();
                case '^':
                    prefixed = true;
                    expect(1);
                    return count();
                case '"':
                    return false; // malformed; the reader reports it
                case '#':
                    state = State.TOKEN; // ##Inf
                    return count();
                default:
                    tag = true;
                    prefixed = true;
                    state = State.TOKEN;
                    return false;
            }
        }

        private void expect(int more) {
            if (depth == 0) {
                wanted += more;
            }
        }

        private boolean tokenEnds() {
            state = State.BETWEEN;
            if (tag) {
                tag = false;
                return false; // its form is the one that counts
            }
            return formEnds();
        }

        private boolean formEnds() {
            return depth == 0 && --wanted == 0;
        }

        private boolean count() {
            scanned++;
            return false;
        }

        /** Drops the scanned bytes if no form has begun. */
        private void ignore() {
            if (depth == 0 && wanted == 1 && !prefixed) {
                ignored = scanned;
            }
        }

        private static boolean isDelimiter(byte b) {
            switch (b) {
                case ' ', '\t', '\n', '\r', '\f', ',', 0x0b, 0x1c, 0x1d, 0x1e, 0x1f:
                case ';', '"', '(', '[', '{', ')', ']', '}', '\\', '^':
                    return true;
                default:
                    return false;
            }
        }
    }
}
