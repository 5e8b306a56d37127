package parley.net;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import parley.net.wait.Deadline;
import parley.posix.OwnThreads;

/** The open connections of a server: how many there are, of which addresses, and how they end. */
final class ServedConnections {
    private static final Duration LAST_CHANCE = Duration.ofSeconds(1);
    private static final int IDLE_SECONDS = 5;

    private final Server server;
    private final ServerBuilder options;
    private final ServerEvents events;
    private final Map<Long, ServedConnection> open = new ConcurrentHashMap<>();
    private final Map<Object, Integer> addresses = new ConcurrentHashMap<>(); // open ones of each
    private final AtomicLong accepted = new AtomicLong();
    private final LongAdder bytesIn = new LongAdder(); // of connections that are over
    private final LongAdder bytesOut = new LongAdder();
    private final ThreadPoolExecutor pool; // null when each connection has a virtual thread

    ServedConnections(Server server, ServerBuilder options, ServerEvents events) {
        this.server = server;
        this.options = options;
        this.events = events;
        this.pool = server.virtual ? null : new ThreadPoolExecutor(0, Integer.MAX_VALUE, IDLE_SECONDS,
                TimeUnit.SECONDS, new SynchronousQueue<>(), body -> thread(body));
    }

    /** A platform thread serves one connection after another: to start one takes longer than most conversations. */
    private Thread thread(Runnable body) {
        return OwnThreads.unstarted(server.name, server.virtual, body);
    }

    int count() {
        return open.size();
    }

    boolean isFull() {
        return options.maxConnections > 0 && open.size() >= options.maxConnections;
    }

    List<ServedConnection> all() {
        List<ServedConnection> all = new ArrayList<>(open.values());
        all.sort(Comparator.comparingLong(ServedConnection::id));
        return all;
    }

    ServedConnection current() {
        for (ServedConnection each : open.values()) {
            if (each.thread() == Thread.currentThread()) {
                return each;
            }
        }
        return null;
    }

    Server.Stats stats(boolean pausing) {
        long in = bytesIn.sum();
        long out = bytesOut.sum();
        int waiting = 0;
        Duration oldest = Duration.ZERO;
        List<ServedConnection> all = all();
        for (ServedConnection each : all) {
            in += each.bytesIn();
            out += each.bytesOut();
            waiting += each.isAdmitted() ? 0 : 1;
            oldest = oldest.compareTo(each.age()) < 0 ? each.age() : oldest;
        }
        return new Server.Stats(accepted.get(), all.size(), waiting, events.counts(), in, out, oldest,
                isFull(), pausing);
    }

    // ---- coming ------------------------------------------------------------------------------

    ServedConnection arrived(ChannelTransport transport) throws IOException {
        ServedConnection connection = new ServedConnection(server, accepted.incrementAndGet(), transport);
        open.put(connection.id(), connection);
        return connection;
    }

    /** Counts the connection for its address; when that has too many, refuses it: false. */
    boolean hasRoom(ServedConnection connection) {
        Object address = connection.address();
        int most = options.maxPerAddress;
        if (most == 0 || address == null) {
            return true;
        }
        if (addresses.merge(address, 1, Integer::sum) <= most) {
            connection.counted();
            return true;
        }
        uncount(address);
        refuse(connection, ServerEvents.REFUSED, "max-per-address",
                "the limit of connections of its address is reached: " + most + " (" + options.perAddressName + ")");
        return false;
    }

    private void uncount(Object address) {
        addresses.computeIfPresent(address, (key, n) -> n == 1 ? null : n - 1);
    }

    /** Starts the handler, on a thread of its own. */
    void start(ServedConnection connection) {
        try {
            connection.admitted(true);
            events.happened(ServerEvents.CONNECT, connection, null, null);
            if (pool != null) {
                pool.execute(connection);
            } else {
                thread(connection).start();
            }
        } catch (Throwable e) { // the system has no more threads, or no more memory
            connection.admitted(false);
            refuse(connection, ServerEvents.REFUSED, "no-thread",
                    "no thread can be started for it: " + Errors.text(e));
        }
    }

    // ---- going -------------------------------------------------------------------------------

    void refuse(ServedConnection connection, String event, String cause, String reason) {
        if (!connection.end()) {
            return;
        }
        try {
            forget(connection);
            events.refused(connection, event, cause, reason);
        } finally {
            connection.refuse();
        }
    }

    /** Ends a connection without an event. */
    void drop(ServedConnection connection) {
        if (connection.end()) {
            forget(connection);
            connection.abort();
        }
    }

    void forget(ServedConnection connection) {
        if (open.remove(connection.id()) != null) {
            bytesIn.add(connection.bytesIn());
            bytesOut.add(connection.bytesOut());
            if (connection.wasCounted()) {
                uncount(connection.address());
            }
            if (options.maxConnections > 0 || !connection.isAdmitted()) {
                server.acceptor.wake(); // it may accept again, or forget one that waits
            }
        }
        if (!connection.isAdmitted()) {
            connection.done();
        }
    }

    // ---- closing -----------------------------------------------------------------------------

    /** Ends idle handlers at once, the others when they are done or the time to drain is over. */
    void end(Server.Connection own) {
        List<ServedConnection> all = all();
        all.removeIf(each -> !each.isAdmitted()); // the acceptor drops those
        all.forEach(ServedConnection::endInput);
        all.remove(own);
        all.remove(current());
        List<ServedConnection> late = awaitAll(all, options.drain);
        for (ServedConnection each : late) {
            each.abort();
            each.interrupt();
        }
        for (ServedConnection each : awaitAll(late, LAST_CHANCE)) {
            events.happened(ServerEvents.STUCK, each, "its handler still runs: it was"
                    + " interrupted and its connection closed, but Java cannot stop code that"
                    + " ignores an interrupt", null);
        }
        if (pool != null) {
            pool.shutdown(); // idle threads end now, the others with their connection
        }
    }

    /** Returns those that are not over in time; an interrupt ends the wait. */
    private static List<ServedConnection> awaitAll(List<ServedConnection> all, Duration limit) {
        Deadline deadline = Deadline.in(limit);
        List<ServedConnection> late = new ArrayList<>();
        for (ServedConnection each : all) {
            try {
                if (!each.await(deadline)) {
                    late.add(each);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                late.add(each);
            }
        }
        return late;
    }
}
