package parley.testing.clojure;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.platform.engine.EngineDiscoveryRequest;
import org.junit.platform.engine.EngineExecutionListener;
import org.junit.platform.engine.ExecutionRequest;
import org.junit.platform.engine.TestDescriptor;
import org.junit.platform.engine.TestEngine;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.discovery.ClassSelector;
import org.junit.platform.engine.support.descriptor.EngineDescriptor;

/**
 * Runs clojure.test's deftests on the JUnit Platform, each under its own name: a namespace is a
 * container, a deftest is a test. What the tests mean (fixtures, assertions) is left to the
 * Clojure namespace {@code parley.testing.deftests}; this class speaks to JUnit.
 *
 * <p>Tests are found when {@link ClojureTests} is selected. The configuration parameter or system
 * property {@value #SELECTION} narrows them, see {@link Selection}. A var or namespace with
 * metadata {@code ^:nightly} carries the tag {@code nightly}, and so for any other flag.
 */
public final class ClojureTestEngine implements TestEngine {
    private static final String SELECTION = "parley.test";
    private static final String SOURCES = "test/clj";

    /** For the service loader of the JUnit Platform. */
    public ClojureTestEngine() {}

    @Override
    public String getId() {
        return "clojure-test";
    }

    @Override
    public TestDescriptor discover(EngineDiscoveryRequest request, UniqueId uniqueId) {
        EngineDescriptor engine = new EngineDescriptor(uniqueId, "clojure.test");
        if (request.getSelectorsByType(ClassSelector.class).stream()
                .anyMatch(s -> s.getClassName().equals(ClojureTests.class.getName()))) {
            String wish = request.getConfigurationParameters().get(SELECTION).orElse("");
            addTests(engine, new Selection(wish));
        }
        return engine;
    }

    private static void addTests(TestDescriptor engine, Selection selection) {
        for (String name : Deftest.namespacesUnder(SOURCES)) {
            if (selection.mayMatchIn(name)) {
                TestDescriptor namespace = namespace(engine.getUniqueId(), name, selection);
                if (!namespace.getChildren().isEmpty()) {
                    engine.addChild(namespace);
                }
            }
        }
        if (engine.getChildren().isEmpty() && !selection.isEverything()) {
            NamespaceDescriptor nothing = new NamespaceDescriptor(engine.getUniqueId(), SELECTION);
            nothing.addChild(new BrokenDescriptor(nothing, "selects-a-test", matchesNone(selection)));
            engine.addChild(nothing);
        }
    }

    private static Throwable matchesNone(Selection selection) {
        return new IllegalArgumentException(
                SELECTION + "=" + selection + ": no deftest under " + SOURCES
                        + " matches; name a namespace or namespace/deftest, * for any text");
    }

    private static TestDescriptor namespace(UniqueId engine, String name, Selection selection) {
        NamespaceDescriptor namespace = new NamespaceDescriptor(engine, name);
        LoadedNamespace loaded = LoadedNamespace.of(name);
        if (loaded.problem() != null) {
            namespace.addChild(new BrokenDescriptor(namespace, "loads", loaded.problem()));
        }
        loaded.tests().stream()
                .filter(deftest -> selection.matches(name, deftest.name()))
                .map(deftest -> new DeftestDescriptor(namespace.getUniqueId(), deftest))
                .forEach(namespace::addChild);
        return namespace;
    }

    @Override
    public void execute(ExecutionRequest request) {
        TestDescriptor engine = request.getRootTestDescriptor();
        EngineExecutionListener listener = request.getEngineExecutionListener();
        listener.executionStarted(engine);
        for (TestDescriptor namespace : engine.getChildren()) {
            listener.executionStarted(namespace);
            listener.executionFinished(namespace, run(namespace, listener));
        }
        listener.executionFinished(engine, TestExecutionResult.successful());
    }

    private static TestExecutionResult run(TestDescriptor namespace, EngineExecutionListener l) {
        Map<Deftest, TestDescriptor> tests = new LinkedHashMap<>();
        for (TestDescriptor child : namespace.getChildren()) {
            if (child instanceof DeftestDescriptor d) {
                tests.put(d.deftest(), d);
            } else if (child instanceof BrokenDescriptor d) {
                l.executionStarted(d);
                l.executionFinished(d, TestExecutionResult.failed(d.problem()));
            }
        }
        return tests.isEmpty() ? result(null) : result(Deftest.run(
                namespace.getDisplayName(),
                tests.keySet(),
                deftest -> l.executionStarted(tests.get(deftest)),
                (deftest, problem) -> l.executionFinished(tests.get(deftest), result(problem))));
    }

    private static TestExecutionResult result(Throwable problem) {
        return problem == null
                ? TestExecutionResult.successful()
                : TestExecutionResult.failed(problem);
    }
}
