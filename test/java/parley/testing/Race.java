package parley.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A case whose outcome hangs on who comes first: one pass proves little, so it is run several times
 * on end, each time with the whole limit of {@link Watchdog}; what was left open is looked for after
 * the last one. The system property {@value Rounds#PROPERTY} asks for more, as the Maven profile
 * {@code nightly} does, with 100. The case must not use what {@code @BeforeEach} has made.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
public @interface Race {
    /** How often in a usual run. */
    int value() default 3;
}
