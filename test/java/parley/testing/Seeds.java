package parley.testing;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Chooses the seeds of random tests. A usual run takes a fixed seed and, from {@code
 * seeds.properties}, those with which the suite has ever failed, so that its outcome is the same
 * every time. The Maven profile {@code nightly} adds a fresh seed, which is printed. {@code
 * -Dparley.test.seed=…} takes that one only.
 */
public final class Seeds {
    private static final String ONLY = "parley.test.seed";
    private static final String FRESH = "parley.test.fresh";
    private static final long USUAL = 1;
    private static final StackWalker CALLER =
            StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE);
    private static final Properties FAILED = failed();
    private static final Map<String, Long> FRESH_SEEDS = new ConcurrentHashMap<>();

    private Seeds() {
    }

    /** A test of one source of random numbers. */
    @FunctionalInterface
    public interface Body {
        /** Runs the test. */
        void run(Random random) throws Exception;
    }

    /** Runs {@code body} once with each seed of the calling class; a failure names the seed. */
    public static void with(Body body) throws Exception {
        for (long seed : of(CALLER.getCallerClass().getName())) {
            try {
                body.run(new Random(seed));
            } catch (Exception | AssertionError e) {
                throw new AssertionError(e.getMessage() + " (again with -D" + ONLY + "=" + seed
                        + ")", e);
            }
        }
    }

    /** Returns the seeds of {@code suite}, a class or {@code namespace/deftest}. */
    public static long[] of(String suite) {
        Long only = Long.getLong(ONLY);
        if (only != null) {
            return new long[] {only};
        }
        LongStream fixed = LongStream.concat(LongStream.of(USUAL),
                Stream.of(FAILED.getProperty(suite, "").split(" ")).filter(s -> !s.isEmpty())
                        .mapToLong(Long::parseLong));
        return Boolean.getBoolean(FRESH)
                ? LongStream.concat(fixed, LongStream.of(FRESH_SEEDS.computeIfAbsent(suite,
                        Seeds::fresh))).toArray()
                : fixed.toArray();
    }

    private static long fresh(String suite) {
        long seed = System.nanoTime();
        System.out.println(suite + ": seed " + seed);
        return seed;
    }

    /** {@code count} random bytes. */
    public static byte[] bytes(Random random, int count) {
        byte[] bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }

    private static Properties failed() {
        Properties failed = new Properties();
        try (InputStream in = Seeds.class.getResourceAsStream("seeds.properties")) {
            failed.load(in);
            return failed;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
