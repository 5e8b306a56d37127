package parley.net;

/**
 * How long a bulk operation waits (CLISP's {@code :NO-HANG} and {@code :INTERACTIVE}).
 *
 * <pre>{@code
 * byte[] buffer = new byte[4096];
 * int end = stream.in().readBytes(buffer, 0, buffer.length, WaitMode.INTERACTIVE); // waits for the first byte only
 * }</pre>
 */
public enum WaitMode {
    /** Until everything asked for is done, or the input has ended. */
    FULL,
    /** For the first element only; then it takes what is there. */
    INTERACTIVE,
    /** Not at all: what is not there counts as the end. */
    NO_HANG
}
