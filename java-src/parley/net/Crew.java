package parley.net;

import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * Runs tasks, begun in the order they came, on as few threads of a pool as keep up. Tasks should be
 * short; one that blocks holds the others up for a millisecond, then a further thread takes over.
 * So a burst of a hundred small tasks costs one hand-over to another thread and not a hundred, and
 * a hundred tasks that block still all begin.
 */
public final class Crew implements Executor {
    private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    /** How long a worker goes without polling while there are tasks. */
    private static final long LONG_NANOS = TimeUnit.MILLISECONDS.toNanos(2);
    private static final int CALM = 50; // times that a watch sees nothing to do before it ends
    private static final Help HELP = Reactor.shared().help();

    private final Executor pool;
    private final Queue<Runnable> queue = new ConcurrentLinkedQueue<>();
    private final AtomicInteger workers = new AtomicInteger(); // running, blocked ones included
    private final AtomicInteger begun = new AtomicInteger(); // tasks ever taken off the queue
    private final AtomicBoolean watched = new AtomicBoolean(); // somebody looks for hold-ups

    /**
     * A crew.
     *
     * @param pool gives the threads; must not run tasks in the calling thread, nor limit its threads
     *     where tasks may block
     */
    public Crew(Executor pool) {
        this.pool = Objects.requireNonNull(pool, "Crew: the pool is null, expected an Executor");
    }

    @Override
    public void execute(Runnable task) {
        queue.add(Objects.requireNonNull(task, "execute: the task is null"));
        if (workers.compareAndSet(0, 1)) {
            pool.execute(this::work);
        } else {
            HELP.wakeHelper();
            watch();
        }
    }

    private void work() {
        do {
            HELP.offer();
            do {
                drain();
            } while (HELP.poll(queue));
            HELP.end();
            workers.decrementAndGet();
            // A task that came in between has found this worker, or another, there.
        } while (!queue.isEmpty() && workers.compareAndSet(0, 1));
    }

    private void drain() {
        long lookedAt = System.nanoTime();
        for (Runnable task = queue.poll(); task != null; task = queue.poll()) {
            begun.incrementAndGet();
            HELP.goesOn();
            run(task);
            if (System.nanoTime() - lookedAt > LONG_NANOS) {
                HELP.poll(queue);
                lookedAt = System.nanoTime();
            }
        }
    }

    private static void run(Runnable task) {
        try {
            task.run();
        } catch (Throwable e) {
            Thread current = Thread.currentThread();
            try {
                current.getUncaughtExceptionHandler().uncaughtException(current, e);
            } catch (Throwable handling) {
                e.addSuppressed(handling); // a broken handler: nothing is left to tell it to
            }
        }
    }

    private void watch() {
        if (!queue.isEmpty() && watched.compareAndSet(false, true)) {
            pool.execute(this::watchForHoldUps);
        }
    }

    private void watchForHoldUps() {
        do {
            for (int calm = 0; calm < CALM; calm++) {
                int before = begun.get();
                LockSupport.parkNanos(this, PATIENCE_NANOS);
                if (!queue.isEmpty()) {
                    calm = 0;
                    if (begun.get() == before) {
                        workers.incrementAndGet();
                        pool.execute(this::work);
                    }
                }
            }
            watched.set(false);
        } while (!queue.isEmpty() && watched.compareAndSet(false, true));
    }

    @Override
    public String toString() {
        return "#<crew of " + workers + ", " + queue.size() + " waiting>";
    }
}
