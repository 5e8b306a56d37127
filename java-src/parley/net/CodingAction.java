package parley.net;

/** What to do with bytes that are no character, or a character that has no bytes. Immutable. */
public final class CodingAction {
    /** Raise a {@link CodingException}. */
    public static final CodingAction ERROR = new CodingAction("error", -1);
    /** Pass over it as if it were not there. */
    public static final CodingAction IGNORE = new CodingAction("ignore", -1);

    private final String name;
    private final int replacement;

    private CodingAction(String name, int replacement) {
        this.name = name;
        this.replacement = replacement;
    }

    /**
     * Puts a character in its place.
     *
     * @param replacement any character but a surrogate
     * @return the action
     * @throws IllegalArgumentException if the replacement is a surrogate
     */
    public static CodingAction replaceWith(char replacement) {
        if (Character.isSurrogate(replacement)) {
            throw new IllegalArgumentException(Errors.name("replaceWith") + ": the replacement is the surrogate "
                    + Integer.toHexString(replacement) + ", expected a whole character");
        }
        return new CodingAction("replace", replacement);
    }

    /**
     * The replacement.
     *
     * @return a character, or -1 when the action is {@link #ERROR} or {@link #IGNORE}
     */
    public int replacement() {
        return replacement;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof CodingAction && ((CodingAction) other).name.equals(name)
                && ((CodingAction) other).replacement == replacement;
    }

    @Override
    public int hashCode() {
        return name.hashCode() + replacement;
    }

    @Override
    public String toString() {
        return replacement < 0 ? name : "replace with " + Errors.character(replacement);
    }
}
