package parley.testing;

import java.io.IOException;
import java.time.Duration;
import java.util.Random;

/**
 * What a {@link FaultProxy} does to the bytes of one direction of one connection. Each connection
 * and direction has a fault of its own, made by its {@link Kind}; it is used by one thread.
 */
public interface Fault {
    /** Where the bytes go on to. */
    interface Next {
        /** Passes {@code count} bytes on. */
        void write(byte[] bytes, int offset, int count) throws IOException;

        /** Closes both sides of the connection in an orderly way. */
        void cut() throws IOException;

        /** Resets both sides of the connection. */
        void reset() throws IOException;
    }

    /** Makes the fault for one direction of a new connection. */
    @FunctionalInterface
    interface Kind {
        /** A fresh fault that takes its chances from {@code random}. */
        Fault begin(Random random);
    }

    /** Handles {@code count} bytes that arrived. */
    void bytes(byte[] bytes, int count, Next next) throws IOException;

    /** Called before the end of the input is passed on. */
    default void ended(Next next) throws IOException {
    }

    /** Passes everything on untouched. */
    static Kind none() {
        return random -> (bytes, count, next) -> next.write(bytes, 0, count);
    }

    /** Holds each chunk back for {@code delay}, more or less {@code jitter}. */
    static Kind latency(Duration delay, Duration jitter) {
        return random -> (bytes, count, next) -> {
            long spread = (long) ((random.nextDouble() * 2 - 1) * jitter.toNanos());
            Await.pass(Duration.ofNanos(Math.max(0, delay.toNanos() + spread)));
            next.write(bytes, 0, count);
        };
    }

    /** Lets {@code rate} bytes a second through. */
    static Kind bandwidth(int rate) {
        return random -> (bytes, count, next) -> {
            int step = Math.max(1, rate / 100);
            for (int done = 0; done < count; done += step) {
                int part = Math.min(step, count - done);
                next.write(bytes, done, part);
                Await.pass(Duration.ofNanos(1_000_000_000L * part / rate));
            }
        };
    }

    /** Passes the end of the input on only after {@code delay}. */
    static Kind slowClose(Duration delay) {
        return random -> new Fault() {
            @Override
            public void bytes(byte[] bytes, int count, Next next) throws IOException {
                next.write(bytes, 0, count);
            }

            @Override
            public void ended(Next next) {
                Await.pass(delay);
            }
        };
    }

    /** Swallows everything and closes after {@code delay}; for ever, when that is zero. */
    static Kind timeout(Duration delay) {
        return random -> (bytes, count, next) -> {
            if (!delay.isZero()) {
                Await.pass(delay);
                next.cut();
            }
        };
    }

    /** Resets the connection {@code delay} after the first bytes, which are not passed on. */
    static Kind resetPeer(Duration delay) {
        return random -> (bytes, count, next) -> {
            Await.pass(delay);
            next.reset();
        };
    }

    /** Cuts what comes into pieces of {@code size} bytes, more or less {@code variation}. */
    static Kind slicer(int size, int variation, Duration pause) {
        return random -> (bytes, count, next) -> {
            int done = 0;
            while (done < count) {
                int change = variation == 0 ? 0 : random.nextInt(2 * variation + 1) - variation;
                int part = Math.min(Math.max(1, size + change), count - done);
                next.write(bytes, done, part);
                done += part;
                Await.pass(pause);
            }
        };
    }

    /** Closes the connection after {@code limit} bytes. */
    static Kind limitData(int limit) {
        return random -> new Fault() {
            private int left = limit; // confined to the direction's thread

            @Override
            public void bytes(byte[] bytes, int count, Next next) throws IOException {
                int part = Math.min(left, count);
                left -= part;
                next.write(bytes, 0, part);
                if (left == 0) {
                    next.cut();
                }
            }
        };
    }

    /** {@code kind} for a connection with the given probability, else nothing. */
    static Kind sometimes(double probability, Kind kind) {
        return random -> (random.nextDouble() < probability ? kind : none()).begin(random);
    }
}
