package parley.testing;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class FullStackTest {
    private int held;

    private void release(int depth) {
        if (depth > 0) {
            release(depth - 1);
        } else {
            held--;
        }
    }

    private void leaky() {
        held++;
        try {
            release(0);
            held++;
        } finally {
            release(20);
        }
    }

    private void sound() {
        held++;
        try {
            release(20);
            held++;
        } finally {
            held = 0;
        }
    }

    @Test
    void what_is_released_by_a_deep_call_is_found_and_what_by_a_write_is_not() throws Exception {
        AssertionError leak = assertThrows(AssertionError.class, () -> FullStack.probe(
                "leaky", this::leaky, () -> held == 0 ? null : "held"));
        assertTrue(leak.getMessage().startsWith("leaky leaves broken"), leak::getMessage);
        held = 0;
        FullStack.probe("sound", this::sound, () -> held == 0 ? null : "held");
    }
}
