package parley.net;

/**
 * Limits the wait of a bulk operation (CLISP's {@code :NO-HANG} and {@code :INTERACTIVE}).
 *
 * <pre>{@code
 * byte[] buffer = new byte[4096];
 * int end = stream.in().readBytes(buffer, 0, buffer.length, WaitMode.INTERACTIVE); // waits for the first byte only
 * }</pre>
 */
public enum WaitMode {
    /** Until everything asked for is done, or the input has ended. */
    FULL,
    /** Waits for the first element only; then takes the available ones. */
    INTERACTIVE,
    /** Never waits: missing input counts as the end. */
    NO_HANG
}
