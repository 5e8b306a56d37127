package parley.posix;

/** A call on a descriptor that this process had closed before the call. */
public final class ClosedDescriptorException extends PosixException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes one, with the error number EBADF.
     *
     * @param call what was called, such as {@code recv(7)}
     */
    public ClosedDescriptorException(String call) {
        super(Constants.EBADF, call, "this descriptor has been closed");
    }
}
