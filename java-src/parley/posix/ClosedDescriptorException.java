package parley.posix;

/**
 * A call on a descriptor that this process had closed before the call.
 *
 * <pre>{@code
 * try {
 *     descriptor.read(bytes, 0, bytes.length);
 * } catch (ClosedDescriptorException e) {
 *     System.err.println(e.getMessage()); // another thread closed it first
 * }
 * }</pre>
 */
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
