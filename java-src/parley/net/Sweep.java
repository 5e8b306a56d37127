package parley.net;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The armed interests that are to be asked, now and then, whether anybody waits for them still. */
final class Sweep {
    private static final long EVERY_NANOS = Duration.ofMillis(500).toNanos();

    private final Set<Interest> doubtful = new HashSet<>(); // guarded by the reactor's lock
    private long dueAt = System.nanoTime(); // the reactor thread's own

    void add(Interest interest) {
        doubtful.add(interest);
    }

    void remove(Interest interest) {
        if (!doubtful.isEmpty()) {
            doubtful.remove(interest);
        }
    }

    /** Tells, once, that it is time again. */
    boolean isDue() {
        long now = System.nanoTime();
        if (now - dueAt < 0) {
            return false;
        }
        dueAt = now + EVERY_NANOS;
        return true;
    }

    List<Interest> suspects() {
        return doubtful.isEmpty() ? List.of() : new ArrayList<>(doubtful);
    }

    /** How long one may sleep before the next sweep. */
    Deadline next() {
        return doubtful.isEmpty() ? Deadline.NONE : Deadline.inNanos(EVERY_NANOS);
    }
}
