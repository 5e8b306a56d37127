package parley.testing.clojure;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
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
import parley.testing.Quiet;

/**
 * Runs clojure.test's deftests on the JUnit Platform, each under its own name: a namespace is a
 * container, a deftest is a test. What the tests mean (fixtures, assertions) is left to the
 * Clojure namespace {@code parley.testing.deftests}; this class speaks to JUnit.
 *
 * <p>Tests are found when {@link ClojureTests} or one of its parts is selected. The configuration
 * parameter or system property {@value #SELECTION} narrows them, see {@link Selection}. A var or
 * namespace with metadata {@code ^:nightly} carries the tag {@code nightly}, and so for any other
 * flag. A namespace is loaded when its tests begin.
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
        String wish = request.getConfigurationParameters().get(SELECTION).orElse("");
        for (ClassSelector selector : request.getSelectorsByType(ClassSelector.class)) {
            String part = ClojureTests.selection(selector.getClassName());
            if (part != null) {
                addTests(engine, part, new Selection(wish));
            }
        }
        return engine;
    }

    private static void addTests(TestDescriptor engine, String part, Selection wish) {
        Selection namespaces = new Selection(part);
        Deftest.sources(SOURCES).forEach((name, file) -> {
            if (namespaces.covers(name) && wish.mayMatchIn(name)) {
                TestDescriptor namespace = namespace(engine.getUniqueId(), name, file, wish);
                if (!namespace.getChildren().isEmpty()) {
                    engine.addChild(namespace);
                }
            }
        });
        if (part.isEmpty() && engine.getChildren().isEmpty() && !wish.isEverything()) {
            NamespaceDescriptor nothing =
                    new NamespaceDescriptor(engine.getUniqueId(), SELECTION, List.of());
            nothing.addChild(new BrokenDescriptor(nothing, "selects-a-test", matchesNone(wish)));
            engine.addChild(nothing);
        }
    }

    private static Throwable matchesNone(Selection selection) {
        return new IllegalArgumentException(
                SELECTION + "=" + selection + ": no deftest under " + SOURCES
                        + " matches; name a namespace or namespace/deftest, * for any text");
    }

    private static TestDescriptor namespace(
            UniqueId engine, String name, Path file, Selection wish) {
        List<Deftest> all = Deftest.in(name, file);
        NamespaceDescriptor namespace = new NamespaceDescriptor(engine, name, all);
        all.stream()
                .filter(deftest -> wish.matches(name, deftest.name()))
                .map(deftest -> new DeftestDescriptor(namespace.getUniqueId(), deftest))
                .forEach(namespace::addChild);
        return namespace;
    }

    @Override
    public void execute(ExecutionRequest request) {
        TestDescriptor engine = request.getRootTestDescriptor();
        EngineExecutionListener listener = request.getEngineExecutionListener();
        Quiet.check(); // begins to collect
        listener.executionStarted(engine);
        for (TestDescriptor child : engine.getChildren()) {
            NamespaceDescriptor namespace = (NamespaceDescriptor) child;
            listener.executionStarted(namespace);
            listener.executionFinished(namespace, run(namespace, listener));
        }
        listener.executionFinished(engine, TestExecutionResult.successful());
    }

    private static TestExecutionResult run(
            NamespaceDescriptor namespace, EngineExecutionListener l) {
        Map<Deftest, TestDescriptor> tests = new LinkedHashMap<>();
        for (TestDescriptor child : namespace.getChildren()) {
            if (child instanceof DeftestDescriptor d) {
                tests.put(d.deftest(), d);
            } else if (child instanceof BrokenDescriptor d) {
                l.executionStarted(d);
                l.executionFinished(d, TestExecutionResult.failed(d.problem()));
            }
        }
        Throwable failure = tests.isEmpty() ? null : Deftest.run(
                namespace.getDisplayName(),
                namespace.all(),
                tests.keySet(),
                deftest -> l.executionStarted(tests.get(deftest)),
                (deftest, problem) -> l.executionFinished(tests.get(deftest), result(problem)));
        return result(failure != null ? failure : logged());
    }

    private static Throwable logged() {
        try {
            Quiet.check();
            return null;
        } catch (AssertionError e) {
            return e;
        }
    }

    private static TestExecutionResult result(Throwable problem) {
        return problem == null
                ? TestExecutionResult.successful()
                : TestExecutionResult.failed(problem);
    }
}
