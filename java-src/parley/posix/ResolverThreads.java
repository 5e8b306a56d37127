package parley.posix;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The threads that ask the system's resolver, which can be neither interrupted nor timed. They are few:
 * while a name server is silent, later look-ups wait for a thread within their own deadlines.
 */
public final class ResolverThreads {
    /** How many look-ups run at once. */
    static final int MOST = 16;

    private static final AtomicInteger COUNT = new AtomicInteger();
    private static final ThreadPoolExecutor POOL = new ThreadPoolExecutor(MOST, MOST, 500,
            TimeUnit.MILLISECONDS, new LinkedBlockingQueue<>(), ResolverThreads::thread);

    static {
        POOL.allowCoreThreadTimeOut(true);
    }

    private ResolverThreads() {}

    private static Thread thread(Runnable body) {
        return OwnThreads.daemon("parley-resolver-" + COUNT.incrementAndGet(), body);
    }

    /**
     * Runs a look-up on one of the threads and waits for the result.
     *
     * @param <T> the type of the result
     * @param lookUp the look-up
     * @param nanos how long to wait at most, for a thread and for the result
     * @return what the look-up returns
     * @throws TimeoutException when the time has passed; the look-up ends by itself
     * @throws InterruptedException when the thread is interrupted
     * @throws ExecutionException with what the look-up threw
     * @throws IOException when no thread can be started
     */
    public static <T> T run(Callable<T> lookUp, long nanos)
            throws IOException, TimeoutException, InterruptedException, ExecutionException {
        FutureTask<T> task = new FutureTask<>(lookUp);
        execute(task);
        try {
            return task.get(nanos, TimeUnit.NANOSECONDS);
        } finally {
            task.cancel(true);
            POOL.remove(task);
        }
    }

    private static void execute(FutureTask<?> task) throws IOException {
        try {
            POOL.execute(task);
        } catch (OutOfMemoryError e) { // the system has no thread left
            POOL.getQueue().add(task);
            if (POOL.getPoolSize() == 0) {
                POOL.remove(task);
                throw new IOException("no thread for a look-up can be started: " + e.getMessage());
            }
        }
    }
}
