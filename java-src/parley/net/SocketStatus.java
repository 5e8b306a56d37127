package parley.net;

import java.io.IOException;
import java.time.Duration;
import parley.net.InputProbe.InputState;
import parley.net.StatusCheck.StatusList;

/**
 * The operations that are possible on a stream or a server without blocking: the values of CLISP's
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
 * <p>Direction {@code INPUT} has {@link #NONE}, {@link #INPUT} or {@link #EOF}; direction
 * {@code OUTPUT} has {@link #NONE} or {@link #OUTPUT}. A server is {@link #READY} when an accept
 * will not block. {@link #ERROR} means that every operation will fail.
 *
 * <pre>{@code
 * SocketStatus[] found = SocketStatus.of(new Pollable[] {server, stream},
 *         new Direction[] {Direction.INPUT, Direction.INPUT}, Duration.ofSeconds(5));
 * if (found[1].isActionable()) {
 *     stream.in().readLine();
 * }
 * }</pre>
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
     * Finds the status of several objects, waiting until one of them is actionable (CLISP
     * {@code SOCKET:SOCKET-STATUS} of a list). For checks that repeat, keep a {@link StatusSet}.
     *
     * @param objects at least one, all open; the same one may stand in several places
     * @param directions what to look for, place for place
     * @param timeout null for ever, zero to poll
     * @return the statuses, place for place; an object closed during the wait is {@link #ERROR}
     * @throws IllegalArgumentException if there is no object, or a null
     * @throws IllegalStateException if an object is closed
     * @throws java.io.InterruptedIOException if the thread is interrupted
     * @throws IOException if the process is out of descriptors
     */
    public static SocketStatus[] of(Pollable[] objects, Direction[] directions, Duration timeout)
            throws IOException {
        return StatusList.check(objects, directions, timeout);
    }

    /** {@return whether something can be done, an error included: false for {@link #NONE} only} */
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

    /** Returns the part of this status of direction IO that belongs to a direction. */
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
