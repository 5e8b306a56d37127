package parley.posix;

import org.junit.jupiter.api.Test;
import parley.testing.FullStack;
import parley.testing.Guarded;

/** The room on the stack that a lock makes sure of, whether or not the code is compiled. */
@Guarded
class StackSafeLockTest {
    private static final int CALLS = 20; // to take a lock, do short work and release it
    private static final int CALLS_TO_COMPILE = 20_000;

    private static volatile boolean broken;
    private static volatile long kept;

    @Test
    void reservedStackHasRoomForShortWork() throws InterruptedException {
        FullStack.probe("interpreted", StackSafeLockTest::work, () -> broken ? "overflow" : null);
        for (int i = 0; i < CALLS_TO_COMPILE; i++) {
            StackSafeLock.reserveStack();
        }
        FullStack.probe("compiled", StackSafeLockTest::work, () -> broken ? "overflow" : null);
    }

    private static void work() {
        StackSafeLock.reserveStack();
        broken = true;
        kept = nest(CALLS, 1, 2, 3, 4);
        broken = false;
    }

    private static long nest(int calls, long a, long b, long c, long d) {
        return calls == 0 ? a + b + c + d : a + nest(calls - 1, b + kept, c, d, a);
    }
}
