package parley.posix;

/**
 * Flags of sending and receiving, with their numbers on this platform. Without the C library all
 * are 0.
 *
 * <pre>{@code
 * descriptor.recv(bytes, 0, bytes.length, MessageFlags.PEEK);
 * descriptor.recv(bytes, 0, bytes.length, 0); // the same bytes
 * }</pre>
 */
public final class MessageFlags {
    /** Urgent (out-of-band) data. */
    public static final int OOB = Posix.available() ? Constants.MSG_OOB : 0;
    /** Leaves the data that is read in the socket. */
    public static final int PEEK = Posix.available() ? Constants.MSG_PEEK : 0;
    /** The end of a record. */
    public static final int EOR = Posix.available() ? Constants.MSG_EOR : 0;
    /**
     * In a result: the message was longer than the buffers. As a flag on Linux: return its size.
     */
    public static final int TRUNC = Posix.available() ? Constants.MSG_TRUNC : 0;
    /** In a result: control data did not fit. */
    public static final int CTRUNC = Posix.available() ? Constants.MSG_CTRUNC : 0;
    /** Sends without a gateway. */
    public static final int DONTROUTE = Posix.available() ? Constants.MSG_DONTROUTE : 0;

    private MessageFlags() {}
}
