package parley.net;

/**
 * What can be done with a stream or a server right now without blocking: the values of CLISP's
 * {@code SOCKET:SOCKET-STATUS}.
 *
 * <table>
 * <caption>Of a stream, in direction {@code IO}</caption>
 * <tr><th></th><th>input would block</th><th>input available</th><th>end of file</th></tr>
 * <tr><th>output would block</th><td>{@link #NONE}</td><td>{@link #INPUT}</td><td>{@link #EOF}
 * </td></tr>
 * <tr><th>output possible</th><td>{@link #OUTPUT}</td><td>{@link #IO}</td><td>{@link #APPEND}
 * </td></tr>
 * </table>
 *
 * <p>Direction {@code INPUT} gives {@link #NONE}, {@link #INPUT} or {@link #EOF}; direction
 * {@code OUTPUT} gives {@link #NONE} or {@link #OUTPUT}. A server is {@link #READY} when an accept
 * will not block. {@link #ERROR} says that every operation will fail.
 */
public enum SocketStatus {
    /** Nothing can be done without blocking; Lisp's {@code NIL}. */
    NONE,
    /** The next element can be read. */
    INPUT,
    /** Output is possible. */
    OUTPUT,
    /** The next element can be read and output is possible. */
    IO,
    /** The input has ended. */
    EOF,
    /** The input has ended and output is possible. */
    APPEND,
    /** A connection waits to be accepted; Lisp's {@code T}. */
    READY,
    /** Every operation will fail. */
    ERROR;

    /**
     * Tells whether something can be done, an error included.
     *
     * @return false for {@link #NONE} only
     */
    public boolean isActionable() {
        return this != NONE;
    }

    /** The status in direction IO made of its two halves. */
    static SocketStatus of(InputState input, boolean output) {
        switch (input) {
            case AVAILABLE:
                return output ? IO : INPUT;
            case ENDED:
                return output ? APPEND : EOF;
            default:
                return output ? OUTPUT : NONE;
        }
    }

    /** What is left of this status, taken in direction IO, for somebody who asked for less. */
    SocketStatus narrow(Direction direction) {
        switch (this) {
            case IO:
                return direction == Direction.IO ? IO
                        : direction == Direction.INPUT ? INPUT : OUTPUT;
            case APPEND:
                return direction == Direction.IO ? APPEND
                        : direction == Direction.INPUT ? EOF : OUTPUT;
            case INPUT:
            case EOF:
                return direction.includesInput() ? this : NONE;
            case OUTPUT:
                return direction.includesOutput() ? this : NONE;
            default:
                return this;
        }
    }
}
