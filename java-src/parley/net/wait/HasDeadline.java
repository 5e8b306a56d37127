package parley.net.wait;

/** A wait whose deadline other threads may move while it lasts. */
public interface HasDeadline {
    /** {@return the deadline in force now} */
    Deadline deadline();
}
