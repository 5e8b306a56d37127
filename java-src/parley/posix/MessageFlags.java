package parley.posix;

/**
 * Flags of sending and receiving, with their numbers on this platform; 0 where there is no C library
 * to send or receive with.
 */
public final class MessageFlags {
    /** Urgent (out-of-band) data. */
    public static final int OOB = Posix.available() ? Constants.MSG_OOB : 0;
    /** Leave what is read where it is. */
    public static final int PEEK = Posix.available() ? Constants.MSG_PEEK : 0;
    /** The end of a record. */
    public static final int EOR = Posix.available() ? Constants.MSG_EOR : 0;
    /** Answer: the message was longer than the buffers. As a flag on Linux: tell its real size. */
    public static final int TRUNC = Posix.available() ? Constants.MSG_TRUNC : 0;
    /** Answer: control data did not fit. */
    public static final int CTRUNC = Posix.available() ? Constants.MSG_CTRUNC : 0;
    /** Do not route. */
    public static final int DONTROUTE = Posix.available() ? Constants.MSG_DONTROUTE : 0;

    private MessageFlags() {}
}
