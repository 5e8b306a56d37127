package parley.testing;

import java.util.Random;

/**
 * Random data that can be had again: a failing body fails with its seed in the message, and {@code
 * -Dparley.test.seed=…} makes every body start from that one.
 */
public final class Seeds {
    private static final String PROPERTY = "parley.test.seed";

    private Seeds() {
    }

    /** What is done with a source of random numbers. */
    @FunctionalInterface
    public interface Body {
        /** Does it. */
        void run(Random random) throws Exception;
    }

    /** Runs {@code body} with a fresh source; a failure names the seed. */
    public static void with(Body body) throws Exception {
        from(Long.getLong(PROPERTY, System.nanoTime()), body);
    }

    /** Runs {@code body} once for each seed, or once for that of the property. */
    public static void with(long[] seeds, Body body) throws Exception {
        Long only = Long.getLong(PROPERTY);
        for (long seed : only == null ? seeds : new long[] {only}) {
            from(seed, body);
        }
    }

    private static void from(long seed, Body body) throws Exception {
        try {
            body.run(new Random(seed));
        } catch (Exception | AssertionError e) {
            throw new AssertionError(e.getMessage() + " (again with -D" + PROPERTY + "=" + seed
                    + ")", e);
        }
    }

    /** {@code count} random bytes. */
    public static byte[] bytes(Random random, int count) {
        byte[] bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }
}
