package parley.net.conformance;

import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.time.Duration;
import parley.net.WaitMode;
import parley.net.DescriptorStreams;
import parley.net.ElementType;
import parley.net.ServerOptions;
import parley.net.SocketOptions;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.net.tls.TlsOptions;
import parley.testing.Case;
import parley.testing.Family;
import parley.testing.Keys;
import parley.testing.Peer;

/** Parley's sockets of a case's family. Streams take both kinds of element. */
final class Sockets {
    /** Streams as the suites use them: bytes and characters, buffered, no timeout. */
    static final StreamOptions BIVALENT = options().build();

    /** Where every call of Parley that blocks on one object does so. */
    static final String WAIT = "parley.net.wait.ThreadWaits.await";

    private Sockets() {
    }

    static StreamOptions.Builder options() {
        return StreamOptions.builder().elementType(ElementType.BIVALENT);
    }

    static StreamOptions timeout(Duration timeout) {
        return options().timeout(timeout).build();
    }

    /**
     * The options, with TLS where the case wants it; closing does not wait for long then for a peer
     * that does not take the end of TLS.
     */
    static StreamOptions secured(Case cell, StreamOptions o) {
        return !cell.family().isTls() ? o : StreamOptions.builder().elementType(o.elementType())
                .externalFormat(o.externalFormat()).inputBuffered(o.inputBuffered())
                .outputBuffered(o.outputBuffered()).timeout(o.timeout())
                .closeTimeout(o == BIVALENT ? Duration.ofMillis(300) : o.closeTimeout()).lineLimit(o.lineLimit())
                .tls(TlsOptions.of(Keys.context())).build();
    }

    static StreamOptions withoutTls(Case cell, StreamOptions o) {
        return cell.family().isTls() && o == BIVALENT
                ? options().closeTimeout(Duration.ofMillis(300)).build() : o;
    }

    static SocketServer listen(Case cell) throws IOException {
        return SocketServer.listen(server(cell.family(), 64).build());
    }

    static ServerOptions.Builder server(Family family, int backlog) {
        SocketAddress address = family.unbound();
        return address instanceof UnixDomainSocketAddress unix
                ? ServerOptions.builder().path(unix.getPath()).backlog(backlog)
                : ServerOptions.builder().host(family.host()).port(0).backlog(backlog);
    }

    /** A server on an address that is known already. */
    static SocketServer listenAt(SocketAddress address) throws IOException {
        return SocketServer.listen(address instanceof UnixDomainSocketAddress unix
                ? ServerOptions.builder().path(unix.getPath()).build()
                : ServerOptions.builder().host(((InetSocketAddress) address).getHostString())
                        .port(((InetSocketAddress) address).getPort()).build());
    }

    static SocketStream connect(SocketAddress address) throws IOException {
        return SocketStream.connect(address, BIVALENT);
    }

    /**
     * The stream itself; over {@link Family#HANDLE} one over its handle instead, with nothing left
     * of the one that was given.
     */
    static SocketStream over(Case cell, SocketStream stream, StreamOptions options)
            throws IOException {
        if (cell.family() != Family.HANDLE) {
            return stream;
        }
        try (stream) {
            return DescriptorStreams.of(SocketOptions.handles(stream)[0], null, options);
        }
    }

    static SocketStream connect(Case cell, SocketAddress address) throws IOException {
        return connect(cell, address, BIVALENT);
    }

    static SocketStream accept(Case cell, SocketServer server) throws IOException {
        return accept(cell, server, BIVALENT);
    }

    static SocketStream connect(Case cell, SocketAddress address, StreamOptions options)
            throws IOException {
        return over(cell, SocketStream.connect(address, secured(cell, options)), options);
    }

    static SocketStream accept(Case cell, SocketServer server, StreamOptions options)
            throws IOException {
        return over(cell, server.accept(secured(cell, options)), options);
    }

    /** A scripted peer that connects to a server of Parley's. */
    static Peer peer(Case cell, SocketServer server) throws IOException {
        Peer peer = Peer.connect(server.localAddress());
        return cell.family().isTls() ? peer.secure(true) : peer;
    }

    /** Writes all of {@code bytes}. */
    static void write(SocketStream stream, byte[] bytes) throws IOException {
        stream.out().writeBytes(bytes, 0, bytes.length, WaitMode.FULL);
    }

    /** As messages name it. */
    static String text(SocketAddress address) {
        if (address instanceof InetSocketAddress inet) {
            boolean six = inet.getAddress() instanceof Inet6Address;
            return (six ? "[::1]" : inet.getAddress().getHostAddress()) + ":" + inet.getPort();
        }
        return address.toString();
    }
}
