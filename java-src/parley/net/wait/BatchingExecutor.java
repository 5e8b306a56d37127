package parley.net.wait;

import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Runs tasks, begun in the order they came, on as few threads of a pool as keep up. A burst of a
 * hundred short tasks costs one hand-over to another thread and not a hundred. A task that blocks
 * holds the others up for a millisecond; then a further thread takes over, so that a hundred tasks
 * that block still all begin.
 *
 * <p>When the pool fails to start a thread, the tasks stay queued, and starting is tried again
 * after ever longer pauses. When the pool rejects a worker, its tasks run in the calling thread.
 */
public final class BatchingExecutor implements Executor {
    private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long LONGEST_PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Executor pool;
    private final Queue<Runnable> queue = new ConcurrentLinkedQueue<>();
    private final AtomicInteger workers = new AtomicInteger(); // running, blocked ones included
    private final AtomicBoolean watched = new AtomicBoolean(); // a look for hold-ups is scheduled

    private volatile long pauseNanos = PATIENCE_NANOS; // longer while no worker can be started

    /**
     * Makes an executor.
     *
     * @param pool provides the threads; must not run tasks in the calling thread, nor limit its
     *     threads where tasks may block
     */
    public BatchingExecutor(Executor pool) {
        this.pool = Objects.requireNonNull(pool,
                "BatchingExecutor: the pool is null, expected an Executor");
    }

    /**
     * Passes a task to an executor. If the executor rejects the task, the rejection is logged and
     * the task runs in the calling thread, since a result that no receiver gets would be lost.
     *
     * @param executor where to run the task
     * @param task must not throw
     */
    public static void handOver(Executor executor, Runnable task) {
        Handed handed = new Handed(task);
        try {
            executor.execute(handed);
        } catch (RuntimeException | Error e) {
            if (handed.begun) { // an executor that runs tasks in the calling thread
                Log.error(Log.Part.CHANNELS, "a listener failed", e);
                return;
            }
            Log.error(Log.Part.CHANNELS, "an executor rejected a task, which now runs on "
                    + Thread.currentThread().getName(), e);
            Log.guard(Log.Part.CHANNELS, task);
        }
    }

    /** Distinguishes a task that failed from one that was rejected. */
    private static final class Handed implements Runnable {
        private final Runnable task;
        private volatile boolean begun;

        Handed(Runnable task) {
            this.task = task;
        }

        @Override
        public void run() {
            begun = true;
            task.run();
        }
    }

    @Override
    public void execute(Runnable task) {
        queue.add(Objects.requireNonNull(task, "execute: the task is null"));
        // Looks before it changes, which would take a variable from the processor that works.
        if (workers.get() == 0 && workers.compareAndSet(0, 1)) {
            startWorker();
        }
        if (!watched.get() && !queue.isEmpty() && watched.compareAndSet(false, true)) {
            lookLater();
        }
    }

    /** Starts a worker, already counted. */
    private void startWorker() {
        boolean started = false;
        try {
            pool.execute(this::work);
            started = true;
            pauseNanos = PATIENCE_NANOS;
        } catch (RejectedExecutionException e) {
            Log.error(Log.Part.CHANNELS, "the pool rejected a worker; its tasks run on "
                    + Thread.currentThread().getName(), e);
            drain();
        } catch (RuntimeException | Error e) {
            int waiting = queue.size();
            Log.warning(Log.Part.CHANNELS, "no thread for " + (waiting == 1 ? "a task, which waits"
                    : waiting + " tasks, which wait") + " for one: " + e);
            pauseNanos = Math.min(2 * pauseNanos, LONGEST_PAUSE_NANOS);
        } finally {
            if (!started) {
                workers.decrementAndGet();
            }
        }
    }

    private void work() {
        do {
            try {
                drain();
            } finally {
                workers.decrementAndGet();
            }
            // A task that came in between has found this worker, or another, there.
        } while (!queue.isEmpty() && workers.compareAndSet(0, 1));
    }

    private void drain() {
        for (Runnable task = queue.poll(); task != null; task = queue.poll()) {
            try {
                task.run();
            } catch (Throwable e) {
                Log.guard(Log.Part.CHANNELS, () -> uncaught(e));
            }
        }
    }

    private static void uncaught(Throwable e) {
        Thread current = Thread.currentThread();
        current.getUncaughtExceptionHandler().uncaughtException(current, e);
    }

    private void lookLater() {
        Runnable next = queue.peek();
        EventLoop.shared().post(() -> look(next), pauseNanos);
    }

    /** Starts a further worker when the task that was next then is next still. */
    private void look(Runnable then) {
        watched.set(false);
        Runnable next = queue.peek();
        if (next == null) {
            return;
        }
        if (next == then) {
            workers.incrementAndGet();
            startWorker();
        }
        if (watched.compareAndSet(false, true)) {
            lookLater();
        }
    }

    @Override
    public String toString() {
        return "#<batching-executor of " + workers + ", " + queue.size() + " waiting>";
    }
}
