package parley.testing;

import java.lang.reflect.Method;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.support.AnnotationConsumer;
import org.junit.jupiter.params.support.ParameterDeclarations;

/**
 * Gives {@link EveryCase} its cells: what the annotation asks for and the machine can offer. A
 * method with a second parameter, of an enum type, gets every constant of it in every cell, but for
 * those that decline the cell.
 */
final class Matrix implements ArgumentsProvider, AnnotationConsumer<EveryCase> {
    private static final Set<Family> CHANNELS =
            EnumSet.of(Family.TCP4, Family.TCP6, Family.UNIX);

    private Set<Family> families; // set once, before any use; empty where nothing was told
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
        return Case.all()
                .filter(cell -> wanted.contains(cell.family()))
                .filter(cell -> threads.contains(cell.threads()))
                .flatMap(cell -> rows(cell, context.getRequiredTestMethod()));
    }

    private static Stream<Arguments> rows(Case cell, Method method) {
        if (method.getParameterCount() == 1) {
            return Stream.of(Arguments.of(cell));
        }
        return Stream.of(method.getParameterTypes()[1].getEnumConstants())
                .filter(each -> !(each instanceof Selective some) || some.appliesTo(cell))
                .map(each -> Arguments.of(cell, each));
    }
}
