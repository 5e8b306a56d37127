package parley.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;

@Guarded
class SeedsTest {
    @Test
    void a_failure_names_the_seed() {
        AssertionError failure = assertThrows(AssertionError.class, () -> Seeds.with(random -> {
            throw new IOException("wrong");
        }));
        assertEquals("wrong (again with -Dparley.test.seed="
                + Seeds.of(SeedsTest.class.getName())[0] + ")", failure.getMessage());
    }

    @Test
    void a_usual_run_takes_fixed_seeds_and_those_that_ever_failed() {
        assumeTrue(!Boolean.getBoolean("parley.test.fresh")
                && Long.getLong("parley.test.seed") == null);
        assertArrayEquals(new long[] {1}, Seeds.of("a suite that never failed"));
        assertArrayEquals(new long[] {1, 329643319454L}, Seeds.of("parley.net.DecodingTest"));
    }
}
