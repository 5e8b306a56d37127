package parley.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;

@Guarded
class WatchdogTest {
    @EveryCase
    void a_case_runs_on_a_thread_of_its_kind(Case cell) {
        assertEquals(cell.threads() == Threads.VIRTUAL, Threads.isVirtual(Thread.currentThread()));
    }

    @EveryCase(over = Family.TCP4)
    void a_case_that_hangs_is_interrupted_and_fails_with_all_stacks(Case cell) throws Exception {
        CountDownLatch interrupted = new CountDownLatch(1);
        AssertionError failure = assertThrows(AssertionError.class, () -> Watchdog.guard(() -> {
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                interrupted.countDown();
            }
            return null;
        }, cell.threads(), "a case", Duration.ofMillis(100)));
        interrupted.await();
        assertTrue(failure.getMessage().startsWith("a case was not done within PT0.1S"));
        assertTrue(failure.getMessage().contains("CountDownLatch.await"), failure.getMessage());
    }

    @EveryCase(over = Family.TCP4)
    void what_a_case_throws_comes_through_unchanged(Case cell) {
        IOException thrown = new IOException("as it is");
        IOException caught = assertThrows(IOException.class, () -> Watchdog.guard(() -> {
            throw thrown;
        }, cell.threads(), "a case", Duration.ofSeconds(10)));
        assertEquals(thrown, caught);
    }
}
