package parley.net;

import java.io.IOException;
import java.net.ProtocolException;
import java.nio.channels.SelectionKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import parley.net.RetryTrigger.BackOff;
import parley.net.Server.Admission;
import parley.net.wait.Deadline;
import parley.net.wait.Source;

/**
 * The accepting thread of a {@link Server}. It waits in one status set for connections to accept
 * and for those connections that have no thread yet: a proxy's header is still missing, or the
 * admission has not decided. Nothing here waits for a single client, and no Error ends it.
 */
final class Acceptor implements Runnable {
    private static final Duration HEADER_TIMEOUT = Duration.ofSeconds(5);
    private static final int MOST = 1024; // connections without a thread, of those with a header
    private static final int ROUND = 64; // connections accepted before others get their turn

    private final Server server;
    private final SocketServer listener;
    private final Door door = new Door();
    private final BackOff backOff = new BackOff();
    private final Map<Pollable, Pending> pending = new LinkedHashMap<>(); // the thread's own
    private final StatusSet set = new StatusSet();
    private volatile boolean resting;
    private long resume; // when a rest ends; the thread's own

    Acceptor(Server server, SocketServer listener) throws IOException {
        this.server = server;
        this.listener = listener;
        set.add(door, Direction.INPUT);
    }

    /** A connection without a thread. */
    private static final class Pending {
        final ServedConnection connection;
        final ProxyHeader header; // null once it was read, or none is expected
        final Deadline until;

        Pending(ServedConnection connection, ProxyHeader header, Deadline until) {
            this.connection = connection;
            this.header = header;
            this.until = until;
        }
    }

    /** The listening socket while there is room; nothing to look at while there is none. */
    private final class Door extends Pollable {
        @Override
        Source source() {
            return listener.source();
        }

        private boolean isShut() {
            return resting || server.connections.isFull();
        }

        @Override
        int interest(Direction direction) {
            return isShut() ? 0 : SelectionKey.OP_ACCEPT;
        }

        @Override
        SocketStatus evaluate(Direction direction, int ready) {
            return (ready & SelectionKey.OP_ACCEPT) != 0 && !isShut()
                    ? SocketStatus.READY : SocketStatus.NONE;
        }

        @Override
        public boolean isOpen() {
            return listener.isOpen();
        }

        @Override
        public void close() throws IOException {
            listener.close();
        }
    }

    /** A connection whose bytes are a proxy's as yet. */
    private static final class Arrival extends Pollable {
        private final ChannelTransport transport;

        Arrival(ChannelTransport transport) {
            this.transport = transport;
        }

        @Override
        Source source() {
            return transport.source();
        }

        @Override
        int interest(Direction direction) {
            return SelectionKey.OP_READ;
        }

        @Override
        SocketStatus evaluate(Direction direction, int ready) {
            return (ready & SelectionKey.OP_READ) != 0 ? SocketStatus.INPUT : SocketStatus.NONE;
        }

        @Override
        public boolean isOpen() {
            return transport.isOpen();
        }

        @Override
        public void close() throws IOException {
            transport.close(true);
        }
    }

    boolean isResting() {
        return resting;
    }

    /** Makes the thread look again: a connection has ended, or the server is closing. */
    void wake() {
        door.tellObservers();
    }

    // ---- the loop ----------------------------------------------------------------------------

    @Override
    public void run() {
        try (StatusSet all = set) {
            while (server.isOpen() && listener.isOpen()) {
                try {
                    step(all);
                } catch (Throwable e) {
                    recover(e);
                }
            }
        } finally {
            pending.values().forEach(each -> server.connections.drop(each.connection));
        }
    }

    /** In place of {@link #run}, when the thread cannot be started. */
    void neverRan() {
        set.close();
    }

