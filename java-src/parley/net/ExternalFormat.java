package parley.net;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * How characters become bytes and back (CLISP {@code EXT:ENCODING}): a charset, the line terminator
 * for output, and what to do about what cannot be decoded or encoded. Immutable.
 */
public final class ExternalFormat {
    /** UTF-8, lines end with a line feed, errors are raised; whatever the platform's own charset. */
    public static final ExternalFormat DEFAULT = new ExternalFormat(StandardCharsets.UTF_8,
            LineTerminator.UNIX, CodingAction.ERROR, CodingAction.ERROR);

    private static final String NAME = "external format";

    private final Charset charset;
    private final LineTerminator lineTerminator;
    private final CodingAction inputErrorAction;
    private final CodingAction outputErrorAction;

    private ExternalFormat(Charset charset, LineTerminator lineTerminator,
            CodingAction inputErrorAction, CodingAction outputErrorAction) {
        this.charset = Errors.need(NAME, "the charset", charset, "a Charset");
        this.lineTerminator =
                Errors.need(NAME, "the line terminator", lineTerminator, "a LineTerminator");
        this.inputErrorAction =
                Errors.need(NAME, "the input error action", inputErrorAction, "a CodingAction");
        this.outputErrorAction =
                Errors.need(NAME, "the output error action", outputErrorAction, "a CodingAction");
    }

    /**
     * The default with another charset.
     *
     * @param charset any charset of the JDK
     * @return the format
     */
    public static ExternalFormat of(Charset charset) {
        return DEFAULT.withCharset(charset);
    }

    /**
     * This format with another charset.
     *
     * @param charset any charset of the JDK
     * @return the format
     */
    public ExternalFormat withCharset(Charset charset) {
        return new ExternalFormat(charset, lineTerminator, inputErrorAction, outputErrorAction);
    }

    /**
     * This format with another line terminator.
     *
     * @param terminator what a newline is written as
     * @return the format
     */
    public ExternalFormat withLineTerminator(LineTerminator terminator) {
        return new ExternalFormat(charset, terminator, inputErrorAction, outputErrorAction);
    }

    /**
     * This format with another action for bytes that are no character.
     *
     * @param action what to do
     * @return the format
     */
    public ExternalFormat withInputErrorAction(CodingAction action) {
        return new ExternalFormat(charset, lineTerminator, action, outputErrorAction);
    }

    /**
     * This format with another action for characters that have no bytes.
     *
     * @param action what to do
     * @return the format
     */
    public ExternalFormat withOutputErrorAction(CodingAction action) {
        return new ExternalFormat(charset, lineTerminator, inputErrorAction, action);
    }

    /**
     * The charset.
     *
     * @return never null
     */
    public Charset charset() {
        return charset;
    }

    /**
     * What a newline is written as.
     *
     * @return never null
     */
    public LineTerminator lineTerminator() {
        return lineTerminator;
    }

    /**
     * What is done about bytes that are no character.
     *
     * @return never null
     */
    public CodingAction inputErrorAction() {
        return inputErrorAction;
    }

    /**
     * What is done about characters that have no bytes.
     *
     * @return never null
     */
    public CodingAction outputErrorAction() {
        return outputErrorAction;
    }

    @Override
    public boolean equals(Object other) {
        if (!(other instanceof ExternalFormat)) {
            return false;
        }
        ExternalFormat that = (ExternalFormat) other;
        return charset.equals(that.charset) && lineTerminator == that.lineTerminator
                && inputErrorAction.equals(that.inputErrorAction)
                && outputErrorAction.equals(that.outputErrorAction);
    }

    @Override
    public int hashCode() {
        return Objects.hash(charset, lineTerminator, inputErrorAction, outputErrorAction);
    }

    @Override
    public String toString() {
        return charset + " " + lineTerminator + " (input: " + inputErrorAction + ", output: "
                + outputErrorAction + ")";
    }
}
