package parley.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.Method;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.provider.ArgumentsSource;
import org.junit.jupiter.params.support.AnnotationConsumer;
import org.junit.jupiter.params.support.ParameterDeclarations;

/**
 * Runs a test method once for each cell of the matrix. Its first parameter is the {@link Case}. A
 * second parameter of an enum type multiplies the cells by its constants ({@link Selective}); but in
 * a usual run, each constant meets, on each kind of thread, the first kind of socket that makes
 * sense for it and one of the others, which the constants take in turns, each method from another
 * beginning. The nightly run has the whole product.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@ParameterizedTest(name = "[{arguments}]")
@ArgumentsSource(EveryCase.Matrix.class)
public @interface EveryCase {
    /**
     * The kinds of socket the case makes sense for. Empty means all channels, and {@link
     * Family#HANDLE} and those under TLS, too, in a class that is {@link OverHandlesToo}.
     */
    Family[] over() default {};

    /** The kinds of thread the case makes sense for. */
    Threads[] on() default {Threads.PLATFORM, Threads.VIRTUAL};

    /** An enum whose constants make sense in some cells of the matrix only. */
    interface Selective {
        /** Whether this constant is to be tried in {@code cell}. */
        boolean appliesTo(Case cell);
    }

    /**
     * Marks a class whose cases are about streams of any kind: cases that name no kinds of socket
     * run over {@link Family#HANDLE} and under TLS, too.
     */
    @Target(ElementType.TYPE)
    @Retention(RetentionPolicy.RUNTIME)
    @interface OverHandlesToo {
    }

    /**
     * Makes the cells: those that the annotation asks for and the machine can offer, times the
     * constants of the second parameter that apply to the cell.
     */
    final class Matrix implements ArgumentsProvider, AnnotationConsumer<EveryCase> {
        private static final Set<Family> CHANNELS =
                EnumSet.of(Family.TCP4, Family.TCP6, Family.UNIX);

        private Set<Family> families; // set once, before any use; empty means the usual ones
        private Set<Threads> threads; // set once, before any use

        @Override
        public void accept(EveryCase wanted) {
            families = Set.of(wanted.over());
            threads = Set.of(wanted.on());
        }

        @Override
        public Stream<? extends Arguments> provideArguments(
                ParameterDeclarations parameters, ExtensionContext context) {
            Set<Family> wanted = !families.isEmpty() ? families
                    : context.getRequiredTestClass().isAnnotationPresent(OverHandlesToo.class)
                            ? EnumSet.allOf(Family.class) : CHANNELS;
            List<Case> cells = Case.all()
                    .filter(cell -> wanted.contains(cell.family()))
                    .filter(cell -> threads.contains(cell.threads()))
                    .toList();
            Method method = context.getRequiredTestMethod();
            return method.getParameterCount() == 1 ? cells.stream().map(Arguments::of)
                    : Stream.of(method.getParameterTypes()[1].getEnumConstants())
                            .flatMap(each -> rows(cells, (Enum<?>) each, method));
        }

        private static Stream<Arguments> rows(List<Case> cells, Enum<?> constant, Method method) {
            return Stream.of(Threads.values()).flatMap(kind -> {
                List<Case> fitting = cells.stream().filter(cell -> cell.threads() == kind)
                        .filter(cell -> !(constant instanceof Selective some) || some.appliesTo(cell))
                        .toList();
                return chosen(fitting, constant.ordinal() + method.getName().hashCode()).stream();
            }).map(cell -> Arguments.of(cell, constant));
        }

        private static List<Case> chosen(List<Case> all, int turn) {
            return all.size() <= 2 || Race.Rounds.of(1, 2) == 2 ? all
                    : List.of(all.get(0), all.get(1 + Math.floorMod(turn, all.size() - 1)));
        }
    }
}
