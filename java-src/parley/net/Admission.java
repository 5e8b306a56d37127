package parley.net;

import java.io.IOException;
import java.time.Duration;

/**
 * Decides which connections are served, before they have a thread. All methods are called on the
 * accepting thread, one at a time, and must not block: they take from the stream only what has
 * come.
 *
 * <pre>{@code
 * public Admission.Verdict arrived(Connection connection) {
 *     return isKnown(connection.peer()) ? Admission.Verdict.ADMIT
 *             : Admission.Verdict.refuse("unknown", "the address is not in the list");
 * }
 * }</pre>
 */
public interface Admission {
    /**
     * Looks at a new connection.
     *
     * @param connection its stream is open, and nothing was read from it
     * @return what to do with it
     * @throws IOException if the connection fails; it is refused
     */
    Verdict arrived(Connection connection) throws IOException;

    /**
     * Looks at a waiting connection of which something can be read, the end of file included. It
     * must take what it waits for, or decide; what is left unread is reported again at once.
     *
     * @param connection one that waits
     * @return what to do with it
     * @throws IOException if the connection fails; it is refused
     */
    Verdict readable(Connection connection) throws IOException;

    /**
     * Looks at a waiting connection whose time has passed.
     *
     * @param connection one that waits
     * @return what to do with it
     */
    Verdict late(Connection connection);

    /**
     * The decision of an {@link Admission}.
     *
     * @param event null to admit or to wait, else the kind of the event of the refusal
     * @param reason of a refusal, for people
     * @param within how long a connection may wait, null for ever; counts from the first time that
     *     the verdict is to wait
     */
    public record Verdict(String event, String reason, Duration within) {
        /** Starts the handler. */
        public static final Verdict ADMIT = new Verdict(null, "", null);

        /**
         * Lets a connection wait for input.
         *
         * @param within how long; null for ever
         * @return the verdict
         */
        public static Verdict waitFor(Duration within) {
            return new Verdict(null, null, within);
        }

        /**
         * Closes a connection; nothing is sent.
         *
         * @param event the kind of the event, such as {@code "refused"}
         * @param reason for people
         * @return the verdict
         */
        public static Verdict refuse(String event, String reason) {
            return new Verdict(Errors.need("refuse", "the event", event, "a kind of event"),
                    reason, null);
        }

        boolean isAdmit() {
            return event == null && reason != null;
        }

        boolean isWait() {
            return event == null && reason == null;
        }
    }
}
