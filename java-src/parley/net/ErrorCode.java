package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import parley.net.tls.TlsException;
import parley.posix.Posix;
import parley.posix.PosixException;
import parley.posix.ResolverException;

/**
 * The operating system's name for a failure (errno(3), getaddrinfo(3)), or ours for a failure of
 * TLS; the same in every locale.
 *
 * <p>The JDK drops the number of a failed system call and keeps the C library's words for it, in
 * the language of the process. The code is therefore found by comparing these words with those that
 * the C library has for each code in this process. Where the C library cannot be called, the
 * English words decide if present, else the class of the exception.
 *
 * <pre>{@code
 * try {
 *     SocketStream.connect("127.0.0.1", port, StreamOptions.DEFAULT);
 * } catch (IOException e) {
 *     if (ErrorCode.of(e) == ErrorCode.ECONNREFUSED) {
 *         System.err.println("start the server first");
 *     }
 * }
 * }</pre>
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
    /** The system does not know this family of addresses, for example IPv6. */
    EAFNOSUPPORT("Address family not supported by protocol"),
    /** No server listens there. */
    ECONNREFUSED("Connection refused"),
    /** The peer reset the connection. */
    ECONNRESET("Connection reset by peer"),
    /** This side's system gave the connection up. */
    ECONNABORTED("Software caused connection abort", "connection was aborted"),
    /** The peer reads no more. */
    EPIPE("Broken pipe"),
    /** The deadline has passed, or the peer did not acknowledge. */
    ETIMEDOUT("Connection timed out", "Operation timed out"),
    /** There is no route to the host. */
    EHOSTUNREACH("No route to host"),
    /** The host is down. */
    EHOSTDOWN("Host is down"),
    /** There is no route to the network. */
    ENETUNREACH("Network is unreachable"),
    /** The network is down. */
    ENETDOWN("Network is down"),
    /** The process has no descriptor left. */
    EMFILE("Too many open files"),
    /** The system has no descriptor left. */
    ENFILE("Too many open files in system"),
    /** The system has no buffer left. */
    ENOBUFS("No buffer space available"),
    /** The system has no memory left. */
    ENOMEM("Cannot allocate memory"),
    /** The device is full. */
    ENOSPC("No space left on device"),
    /** The file system cannot be written to. */
    EROFS("Read-only file system"),
    /** No such file or directory. */
    ENOENT("No such file or directory"),
    /** A part of the path is not a directory. */
    ENOTDIR("Not a directory"),
    /** The path has too many symbolic links. */
    ELOOP("Too many levels of symbolic links"),
    /** The file is not a socket. */
    ENOTSOCK("Socket operation on non-socket"),
    /** The socket is of another type, for example one of datagrams. */
    EPROTOTYPE("Protocol wrong type for socket"),
    /** The descriptor is not open. */
    EBADF("Bad file descriptor"),
    /** The device failed, or a terminal's other end is closed. */
    EIO("Input/output error"),
    /** The device does not exist. */
    ENXIO("No such device or address", "Device not configured"),
    /** The file is a directory. */
    EISDIR("Is a directory"),
    /** The disk quota is exhausted. */
    EDQUOT("Disk quota exceeded", "Disc quota exceeded"),
    /** The message is too long. */
    EMSGSIZE("Message too long"),
    /** The socket cannot do this. */
    EOPNOTSUPP("Operation not supported", "Operation not supported on socket"),
    /** The socket of datagrams has no peer. */
    EDESTADDRREQ("Destination address required"),
    /** The network dropped the connection. */
    ENETRESET("Network dropped connection on reset"),
    /** Not connected. */
    ENOTCONN("Transport endpoint is not connected", "Socket is not connected"),
    /** Connected already. */
    EISCONN("Transport endpoint is already connected", "Socket is already connected"),
    /** An argument is not legal. */
    EINVAL("Invalid argument"),
    /** The call would block. */
    EAGAIN("Resource temporarily unavailable"),
    /** The thread was interrupted. */
    EINTR("Interrupted system call"),
    /** This side closed the object during the call. */
    ECANCELED("Operation canceled"),
    /** The name is too long. */
    ENAMETOOLONG("File name too long"),
    /** There is no such host (getaddrinfo). */
    EAI_NONAME("Name or service not known", "nodename nor servname provided, or not known"),
    /** The name server did not respond (getaddrinfo). */
    EAI_AGAIN("Temporary failure in name resolution"),
    /** The certificate is not for the name that the client connects to. */
    TLS_HOST_MISMATCH,
    /** A certificate has expired. */
    TLS_EXPIRED,
    /** A certificate is not valid yet. */
    TLS_NOT_YET_VALID,
    /** The peer's certificate is signed by itself, and this side does not trust it. */
    TLS_SELF_SIGNED,
    /** No issuer that this side trusts has signed the peer's certificate. */
    TLS_UNKNOWN_ISSUER,
    /** The issuer revoked the certificate. */
    TLS_REVOKED,
    /** A key or a signature of the certificates is too weak. */
    TLS_WEAK_CERTIFICATE,
    /** The peer's certificate is wrong in another way. */
    TLS_BAD_CERTIFICATE,
    /** The server requires a certificate of the client, which sent none. */
    TLS_CLIENT_CERTIFICATE_MISSING,
    /** The peer refused the certificate of this side. */
    TLS_CERTIFICATE_REJECTED,
    /** The two sides have no version of the protocol in common. */
    TLS_PROTOCOL_VERSION,
    /** The two sides have no cipher in common. */
    TLS_NO_SHARED_CIPHER,
    /** The two sides have no application protocol (ALPN) in common. */
    TLS_NO_APPLICATION_PROTOCOL,
    /** The server has no certificate for the name that the client asks for. */
    TLS_UNRECOGNIZED_NAME,
    /** The peer does not speak TLS. */
    TLS_PLAIN_TEXT,
    /** The connection ended without the peer's close_notify. */
    TLS_TRUNCATED,
    /** The peer wants to renegotiate. */
    TLS_RENEGOTIATION,
    /** The peer broke the protocol, or what it sent was damaged. */
    TLS_PROTOCOL_ERROR,
    /** The handshake failed for another reason. */
    TLS_HANDSHAKE,
    /** A certificate, a key or a key store cannot be read. */
    TLS_BAD_KEYS;

    private static final int DEEPEST = 16;

    private final String[] english;

    ErrorCode(String... english) {
        this.english = english;
    }

    /** The words in which the JDK reports each code; immutable once made. */
    private static final class Words {
        private static volatile Words last; // null before the first use

        /** True when the texts come from the C library. Then other texts decide nothing. */
        private final boolean asked = Posix.available();
        private final Map<String, ErrorCode> codes = new HashMap<>();

        private Words() {
            codes.put("Connection reset", ECONNRESET); // these two are the JDK's own, in any locale
            codes.put("Unix domain path too long", ENAMETOOLONG);
            for (ErrorCode each : values()) {
                String[] words = asked ? new String[] {PosixException.localWords(each.name())}
                        : each.english;
                for (String text : words) {
                    if (text != null) {
                        codes.putIfAbsent(text, each);
                    }
                }
            }
        }

        /**
         * The words as they are known now: without descriptors the C library cannot be loaded yet.
         */
        static Words known() {
            Words words = last;
            if (words == null || !words.asked && Posix.available()) {
                words = new Words();
                last = words;
            }
            return words;
        }

        /** The code of the longest words that the message consists of, beside a path or a host. */
        ErrorCode in(String message) {
            ErrorCode found = message == null ? null : codes.get(message);
            if (message == null || found != null) {
                return found;
            }
            int longest = 0;
            for (Map.Entry<String, ErrorCode> each : codes.entrySet()) {
                if (each.getKey().length() > longest && isPart(message, each.getKey())) {
                    found = each.getValue();
                    longest = each.getKey().length();
                }
            }
            return found;
        }

        /** True when the words stand alone, as in "x: words", "x (words)" and "words: x". */
        private static boolean isPart(String message, String words) {
            return message.startsWith(words + ": ") || message.startsWith(words + " (")
                    || message.endsWith(": " + words) || message.endsWith("(" + words + ")");
        }
    }

    /**
     * The code of an exception or of one of its causes.
     *
     * @param error any exception, or null
     * @return the code, or null when there is none, as for the end of a file
     */
    public static ErrorCode of(Throwable error) {
        int depth = 0;
        for (Throwable e = error; e != null && depth++ < DEEPEST; e = e.getCause()) {
            ErrorCode code = ofOne(e);
            if (code != null) {
                return code;
            }
        }
        return null;
    }

    private static ErrorCode ofOne(Throwable e) {
        ErrorInfo info = ErrorInfo.carriedBy(e);
        if (info != null) {
            return info.code();
        } else if (e instanceof PosixException posix) {
            return named(posix.name());
        } else if (e instanceof ResolverException resolver) {
            return named(resolver.name());
        } else if (e instanceof TlsException tls) {
            return named(tls.code());
        }
        ErrorCode code = e instanceof IOException ? Words.known().in(e.getMessage()) : null;
        return code != null ? code : ofClass(e);
    }

    private static ErrorCode named(String name) {
        for (ErrorCode each : values()) {
            if (each.name().equals(name)) {
                return each;
            }
        }
        return null;
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
        } else if (e instanceof AccessDeniedException) {
            return EACCES;
        } else if (e instanceof ClosedChannelException) {
            return ECANCELED;
        } else if (e instanceof InterruptedIOException) {
            return EINTR;
        }
        return null;
    }

    /**
     * Returns whether an accept failed for want of descriptors or memory.
     *
     * @param e what it threw
     * @return true when trying again later is of use; where the C library cannot be called,
     *     also for a failure in words of another language, since it may be this one
     */
    public static boolean isExhaustion(IOException e) {
        ErrorCode code = of(e);
        return code == EMFILE || code == ENFILE || code == ENOBUFS
                || code == ENOMEM || isUnknown(e);
    }

    /**
     * Returns whether a failure without a code can have any: nothing but the C library would know.
     */
    static boolean isUnknown(IOException e) {
        return !Words.known().asked && of(e) == null;
    }

    /**
     * {@return the code in lower case, as Clojure's keywords are written, such as {@code
     * "econnrefused"}, {@code "eai-noname"}}
     */
    public String lowerCaseName() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
