package parley.net.wait;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Something to do once when a source is ready. Belongs to the {@link EventLoop} while it is armed;
 * can be armed again and again, so that waiting allocates nothing.
 */
public abstract class Interest {
    // All guarded by the reactor's lock.
    boolean armed;
    int ops; // what the source must be ready for; 0 for nothing but its being closed
    Registration registration; // where it is armed, else null
    Interest next; // among those in the same source
    int ready; // what it was found ready for when it was fired

    /**
     * Returns false when the interest is certainly not armed; for the thread that alone may arm it
     * now, without the loop's lock.
     */
    public final boolean mayBeArmed() {
        return armed;
    }

    /** Where readiness is seen; always the same. */
    public abstract Source source();

    /** The source is ready for some of the operations; on the reactor's thread. */
    public abstract void fire(int ready);

    /** The source was closed; on the thread that closed it. */
    public abstract void sourceClosed();

    /** Returns whether {@link #isStale} may come to hold without anybody telling the reactor. */
    public boolean isDoubtful() {
        return false;
    }

    /** Returns whether no request waits any more; called periodically, without a lock. */
    public boolean isStale() {
        return false;
    }

    /**
     * Finds the armed interests that have ended without notice. Two ends come without notice:
     * core.async does not notify a channel whose alts! has chosen another, and NIO notifies no
     * selector when a channel is closed that is not Parley's. While an interest of such a kind is
     * armed, all of them are looked at twice a second. Guarded by the lock of the {@link
     * EventLoop}.
     */
    static final class CancelledScan {
        private static final long EVERY_NANOS = Duration.ofMillis(500).toNanos();

        private final EventLoop loop;
        private final TaskQueue tasks;
        private final Set<Interest> doubtful = new HashSet<>();
        private boolean scheduled;

        CancelledScan(EventLoop loop, TaskQueue tasks) {
            this.loop = loop;
            this.tasks = tasks;
        }

        void add(Interest interest) {
            doubtful.add(interest);
            if (!scheduled) {
                scheduled = true;
                tasks.add(this::run, EVERY_NANOS);
                loop.nudge();
            }
        }

        void remove(Interest interest) {
            if (!doubtful.isEmpty()) {
                doubtful.remove(interest);
            }
        }

        private void run() {
            List<Interest> suspects = loop.locked(() -> {
                scheduled = !doubtful.isEmpty();
                if (scheduled) {
                    tasks.add(this::run, EVERY_NANOS);
                }
                return new ArrayList<>(doubtful);
            });
            for (Interest each : suspects) {
                Log.guard(Log.Part.WAIT, () -> {
                    if (each.isStale() && loop.disarm(each)) {
                        each.fire(0);
                    }
                });
            }
        }
    }
}
