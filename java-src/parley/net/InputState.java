package parley.net;

/** What a look at the input side of a stream found, without waiting. */
enum InputState {
    /** The next element is not there yet, or not asked about. */
    NOTHING,
    /** The next element can be taken, or the attempt will fail at once for a reason of its own. */
    AVAILABLE,
    /** No element will ever come. */
    ENDED,
    /** Reading fails, now and for ever. */
    BROKEN
}
