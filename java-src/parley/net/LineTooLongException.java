package parley.net;

import java.io.IOException;

/**
 * A line is longer than the stream's limit. Nothing was consumed: the characters can be read in
 * other ways.
 *
 * <pre>{@code
 * try {
 *     stream.in().readLine();
 * } catch (LineTooLongException e) {
 *     stream.abort(); // the limit is StreamOptions.Builder.lineLimit
 * }
 * }</pre>
 */
public final class LineTooLongException extends IOException {
    private static final long serialVersionUID = 1L;

    LineTooLongException(int limit) {
        super(Errors.name("read-line") + ": no line end within " + limit + " characters, the limit of this stream;"
                + " raise the line limit or read in blocks, nothing was consumed");
    }
}
