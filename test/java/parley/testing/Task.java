package parley.testing;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * One call running on a thread of its own, with everything a case may ask of it afterwards: what it
 * returned or threw, when it ended, and whether the thread's interrupt flag was set at that moment.
 */
public final class Task<T> {
    /** How long {@link #await} and {@link #failure} wait before they report a hang. */
    public static final Duration PATIENCE = Duration.ofSeconds(60);

    private static final Set<Task<?>> LIVE = ConcurrentHashMap.newKeySet();

    private final Thread thread; // immutable
    private final CountDownLatch done = new CountDownLatch(1); // publishes the fields below
    private T value; // written by the thread before done
    private Throwable failure; // written by the thread before done
    private long endedAt; // nanoTime; written by the thread before done
    private boolean interrupted; // written by the thread before done

    private Task(Threads kind, String name, Callable<T> body) {
        thread = kind.unstarted(name, () -> run(body));
    }

    static <T> Task<T> start(Threads kind, String name, Callable<T> body) {
        Task<T> task = new Task<>(kind, name, body);
        LIVE.add(task);
        task.thread.start();
        return task;
    }

    /** The tasks that have not ended; virtual threads are listed nowhere else. */
    static Set<Task<?>> live() {
        return Set.copyOf(LIVE);
    }

    private void run(Callable<T> body) {
        try {
            value = body.call();
        } catch (Throwable t) {
            failure = t; // handed to whoever asks: await() or failure()
        } finally {
            endedAt = System.nanoTime();
            interrupted = Thread.currentThread().isInterrupted();
            LIVE.remove(this);
            done.countDown();
        }
    }

    /** The thread the call runs on. */
    public Thread thread() {
        return thread;
    }

    /** Sets the interrupt flag of the thread. */
    public void interrupt() {
        thread.interrupt();
    }

    /** Whether the call has returned or thrown. */
    public boolean isDone() {
        return done.getCount() == 0;
    }

    /** Whether the thread's interrupt flag was set when the call ended. */
    public boolean interruptedAtEnd() {
        end(PATIENCE);
        return interrupted;
    }

    /** The {@code nanoTime} at which the call ended. */
    public long endedAt() {
        end(PATIENCE);
        return endedAt;
    }

    /** Waits at most {@code limit}; true when the call has ended. */
    public boolean ended(Duration limit) {
        try {
            return done.await(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting for " + thread.getName(), e);
        }
    }

    /** What the call returned; what it threw is thrown again, unchanged. */
    public T await() throws Exception {
        end(PATIENCE);
        if (failure instanceof Exception e) {
            throw e;
        }
        if (failure instanceof Error e) {
            throw e;
        }
        return value;
    }

    /** What the call threw, which must be an instance of {@code type}. */
    public <X extends Throwable> X failure(Class<X> type) {
        end(PATIENCE);
        if (type.isInstance(failure)) {
            return type.cast(failure);
        }
        String what = failure == null ? "it returned " + value : "it threw " + failure;
        throw new AssertionError(
                thread.getName() + ": expected " + type.getName() + ", but " + what, failure);
    }

    private void end(Duration limit) {
        if (!ended(limit)) {
            throw new AssertionError(thread.getName() + " has not ended within " + limit
                    + "; it is at\n" + Stacks.of(thread));
        }
    }
}
