package parley.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.Method;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Marks a suite of which no case may hang ({@link Watchdog}), leave anything open ({@link Leaks}) or
 * log a warning that nobody expects ({@link Quiet}).
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith({Quiet.class, Leaks.Check.class, Watchdog.class})
@DisplayNameGeneration(Guarded.Facts.class)
public @interface Guarded {

    /**
     * Reads the name of a test method as a sentence, with the conformance id it may begin with kept as
     * an id: {@code CL_1_close_wakes_a_reader} is shown as {@code CL-1 close wakes a reader}.
     */
    final class Facts extends DisplayNameGenerator.Standard {
        private static final Pattern ID = Pattern.compile("^([A-Z]+) (\\d+) ");

        @Override
        public String generateDisplayNameForMethod(
                List<Class<?>> enclosing, Class<?> suite, Method method) {
            return ID.matcher(method.getName().replace('_', ' ')).replaceFirst("$1-$2 ");
        }
    }
}
