package parley.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import org.junit.jupiter.api.extension.InvocationInterceptor.Invocation;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;

/**
 * Marks a case whose outcome depends on which thread comes first. One pass proves little, so the
 * Maven profile {@code nightly} runs the case a hundred times, and the system property {@value
 * Rounds#PROPERTY} sets another number. Each round has the whole limit of {@link Watchdog}. Leaks
 * are looked for after the last round. The case must not use what {@code @BeforeEach} has made.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
public @interface Race {
    /** How often in a usual run. */
    int value() default 1;

    /** How often a {@link Race} is run, and how it is run again. */
    final class Rounds {
        static final String PROPERTY = "parley.races";

        /** Runs one round. */
        interface Runner {
            void run(Invocation<Void> round, String name) throws Throwable;
        }

        private Rounds() {
        }

        /**
         * How often to repeat a race that a test repeats by itself.
         *
         * @param usual how often in a usual run
         * @return more, if {@value #PROPERTY} asks for it
         */
        public static int of(int usual) {
            return Math.max(usual, Integer.getInteger(PROPERTY, 1));
        }

        /**
         * How often to repeat what costs much.
         *
         * @return {@code nightly} in the run of that profile, else {@code usual}
         */
        public static int of(int usual, int nightly) {
            return Integer.getInteger(PROPERTY, 1) > 1 ? nightly : usual;
        }

        static int of(Method method) {
            Race race = method.getAnnotation(Race.class);
            return race == null ? 1 : of(race.value());
        }

        /** Hands every round of a case to the runner, up to the first one that fails. */
        static void each(Invocation<Void> first, ReflectiveInvocationContext<Method> method,
                String name, Runner runner) throws Throwable {
            int rounds = of(method.getExecutable());
            if (rounds == 1) {
                runner.run(first, name);
                return;
            }
            for (int round = 1; round <= rounds; round++) {
                String title = name + ", round " + round + " of " + rounds;
                try {
                    runner.run(round == 1 ? first : () -> again(method), title);
                } catch (AssertionError e) {
                    throw new AssertionError(title + ": " + e.getMessage(), e);
                }
            }
        }

        private static Void again(ReflectiveInvocationContext<Method> context) throws Throwable {
            Method method = context.getExecutable();
            method.setAccessible(true);
            try {
                method.invoke(context.getTarget().orElse(null), context.getArguments().toArray());
                return null;
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }
    }
}
