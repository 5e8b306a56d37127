package parley.net;

/**
 * How a newline is written (CLISP {@code :UNIX}, {@code :DOS}, {@code :MAC}). Reading takes all
 * three, whatever is set here.
 */
public enum LineTerminator {
    /** A line feed. */
    UNIX("\n"),
    /** A carriage return and a line feed, as most Internet protocols want. */
    DOS("\r\n"),
    /** A carriage return. */
    MAC("\r");

    private final String text;

    LineTerminator(String text) {
        this.text = text;
    }

    /**
     * The characters that a newline becomes.
     *
     * @return one or two characters
     */
    public String text() {
        return text;
    }
}
