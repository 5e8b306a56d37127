package parley.net;

import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.util.Locale;

/**
 * Bytes that are no character, or a character that has no bytes, in the external format of a
 * stream. Bad bytes count as read: the next read goes on behind them.
 *
 * <pre>{@code
 * try {
 *     stream.in().readLine();
 * } catch (CodingException e) {
 *     stream.in().readLine(); // goes on behind the bad bytes
 * }
 * }</pre>
 */
public final class CodingException extends CharacterCodingException {
    private static final long serialVersionUID = 1L;

    /** Describes the error and its position. */
    private final String message;
    /** Where it is. */
    private final long offset;

    CodingException(String message, long offset) {
        this.message = message;
        this.offset = offset;
    }

    /** An error for bytes that are no character, with a cure. */
    static CodingException malformed(byte[] bytes, int from, int length, long offset,
            Charset charset, String cure) {
        StringBuilder hex = new StringBuilder();
        for (int i = from; i < from + Math.min(length, 8); i++) {
            hex.append(String.format(Locale.ROOT, " %02X", bytes[i]));
        }
        return new CodingException(Errors.name("read") + ": the byte" + (length == 1 ? "" : "s") + hex
                + " at offset " + offset + " of the stream " + (length == 1 ? "is" : "are")
                + " no character in " + charset + "; " + cure, offset);
    }

    /**
     * Where it happened.
     *
     * @return how many bytes of the stream were read or written before
     */
    public long offset() {
        return offset;
    }

    @Override
    public String getMessage() {
        return message;
    }
}
