package parley.net;

/**
 * Finds where a form of EDN ends, in bytes that come in pieces; each byte is looked at once. It
 * knows strings, characters, comments, brackets and the prefixes that belong to a following form,
 * and leaves all judgement to the reader: what is malformed ends somewhere, too.
 */
final class FormScanner {
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
