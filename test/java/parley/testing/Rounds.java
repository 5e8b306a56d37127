package parley.testing;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import org.junit.jupiter.api.extension.InvocationInterceptor.Invocation;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;

/** How often a {@link Race} is run, and how it is run again. */
public final class Rounds {
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
