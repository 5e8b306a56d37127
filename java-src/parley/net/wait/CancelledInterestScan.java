package parley.net.wait;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Finds the armed interests that have ended without notice. Two ends come without notice:
 * core.async does not notify a channel whose alts! has chosen another, and NIO notifies no selector
 * when a channel is closed that is not Parley's. While an interest of such a kind is armed, all of
 * them are looked at twice a second. Guarded by the lock of the {@link EventLoop}.
 */
final class CancelledInterestScan {
    private static final long EVERY_NANOS = Duration.ofMillis(500).toNanos();

    private final EventLoop loop;
    private final TaskQueue tasks;
    private final Set<Interest> doubtful = new HashSet<>();
    private boolean scheduled;

    CancelledInterestScan(EventLoop loop, TaskQueue tasks) {
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
