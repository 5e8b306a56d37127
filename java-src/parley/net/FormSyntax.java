package parley.net;

/**
 * Reads and prints forms of EDN.
 *
 * @param <T> the forms
 */
public interface FormSyntax<T> {
    /**
     * Reads one form; must not evaluate anything.
     *
     * @param text a form, perhaps behind comments and forms to ignore
     * @return the form, not null
     * @throws Exception if the text is malformed
     */
    T read(String text) throws Exception;

    /**
     * Prints one form.
     *
     * @param form not null
     * @return text that reads as the form
     */
    String print(T form);
}
