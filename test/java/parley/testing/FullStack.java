package parley.testing;

import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Calls an operation again and again on the way back from a full stack, a frame more of room each
 * time, so that an overflow happens at every place inside it.
 */
public final class FullStack implements Runnable {
    private static final int SIZE = 192 * 1024;
    private static final int SUCCESSES = 20; // in a row of frames: from then on there is room

    /** What is called. */
    @FunctionalInterface
    public interface Operation {
        /** Runs it. */
        void run() throws Throwable;
    }

    private final Operation operation;
    private final Supplier<Object> broken;
    private int overflows;
    private int successes;
    private Object found;

    private FullStack(Operation operation, Supplier<Object> broken) {
        this.operation = operation;
        this.broken = broken;
    }

    /**
     * Fails when the operation hangs or when, after a call, something is broken.
     *
     * @param operation has been called before, so that its classes are loaded
     * @param broken what is broken, or null; needs hardly any stack
     */
    public static void probe(Object name, Operation operation, Supplier<Object> broken)
            throws InterruptedException {
        FullStack deep = new FullStack(operation, broken);
        Thread thread = new Thread(null, deep, "deep", SIZE);
        thread.setDaemon(true);
        thread.start();
        thread.join(TimeUnit.SECONDS.toMillis(60));
        if (thread.isAlive()) {
            throw new AssertionError(name + " hangs at\n" + Stacks.of(thread));
        } else if (deep.found != null) {
            throw new AssertionError(name + " leaves broken: " + deep.found);
        } else if (deep.overflows == 0) {
            throw new AssertionError(name + " had room everywhere");
        }
    }

    @Override
    public void run() {
        for (int round = Race.Rounds.of(1, 3); round > 0 && found == null; round--) {
            successes = 0;
            fill();
        }
    }

    private void fill() {
        try {
            fill();
        } catch (StackOverflowError e) {
            overflows++;
        }
        if (successes < SUCCESSES && found == null) {
            attempt();
        }
    }

    private void attempt() {
        try {
            operation.run();
            successes++;
        } catch (StackOverflowError e) {
            overflows++;
        } catch (Throwable e) {
            successes++;
        }
        try {
            found = broken.get();
        } catch (StackOverflowError e) {
            overflows++; // the next attempt asks
        }
    }
}
