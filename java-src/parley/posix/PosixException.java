package parley.posix;

import java.io.IOException;
import jnr.constants.platform.Errno;
import jnr.constants.platform.ErrnoAddressInfo;

/**
 * A call of the C library that failed: which, and with what error number.
 *
 * <pre>{@code
 * try {
 *     Sockets.bind(socket, SockAddr.of(InetAddress.getLoopbackAddress(), 80));
 * } catch (PosixException e) {
 *     System.err.println(e.call() + " failed: " + e.name()); // bind(7, 127.0.0.1:80) failed: EACCES
 * }
 * }</pre>
 */
public class PosixException extends IOException {
    private static final long serialVersionUID = 1L;

    private static final boolean NAMED = Posix.exists("jnr.constants.platform.Errno");

    /** The error number of the platform. */
    private final int errno;
    /** The name of the failed call. */
    private final String call;

    /**
     * Makes one.
     *
     * @param call what was called, such as {@code recv(7)}
     */
    public PosixException(int errno, String call) {
        this(errno, call, describe(errno));
    }

    /**
     * Makes an exception with more detail than the text of the system.
     *
     * @param call what was called, such as {@code recv(7)}
     * @param what what was wrong, and what to do about it
     */
    public PosixException(int errno, String call, String what) {
        super(call + ": " + what + " (" + name(errno) + ")");
        this.errno = errno;
        this.call = call;
    }

    /** {@return the error number, whose meaning differs between platforms} */
    public final int errno() {
        return errno;
    }

    /** {@return the symbolic name, the same on all platforms: {@code ECONNREFUSED}} */
    public final String name() {
        return name(errno);
    }

    /** {@return what was called, such as {@code recv(7)}} */
    public final String call() {
        return call;
    }

    /**
     * Returns the symbolic name of an error number, {@code ECONNREFUSED}, or {@code errno 4711} for
     * a number that has none, and without jnr-constants. Where names share a number, it is EAGAIN,
     * EOPNOTSUPP, EDEADLK.
     */
    public static String name(int errno) {
        if (!NAMED) {
            return "errno " + errno;
        }
        for (Errno shared : new Errno[] {Errno.EAGAIN, Errno.EOPNOTSUPP, Errno.EDEADLK}) {
            if (errno == shared.intValue()) {
                return shared.name();
            }
        }
        Errno found = Errno.valueOf(errno);
        return found == Errno.__UNKNOWN_CONSTANT__ ? "errno " + errno : found.name();
    }

    /** {@return the system's words for an error number, such as {@code Connection refused}} */
    public static String describe(int errno) {
        if (!NAMED) {
            return "unknown error";
        }
        Errno found = Errno.valueOf(errno);
        return found == Errno.__UNKNOWN_CONSTANT__ ? "unknown error" : found.toString();
    }

    /**
     * Returns the C library's words for a symbolic name in the language and charset of this
     * process: strerror(3), gai_strerror(3). The JDK's messages of failed system calls consist of
     * these words.
     *
     * @param name such as {@code ECONNREFUSED} or {@code EAI_NONAME}
     * @return the words, or null when the platform has no such error or no C library can be called
     */
    public static String localWords(String name) {
        if (!Posix.available()) {
            return null;
        }
        return NativeBuffer.words(name.startsWith("EAI_") ? ofResolver(name) : ofSystem(name));
    }

    private static long ofSystem(String name) {
        for (Errno each : Errno.values()) {
            if (each.name().equals(name)) {
                return each.defined() ? LibC.strerror(each.intValue()) : 0;
            }
        }
        return 0;
    }

    private static long ofResolver(String name) {
        for (ErrnoAddressInfo each : ErrnoAddressInfo.values()) {
            if (each.name().equals(name)) {
                return each.defined() ? LibC.gai_strerror(each.intValue()) : 0;
            }
        }
        return 0;
    }
}
