package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.AsynchronousCloseException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Waiting on virtual threads, on the JDKs that have them. */
@Tag("virtual")
@Timeout(180)
class VirtualThreadTest {
    private final int before = Support.watches(); // those that a failed test has left

    private static Thread start(Runnable task) throws Exception {
        assumeTrue(Runtime.version().feature() >= 21);
        return (Thread) Thread.class.getMethod("startVirtualThread", Runnable.class)
                .invoke(null, task);
    }

    private int watches() {
        return Support.watches() - before;
    }

    @Test
    void hundreds_of_them_wait_at_once_and_all_are_woken() throws Exception {
        List<Descriptor[]> pairs = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        AtomicInteger woken = new AtomicInteger();
        for (int i = 0; i < 300; i++) {
            Descriptor[] pair = Support.streams();
            pairs.add(pair);
            threads.add(start(() -> {
                try {
                    woken.addAndGet(pair[0].await(Poll.IN, 30 * Support.SECOND));
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }));
        }
        Support.eventually("all wait", () -> watches() == 300);
        for (Descriptor[] pair : pairs) {
            pair[1].write(new byte[1], 0, 1);
        }
        for (Thread thread : threads) {
            Support.join(thread);
        }
        assertEquals(300 * Poll.IN, woken.get());
        pairs.forEach(Support::closeAll);
    }

    @Test
    void RAW_5_close_and_interrupt_end_the_wait() throws Exception {
        for (boolean close : new boolean[] {true, false}) {
            Descriptor[] pair = Support.streams();
            AtomicReference<Throwable> thrown = new AtomicReference<>();
            Thread waiting = start(() -> {
                try {
                    pair[0].await(Poll.IN, Long.MAX_VALUE);
                } catch (IOException e) {
                    thrown.set(e);
                }
            });
            Support.eventually("it waits", () -> watches() == 1);
            if (close) {
                pair[0].close();
            } else {
                waiting.interrupt();
            }
            Support.join(waiting);
            Class<? extends IOException> expected =
                    close ? AsynchronousCloseException.class : InterruptedIOException.class;
            assertInstanceOf(expected, thrown.get());
            assertEquals(0, watches());
            Support.closeAll(pair);
        }
    }

    @Test
    void a_time_ends_the_wait() throws Exception {
        Descriptor[] pair = Support.streams();
        AtomicInteger found = new AtomicInteger(-1);
        Thread waiting = start(() -> {
            try {
                found.set(pair[0].await(Poll.IN, Support.SECOND / 20));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        Support.join(waiting);
        assertEquals(0, found.get());
        Support.closeAll(pair);
    }
}
