package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import parley.posix.Poll.Blocking;
import parley.testing.Cpu;
import parley.testing.Descriptors;

@Timeout(180)
class DescriptorWatcherTest {
    private static final String THREAD = "parley-descriptors";

    private final int before = Support.watches(); // those that a failed test has left

    private static DescriptorWatcher.Watch watch(Descriptor descriptor, int events, Runnable task)
            throws IOException {
        Poll.Entry[] one = {new Poll.Entry(descriptor, events, null)};
        return DescriptorWatcher.watch(one, 1, task);
    }

    private static void within(Semaphore signal) throws InterruptedException {
        assertTrue(signal.tryAcquire(5, TimeUnit.SECONDS), "signalled within five seconds");
    }

    @Test
    void a_watch_fires_once_when_data_comes() throws Exception {
        Descriptor[] pair = Support.streams();
        AtomicInteger fired = new AtomicInteger();
        Semaphore signal = new Semaphore(0);
        DescriptorWatcher.Watch watch = watch(pair[0], Poll.IN, () -> {
            fired.incrementAndGet();
            signal.release();
        });
        assertEquals(1, watches());
        pair[1].write(new byte[2], 0, 2);
        within(signal);
        assertFalse(watch.cancel());
        assertEquals(0, watches());
        // a second watch fires at once, since the data is still there; the first does not again
        watch(pair[0], Poll.IN, signal::release);
        within(signal);
        assertEquals(1, fired.get());
        Support.closeAll(pair);
    }

    @Test
    void two_directions_of_one_descriptor_fire_separately() throws Exception {
        Descriptor[] pair = Support.streams();
        Semaphore in = new Semaphore(0);
        Semaphore out = new Semaphore(0);
        watch(pair[0], Poll.IN, in::release);
        watch(pair[0], Poll.OUT, out::release);
        within(out);
        assertFalse(in.tryAcquire());
        pair[1].write(new byte[1], 0, 1);
        within(in);
        Support.closeAll(pair);
    }

    @Test
    void a_cancelled_watch_does_not_fire() throws Exception {
        Descriptor[] pair = Support.streams();
        AtomicInteger cancelled = new AtomicInteger();
        Semaphore kept = new Semaphore(0);
        DescriptorWatcher.Watch watch =
                watch(pair[0], Poll.IN, cancelled::incrementAndGet);
        watch(pair[0], Poll.IN, kept::release);
        assertTrue(watch.cancel());
        assertFalse(watch.cancel());
        pair[1].write(new byte[1], 0, 1);
        within(kept);
        assertEquals(0, cancelled.get());
        Support.closeAll(pair);
    }

    @Test
    void closing_the_descriptor_fires_the_watch() throws Exception {
        Descriptor[] pair = Support.streams();
        Semaphore signal = new Semaphore(0);
        watch(pair[0], Poll.IN, signal::release);
        pair[0].close();
        within(signal);
        assertEquals(0, watches());
        watch(pair[0], Poll.IN, signal::release);
        within(signal);
        assertEquals(0, watches());
        pair[1].close();
    }

    @Test
    void a_recycled_number_is_watched_for_its_new_owner_only() throws Exception {
        for (int round = 0; round < 200; round++) {
            Descriptor[] old = Support.streams();
            AtomicInteger early = new AtomicInteger();
            watch(old[0], Poll.IN, () -> early.addAndGet(1));
            Support.closeAll(old);
            assertEquals(1, early.get());
            Descriptor[] fresh = Support.streams();
            Semaphore signal = new Semaphore(0);
            watch(fresh[0], Poll.IN, signal::release);
            fresh[1].write(new byte[1], 0, 1);
            within(signal);
            Support.closeAll(fresh);
        }
    }

    @Test
    void a_regular_file_is_ready_at_once(@TempDir Path directory) throws Exception {
        Path file = Files.writeString(directory.resolve("f"), "x");
        Descriptor descriptor = Descriptor.own(Numbers.open(file));
        Semaphore signal = new Semaphore(0);
        watch(descriptor, Poll.IN, signal::release);
        within(signal);
        assertEquals(0, watches());
        descriptor.close();
    }

