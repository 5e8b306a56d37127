package parley.testing.clojure;

/** Stands for the namespaces of {@code test/clj} about servers and channels; see {@link ClojureTests}. */
public final class ServersClojureTests {
    private ServersClojureTests() {}
}
