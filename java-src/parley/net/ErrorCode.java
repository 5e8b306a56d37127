package parley.net;

import java.io.IOException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.NoSuchFileException;
import java.util.Locale;
import parley.posix.PosixException;

/**
 * The operating system's name for what went wrong (errno(3), getaddrinfo(3)), read off the JDK's
 * exceptions, which carry it in their class or in their text only.
 */
public enum ErrorCode {
    /** Permission denied. */
    EACCES("Permission denied"),
    /** Operation not permitted. */
    EPERM("Operation not permitted"),
    /** The address is in use. */
    EADDRINUSE("Address already in use"),
    /** The address is not one of this machine. */
    EADDRNOTAVAIL("Cannot assign requested address", "Can't assign requested address"),
    /** Nobody listens there. */
    ECONNREFUSED("Connection refused"),
    /** The peer reset the connection. */
    ECONNRESET("Connection reset"),
    /** The connection was given up by this side's system. */
    ECONNABORTED("Software caused connection abort", "connection was aborted"),
    /** Nobody can read any more what is written. */
    EPIPE("Broken pipe"),
    /** Time is up. */
    ETIMEDOUT("Connection timed out", "Operation timed out"),
    /** There is no way to the host. */
    EHOSTUNREACH("No route to host", "Host is unreachable", "Host unreachable"),
    /** There is no way to the network. */
    ENETUNREACH("Network is unreachable", "Network unreachable"),
    /** The process has no descriptor left. */
    EMFILE("Too many open files in this process", "Too many open files"),
    /** The system has no descriptor left. */
    ENFILE("Too many open files in system"),
    /** The system has no buffer left. */
    ENOBUFS("No buffer space available"),
    /** The system has no memory left. */
    ENOMEM("Cannot allocate memory"),
    /** No such file or directory. */
    ENOENT("No such file or directory"),
    /** The file is not a socket. */
    ENOTSOCK("Socket operation on non-socket"),
    /** Not connected. */
    ENOTCONN("Transport endpoint is not connected", "Socket is not connected"),
    /** Connected already. */
    EISCONN("Transport endpoint is already connected", "Socket is already connected"),
    /** The argument is not a legal one. */
    EINVAL("Invalid argument"),
    /** Try again. */
    EAGAIN("Resource temporarily unavailable"),
    /** The call was interrupted. */
    EINTR("Interrupted system call"),
    /** The call was cancelled: this side closed the object meanwhile. */
    ECANCELED("Operation canceled"),
    /** Name too long. */
    ENAMETOOLONG("File name too long", "Unix domain path too long"),
    /** There is no such host (getaddrinfo). */
    EAI_NONAME("Name or service not known", "nodename nor servname provided"),
    /** The name server did not answer (getaddrinfo). */
    EAI_AGAIN("Temporary failure in name resolution");

    private final String[] texts;

    ErrorCode(String... texts) {
        this.texts = texts;
    }

    /**
     * The code of an exception or of one of its causes.
     *
     * @param error any exception, or null
     * @return the code, or null when there is none, as for the end of a file
     */
    public static ErrorCode of(Throwable error) {
        int depth = 0;
        for (Throwable e = error; e != null && depth++ < 16; e = e.getCause()) {
            ErrorCode code = ofOne(e);
            if (code != null) {
                return code;
            }
        }
        return null;
    }

    private static ErrorCode ofOne(Throwable e) {
        ErrorCode code = e instanceof PosixException ? ofName(((PosixException) e).name())
                : e instanceof IOException ? ofText(e.getMessage()) : null;
        return code != null ? code : ofClass(e);
    }

    private static ErrorCode ofName(String name) {
        for (ErrorCode each : values()) {
            if (each.name().equals(name)) {
                return each;
            }
        }
        return null;
    }

    private static ErrorCode ofText(String message) {
        if (message == null) {
            return null;
        }
        ErrorCode found = null;
        int length = 0;
        for (ErrorCode each : values()) {
            for (String text : each.texts) {
                if (text.length() > length && message.contains(text)) {
                    found = each;
                    length = text.length();
                }
            }
        }
        return found;
    }

    private static ErrorCode ofClass(Throwable e) {
        if (e instanceof SocketTimeoutException) {
            return ETIMEDOUT;
        } else if (e instanceof UnknownHostException || e instanceof UnresolvedAddressException) {
            return EAI_NONAME;
        } else if (e instanceof NoRouteToHostException) {
            return EHOSTUNREACH;
        } else if (e instanceof ConnectException) {
            return ECONNREFUSED;
        } else if (e instanceof BindException) {
            return EADDRINUSE;
        } else if (e instanceof NoSuchFileException) {
            return ENOENT;
        } else if (e instanceof java.nio.file.AccessDeniedException) {
            return EACCES;
        } else if (e instanceof ClosedChannelException) {
            return ECANCELED;
        } else if (e instanceof java.io.InterruptedIOException) {
            return EINTR;
        }
        return null;
    }

    /**
     * The code in lower case, as Clojure's keywords are written.
     *
     * @return for example {@code "econnrefused"}, {@code "eai-noname"}
     */
    public String lowerCaseName() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
