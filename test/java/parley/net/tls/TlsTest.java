package parley.net.tls;

import static org.junit.jupiter.api.Assertions.assertEquals;

import parley.net.ElementType;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Keys;
import parley.testing.Task;

/** TLS between two streams. */
@Guarded
class TlsTest {
    static final TlsOptions TLS = TlsOptions.of(Keys.context());
    static final StreamOptions OPTIONS = StreamOptions.builder()
            .elementType(ElementType.BIVALENT).tls(TLS).build();

    @EveryCase(over = {Family.TCP4, Family.UNIX})
    void lines_go_both_ways(Case cell) throws Exception {
        try (SocketServer server = listen(cell)) {
            Task<Integer> echo = cell.start("echo", () -> {
                try (SocketStream stream = server.accept(OPTIONS)) {
                    int lines = 0;
                    for (String line; (line = stream.in().readLine()) != null; lines++) {
                        stream.out().writeLine(line);
                        stream.out().flush();
                    }
                    return lines;
                }
            });
            try (SocketStream stream = SocketStream.connect(server.localAddress(), OPTIONS)) {
                assertEquals("TLSv1.3", stream.tlsSession().protocol());
                for (int i = 0; i < 100; i++) {
                    stream.out().writeLine("line " + i);
                    stream.out().flush();
                    assertEquals("line " + i, stream.in().readLine());
                }
            }
            assertEquals(100, echo.await());
        }
    }

    static SocketServer listen(Case cell) throws java.io.IOException {
        return SocketServer.listen(cell.family() == Family.UNIX
                ? ServerOptions.builder().path(((java.net.UnixDomainSocketAddress)
                        cell.family().unbound()).getPath()).build()
                : ServerOptions.builder().host(cell.family().host()).port(0).build());
    }
}
