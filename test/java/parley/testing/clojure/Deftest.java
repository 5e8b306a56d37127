package parley.testing.clojure;

import static java.util.stream.Collectors.toUnmodifiableSet;

import clojure.java.api.Clojure;
import clojure.lang.IFn;
import clojure.lang.Symbol;
import clojure.lang.Var;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.junit.platform.engine.TestTag;

/**
 * A test of clojure.test, as the namespace {@code parley.testing.deftests} tells of it.
 *
 * @param var what to run
 * @param tags the flags among the metadata of the var and its namespace
 */
record Deftest(Var var, Set<TestTag> tags) {
    private static final String SUPPORT = "parley.testing.deftests";

    String namespace() {
        return var.ns.getName().getName();
    }

    String name() {
        return var.sym.getName();
    }

    /** The names of all namespaces with sources in a directory, sorted. */
    static List<String> namespacesUnder(String directory) {
        return strings(support("namespaces-under").invoke(directory));
    }

    /** Loads a namespace and gives its tests in the order of the file. */
    static List<Deftest> in(String namespace) {
        return vars(support("deftests-in").invoke(Symbol.intern(namespace))).stream()
                .map(v -> new Deftest(v, tags(v)))
                .toList();
    }

    /**
     * Runs tests of one namespace within its fixtures, in the calling thread.
     *
     * @param started told of each test when it begins
     * @param finished told of each test when it ends, and why it failed or null
     * @return what the fixtures threw after the tests, or null
     */
    static Throwable run(
            String namespace,
            Collection<Deftest> tests,
            Consumer<Deftest> started,
            BiConsumer<Deftest, Throwable> finished) {
        Map<Var, Deftest> byVar = new LinkedHashMap<>();
        tests.forEach(test -> byVar.put(test.var(), test));
        Consumer<Var> began = v -> started.accept(byVar.get(v));
        BiConsumer<Var, Throwable> ended = (v, why) -> finished.accept(byVar.get(v), why);
        return (Throwable) support("run").invoke(
                Symbol.intern(namespace), List.copyOf(byVar.keySet()), began, ended);
    }

    private static Set<TestTag> tags(Var v) {
        return strings(support("tags").invoke(v)).stream()
                .filter(TestTag::isValid)
                .map(TestTag::create)
                .collect(toUnmodifiableSet());
    }

    private static IFn support(String name) {
        Clojure.var("clojure.core", "require").invoke(Symbol.intern(SUPPORT));
        return Clojure.var(SUPPORT, name);
    }

    private static List<String> strings(Object collection) {
        return ((Collection<?>) collection).stream().map(String.class::cast).toList();
    }

    private static List<Var> vars(Object collection) {
        return ((Collection<?>) collection).stream().map(Var.class::cast).toList();
    }
}
