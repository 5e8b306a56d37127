package parley.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Method;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Race.Rounds;

/** H5: races are repeated. */
@Guarded
@OverHandlesToo
class RaceTest {
    private static final AtomicInteger PLAIN = new AtomicInteger();
    private static final Map<Case, Integer> OF_CASES = new ConcurrentHashMap<>();
    private final AtomicInteger fragile = new AtomicInteger();

    @AfterAll
    static void each_race_has_had_its_rounds() {
        assertEquals(Rounds.of(5), PLAIN.get());
        assertEquals(Set.of(Rounds.of(4)), Set.copyOf(OF_CASES.values()));
        long sockets = Case.all().map(Case::family).distinct().count();
        long threads = Case.all().map(Case::threads).distinct().count();
        assertEquals(Rounds.of(1, 2) == 2 ? sockets * threads : threads + sockets - 1,
                OF_CASES.size(), "the first kind of socket on each kind of thread, others in turns");
    }

    @Race(5)
    @Test
    void a_race_is_repeated() {
        PLAIN.incrementAndGet();
    }

    @Race(4)
    @EveryCase
    void a_race_is_repeated_in_every_case_on_a_thread_of_its_kind(Case cell) {
        assertEquals(cell.threads() == Threads.VIRTUAL, Threads.isVirtual(Thread.currentThread()));
        OF_CASES.merge(cell, 1, Integer::sum);
    }

    @Test
    void the_nightly_run_asks_for_a_hundred_rounds_and_never_for_fewer() {
        String before = System.setProperty(Rounds.PROPERTY, "100");
        try {
            assertEquals(List.of(100, 200), List.of(Rounds.of(3), Rounds.of(200)));
        } finally {
            if (before == null) {
                System.clearProperty(Rounds.PROPERTY);
            } else {
                System.setProperty(Rounds.PROPERTY, before);
            }
        }
    }

    @Race(3)
    void fails_in_the_second_round() {
        assertTrue(fragile.incrementAndGet() < 2, "lost");
    }

    @Test
    void the_round_that_fails_is_named() throws Exception {
        AssertionError failure = assertThrows(AssertionError.class, () -> Rounds.each(() -> {
            fails_in_the_second_round();
            return null;
        }, context("fails_in_the_second_round"), "a race", (round, name) -> round.proceed()));
        assertEquals("a race, round 2 of " + Rounds.of(3) + ": lost ==> expected: <true> but was:"
                + " <false>", failure.getMessage());
        assertEquals(2, fragile.get());
    }

    private ReflectiveInvocationContext<Method> context(String name) throws Exception {
        Method method = RaceTest.class.getDeclaredMethod(name);
        return new ReflectiveInvocationContext<>() {
            @Override
            public Class<?> getTargetClass() {
                return RaceTest.class;
            }

            @Override
            public Optional<Object> getTarget() {
                return Optional.of(RaceTest.this);
            }

            @Override
            public Method getExecutable() {
                return method;
            }

            @Override
            public List<Object> getArguments() {
                return List.of();
            }
        };
    }
}
