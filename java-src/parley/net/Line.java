package parley.net;

/**
 * A line and how it ended (the two values of Common Lisp's {@code READ-LINE}).
 *
 * @param text the line without its end
 * @param missingNewline true when the end of the input ended it
 */
public record Line(String text, boolean missingNewline) {
}
