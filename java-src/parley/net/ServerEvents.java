package parley.net;

import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import parley.net.wait.Log;

/** Counts what happens in a server, and reports it to the audit, the log and {@code onError}. */
final class ServerEvents {
    static final String CONNECT = "connect";
    static final String DISCONNECT = "disconnect";
    static final String REFUSED = "refused";
    static final String LOST = "lost";
    static final String IDLE = "idle";
    static final String FAILED = "failed";
    static final String PAUSE = "pause";
    static final String STUCK = "stuck";
    static final String STOP = "stop";

    static final String PROXY = "proxy-protocol"; // a cause of refusals

    private static final long SECOND = 1_000_000_000;

    private final String server;
    private final ServerBuilder options;
    private final Map<String, LongAdder> counts = new ConcurrentHashMap<>();
    private final Map<String, Line> lines = new ConcurrentHashMap<>(); // the last of each kind

    /** When a line of a kind was logged, and how many were left out since. */
    private record Line(long at, long missed) {
    }

    ServerEvents(String server, ServerBuilder options) {
        this.server = server;
        this.options = options;
    }

    Map<String, Long> counts() {
        Map<String, Long> all = new TreeMap<>();
        counts.forEach((kind, count) -> all.put(kind, count.sum()));
        return all;
    }

    void happened(String kind, Server.Connection connection, String reason, Throwable cause) {
        count(kind);
        report(new Server.Event(kind, Instant.now(), server, connection, reason, cause));
    }

    void refused(Server.Connection connection, String event, String cause, String reason) {
        count(cause);
        report(new Server.Event(event, Instant.now(), server, connection, reason, null));
    }

    void pausing(Throwable e) {
        happened(PAUSE, null, Errors.text(e), e);
    }

    /** The handler threw. */
    void failed(Server.Connection connection, Throwable e) {
        happened(FAILED, connection, String.valueOf(e), e);
        if (options.onError != null) {
            try {
                options.onError.accept(e, connection);
            } catch (Throwable failure) {
                Log.error(Log.Part.SERVER, server + ": the handler of errors failed", failure);
            }
        }
    }

    /** Notes an expected failure for who debugs. */
    void trace(String what, Throwable cause) {
        Log.trace(Log.Part.SERVER, server + ": " + what, cause);
    }

    private void count(String kind) {
        counts.computeIfAbsent(kind, each -> new LongAdder()).increment();
    }

    private void report(Server.Event event) {
        report(options.audit, event);
        if (options.log != null) {
            report(options.log, event);
        } else if (isForLog(event)) {
            log(event);
        }
    }

    /** A consumer that fails must not end the server. */
    private void report(Consumer<Server.Event> consumer, Server.Event event) {
        if (consumer != null) {
            try {
                consumer.accept(event);
            } catch (Throwable e) {
                Log.error(Log.Part.SERVER, server + ": the consumer of an event failed: "
                        + event.kind(), e);
            }
        }
    }

    private boolean isForLog(Server.Event event) {
        return switch (event.kind()) {
            case CONNECT, DISCONNECT, LOST, IDLE, STOP -> false;
            case FAILED -> options.onError == null;
            default -> true;
        };
    }

    /** Logs at most one line of a kind in a second; the next has the number of omitted lines. */
    private void log(Server.Event event) {
        long now = System.nanoTime();
        Line before = lines.get(event.kind());
        boolean due = before == null || now - before.at() >= SECOND;
        lines.put(event.kind(), due ? new Line(now, 0)
                : new Line(before.at(), before.missed() + 1)); // a race costs a line, or adds one
        if (due) {
            String missed = before == null || before.missed() == 0 ? ""
                    : " (" + before.missed() + " more since the last line)";
            String text = server + ": " + words(event) + missed;
            if (event.kind().equals(FAILED)) {
                Log.error(Log.Part.SERVER, text, event.cause());
            } else {
                Log.warning(Log.Part.SERVER, text);
            }
        }
    }

    private static String words(Server.Event event) {
        return switch (event.kind()) {
            case FAILED -> "the handler of " + event.connection() + " failed";
            case PAUSE -> "cannot accept now, clients wait, trying again: " + event.reason();
            case STUCK -> event.connection() + ": " + event.reason();
            default -> "closed " + event.connection() + ": " + event.reason();
        };
    }
}
