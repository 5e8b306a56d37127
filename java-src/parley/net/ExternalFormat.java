package parley.net;

import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Objects;

/**
 * Defines how characters become bytes and back (CLISP {@code EXT:ENCODING}): a charset, the line
 * terminator of output, and the actions for bytes that cannot be decoded and characters that cannot
 * be encoded. Immutable.
 *
 * <pre>{@code
 * ExternalFormat latin1 = ExternalFormat.of(StandardCharsets.ISO_8859_1)
 *         .withLineTerminator(ExternalFormat.LineTerminator.DOS)
 *         .withOutputErrorAction(ExternalFormat.CodingAction.replaceWith('?'));
 * stream.externalFormat(latin1);
 * }</pre>
 */
public final class ExternalFormat {
    /**
     * UTF-8, lines end with a line feed, errors are raised; whatever the platform's own charset.
     */
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
     */
    public static ExternalFormat of(Charset charset) {
        return DEFAULT.withCharset(charset);
    }

    /**
     * This format with another charset.
     *
     * @param charset any charset of the JDK
     */
    public ExternalFormat withCharset(Charset charset) {
        return new ExternalFormat(charset, lineTerminator, inputErrorAction, outputErrorAction);
    }

    /**
     * This format with another line terminator.
     *
     * @param terminator what a newline is written as
     */
    public ExternalFormat withLineTerminator(LineTerminator terminator) {
        return new ExternalFormat(charset, terminator, inputErrorAction, outputErrorAction);
    }

    /**
     * This format with another action for bytes that are no character.
     *
     * @param action what to do
     */
    public ExternalFormat withInputErrorAction(CodingAction action) {
        return new ExternalFormat(charset, lineTerminator, action, outputErrorAction);
    }

    /**
     * This format with another action for characters that have no bytes.
     *
     * @param action what to do
     */
    public ExternalFormat withOutputErrorAction(CodingAction action) {
        return new ExternalFormat(charset, lineTerminator, inputErrorAction, action);
    }

    /** {@return the charset} */
    public Charset charset() {
        return charset;
    }

    /** {@return the characters that a newline is written as} */
    public LineTerminator lineTerminator() {
        return lineTerminator;
    }

    /** {@return the action for bytes that are no character} */
    public CodingAction inputErrorAction() {
        return inputErrorAction;
    }

    /** {@return the action for characters without bytes} */
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

    /**
     * The bytes of a newline in output (CLISP {@code :UNIX}, {@code :DOS}, {@code :MAC}). Reading
     * takes all three, whatever is set here.
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

        /** {@return the characters that a newline becomes: one or two characters} */
        public String text() {
            return text;
        }
    }

    /** The action for bytes that are no character, or a character without bytes. Immutable. */
    public static final class CodingAction {
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

        /** {@return the replacement: -1 when the action is {@link #ERROR} or {@link #IGNORE}} */
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
            return replacement < 0 ? name : "replace with U+" + Integer.toHexString(replacement);
        }
    }

    /**
     * Bytes that are no character, or a character that has no bytes, in the external format of a
     * stream. Bad bytes count as read: the next read goes on behind them.
     *
     * <pre>{@code
     * try {
     *     stream.in().readLine();
     * } catch (ExternalFormat.CodingException e) {
     *     stream.in().readLine(); // goes on behind the bad bytes
     * }
     * }</pre>
     */
    public static final class CodingException extends CharacterCodingException {
        private static final long serialVersionUID = 1L;

        /** Describes the error and its position. */
        private final String message;
        /** Where it is. */
        private final long offset;

        CodingException(String message, long offset) {
            this.message = message;
            this.offset = offset;
        }

        /** An error for bytes that are no character, with a cure. */
        static CodingException malformed(byte[] bytes, int from, int length, long offset,
                Charset charset, String cure) {
            StringBuilder hex = new StringBuilder();
            for (int i = from; i < from + Math.min(length, 8); i++) {
                hex.append(String.format(Locale.ROOT, " %02X", bytes[i]));
            }
            return new CodingException(Errors.name("read") + ": the byte" + (length == 1 ? "" : "s") + hex
                    + " at offset " + offset + " of the stream " + (length == 1 ? "is" : "are")
                    + " no character in " + charset + "; " + cure, offset);
        }

        /**
         * Where it happened.
         *
         * @return how many bytes of the stream were read or written before
         */
        public long offset() {
            return offset;
        }

        @Override
        public String getMessage() {
            return message;
        }
    }
}
