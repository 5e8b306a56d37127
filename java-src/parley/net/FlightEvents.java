package parley.net;

import java.io.IOException;
import java.net.SocketAddress;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;
import jdk.jfr.Timespan;
import parley.net.tls.TlsSession;

/**
 * Events for JDK Flight Recorder. Until a recording exists they cost one look at a field; without
 * the module jdk.jfr there are none. Callers hold an event under way as an Object, so that their
 * classes load without that module.
 */
final class FlightEvents {
    private static final boolean PRESENT = ModuleLayer.boot().findModule("jdk.jfr").isPresent();

    private FlightEvents() {
    }

    /** Begins an event of connecting; returns null when nothing is recorded. */
    static Object connecting() {
        if (!isOn()) {
            return null;
        }
        ConnectEvent event = new ConnectEvent();
        event.begin();
        return event;
    }

    /** Ends {@link #connecting}; failure is null when the stream connected. */
    static void connected(Object begun, String host, int port, Throwable failure) {
        if (begun != null) {
            ConnectEvent event = (ConnectEvent) begun;
            if (event.shouldCommit()) {
                event.host = host;
                event.port = port;
                event.failure = failure == null ? null : failure.toString();
                event.commit();
            }
        }
    }

    static void accepted(SocketServer server, SocketStream stream) {
        if (isOn()) {
            AcceptEvent event = new AcceptEvent();
            if (event.shouldCommit()) {
                event.local = Addresses.show(server.localAddress());
                event.peer = show(stream.knownPeer);
                event.commit();
            }
        }
    }

    /** Begins an event of a TLS handshake; returns null when nothing is recorded. */
    static Object handshaking() {
        if (!isOn()) {
            return null;
        }
        HandshakeEvent event = new HandshakeEvent();
        event.begin();
        return event;
    }

    /** Ends {@link #handshaking}, in any thread. The session is null if there is none. */
    static void handshaken(Object begun, String peer, TlsSession session, IOException failure) {
        HandshakeEvent event = (HandshakeEvent) begun;
        if (event.shouldCommit()) {
            event.peer = peer;
            event.protocol = session == null ? null : session.protocol();
            event.cipher = session == null ? null : session.cipher();
            event.failure = failure != null ? failure.toString()
                    : session == null ? "closed before the handshake was over" : null;
            event.commit();
        }
    }

    /** Begins an event of waiting; returns null when nothing is recorded. */
    static Object waiting() {
        if (!isOn()) {
            return null;
        }
        WaitEvent event = new WaitEvent();
        event.begin();
        return event;
    }

    /** Ends {@link #waiting}. */
    static void waited(Object begun, String operation, Pollable object) {
        if (begun != null) {
            WaitEvent event = (WaitEvent) begun;
            if (event.shouldCommit()) {
                event.operation = operation;
                event.object = object.toString();
                event.commit();
            }
        }
    }

    static void closed(SocketStream stream) {
        if (isOn()) {
            CloseEvent event = new CloseEvent();
            if (event.shouldCommit()) {
                event.local = show(stream.knownLocal);
                event.peer = show(stream.knownPeer);
                event.bytesIn = stream.bytesIn();
                event.bytesOut = stream.bytesOut();
                event.age = stream.guard().age().toMillis();
                event.commit();
            }
        }
    }

    /** An accept pauses for want of descriptors or memory. */
    static void acceptPaused(Object server, long nanos, Throwable cause) {
        if (isOn()) {
            AcceptPauseEvent event = new AcceptPauseEvent();
            if (event.shouldCommit()) {
                event.server = server.toString();
                event.pause = nanos;
                event.cause = cause.toString();
                event.commit();
            }
        }
    }

    private static boolean isOn() {
        return PRESENT && Recorder.isOn();
    }

    private static String show(SocketAddress address) {
        return address == null ? null : Addresses.show(address);
    }

    /** Apart, so that nothing of jdk.jfr is linked where it is absent. */
    private static final class Recorder {
        static boolean isOn() {
            return FlightRecorder.isInitialized();
        }
    }

    @Name("parley.Connect")
    @Label("Connect")
    @Category("Parley")
    private static final class ConnectEvent extends Event {
        @Label("Host") String host;
        @Label("Port") int port;
        @Label("Failure") String failure;
    }

    @Name("parley.Accept")
    @Label("Accept")
    @Category("Parley")
    @StackTrace(false)
    private static final class AcceptEvent extends Event {
        @Label("Local Address") String local;
        @Label("Peer Address") String peer;
    }

    @Name("parley.Handshake")
    @Label("TLS Handshake")
    @Category("Parley")
    @StackTrace(false)
    private static final class HandshakeEvent extends Event {
        @Label("Peer Address") String peer;
        @Label("Protocol") String protocol;
        @Label("Cipher Suite") String cipher;
        @Label("Failure") String failure;
    }

    @Name("parley.Wait")
    @Label("Wait")
    @Description("A thread waited in a call for a stream or a server")
    @Category("Parley")
    @Threshold("20 ms")
    private static final class WaitEvent extends Event {
        @Label("Operation") String operation;
        @Label("Object") String object;
    }

    @Name("parley.Close")
    @Label("Close")
    @Category("Parley")
    private static final class CloseEvent extends Event {
        @Label("Local Address") String local;
        @Label("Peer Address") String peer;
        @Label("Bytes In") @DataAmount long bytesIn;
        @Label("Bytes Out") @DataAmount long bytesOut;
        @Label("Age") @Timespan(Timespan.MILLISECONDS) long age;
    }

    @Name("parley.AcceptPause")
    @Label("Accept Pause")
    @Category("Parley")
    @StackTrace(false)
    private static final class AcceptPauseEvent extends Event {
        @Label("Server") String server;
        @Label("Pause") @Timespan(Timespan.NANOSECONDS) long pause;
        @Label("Cause") String cause;
    }
}
