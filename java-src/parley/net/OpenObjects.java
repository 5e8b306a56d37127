package parley.net;

import java.io.IOException;
import java.net.SocketAddress;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * Lists the streams and servers that are open in this process. The list holds them weakly, so it
 * keeps nothing open. It costs nothing per operation.
 *
 * <pre>{@code
 * OpenObjects.trace(true);
 * for (OpenObjects.Entry each : OpenObjects.list()) {
 *     System.out.println(each); // kind, addresses, state, thread, bytes
 * }
 * }</pre>
 */
public final class OpenObjects {
    /**
     * Describes a stream or a server at one moment.
     *
     * @param object the stream or the server
     * @param kind {@code "socket-stream"} or {@code "socket-server"}
     * @param local the address of this end, or null
     * @param peer the address of the other end, or null
     * @param state {@code "open"}, {@code "connecting"}, {@code "failed"} (to connect),
     *     {@code "broken"} or {@code "closed"}
     * @param since when it was opened
     * @param openedBy the name of the thread that opened it
     * @param bytesIn bytes read from the system; 0 for a server
     * @param bytesOut bytes that the system has taken; 0 for a server
     * @param waits the calls that wait for it
     * @param openedAt the stack when it was opened, or null unless that is traced
     */
    public record Entry(Pollable object, String kind, SocketAddress local, SocketAddress peer,
            String state, Instant since, String openedBy, long bytesIn, long bytesOut,
            List<Wait> waits, Throwable openedAt) {
    }

    /**
     * Describes a call that waits.
     *
     * @param operation what was called, such as {@code "read-line"}
     * @param thread the name of the thread that waits
     */
    public record Wait(String operation, String thread) {
    }

    private OpenObjects() {
    }

    /**
     * Describes every open stream and server, the oldest first.
     *
     * @return a new list
     */
    public static List<Entry> list() {
        List<Entry> entries = new ArrayList<>();
        for (LeakDetector.Guard each : LeakDetector.guards()) {
            Object owner = each.get();
            if (owner instanceof SocketStream && ((SocketStream) owner).isOpen()) {
                entries.add(ofStream((SocketStream) owner, each));
            } else if (owner instanceof SocketServer && ((SocketServer) owner).isOpen()) {
                entries.add(ofServer((SocketServer) owner, each));
            }
        }
        return entries;
    }

    /**
     * Describes one stream or server, also once closed.
     *
     * @param object a stream or a server
     * @return what is known of it now
     * @throws IllegalArgumentException if it is neither
     */
    public static Entry of(Pollable object) {
        if (object instanceof SocketStream) {
            return ofStream((SocketStream) object, ((SocketStream) object).guard());
        } else if (object instanceof SocketServer) {
            return ofServer((SocketServer) object, ((SocketServer) object).guard());
        }
        throw new IllegalArgumentException(Errors.name("open-objects") + ": the object is " + object
                + ", expected a SocketStream or a SocketServer");
    }

    private static Entry ofServer(SocketServer server, LeakDetector.Guard guard) {
        return new Entry(server, "socket-server", server.localAddress(), null,
                server.isOpen() ? "open" : "closed", guard.since(), guard.openedBy(), 0, 0,
                server.waits(), guard.made());
    }

    private static Entry ofStream(SocketStream stream, LeakDetector.Guard guard) {
        List<Wait> waits = new ArrayList<>(stream.waits());
        stream.in().addWait(waits);
        stream.out().addWait(waits);
        return new Entry(stream, "socket-stream", stream.knownLocal, peer(stream), stream.state(),
                guard.since(), guard.openedBy(), stream.bytesIn(), stream.bytesOut(), waits, guard.made());
    }

    private static SocketAddress peer(SocketStream stream) {
        try {
            return stream.peerAddress();
        } catch (IOException e) {
            return stream.knownPeer; // closed meanwhile by the owner of the channel
        }
    }

    /**
     * Sets whether objects that are opened from now on remember the stack at that point, as the
     * system property {@code parley.net.trace} does. Each then costs a stack trace.
     *
     * @param on true to remember
     */
    public static void trace(boolean on) {
        LeakDetector.trace(on);
    }
}
