package parley.testing;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

@Guarded
class TimingTest {
    private static final int SPINNERS = 8; // so that a busy machine runs some of them

    @Test
    void too_early_is_strict_and_too_late_is_loose() {
        Timing timing = Timing.start();
        Await.pass(Duration.ofMillis(50));
        timing.tookAbout(Duration.ofMillis(50));
        timing.tookAtMost(Duration.ofMillis(1));
        AssertionError early = assertThrows(AssertionError.class,
                () -> timing.tookAbout(Duration.ofSeconds(30)));
        assertTrue(early.getMessage().startsWith("too early"), early.getMessage());
    }

    @Test
    void a_process_that_waits_is_idle_and_one_that_spins_is_not() throws Exception {
        assumeTrue(Cpu.measurable());
        Cpu.assertIdle();
        AtomicBoolean on = new AtomicBoolean(true);
        List<Task<Void>> spinners = new ArrayList<>();
        for (int i = 0; i < SPINNERS; i++) {
            spinners.add(Threads.PLATFORM.start("spinner", () -> {
                while (on.get()) {
                    Thread.onSpinWait();
                }
                return null;
            }));
        }
        AssertionError busy;
        try {
            busy = assertThrows(AssertionError.class,
                    () -> Cpu.assertIdle(Duration.ofMillis(300)));
        } finally {
            on.set(false);
            for (Task<Void> each : spinners) {
                each.await();
            }
        }
        assertTrue(busy.getMessage().startsWith("not idle"), busy.getMessage());
    }
}
