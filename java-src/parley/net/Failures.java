package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedChannelException;

/**
 * The errors that more than one operation raises, each made in one place: what was called, what was
 * wrong, what to do. Each carries its {@link ErrorInfo}, and the exception of the system or of the JDK
 * as a suppressed one.
 */
final class Failures {
    static final String NOTHING_LOST = "nothing is lost, the call can be made again";

    private Failures() {
    }

    static IllegalStateException closed(String operation, Pollable object) {
        Closing closing = object.closing();
        String message = operation + ": " + object + " is closed, "
                + (closing == null ? "" : closing + "; ") + "expected an open one; open a new one";
        return ErrorInfo.attach(new IllegalStateException(message), operation, object);
    }

    static AsynchronousCloseException closedMeanwhile(String operation, Object object) {
        return ErrorInfo.attach(new ClosedMeanwhile(operation + ": " + object
                + " was closed by another thread during the call"), operation, object);
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
        return ErrorInfo.attach(new InterruptedIOException(operation
                + ": the thread was interrupted while it " + did + hint), operation, object);
    }

    static SocketTimeoutException timeout(String operation, Object object, String hint) {
        return timeout(operation, object, object, hint);
    }

    /** A timeout while waiting for {@code what}, which belongs to {@code object}. */
    static SocketTimeoutException timeout(String operation, Object what, Object object,
            String hint) {
        return ErrorInfo.attach(new SocketTimeoutException(operation
                + ": time is up while waiting for " + what + "; " + hint), operation, object);
    }

    /** A remembered failure raised once more, with a stack trace of the new call. */
    static IOException again(String operation, Object object, IOException first) {
        String message = operation + ": " + text(first) + ": " + object
                + " is broken, every further operation fails; close it";
        return ErrorInfo.attach(new SocketException(message), operation, object, first);
    }

    static SocketException outputShut(String operation, Object object) {
        SocketException error = new SocketException(operation + ": Broken pipe: the output side of "
                + object + " was shut down by this side; reading is still possible");
        return ErrorInfo.attach(error, operation, object, ErrorCode.EPIPE);
    }

    /** What a system call said, with the numbers when it was that there is no descriptor left. */
    static String words(IOException e) {
        boolean counted = ErrorInfo.carriedBy(e) != null;
        return text(e)
                + (counted || ErrorCode.of(e) != ErrorCode.EMFILE ? "" : OpenFiles.count());
    }

    /** A wait that could not begin, mostly because it takes a descriptor. */
    static IOException cannotWait(String operation, Object object, IOException e) {
        String message = operation + ": cannot wait for " + object + ": " + words(e);
        return ErrorInfo.attach(new IOException(message), operation, object, e);
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
}
