package parley.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A case whose outcome hangs on who comes first: one pass proves little, so the Maven profile
 * {@code nightly} runs it a hundred times on end, and the system property {@value Rounds#PROPERTY}
 * as often as it says. Each round has the whole limit of {@link Watchdog}; what was left open is
 * looked for after the last one. The case must not use what {@code @BeforeEach} has made.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
public @interface Race {
    /** How often in a usual run. */
    int value() default 1;
}
