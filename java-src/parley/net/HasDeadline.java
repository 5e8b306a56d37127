package parley.net;

/** A wait whose deadline other threads may move while it lasts. */
interface HasDeadline {
    /** Returns the deadline in force now. */
    Deadline deadline();
}
