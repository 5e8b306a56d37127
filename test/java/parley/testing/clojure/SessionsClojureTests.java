package parley.testing.clojure;

/** Stands for the namespaces of {@code test/clj} about socket REPLs; see {@link ClojureTests}. */
public final class SessionsClojureTests {
    private SessionsClojureTests() {}
}
