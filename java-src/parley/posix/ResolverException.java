package parley.posix;

import java.io.IOException;

/**
 * A failure of getaddrinfo(3) or getnameinfo(3), which have error numbers of their own.
 *
 * <pre>{@code
 * try {
 *     Resolver.addresses(question);
 * } catch (ResolverException e) {
 *     System.err.println(e.name()); // EAI_NONAME
 * }
 * }</pre>
 */
public final class ResolverException extends IOException {
    private static final long serialVersionUID = 1L;

    /** The number of the platform. */
    private final int code;
    /** The symbolic name. */
    private final String name;

    ResolverException(int code, String name, String call, String what) {
        super(call + ": " + what + " (" + name + ")");
        this.code = code;
        this.name = name;
    }

    /** {@return the number, whose meaning differs between platforms} */
    public int code() {
        return code;
    }

    /** {@return the symbolic name, the same on all platforms: {@code EAI_NONAME}} */
    public String name() {
        return name;
    }
}
