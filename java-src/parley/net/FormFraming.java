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
}
