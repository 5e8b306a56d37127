package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketAddress;
import parley.net.ExternalFormat.CodingException;
import parley.net.Framing.FramingException;
import parley.net.StreamInput.LineTooLongException;
import parley.posix.PosixException;

/**
 * Facts about an exception of this library, for programs; its message is for people.
 *
 * <pre>{@code
 * try {
 *     stream.in().readLine();
 * } catch (IOException e) {
 *     ErrorInfo info = ErrorInfo.of(e);
 *     System.err.println(info.operation() + " " + info.code()); // StreamInput.readLine ECONNRESET
 * }
 * }</pre>
 *
 * @param operation what was called, as the message names it
 * @param code the system's name for the failure, or null
 * @param local the address of this end, or null when there is none
 * @param remote the address of the other end, or null when there is none
 * @param bytesDone how many bytes of the call's data were moved before it failed, or -1 for
 *     calls that move none and for failures that do not count them
 */
public record ErrorInfo(String operation, ErrorCode code, SocketAddress local, SocketAddress remote,
        long bytesDone) {
    private static final int DEEPEST = 16;

    /**
     * Finds the information that an exception or one of its causes has.
     *
     * @param error any exception, or null
     * @return the information, or null when the exception does not come from here
     */
    public static ErrorInfo of(Throwable error) {
        int depth = 0;
        for (Throwable e = error; e != null && depth++ < DEEPEST; e = e.getCause()) {
            ErrorInfo info = carriedBy(e);
            if (info == null && e instanceof PosixException posix) {
                info = new ErrorInfo(posix.call(), ErrorCode.of(posix), null, null, -1);
            }
            if (info != null) {
                return info;
            }
        }
        return null;
    }

    /**
     * Attaches the operation and the addresses of a stream to an exception, unless it has such
     * information. For exceptions whose message begins with the operation and ": ".
     *
     * @param <E> the type of the exception
     * @param error the exception, about to be thrown
     * @param stream what the operation was called on
     * @return the exception
     */
    public static <E extends IOException> E about(E error, SocketStream stream) {
        return carriedBy(error) == null ? attach(error, stream) : error;
    }

    /** As {@link #about}, for a failure that was found where the stream is not known. */
    static IOException located(IOException e, SocketStream stream) {
        return isAboutData(e) ? about(e, stream) : e;
    }

    /** Returns whether what came or goes is wrong, and not the connection. */
    static boolean isAboutData(Throwable e) {
        return e instanceof CodingException || e instanceof LineTooLongException
                || e instanceof FramingException;
    }

    /** The information attached to this very exception, or null. */
    static ErrorInfo carriedBy(Throwable error) {
        for (Throwable each : error.getSuppressed()) {
            if (each instanceof Origin origin) {
                return origin.info;
            }
        }
        return null;
    }

    /** Notes in an exception how many bytes were moved before it; returns the exception. */
    static <T extends Throwable> T moved(T error, long bytes) {
        for (Throwable each : error.getSuppressed()) {
            if (each instanceof Origin origin && origin.info != null) {
                ErrorInfo info = origin.info;
                origin.info = new ErrorInfo(
                        info.operation, info.code, info.local, info.remote, bytes);
            }
        }
        if (error instanceof InterruptedIOException interrupted) { // a timeout is one, too
            interrupted.bytesTransferred = (int) Math.min(Integer.MAX_VALUE, bytes);
        }
        return error;
    }

    /**
     * Attaches the information to an exception, whose message begins with what was called and ": ".
     *
     * @param object the stream, the server, the address of the other end, or {@link #endOf}
     * @param original what the system or the JDK threw; it is suppressed and not the cause, since a
     *     REPL shows the message of the last cause only
     * @return the exception
     */
    static <T extends Exception> T attach(T error, Object object, Throwable original) {
        return attach(error, object, ErrorCode.of(original), original);
    }

    /** As {@link #attach(Exception, Object, Throwable)}, of a failure that this side found. */
    static <T extends Exception> T attach(T error, Object object) {
        return attach(error, object, ErrorCode.of(error), null);
    }

    static <T extends Exception> T attach(T error, Object object, ErrorCode code) {
        return attach(error, object, code, null);
    }

    private static <T extends Exception> T attach(T error, Object object, ErrorCode code,
            Throwable original) {
        String message = error.getMessage();
        String operation = message.substring(0, message.indexOf(": "));
        SocketAddress remote = object instanceof SocketAddress address ? address : null;
        SocketAddress local = null;
        if (object instanceof OwnEnd own) {
            local = own.address;
        } else if (object instanceof SocketStream stream) {
            local = stream.knownLocal;
            remote = stream.knownPeer;
        } else if (object instanceof SocketServer server) {
            local = server.localAddress();
        }
        error.addSuppressed(
                new Origin(new ErrorInfo(operation, code, local, remote, -1), original));
        return error;
    }

    /** An address of this end, where an address alone is that of the other end. */
    private record OwnEnd(SocketAddress address) {
    }

    /** Returns what to attach for an address that an operation listens at or connects to. */
    static Object endOf(String operation, SocketAddress address) {
        return operation.equals("socket-server") ? new OwnEnd(address) : address;
    }

    /**
     * Carries the information, and the original with its stack trace, as a suppressed exception.
     */
    private static final class Origin extends Exception {
        private static final long serialVersionUID = 1L;
        private transient ErrorInfo info; // null after a serialization; changed before it is thrown

        Origin(ErrorInfo info, Throwable original) {
            super(info.operation + (info.code == null ? "" : ", " + info.code), original, false,
                    false);
            this.info = info;
        }
    }
}
