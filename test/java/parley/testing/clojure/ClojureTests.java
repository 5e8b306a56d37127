package parley.testing.clojure;

/**
 * Stands for all of {@code test/clj} in a run of the JUnit Platform: whoever selects this class
 * selects the Clojure tests, which {@link ClojureTestEngine} finds. It has no members, because
 * build tools select tests by class and a namespace is none.
 */
public final class ClojureTests {
    private ClojureTests() {}
}
