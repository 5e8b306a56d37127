package parley.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.extension.DynamicTestInvocationContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import org.junit.platform.commons.support.AnnotationSupport;

/**
 * Runs each case on a thread of its own (of the kind its {@link Case} names) and gives it three
 * minutes, or the limit of its {@link Within}. Repeats a {@link Race}. A case that is not done by
 * then is interrupted and fails with a dump of all threads.
 */
public final class Watchdog implements InvocationInterceptor {
    private static final Duration LIMIT = Duration.ofMinutes(3);

    @Override
    public void interceptTestMethod(Invocation<Void> invocation,
            ReflectiveInvocationContext<Method> method, ExtensionContext context) throws Throwable {
        rounds(invocation, Threads.PLATFORM, method, context.getDisplayName(), context);
    }

    @Override
    public void interceptTestTemplateMethod(Invocation<Void> invocation,
            ReflectiveInvocationContext<Method> method, ExtensionContext context) throws Throwable {
        String template = context.getParent().map(ExtensionContext::getDisplayName).orElse("");
        rounds(invocation, kind(method.getArguments()), method,
                template + " " + context.getDisplayName(), context);
    }

    @Override
    public void interceptDynamicTest(Invocation<Void> invocation,
            DynamicTestInvocationContext test, ExtensionContext context) throws Throwable {
        guard(invocation, Threads.PLATFORM, context.getDisplayName(), limit(context));
    }

    private static void rounds(Invocation<Void> invocation, Threads kind,
            ReflectiveInvocationContext<Method> method, String title, ExtensionContext context)
            throws Throwable {
        Race.Rounds.each(invocation, method, title,
                (round, name) -> guard(round, kind, name, limit(context)));
    }

    private static Threads kind(List<Object> arguments) {
        return arguments.stream().filter(Case.class::isInstance).map(Case.class::cast)
                .map(Case::threads).findFirst().orElse(Threads.PLATFORM);
    }

    static void guard(Invocation<Void> invocation, Threads kind, String name, Duration limit)
            throws Throwable {
        Task<Object> body = kind.start("case", () -> proceed(invocation));
        if (!body.ended(limit)) {
            String dump = Stacks.all();
            body.interrupt();
            throw new AssertionError(name + " was not done within " + limit
                    + "; all threads:\n" + dump);
        }
        if (body.await() instanceof Throwable failure) {
            throw failure;
        }
    }

    /** What the case threw, returned, since a Callable may not throw every Throwable. */
    private static Object proceed(Invocation<Void> invocation) {
        try {
            return invocation.proceed();
        } catch (Throwable t) {
            return t;
        }
    }

    private static Duration limit(ExtensionContext context) {
        return AnnotationSupport.findAnnotation(context.getElement(), Within.class)
                .or(() -> AnnotationSupport.findAnnotation(context.getTestClass(), Within.class))
                .map(within -> Duration.ofSeconds(within.seconds()))
                .orElse(LIMIT);
    }

    /** Gives a case, or each case of a suite, another limit than the {@link Watchdog}'s own. */
    @Target({ElementType.METHOD, ElementType.TYPE})
    @Retention(RetentionPolicy.RUNTIME)
    public @interface Within {
        /** The limit in seconds. */
        int seconds();
    }
}
