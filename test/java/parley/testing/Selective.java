package parley.testing;

/** An enum whose constants make sense in some cells of the matrix only. */
public interface Selective {
    /** Whether this constant is to be tried in {@code cell}. */
    boolean appliesTo(Case cell);
}
