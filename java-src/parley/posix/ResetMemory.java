package parley.posix;

/**
 * The reset or refusal that a connection met. The kernel reports it once, and after it an end of
 * file, which would look as if the peer had sent all that it wanted to.
 *
 * <p>Thread-safe.
 */
final class ResetMemory {
    private volatile PosixException first; // null until a reset is met

    /** Returns the first reset, or null. */
    PosixException first() {
        return first;
    }

    /** Remembers a failure of a stream socket, if it is one that breaks the connection. */
    void note(PosixException failure) {
        int errno = failure.errno();
        boolean lasting = errno == Constants.ECONNRESET || errno == Constants.ETIMEDOUT
                || errno == Constants.ECONNABORTED || errno == Constants.ENETRESET
                || errno == Constants.ECONNREFUSED || errno == Constants.EHOSTUNREACH
                || errno == Constants.ENETUNREACH;
        if (lasting && first == null) {
            first = failure;
        }
    }

    /** Begins anew, since the socket connects once more; returns whether there was a failure. */
    boolean forget() {
        boolean failed = first != null;
        first = null;
        return failed;
    }

    /** Throws the reset again, if there was one, as a failure of this call. */
    void throwAgain(String call) throws PosixException {
        PosixException seen = first;
        if (seen != null) {
            PosixException later = new PosixException(seen.errno(), call);
            later.addSuppressed(seen); // no cause: a REPL would show its message
            throw later;
        }
    }
}
