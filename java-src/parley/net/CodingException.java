package parley.net;

import java.nio.charset.CharacterCodingException;

/**
 * Bytes that are no character, or a character that has no bytes, in the external format of a
 * stream. Bad bytes count as read: the next read goes on behind them.
 */
public final class CodingException extends CharacterCodingException {
    private static final long serialVersionUID = 1L;

    private final String message;
    private final long offset;

    CodingException(String message, long offset) {
        this.message = message;
        this.offset = offset;
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
