package parley.net.wait;

import java.util.Iterator;
import java.util.PriorityQueue;
import parley.posix.StackSafeLock;

/** Tasks of an {@link EventLoop}, each due at once or at a later time. Any thread may add. */
final class TaskQueue {
    private final StackSafeLock lock = new StackSafeLock();
    private final PriorityQueue<Due> queue = new PriorityQueue<>(); // guarded by lock
    private long added; // keeps tasks of one time in order; guarded by lock

    private record Due(long at, long number, Runnable task) implements Comparable<Due> {
        @Override
        public int compareTo(Due other) {
            int byTime = Long.signum(at - other.at);
            return byTime != 0 ? byTime : Long.compare(number, other.number);
        }
    }

    /** Adds a task that is due some nanoseconds from now. */
    void add(Runnable task, long nanos) {
        lock.lock();
        try {
            queue.add(new Due(System.nanoTime() + nanos, added++, task));
        } finally {
            lock.unlock();
        }
    }

    /** Removes a task that has not run. */
    void remove(Runnable task) {
        lock.lock();
        try {
            for (Iterator<Due> all = queue.iterator(); all.hasNext();) {
                if (all.next().task == task) {
                    all.remove();
                    return;
                }
            }
        } finally {
            lock.unlock();
        }
    }

    boolean isEmpty() {
        lock.lock();
        try {
            return queue.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** Returns the time until the next task is due: 0 when one is, {@code MAX_VALUE} for none. */
    long nanosToNext() {
        lock.lock();
        try {
            Due next = queue.peek();
            return next == null ? Long.MAX_VALUE : Math.max(0, next.at - System.nanoTime());
        } finally {
            lock.unlock();
        }
    }

    /** Runs the tasks that are due now; those that they add wait for the next call. */
    void runDue() {
        long now = System.nanoTime();
        for (Runnable task = take(now); task != null; task = take(now)) {
            Log.guard(Log.Part.WAIT, task);
        }
    }

    private Runnable take(long now) {
        lock.lock();
        try {
            Due next = queue.peek();
            return next == null || next.at - now > 0 ? null : queue.poll().task;
        } finally {
            lock.unlock();
        }
    }
}
