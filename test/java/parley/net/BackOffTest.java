package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import parley.net.RetryTrigger.BackOff;

class BackOffTest {
    private final BackOff backOff = new BackOff();

    private List<Long> millis(int pauses) {
        return Stream.generate(backOff::next).limit(pauses).map(Duration::toMillis).toList();
    }

    @Test
    void pauses_grow_from_ten_milliseconds_to_a_second() {
        assertEquals(List.of(10L, 20L, 40L, 80L, 160L, 320L, 640L, 1000L, 1000L), millis(9));
    }

    @Test
    void after_a_reset_they_begin_again() {
        millis(5);
        backOff.reset();
        assertEquals(List.of(10L, 20L), millis(2));
    }

    @Test
    void only_what_others_may_give_back_is_exhaustion() {
        assertTrue(ErrorCode.isExhaustion(new IOException("Too many open files")));
        assertTrue(ErrorCode.isExhaustion(new IOException("Cannot allocate memory")));
        assertFalse(ErrorCode.isExhaustion(new IOException("Connection reset by peer")));
    }
}
