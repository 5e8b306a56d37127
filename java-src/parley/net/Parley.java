package parley.net;

/**
 * The library as a whole.
 *
 * <pre>{@code
 * System.out.println("Parley " + Parley.version()); // Parley 0.1.0
 * }</pre>
 */
public final class Parley {
    // In the sources, so that every build has it: pom.xml states the same, which a test compares.
    private static final String VERSION = "0.1.0-SNAPSHOT";

    private Parley() {
    }

    /** {@return the version of the library that runs, such as {@code 0.1.0}} */
    public static String version() {
        return VERSION;
    }
}