    private void step(StatusSet all) throws IOException {
        all.check(timeToWait());
        List<Pollable> found = new ArrayList<>(all.actionable());
        all.forEachActionable((object, status) -> found.add(object));
        // First those that are here: the next to come may be admitted in place of a silent one.
        for (Pollable each : found) {
            if (pending.containsKey(each)) {
                look(each);
            }
        }
        if (found.contains(door)) {
            acceptAll();
        }
        expire();
    }

    private Duration timeToWait() {
        long nanos = resting ? Math.max(0, resume - System.nanoTime()) : Long.MAX_VALUE;
        for (Pending each : pending.values()) {
            nanos = Math.min(nanos, each.until.remaining());
        }
        return nanos == Long.MAX_VALUE ? null : Duration.ofNanos(nanos);
    }

    /** Goes on after a failure of whatever kind: an acceptor that ended would never serve again. */
    private void recover(Throwable e) {
        if (server.isOpen() && listener.isOpen()) {
            try {
                rest(e);
            } catch (Throwable again) { // there is no memory even for resting
                LockSupport.parkNanos(backOff.next().toNanos());
            }
        }
    }

    /** Waits after a failed accept, longer each time, since other code may free descriptors. */
    private void rest(Throwable e) {
        resume = System.nanoTime() + backOff.next().toNanos();
        resting = true;
        wake();
        server.events.pausing(e);
    }

    /** Accepts, at most until one has to wait: what it sent may have come when the next is accepted. */
    private void acceptAll() {
        int waiting = pending.size();
        for (int i = 0;
                i < ROUND && pending.size() == waiting && server.isOpen() && !server.connections.isFull();
                i++) {
            ChannelTransport accepted;
            try {
                accepted = listener.acceptTransport();
            } catch (IOException e) {
                recover(e);
                return;
            }
            if (accepted == null) {
                backOff.reset();
                return;
            }
            welcome(accepted);
        }
    }

    private void welcome(ChannelTransport accepted) {
        ServedConnection connection = null;
        try {
            connection = server.connections.arrived(accepted);
            if (!expectsHeader()) {
                open(connection);
            } else if (!isTrustedProxy(connection)) {
                server.connections.refuse(connection, ServerEvents.REFUSED, ServerEvents.PROXY,
                        "it is no trusted proxy");
            } else {
                add(new Arrival(accepted), new Pending(connection, new ProxyHeader(),
                        Deadline.in(headerTimeout())));
            }
        } catch (IOException e) { // gone before it could be asked who it is
            abandon(connection, accepted, e);
        } catch (Throwable e) {
            abandon(connection, accepted, e);
            throw e;
        }
    }

    private boolean expectsHeader() {
        return server.options.proxies != null;
    }

    private boolean isTrustedProxy(ServedConnection connection) {
        return server.options.proxies.isEmpty()
                || server.options.proxies.stream().anyMatch(each -> each.contains(connection.peer()));
    }

    private Duration headerTimeout() {
        Duration set = server.options.streamOptions.timeout();
        return set != null ? set : HEADER_TIMEOUT;
    }

    private void abandon(ServedConnection connection, ChannelTransport accepted, Throwable why) {
        server.events.trace("a client went while it was accepted", why);
        if (connection != null) {
            server.connections.drop(connection);
        } else {
            try {
                accepted.close(true);
            } catch (IOException e) {
                why.addSuppressed(e);
            }
        }
    }

    /** Makes room among waiting connections: refuses the one that waits longest for its header. */
    private void add(Pollable watched, Pending waiting) throws IOException {
        if (waiting.header != null && pending.size() >= MOST) {
            for (Map.Entry<Pollable, Pending> each : pending.entrySet()) {
                if (each.getValue().header != null) {
                    refuse(each.getKey(), each.getValue().connection,
                            "its PROXY header is missing, and " + MOST + " others wait");
                    break;
                }
            }
        }
        set.add(watched, Direction.INPUT);
        pending.put(watched, waiting);
    }

    // ---- connections without a thread --------------------------------------------------------

