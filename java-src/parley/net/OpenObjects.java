package parley.net;

import java.io.Closeable;
import java.io.IOException;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.net.SocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import parley.net.wait.Log;
import parley.posix.OwnThreads;
import parley.posix.StackSafeLock;

/**
 * Lists the streams and servers that are open in this process. The list holds them weakly, so it
 * keeps nothing open. It costs nothing per operation.
 *
 * <p>The list is also the safety net for a missing {@code close}: a {@link Cleaner} closes objects
 * that became unreachable while they were open, and logs them. The garbage collector decides when,
 * so programs must not rely on it.
 *
 * <pre>{@code
 * OpenObjects.trace(true);
 * for (OpenObjects.Entry each : OpenObjects.list()) {
 *     System.out.println(each); // kind, addresses, state, thread, bytes
 * }
 * }</pre>
 */
public final class OpenObjects {
    private static final String TRACE = "parley.net.trace";
    private static final StackSafeLock LOCK = new StackSafeLock(); // of the list of guards
    private static final Guard FIRST = new Guard(null, null); // the head of the list, a ring
    private static final Cleaner CLEANER = Cleaner.create(
            body -> OwnThreads.daemon("parley-cleaner", body));

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
        for (Guard each : guards()) {
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

    private static Entry ofServer(SocketServer server, Guard guard) {
        return new Entry(server, "socket-server", server.localAddress(), null,
                server.isOpen() ? "open" : "closed", guard.since(), guard.openedBy(), 0, 0,
                server.waits(), guard.made());
    }

    private static Entry ofStream(SocketStream stream, Guard guard) {
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
        System.setProperty(TRACE, Boolean.toString(on));
    }

    // ---- the guards

    /** A resource to close after its owner is unreachable: it must not refer to its owner. */
    interface Resource {
        /** Returns the description for the log, or null for no log. */
        String describe();

        void closeAbandoned() throws IOException;
    }

    private record Described(String describe, Closeable resource) implements Resource {
        @Override
        public void closeAbandoned() throws IOException {
            resource.close();
        }
    }

    /** Closes a resource once its owner is unreachable; release it when it was closed properly. */
    static Guard guard(Object owner, Resource resource) {
        Guard guard = new Guard(owner, resource);
        guard.cleanable = CLEANER.register(owner, guard);
        guard.enlist();
        return guard;
    }

    /** As {@link #guard(Object, Resource)}; the description may be null for no log. */
    static Guard guard(Object owner, String what, Closeable resource) {
        return guard(owner, new Described(what, resource));
    }

    /** Returns the guards of the owners that are open, the oldest first. */
    static List<Guard> guards() {
        List<Guard> guards = new ArrayList<>();
        LOCK.lock();
        try {
            for (Guard each = FIRST.next; each != FIRST; each = each.next) {
                guards.add(each);
            }
        } finally {
            LOCK.unlock();
        }
        return guards;
    }

    /**
     * Holds the net under one object, and is its place in the list of all. One object itself, since
     * owners are many.
     */
    static final class Guard extends WeakReference<Object> implements Runnable {
        private final Resource resource;
        private final Throwable made = Boolean.getBoolean(TRACE)
                ? new Throwable("made here by " + Thread.currentThread().getName()) : null;
        private Cleaner.Cleanable cleanable; // set before the owner can become unreachable
        private volatile boolean released;
        private volatile boolean handedOut;
        private Guard previous = this; // guarded by LOCK, with next
        private Guard next = this; // this when it is not in the list
        private final long began = System.nanoTime();
        private final String openedBy = Thread.currentThread().getName();

        private Guard(Object owner, Resource resource) {
            super(owner);
            this.resource = resource;
        }

        private void enlist() {
            LOCK.lock();
            try {
                previous = FIRST.previous;
                next = FIRST;
                previous.next = this;
                FIRST.previous = this;
            } finally {
                LOCK.unlock();
            }
        }

        private void delist() {
            LOCK.lock();
            try {
                previous.next = next;
                next.previous = previous;
                previous = this;
                next = this;
            } finally {
                LOCK.unlock();
            }
        }

        /** Returns how long ago the owner was opened. */
        Duration age() {
            return Duration.ofNanos(System.nanoTime() - began);
        }

        /** Returns when the owner was opened, for people. */
        Instant since() {
            return Instant.now().minus(age()).truncatedTo(ChronoUnit.MILLIS);
        }

        /** Returns the name of the thread that opened the owner. */
        String openedBy() {
            return openedBy;
        }

        /** Returns the stack when the owner was opened, or null. */
        Throwable made() {
            return made;
        }

        /** The object was closed by its user: nothing is left to do. */
        void release() {
            released = true;
            delist();
            cleanable.clean();
        }

        /** The resource has a user who may not have the owner: it is closed by its users alone. */
        void handOut() {
            handedOut = true;
        }

        /** Of the cleaner alone. */
        @Override
        public void run() {
            if (released) {
                return;
            }
            delist();
            if (handedOut) {
                return;
            }
            String what = resource.describe();
            if (what != null) {
                report(what);
            }
            try {
                resource.closeAbandoned();
            } catch (IOException e) {
                Log.error(Log.Part.LEAKS,
                        "closing " + (what == null ? "what was dropped" : what) + " failed", e);
            }
        }

        private void report(String what) {
            String message = what + " was never closed and is unreachable: closed now; close it,"
                    + " as with-open-stream does" + (made == null ? " (-D" + TRACE
                    + "=true logs where it was made)" : "");
            Log.leak(message, made);
        }
    }
}