    @Test
    void a_failing_task_does_not_end_the_thread() throws Exception {
        Descriptor[] pair = Support.streams();
        Semaphore reported = new Semaphore(0);
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, e) -> reported.release());
        try {
            watch(pair[0], Poll.OUT, () -> {
                throw new IllegalStateException("on purpose");
            });
            within(reported);
            Semaphore signal = new Semaphore(0);
            watch(pair[0], Poll.OUT, signal::release);
            within(signal);
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
        Support.closeAll(pair);
    }

    @Test
    void the_thread_goes_when_idle_and_comes_back() throws Exception {
        Descriptor[] pair = Support.streams();
        for (int round = 0; round < 2; round++) {
            Semaphore signal = new Semaphore(0);
            watch(pair[0], Poll.OUT, signal::release);
            within(signal);
            DescriptorWatcher.Watch never = watch(pair[0], Poll.IN, signal::release);
            assertTrue(Support.threadExists(THREAD));
            assertTrue(never.cancel());
            Support.eventually("the thread goes", () -> !Support.threadExists(THREAD));
        }
        Support.closeAll(pair);
    }

    /** More threads than may poll themselves, so that some wait for the thread of the watcher. */
    @Test
    void blocked_threads_need_no_descriptor_and_are_woken_one_by_one() throws Exception {
        Support.closeAll(Support.streams()); // opens what waiting needs
        int count = Blocking.MOST + 4;
        Descriptor[][] pairs = new Descriptor[count][];
        Thread[] threads = new Thread[count];
        Object[] results = new Object[count];
        for (int i = 0; i < count; i++) {
            pairs[i] = Support.streams();
        }
        int open = Descriptors.targets().size();
        for (int i = 0; i < count; i++) {
            int each = i;
            threads[i] = Support.start("blocked-" + i, () -> {
                try {
                    results[each] = pairs[each][0].await(Poll.IN, Long.MAX_VALUE);
                } catch (IOException e) {
                    results[each] = e.getClass();
                }
            });
        }
        for (Thread each : threads) {
            Support.untilIn(each, "await");
        }
        Support.eventually("all wait", () -> watches() == count);
        assertEquals(open, Descriptors.targets().size());
        for (int i = 0; i < count; i++) {
            if (i % 3 == 0) {
                pairs[i][0].close();
            } else if (i % 3 == 1) {
                threads[i].interrupt();
            } else {
                pairs[i][1].write(new byte[1], 0, 1);
            }
            Support.join(threads[i]);
            assertEquals(List.of(AsynchronousCloseException.class, InterruptedIOException.class,
                    Poll.IN).get(i % 3), results[i], "thread " + i);
            assertEquals(count - i - 1, watches(), "the others wait on");
            if (i == count / 2) {
                Cpu.assertIdle();
            }
        }
        for (Descriptor[] pair : pairs) {
            Support.closeAll(pair);
        }
    }

    private int watches() {
        return Support.watches() - before;
    }

    @Test
    void many_threads_watch_cancel_and_close() throws Exception {
        List<Thread> threads = new ArrayList<>();
        CountDownLatch failed = new CountDownLatch(1);
        for (int t = 0; t < 4; t++) {
            Random random = new Random(t);
            threads.add(Support.start("test-stress", () -> {
                try {
                    stress(random);
                } catch (IOException | InterruptedException | AssertionError e) {
                    e.printStackTrace();
                    failed.countDown();
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join(30_000);
            assertFalse(thread.isAlive());
        }
        assertEquals(1, failed.getCount());
        assertEquals(0, watches());
    }

    private static void stress(Random random)
            throws IOException, InterruptedException {
        for (int i = 0; i < 500; i++) {
            Descriptor[] pair = Support.streams();
            Semaphore signal = new Semaphore(0);
            DescriptorWatcher.Watch watch = watch(pair[0], Poll.IN, signal::release);
            switch (random.nextInt(3)) {
                case 0 -> {
                    pair[1].write(new byte[1], 0, 1);
                    within(signal);
                }
                case 1 -> assertTrue(watch.cancel());
                default -> {
                    pair[0].close();
                    within(signal);
                }
            }
            Support.closeAll(pair);
        }
    }
}