    /** Makes the stream, and starts the handler or asks the admission. */
    private void open(ServedConnection connection) throws IOException {
        connection.opened(listener.stream(connection.transport(), server.options.streamOptions),
                server.options.idleTimeout);
        if (server.connections.hasRoom(connection)) {
            decide(connection, connection.stream(), firstVerdict(connection));
        }
    }

    private void look(Pollable each) throws IOException {
        Pending waiting = pending.get(each);
        ServedConnection connection = waiting.connection;
        try {
            if (connection.isOver()) { // refused in favour of another
                forget(each);
            } else if (waiting.header == null) {
                decide(connection, each, verdict(connection, false));
            } else if (waiting.header.read(connection.transport())) {
                forget(each);
                connection.announced(waiting.header);
                open(connection);
            }
        } catch (ProtocolException e) {
            refuse(each, connection, e.getMessage());
        } catch (IOException e) {
            refuse(each, connection, "it went away: " + Errors.text(e));
        }
    }

    private void decide(ServedConnection connection, Pollable watched, Admission.Verdict verdict)
            throws IOException {
        Pending known = pending.get(watched);
        if (verdict.isWait()) {
            if (known == null) {
                add(watched, new Pending(connection, null, Deadline.in(verdict.within())));
            }
            return;
        }
        forget(watched);
        if (verdict.isAdmit()) {
            server.connections.start(connection);
        } else {
            server.refuse(connection, verdict.event(), verdict.reason());
        }
    }

    /** An Error ends the connection, and makes the acceptor rest. */
    private Admission.Verdict firstVerdict(ServedConnection connection) {
        return server.options.admission == null ? Admission.Verdict.ADMIT
                : verdict(() -> server.options.admission.arrived(connection));
    }

    private Admission.Verdict verdict(ServedConnection connection, boolean late) {
        try {
            return verdict(() -> late ? server.options.admission.late(connection)
                    : server.options.admission.readable(connection));
        } catch (Error e) {
            return cannotLook(e);
        }
    }

    private interface Question {
        Admission.Verdict ask() throws IOException;
    }

    private static Admission.Verdict verdict(Question question) {
        try {
            return Errors.need("serve", "the verdict", question.ask(), "a Verdict");
        } catch (IOException e) {
            return Admission.Verdict.refuse(ServerEvents.REFUSED,
                    "it went away: " + Errors.text(e));
        } catch (RuntimeException e) {
            return cannotLook(e);
        }
    }

    private static Admission.Verdict cannotLook(Throwable e) {
        return Admission.Verdict.refuse(ServerEvents.REFUSED, "the check of it failed: " + e);
    }

    /** Refuses a connection whose header is wrong or missing. */
    private void refuse(Pollable each, ServedConnection connection, String why) throws IOException {
        forget(each);
        server.connections.refuse(connection, ServerEvents.REFUSED, ServerEvents.PROXY, why);
    }

    private void forget(Pollable watched) throws IOException {
        if (pending.remove(watched) != null) {
            set.remove(watched);
        }
    }

    /** Decides about those whose time has passed, and ends a rest. */
    private void expire() throws IOException {
        List<Pollable> late = new ArrayList<>(0);
        for (Iterator<Map.Entry<Pollable, Pending>> all = pending.entrySet().iterator();
                all.hasNext();) {
            Map.Entry<Pollable, Pending> each = all.next();
            if (each.getValue().connection.isOver()) { // refused in favour of another
                set.remove(each.getKey());
                all.remove();
            } else if (each.getValue().until.hasPassed()) {
                late.add(each.getKey());
            }
        }
        for (Pollable each : late) {
            Pending waiting = pending.get(each);
            if (waiting.header != null) {
                refuse(each, waiting.connection, "its PROXY header did not come in time");
            } else {
                decide(waiting.connection, each, verdict(waiting.connection, true));
            }
        }
        if (resting && System.nanoTime() - resume >= 0) {
            resting = false;
            wake();
        }
    }
}
