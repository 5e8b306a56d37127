package parley.net.tls;

import javax.net.ssl.SSLException;

/**
 * A failure of TLS that has a name for programs.
 *
 * <pre>{@code
 * try {
 *     stream.in().readLine();
 * } catch (TlsException e) {
 *     System.err.println(e.code() + ": " + e.getMessage()); // TLS_HOST_MISMATCH: ...
 * }
 * }</pre>
 */
public final class TlsException extends SSLException {
    private static final long serialVersionUID = 1L;

    /** The code, without a colon. */
    private final String code;

    /**
     * Makes a failure.
     *
     * @param code the name of a constant of {@code parley.net.ErrorCode}, such as
     *     {@code "TLS_TRUNCATED"}
     * @param message the reason, and what to do
     * @param cause what the JDK threw, or null
     */
    public TlsException(String code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    /**
     * Describes input of a server without TLS that begins as a TLS client does.
     *
     * @param option the option that switches TLS on
     * @return the cause and the cure, for a message
     */
    public static String plainServer(String option) {
        return "a TLS client has connected to a server without TLS; give the server " + option
                + ", or connect without TLS";
    }

    /** {@return the name of the failure, such as {@code "TLS_TRUNCATED"}} */
    public String code() {
        return code;
    }
}
