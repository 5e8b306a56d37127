package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.reflect.Modifier;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteOrder;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.Iterator;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLHandshakeException;
import parley.net.tls.TlsException;
import parley.net.wait.Deadline;
import parley.posix.Posix;

/**
 * The errors that more than one operation raises, each made in one place: what was called, what was
 * wrong, what to do; and the checks of arguments. Each failure carries its {@link ErrorInfo}, and
 * the exception of the system or of the JDK as a suppressed one.
 */
final class Errors {
    private static final int LONGEST_INTEGER = 8;
    static final String NOTHING_LOST = "nothing is lost, the call can be made again";

    private static final StackWalker STACK =
            StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE);
    private static final Map<Character, String> NAMES = Map.of(' ', "space", '\n', "newline",
            '\t', "tab", '\r', "return", '\b', "backspace", '\f', "formfeed");
    private static final Pattern FUNCTION = Pattern.compile(
            "parley\\.(?:async|http|nrepl|rawsock|repl|server|socket|stream|tls)\\$([^$]+).*");
    private static final Set<String> INSIDE = Set.of("parley.net", "parley.net.text",
            "parley.net.wait", "parley.net.tls", "parley.posix");

    private Errors() {
    }

    // ---- names -------------------------------------------------------------------------------

    /**
     * Returns the name of what the program called: the outermost function of a public namespace of
     * this library, or public method, that is on the stack.
     *
     * @param operation the Clojure function that the operation belongs to, for threads of this
     *     library, whose stack has no caller: work for them takes its name where the work was
     *     ordered
     */
    static String name(String operation) {
        Caller caller = STACK.walk(Caller::find);
        return caller.called == null ? operation : caller.called;
    }

    /** A character as the caller writes it: {@code \\a}, or in Java {@code 'a'}. */
    static String character(int codePoint) {
        String number = String.format(Locale.ROOT, "U+%04X", codePoint);
        if (!Character.isBmpCodePoint(codePoint)) {
            return Character.toString(codePoint) + " (" + number + ")";
        }
        char c = (char) codePoint;
        boolean shown = !Character.isISOControl(c) && !Character.isSurrogate(c)
                && !Character.isWhitespace(c);
        String escape = String.format(Locale.ROOT, "\\u%04x", codePoint);
        String name = "\\" + (shown ? Character.toString(c)
                : NAMES.getOrDefault(c, escape.substring(1)));
        return spell(name, "'" + (shown ? Character.toString(c) : escape) + "'")
                + (c > 0x7e && shown ? " (" + number + ")" : "");
    }

    /** A number of things, such as {@code 1 byte} and {@code 2 bytes}. */
    static String counted(long number, String thing) {
        return number + " " + thing + (number == 1 ? "" : "s");
    }

    /** Bytes of output with their verb, such as {@code 2 bytes that were written are}. */
    static String written(int bytes) {
        return counted(bytes, "byte") + (bytes == 1 ? " that was written is" : " that were written are");
    }

    /** One of two spellings, as {@link #name}: Clojure's where the caller is not on the stack. */
    static String spell(String clojure, String java) {
        return isJavaCalling() ? java : clojure;
    }

    /** The name of a constant, in Clojure the keyword or the vector that stands for it. */
    static String spell(Enum<?> constant) {
        String keyword = ":" + constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
        boolean wide = constant instanceof ElementType type && type.bits() > Byte.SIZE;
        return spell(wide ? "[" + keyword.replaceFirst("-(?=\\d)", " ") + "]" : keyword,
                constant.name());
    }

    /** For what fails later on another thread: false where the caller is not on the stack. */
    static boolean isJavaCalling() {
        return STACK.walk(Caller::find).isJava();
    }

    /**
     * The caller: the first frame outside this library, the JDK and the runtime of Clojure.
     *
     * @param called the outermost function of a public namespace of ours, or public method;
     *     null for neither, and for threads of this library
     */
    private record Caller(boolean isJava, String called) {
        static Caller find(Stream<StackWalker.StackFrame> frames) {
            StackWalker.StackFrame entry = null;
            String function = null;
            boolean clojure = false;
            Iterator<StackWalker.StackFrame> all = frames.iterator();
            while (all.hasNext()) {
                StackWalker.StackFrame frame = all.next();
                String name = frame.getClassName();
                Matcher ours = FUNCTION.matcher(name);
                if (INSIDE.contains(frame.getDeclaringClass().getPackageName())) {
                    entry = isPublic(frame.getDeclaringClass()) ? frame : entry;
                } else if (ours.matches()) {
                    function = clojureName(ours.group(1));
                    clojure = true;
                } else if (isClojure(name)) {
                    clojure = true;
                } else if (!isOnTheWay(name)) {
                    return clojure || name.startsWith("clojure.") ? new Caller(false, function)
                            : new Caller(true, entry == null ? null : title(entry));
                }
            }
            return new Caller(false, null);
        }

        /** The name of the Clojure function whose class is called so. */
        private static String clojureName(String name) {
            return name.replace("_QMARK_", "?").replace("_BANG_", "!").replace("_GT_", ">")
                    .replace('_', '-');
        }

        /** True for what is between the functions of a Clojure program and those of ours. */
        private static boolean isClojure(String name) {
            return name.startsWith("parley.impl.") || name.startsWith("clojure.core$")
                    || name.startsWith("clojure.java.io$")
                    || name.startsWith("clojure.lang.") && !name.endsWith(".Reflector")
                            && !name.startsWith("clojure.lang.Compiler");
        }

        private static boolean isPublic(Class<?> type) {
            return Modifier.isPublic(type.getModifiers())
                    && (type.getEnclosingClass() == null || isPublic(type.getEnclosingClass()));
        }

        /** True for the JDK, and for what calls Java methods for Clojure by reflection. */
        private static boolean isOnTheWay(String name) {
            return name.startsWith("java.") || name.startsWith("jdk.") || name.startsWith("sun.")
                    || name.endsWith(".lang.Reflector");
        }

        private static String title(StackWalker.StackFrame frame) {
            Class<?> type = frame.getDeclaringClass();
            String name = type.getName().substring(type.getPackageName().length() + 1)
                    .replace('$', '.');
            return frame.getMethodName().equals("<init>") ? "new " + name
                    : name + "." + frame.getMethodName();
        }
    }

    // ---- arguments, checked before anything is done with them --------------------------------

    /**
     * An argument that must not be null.
     *
     * @param operation what was called
     * @param what which argument, as in {@code "the options"}
     * @param expected what to pass instead
     */
    static <T> T need(String operation, String what, T value, String expected) {
        if (value == null) {
            throw new IllegalArgumentException(name(operation) + ": " + what + (what.endsWith("s")
                    ? " are" : " is") + " null, expected " + expected);
        }
        return value;
    }

    /**
     * Throws unless the C library can be called.
     *
     * @throws UnsupportedOperationException naming what is missing and how to add it
     */
    static void needLibrary(String operation) {
        if (!Posix.available()) {
            Posix.require(name(operation));
        }
    }

    static StreamOptions options(String operation, StreamOptions options) {
        return need(operation, "the options", options,
                "StreamOptions, such as StreamOptions.DEFAULT");
    }

    /** Options of a stream whose connection exists: which side is the server is not known. */
    static StreamOptions plainOptions(String operation, StreamOptions options) {
        if (options(operation, options).tls() != null) {
            throw new IllegalArgumentException(name(operation) + ": the options have TLS, expected options"
                    + " without it; " + spell("start-tls!", "SocketStream.startTls")
                    + " begins TLS on a stream that exists");
        }
        return options;
    }

    static <T extends Pollable> T object(String operation, T object) {
        return need(operation, "the object", object,
                "a stream, a server or another pollable object");
    }

    static Direction direction(String operation, Direction direction) {
        return need(operation, "the direction", direction, "a Direction");
    }

    static WaitMode waitMode(String operation, WaitMode mode) {
        return need(operation, "the wait mode", mode, "a WaitMode");
    }

    /** A part of an array; the length is -1 where there is no array. */
    static void range(String operation, int from, int to, int length) {
        if (length < 0) {
            need(operation, "the array", null, "one with room for the range");
        }
        if (from < 0 || to < from || to > length) {
            throw new IndexOutOfBoundsException(name(operation) + ": the range is " + from + " to " + to
                    + ", expected one within the array, 0 to " + length);
        }
    }

    static void integer(String operation, int width, ByteOrder order) {
        if (width < 1 || width > LONGEST_INTEGER) {
            throw new IllegalArgumentException(name(operation) + ": the width is "
                    + width + " bytes, expected 1 to " + LONGEST_INTEGER);
        }
        need(operation, "the byte order", order, "BIG_ENDIAN or LITTLE_ENDIAN");
    }

    // ---- failures ----------------------------------------------------------------------------

    static IllegalStateException closed(String operation, Pollable object) {
        Pollable.CloseRecord closing = object.closing();
        String message = name(operation) + ": " + object + " is closed, "
                + (closing == null ? "" : closing + "; ")
                + "close it after its last use, or make another";
        return ErrorInfo.attach(new IllegalStateException(message), object);
    }

    static AsynchronousCloseException closedMeanwhile(String operation, Object object) {
        return ErrorInfo.attach(new ClosedMeanwhile(name(operation) + ": " + object
                + " was closed by another thread during the call"), object);
    }

    /** Misuse of a closed stream as an error of java.io, of the same words. */
    static ClosedChannelException closedView(IllegalStateException misuse) {
        ClosedChannelException closed = new ClosedView(misuse.getMessage());
        closed.addSuppressed(misuse);
        return closed;
    }

    static void ifInterrupted(String operation, Object object) throws InterruptedIOException {
        ifInterrupted(operation, object, NOTHING_LOST);
    }

    /** As {@link #ifInterrupted(String, Object)}, saying what the caller can do. */
    static void ifInterrupted(String operation, Object object, String hint)
            throws InterruptedIOException {
        if (Thread.currentThread().isInterrupted()) {
            throw interrupted(operation, "waited for " + object, object, "; " + hint);
        }
    }

    /** The interrupt of a wait; the interrupt flag is set again. */
    static InterruptedIOException interrupted(String operation, String did, Object object,
            String hint) {
        Thread.currentThread().interrupt();
        return ErrorInfo.attach(new InterruptedIOException(name(operation)
                + ": the thread was interrupted while it " + did + hint), object);
    }

    /** A timeout while waiting for {@code what}, which belongs to {@code object}. */
    static SocketTimeoutException timeout(String operation, Deadline deadline, String what,
            Object object, String hint) {
        return timedOut(operation, "timed out " + (deadline == Deadline.PASSED
                ? "at once (timeout 0)" : "after " + deadline.shown()), what, object, hint);
    }

    /** As {@link #timeout}; {@code end} describes which limit ended the wait. */
    static SocketTimeoutException timedOut(String operation, String end, String what,
            Object object, String hint) {
        return ErrorInfo.attach(new SocketTimeoutException(name(operation) + ": " + end
                + " waiting for " + what + "; " + hint), object);
    }

    /** A remembered failure raised once more, with a stack trace of the new call. */
    static IOException again(String operation, Object object, IOException first) {
        String message = name(operation) + ": " + text(first) + ": " + object
                + " is broken, every further operation fails; close it";
        return ErrorInfo.attach(first instanceof SSLException ? new SSLException(message)
                : new SocketException(message), object, first);
    }

    /** A TLS handshake that failed; the connection is closed. */
    static IOException insecure(String operation, Object object, IOException why) {
        String message = name(operation) + ": " + text(why);
        return ErrorInfo.attach(why instanceof SocketTimeoutException
                ? new SocketTimeoutException(message) : why instanceof SSLException
                ? new SSLHandshakeException(message) : new SocketException(message), object, why);
    }

    /** Bytes from the peer, or an attacker, that arrived before TLS could protect them. */
    static IOException earlyBytes(String operation, Object object, int count) {
        SSLException error = new SSLException(name(operation) + ": " + object + " has received "
                + counted(count, "byte") + " in plain text, expected none; close the connection:"
                + " an attacker may have sent them, and TLS would make them look protected");
        return ErrorInfo.attach(error, object, ErrorCode.TLS_PLAIN_TEXT);
    }

    /** The cause and the cure of input that begins with the hello of TLS. */
    static String plainServer() {
        return TlsException.plainServer(spell(":tls", "StreamOptions.tls"));
    }

    /** The bytes that a close could not send over a broken connection; the stream is closed. */
    static SocketException lost(String operation, Object object, int bytes, IOException e) {
        SocketException error = new SocketException(name(operation) + ": " + text(e) + ": "
                + counted(bytes, "byte") + " written to " + object + (bytes == 1 ? " is" : " are") + " lost");
        return ErrorInfo.attach(error, object, e);
    }

    /** An address of a family that this Java machine or this system has not, mostly IPv6. */
    static SocketException noFamily(String operation, SocketAddress address,
            UnsupportedOperationException e) {
        SocketException error = new SocketException(name(operation) + ": " + Addresses.host(address)
                + ": this Java machine has no IPv6; use an address of IPv4, or leave out"
                + " -Djava.net.preferIPv4Stack=true if it is set");
        ErrorInfo.attach(error, ErrorInfo.endOf(operation, address), ErrorCode.EAFNOSUPPORT);
        error.addSuppressed(e);
        return error;
    }

    static SocketException outputShut(String operation, Object object) {
        SocketException error = new SocketException(name(operation) + ": Broken pipe: the output side of "
                + object + " was shut down by this side; reading is still possible");
        return ErrorInfo.attach(error, object, ErrorCode.EPIPE);
    }

    /** The error of a system call; with the numbers when no descriptor is left. */
    static String words(IOException e) {
        boolean counted = ErrorInfo.carriedBy(e) != null;
        return text(e)
                + (counted || ErrorCode.of(e) != ErrorCode.EMFILE ? "" : DescriptorUsage.count());
    }

    /** Returns the timeout when it is legal: null (wait for ever), zero (poll) or positive. */
    static Duration timeout(String operation, Duration timeout) {
        if (timeout != null && timeout.isNegative()) {
            throw new IllegalArgumentException(name(operation) + ": the timeout is " + timeout
                    + ", expected null (wait for ever), zero (poll) or a positive duration");
        }
        return timeout;
    }

    /** Describes why no selector could be opened. */
    static IOException noSelector(IOException e) {
        return ErrorInfo.attach(new IOException("selector: " + words(e)
                + ": a selector needs descriptors; close some streams, or raise the process's limit"), null, e);
    }

    /** A wait that could not begin, mostly because it takes a descriptor. */
    static IOException cannotWait(String operation, Object object, IOException e) {
        String message = name(operation) + ": cannot wait for " + object + ": " + words(e);
        return ErrorInfo.attach(new IOException(message), object, e);
    }

    static String text(Throwable e) {
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    private static final class ClosedMeanwhile extends AsynchronousCloseException {
        private static final long serialVersionUID = 1L;
        private final String message;

        ClosedMeanwhile(String message) {
            this.message = message;
        }

        @Override
        public String getMessage() {
            return message;
        }
    }

    private static final class ClosedView extends ClosedChannelException {
        private static final long serialVersionUID = 1L;
        private final String message;

        ClosedView(String message) {
            this.message = message;
        }

        @Override
        public String getMessage() {
            return message;
        }
    }

    /** A stream whose element type does not have the kind of element that a call moves. */
    static IllegalStateException wrongKind(String name, SocketStream stream, String kind,
            ElementType wanted) {
        return new IllegalStateException(name(name) + ": the element type of " + stream + " is "
                + spell(stream.elementType()) + ", expected one with " + kind + "; switch with "
                + spell("set-stream-element-type!", "SocketStream.elementType") + " to "
                + spell(wanted) + " or " + spell(ElementType.BIVALENT));
    }
}
