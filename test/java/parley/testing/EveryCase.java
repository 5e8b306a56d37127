package parley.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ArgumentsSource;

/**
 * Runs a test method, which takes a {@link Case}, once for each cell of the matrix; a second
 * parameter of an enum type multiplies the cells by its constants ({@link Selective}).
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@ParameterizedTest(name = "[{arguments}]")
@ArgumentsSource(Matrix.class)
public @interface EveryCase {
    /**
     * The kinds of socket the case makes sense for; where it does not tell, all channels, and
     * {@link Family#HANDLE} and those under TLS too in a class that is {@link OverHandlesToo}.
     */
    Family[] over() default {};

    /** The kinds of thread the case makes sense for; all, unless told. */
    Threads[] on() default {Threads.PLATFORM, Threads.VIRTUAL};
}
