package parley.testing.clojure;

/** Stands for the other namespaces of {@code test/clj}; see {@link ClojureTests}. */
public final class OtherClojureTests {
    private OtherClojureTests() {}
}
