package parley.posix;

/** Flags of sending and receiving, with their numbers on this platform. */
public final class Message {
    /** Urgent (out-of-band) data. */
    public static final int OOB = Constants.MSG_OOB;
    /** Leave what is read where it is. */
    public static final int PEEK = Constants.MSG_PEEK;
    /** The end of a record. */
    public static final int EOR = Constants.MSG_EOR;
    /** Answer: the message was longer than the buffers. As a flag on Linux: tell its real size. */
    public static final int TRUNC = Constants.MSG_TRUNC;
    /** Answer: control data did not fit. */
    public static final int CTRUNC = Constants.MSG_CTRUNC;
    /** Do not route. */
    public static final int DONTROUTE = Constants.MSG_DONTROUTE;

    private Message() {}
}
