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
 * second parameter of an enum type multiplies the cells by its constants ({@link Selective}). The
 * nightly run has the whole product. A usual run has the first kind of socket that makes sense on
 * each kind of thread, and the others on the kinds of thread in turns; each constant meets the first
 * and one of the others, again in turns. Each method begins its turns elsewhere.
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
        private static final boolean WHOLE = Race.Rounds.of(1, 2) == 2;

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
            int turn = method.getName().hashCode();
            return method.getParameterCount() == 1
                    ? inTurns(cells, turn).map(Arguments::of)
                    : Stream.of(method.getParameterTypes()[1].getEnumConstants())
                            .flatMap(each -> rows(cells, (Enum<?>) each, turn));
        }

        private static Stream<Arguments> rows(List<Case> cells, Enum<?> constant, int begin) {
            List<Case> fitting = cells.stream()
                    .filter(cell -> !(constant instanceof Selective some) || some.appliesTo(cell))
                    .toList();
            List<Family> kinds = kindsOf(fitting);
            int others = kinds.size() - 1;
            int turn = constant.ordinal() + begin;
            List<Family> met = WHOLE || others < 1 ? kinds
                    : List.of(kinds.get(0), kinds.get(1 + Math.floorMod(turn, others)));
            return inTurns(fitting, Math.floorDiv(turn, Math.max(1, others)))
                    .filter(cell -> met.contains(cell.family()))
                    .map(cell -> Arguments.of(cell, constant));
        }

        /** The first kind of socket on all kinds of thread, each of the others on one. */
        private static Stream<Case> inTurns(List<Case> cells, int turn) {
            List<Family> kinds = kindsOf(cells);
            List<Threads> on = cells.stream().map(Case::threads).distinct().toList();
            return cells.stream().filter(cell -> {
                int place = kinds.indexOf(cell.family());
                return WHOLE || place == 0
                        || cell.threads() == on.get(Math.floorMod(place + turn, on.size()));
            });
        }

        private static List<Family> kindsOf(List<Case> cells) {
            return cells.stream().map(Case::family).distinct().toList();
        }
    }
}
