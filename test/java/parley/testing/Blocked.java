package parley.testing;

import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;

/**
 * Waits until a thread is really blocked, by looking at its stack rather than by hoping that a
 * sleep was long enough: a thread counts as blocked in a call when three looks in a row show the
 * same stack with that call in it, and the thread parked or inside a native wait.
 */
public final class Blocked {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long BETWEEN_LOOKS = Duration.ofMillis(1).toNanos();
    private static final int LOOKS = 3;

    private Blocked() {
    }

    /**
     * Waits until {@code task} is blocked inside {@code call}.
     *
     * @param call part of {@code package.Class.method}, as {@code "SocketServer.accept"} or
     *     {@code "parley.net."}
     */
    public static void in(Task<?> task, String call) {
        in(task.thread(), call);
    }

    /** As {@link #in(Task, String)}, of any thread. */
    public static void in(Thread thread, String call) {
        inOne(thread, call);
    }

    /** As {@link #in(Thread, String)}, inside one of several calls. */
    public static void inOne(Thread thread, String... calls) {
        String call = String.join(" or ", calls);
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        StackTraceElement[] last = {};
        int same = 0;
        while (same < LOOKS) {
            if (thread.getState() == Thread.State.TERMINATED) {
                throw new AssertionError(
                        thread.getName() + " ended instead of blocking in " + call);
            }
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError(thread.getName() + " did not block in " + call + " within "
                        + PATIENCE + "; it is at\n" + Stacks.of(thread));
            }
            StackTraceElement[] now = thread.getStackTrace();
            boolean still = waits(thread, now, calls) && (same == 0 || Arrays.equals(now, last));
            same = still ? same + 1 : 0;
            last = now;
            LockSupport.parkNanos(BETWEEN_LOOKS);
        }
    }

    private static boolean waits(Thread thread, StackTraceElement[] stack, String... calls) {
        if (stack.length == 0 || Arrays.stream(stack).map(Blocked::name)
                .noneMatch(name -> Arrays.stream(calls).anyMatch(name::contains))) {
            return false;
        }
        return switch (thread.getState()) {
            case WAITING, TIMED_WAITING -> true;
            case RUNNABLE -> stack[0].isNativeMethod(); // epoll_wait, poll, a blocking read
            default -> false;
        };
    }

    private static String name(StackTraceElement frame) {
        return frame.getClassName() + '.' + frame.getMethodName();
    }
}
