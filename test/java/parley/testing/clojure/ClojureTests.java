package parley.testing.clojure;

/**
 * Stands for all of {@code test/clj} in a run of the JUnit Platform: whoever selects this class
 * selects the Clojure tests, which {@link ClojureTestEngine} finds. It has no tests of its own,
 * because build tools select tests by class and a namespace is none. {@link SessionsClojureTests},
 * {@link ServersClojureTests} and {@link OtherClojureTests} are its parts, so that processes can
 * share the work.
 */
public final class ClojureTests {
    private static final String SESSIONS = "parley.repl*";
    private static final String SERVERS =
            "parley.server*,parley.http*,parley.incumbents*,parley.tls*,parley.async*,parley.nrepl*";

    private ClojureTests() {}

    /** The namespaces for which a class stands, as {@link Selection} reads them, or null. */
    static String selection(String className) {
        if (className.equals(SessionsClojureTests.class.getName())) {
            return SESSIONS;
        } else if (className.equals(ServersClojureTests.class.getName())) {
            return SERVERS;
        } else if (className.equals(OtherClojureTests.class.getName())) {
            return "!" + (SESSIONS + "," + SERVERS).replace(",", ",!");
        }
        return className.equals(ClojureTests.class.getName()) ? "" : null;
    }
}
