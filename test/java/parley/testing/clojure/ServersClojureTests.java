package parley.testing.clojure;

/** Stands for the namespaces of {@code test/clj} about other servers and about channels; see {@link ClojureTests}. */
public final class ServersClojureTests {
    private ServersClojureTests() {}
}
