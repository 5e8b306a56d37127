package parley.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.TemporaryPaths;

/** The header by which a proxy announces its client, version 1 and 2. */
@Guarded
class ProxyProtocolTest {
    private static final String SIX = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    private static final String OWN = "the sender";

    /** Sends a line with the peer, then every line back. */
    private static final Server.Handler HANDLER = stream -> {
        stream.out().writeLine(stream.proxyAddress() == null ? OWN
                : Addresses.show(stream.peerAddress()));
        stream.out().flush();
        ServerTest.ECHO.handle(stream);
    };

    // ---- headers -----------------------------------------------------------------------------

    private static byte[] line(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] each : parts) {
            all.writeBytes(each);
        }
        return all.toByteArray();
    }

    private static byte[] binary(int command, int family, byte[]... parts) {
        byte[] body = join(parts);
        return join(line("\r\n\r\n\0\r\nQUIT\n"), new byte[] {(byte) command, (byte) family,
            (byte) (body.length >> 8), (byte) body.length}, body);
    }

    private static byte[] tlv(int type, byte[] value) {
        return join(new byte[] {(byte) type, (byte) (value.length >> 8), (byte) value.length}, value);
    }

    private static byte[] addresses(String from, String to, int fromPort, int toPort) {
        try {
            return join(InetAddress.getByName(from).getAddress(),
                    InetAddress.getByName(to).getAddress(),
                    ByteBuffer.allocate(4).putChar((char) fromPort).putChar((char) toPort).array());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static byte[] paths(String from, String to) {
        ByteBuffer both = ByteBuffer.allocate(216);
        both.put(line(from)).position(108).put(line(to));
        return both.array();
    }

    private static byte[] withSum(boolean right) {
        byte[] header = binary(0x21, 0x11, addresses("192.168.0.1", "192.168.0.11", 56324, 443),
                tlv(3, new byte[4]), tlv(4, new byte[3]));
        CRC32C sum = new CRC32C();
        sum.update(header);
        int at = 16 + 12 + 3;
        ByteBuffer.wrap(header).putInt(at, (int) sum.getValue() + (right ? 0 : 1));
        return header;
    }

    private record Row(String name, byte[] header, String peer) {
    }

    private static Row good(String name, byte[] header, String peer) {
        return new Row(name, header, peer);
    }

    private static Row bad(String name, byte[] header) {
        return new Row(name, header, null);
    }

    private static List<Row> rows() {
        byte[] four = addresses("192.168.0.1", "192.168.0.11", 56324, 443);
        byte[] six = addresses("2001:db8::1", "2001:db8::2", 1, 65535);
        return List.of(
                // The examples of the specification.
                good("TCP4", line("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
                        "192.168.0.1:56324"),
                good("TCP4, longest",
                        line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
                        "255.255.255.255:65535"),
                good("TCP6, longest", line("PROXY TCP6 " + SIX + " " + SIX + " 65535 65535\r\n"),
                        "[" + SIX + "]:65535"),
                good("unknown, shortest", line("PROXY UNKNOWN\r\n"), OWN),
                good("unknown, longest",
                        line("PROXY UNKNOWN " + SIX + " " + SIX + " 65535 65535\r\n"), OWN),
                good("TCP6 in short form", line("PROXY TCP6 ::1 fe80::2 0 80\r\n"), "[::1]:0"),
                bad("no carriage return", line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n")),
                bad("a port too high", line("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n")),
                bad("a port with a zero before it", line("PROXY TCP4 1.2.3.4 5.6.7.8 080 2\r\n")),
                bad("an octet too high", line("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n")),
                bad("an octet with a zero before it", line("PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n")),
                bad("the wrong family", line("PROXY TCP4 ::1 ::1 1 2\r\n")),
                bad("the other wrong family", line("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n")),
                bad("no address", line("PROXY TCP6 1:::4 ::1 1 2\r\n")),
                bad("a name", line("PROXY TCP4 localhost localhost 1 2\r\n")),
                bad("a family that there is not", line("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n")),
                bad("two spaces", line("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n")),
                bad("something more", line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n")),
                bad("too long", line("PROXY UNKNOWN " + "x".repeat(100) + "\r\n")),
                bad("another protocol", line("GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
                bad("nothing", line("")),
                bad("cut off", line("PROXY TCP4 1.2.3.4 5.6")),
                // Version 2.
                good("v2 TCP4", binary(0x21, 0x11, four), "192.168.0.1:56324"),
                good("v2 TCP6", binary(0x21, 0x21, six), "[2001:db8::1]:1"),
                good("v2 UNIX", binary(0x21, 0x31, paths("/run/client", "/run/server")),
                        "/run/client"),
                good("v2 UNIX without a name", binary(0x21, 0x31, paths("", "/run/server")), "?"),
                good("v2 with extras", binary(0x21, 0x11, four, tlv(2, line("example.org")),
                        tlv(0x20, new byte[300])), "192.168.0.1:56324"),
                good("v2 with a checksum", withSum(true), "192.168.0.1:56324"),
                good("v2 local", binary(0x20, 0x00), OWN),
                good("v2 local with anything", binary(0x20, 0x11, new byte[500]), OWN),
                good("v2 unspecified", binary(0x21, 0x00, new byte[7]), OWN),
                good("v2 UDP, whose peer is not of this connection", binary(0x21, 0x12, four), OWN),
                good("v2, longest", binary(0x21, 0x11, four, tlv(0xee,
                        new byte[ProxyHeader.LONGEST - 12 - 3])), "192.168.0.1:56324"),
                bad("v2 too long", binary(0x21, 0x11, four, tlv(0xee,
                        new byte[ProxyHeader.LONGEST - 12 - 2]))),
                bad("v2 of version 1", binary(0x11, 0x11, four)),
                bad("v2 with a command that there is not", binary(0x22, 0x11, four)),
                bad("v2 with a family that there is not", binary(0x21, 0x41, four)),
                bad("v2 too short for its addresses", binary(0x21, 0x21, four)),
                bad("v2 with half an extra", binary(0x21, 0x11, four, new byte[] {2, 0})),
                bad("v2 with an extra beyond its end",
                        binary(0x21, 0x11, four, new byte[] {2, 0, 9, 1})),
                bad("v2 with a wrong checksum", withSum(false)),
                bad("v2 cut off", join(line("\r\n\r\n\0\r\nQUIT\n"), new byte[] {0x21, 0x11})),
                bad("v2 garbage", line("\r\n\r\n\0\r\nQUIX\n!!!!")));
    }

    // ---- what the server makes of them -------------------------------------------------------

    @Test
    void a_header_is_understood_or_refused() throws Exception {
        BlockingQueue<Server.Event> events = new LinkedBlockingQueue<>();
        try (Server server = Server.builder(HANDLER).proxyProtocol().log(events::add).start()) {
            for (Row row : rows()) {
                for (boolean slowly : new boolean[] {false, true}) {
                    assertEquals(row.peer == null ? "" : row.peer + "\nafter\n",
                            answer(server, row, slowly), row.name);
                    Server.Event first = events.poll(1, TimeUnit.MINUTES);
                    assertEquals(row.peer == null ? "refused" : "connect", first.kind(), row.name);
                    if (row.peer != null) {
                        assertEquals("disconnect", events.poll(1, TimeUnit.MINUTES).kind());
                    }
                }
            }
        }
    }

    private static String answer(Server server, Row row, boolean slowly) throws IOException {
        try (Peer client = Peer.connect(server.localAddress())) {
            send(client, join(row.header, line(row.peer == null ? "" : "after\n")), slowly);
            return new String(client.receiveAll(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return row.peer == null ? "" : e.toString(); // reset, since the server had had enough
        }
    }

    /** Sends it, and the end of output; the server may have had enough before. */
    private static void send(Peer client, byte[] bytes, boolean slowly) throws IOException {
        try {
            if (slowly) {
                for (byte each : bytes) {
                    client.send(new byte[] {each});
                }
            } else {
                client.send(bytes);
            }
            client.endOutput();
        } catch (IOException e) {
            assertTrue(e.getMessage().matches("(?i).*(pipe|reset|closed|connected).*"), e::toString);
        }
    }

    @Test
    void the_announced_peer_is_the_peer_and_the_proxy_is_known() throws Exception {
        BlockingQueue<Server.Connection> connections = new LinkedBlockingQueue<>();
        Server.Handler handler = new Server.Handler() {
            @Override
            public void handle(SocketStream stream) {
                throw new AssertionError("serve was overridden");
            }

            @Override
            public void serve(Server.Connection connection) throws IOException {
                connections.add(connection);
                connection.stream().in().readLine();
            }
        };
        try (Server server = Server.builder(handler).proxyProtocol(List.of("127.0.0.0/8")).start();
                Peer client = Peer.connect(server.localAddress())) {
            client.send(binary(0x21, 0x11, addresses("203.0.113.7", "192.0.2.1", 4711, 80),
                    tlv(2, line("example.org"))));
            Server.Connection served = connections.poll(1, TimeUnit.MINUTES);
            SocketStream stream = served.stream();
            assertEquals("203.0.113.7:4711", Addresses.show(served.peer()));
            assertEquals(served.peer(), stream.peerAddress());
            assertEquals(client.channel().getLocalAddress(), stream.proxyAddress());
            assertArrayEquals(line("example.org"), served.proxyExtras().get(2));
            assertTrue(stream.toString().contains("203.0.113.7:4711"), stream::toString);
        }
    }

    @Test
    void limits_are_those_of_the_announced_address() throws Exception {
        byte[] header = line("PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n");
        try (Server server = Server.builder(HANDLER).proxyProtocol().maxPerAddress(1)
                .log(event -> { }).start();
                Peer one = Peer.connect(server.localAddress())) {
            assertEquals("203.0.113.7:1\n", one.send(header).receiveText(14));
            try (Peer two = Peer.connect(server.localAddress());
                    Peer other = Peer.connect(server.localAddress())) {
                two.send(header).expectEnd();
                assertEquals("203.0.113.8:1\n", other.send(
                        line("PROXY TCP4 203.0.113.8 192.0.2.1 1 2\r\n")).receiveText(14));
            }
        }
    }

    @Test
    void other_senders_than_trusted_proxies_are_refused() throws Exception {
        BlockingQueue<Server.Event> events = new LinkedBlockingQueue<>();
        byte[] header = line("PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n");
        List<String> trusted = List.of("192.0.2.0/24", "127.0.0.2", "fd00::/8");
        try (Server server = Server.builder(HANDLER).proxyProtocol(trusted).log(events::add).start();
                Peer stranger = Peer.connect(server.localAddress())) {
            send(stranger, header, false);
            assertEquals(0, stranger.receiveAll().length);
            assertEquals("it is no trusted proxy", events.poll(1, TimeUnit.MINUTES).reason());
            try (Peer proxy = ServerTest.from("127.0.0.2", server)) {
                assertEquals("203.0.113.7:1\n", proxy.send(header).receiveText(14));
            }
        }
        try (Server server = Server.builder(HANDLER).path(TemporaryPaths.fresh())
                .proxyProtocol(trusted).start();
                Peer local = Peer.connect(server.localAddress())) { // its file tells who may connect
            assertEquals("203.0.113.7:1\n", local.send(header).receiveText(14));
        }
        for (List<String> wrong : List.of(List.of("localhost"), List.of("10.0.0.0/33"),
                List.of("10.0.0/8"), List.of("10.0.0.256"), List.of("1:::2"), List.<String>of())) {
            assertThrows(IllegalArgumentException.class,
                    () -> Server.builder(HANDLER).proxyProtocol(wrong), wrong::toString);
        }
    }

    @Test
    void silent_connections_are_refused_in_time_and_delay_no_other() throws Exception {
        StreamOptions soon = StreamOptions.builder().timeout(Duration.ofMillis(300)).build();
        List<Peer> silent = new ArrayList<>();
        try (Server server = Server.builder(HANDLER).proxyProtocol().streams(soon)
                .log(event -> { }).start()) {
            for (int i = 0; i < 20; i++) {
                silent.add(Peer.connect(server.localAddress()).send("PRO"));
            }
            try (Peer client = Peer.connect(server.localAddress())) {
                client.send("PROXY UNKNOWN\r\n");
                assertEquals(OWN + "\n", client.receiveText(OWN.length() + 1));
            }
            for (Peer each : silent) {
                each.expectEnd();
            }
            assertEquals(20, server.stats().events().get("proxy-protocol"));
        } finally {
            for (Peer each : silent) {
                each.close();
            }
        }
    }
}
