package parley.net;

/** The result of a check of the input side of a stream, without waiting. */
enum InputState {
    /** The next element has not arrived yet, or was not checked. */
    NOTHING,
    /** The next element can be taken, or the attempt will fail at once for a reason of its own. */
    AVAILABLE,
    /** No element will ever come. */
    ENDED,
    /** Reading fails, now and for ever. */
    BROKEN
}
