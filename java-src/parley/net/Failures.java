package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedChannelException;

/**
 * The errors that more than one operation raises, each made in one place: what was called, what was
 * wrong, what to do. The words of the operating system stay in the message, since
 * {@link ErrorCode#of} reads them.
 */
final class Failures {
    static final String NOTHING_LOST = "nothing is lost, the call can be made again";

    private Failures() {
    }

    static IllegalStateException closed(String operation, Pollable object) {
        Closing closing = object.closing();
        return new IllegalStateException(operation + ": " + object + " is closed, "
                + (closing == null ? "" : closing + "; ") + "expected an open one; open a new one");
    }

    static AsynchronousCloseException closedMeanwhile(String operation, Object object) {
        return new ClosedMeanwhile(operation + ": " + object
                + " was closed by another thread during the call");
    }

    /** Misuse of a closed stream as an error of java.io, of the same words. */
    static ClosedChannelException closedView(IllegalStateException misuse) {
        ClosedChannelException closed = new ClosedView(misuse.getMessage());
        closed.initCause(misuse);
        return closed;
    }

    static void ifInterrupted(String operation, Object object) throws InterruptedIOException {
        ifInterrupted(operation, object, NOTHING_LOST);
    }

    /** As {@link #ifInterrupted(String, Object)}, saying what the caller can do. */
    static void ifInterrupted(String operation, Object object, String hint)
            throws InterruptedIOException {
        if (Thread.currentThread().isInterrupted()) {
            throw new InterruptedIOException(operation + ": the thread was interrupted while it"
                    + " waited for " + object + "; " + hint);
        }
    }

    static SocketTimeoutException timeout(String operation, Object object, String hint) {
        return new SocketTimeoutException(operation + ": time is up while waiting for " + object
                + "; " + hint);
    }

    /** A remembered failure raised once more, with a stack trace of the new call. */
    static IOException again(String operation, Object object, IOException first) {
        String message = operation + ": " + text(first) + ": " + object
                + " is broken, every further operation fails; close it";
        SocketException again = new SocketException(message);
        again.initCause(first);
        return again;
    }

    static SocketException outputShut(String operation, Object object) {
        return new SocketException(operation + ": Broken pipe: the output side of " + object
                + " was shut down by this side; reading is still possible");
    }

    /** What a system call said, with the numbers when it was that there is no descriptor left. */
    static String words(IOException e) {
        boolean told = text(e).contains(" descriptors");
        return text(e) + (told || ErrorCode.of(e) != ErrorCode.EMFILE ? "" : OpenFiles.count());
    }

    /** A wait that could not begin, mostly because it takes a descriptor. */
    static IOException cannotWait(String operation, Object object, IOException e) {
        return new IOException(operation + ": cannot wait for " + object + ": " + words(e), e);
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
