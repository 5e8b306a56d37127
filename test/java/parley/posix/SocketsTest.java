package parley.posix;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static parley.posix.Support.SECOND;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.AsynchronousCloseException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(180)
class SocketsTest {
    private static Descriptor server(String host) throws IOException {
        InetAddress address = InetAddress.getByName(host);
        String domain = address.getAddress().length == 4 ? "inet" : "inet6";
        Descriptor server = Sockets.socket(domain, "stream", 0);
        Sockets.bind(server, SockAddr.of(address, 0));
        Sockets.listen(server, 5);
        return server;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void a_connection_is_made_and_knows_its_addresses(String host) throws IOException {
        try (Descriptor server = server(host);
                Descriptor client = Sockets.socket(
                        host.equals("::1") ? "inet6" : "inet", "stream", 0)) {
            SockAddr at = Sockets.localAddress(server);
            assertEquals(host, at.host());
            assertTrue(Sockets.connect(client, at, SECOND));
            Sockets.Accepted accepted = Sockets.accept(server, SECOND);
            assertEquals(Sockets.localAddress(client), accepted.peer());
            assertEquals(at, Sockets.peerAddress(client));
            assertTrue(RawDescriptor.isCloseOnExec(accepted.socket().number())
                    && RawDescriptor.isCloseOnExec(client.number()));
            accepted.socket().write(bytes("hi"), 0, 2);
            assertEquals(Poll.IN, client.await(Poll.IN, SECOND));
            accepted.socket().close();
        }
    }

    @Test
    void a_refused_connect_reports_it() throws IOException {
        SockAddr at;
        try (Descriptor server = server("127.0.0.1")) {
            at = Sockets.localAddress(server);
        }
        try (Descriptor client = Sockets.socket("inet", "stream", 0)) {
            PosixException e = assertThrows(
                    PosixException.class, () -> Sockets.connect(client, at, SECOND));
            assertEquals("ECONNREFUSED", e.name());
            assertEquals("connect(" + client.number() + ", " + at
                    + "): Connection refused (ECONNREFUSED)", e.getMessage());
        }
    }

    @Test
    void accept_without_a_connection_takes_its_time_and_returns_null() throws IOException {
        try (Descriptor server = server("127.0.0.1")) {
            assertNull(Sockets.accept(server, 0));
            long start = System.nanoTime();
            assertNull(Sockets.accept(server, SECOND / 10));
            assertTrue(System.nanoTime() - start >= SECOND / 10);
        }
    }

    @Test
    void RAW_5_accept_is_ended_by_close_and_by_interrupt() throws Exception {
        Descriptor server = server("127.0.0.1");
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Runnable accepting = () -> {
            try {
                Sockets.accept(server, Long.MAX_VALUE);
            } catch (IOException e) {
                thrown.set(e);
            }
        };
        Thread first = Support.start("test-accepting", accepting);
        Support.untilIn(first, "poll");
        first.interrupt();
        Support.join(first);
        assertInstanceOf(InterruptedIOException.class, thrown.get());
        Thread second = Support.start("test-accepting", accepting);
        Support.untilIn(second, "poll");
        server.close();
        Support.join(second);
        assertInstanceOf(AsynchronousCloseException.class, thrown.get());
    }

    @Test
    void shutdown_ends_one_direction() throws IOException {
        Descriptor[] pair = Support.streams();
        Sockets.shutdown(pair[0], false, true);
        assertEquals(Descriptor.EOF, pair[1].read(new byte[1], 0, 1));
        assertEquals(1, pair[1].write(new byte[1], 0, 1));
        assertEquals(1, pair[0].read(new byte[1], 0, 1));
        PosixException e = assertThrows(
                PosixException.class, () -> pair[0].write(new byte[1], 0, 1));
        assertEquals("EPIPE", e.name());
        Support.closeAll(pair);
    }

    @Test
    void a_bound_unix_domain_socket_is_reached_by_its_path(
            @TempDir Path directory) throws IOException {
        SockAddr at = SockAddr.ofPath(directory.resolve("s").toString());
        try (Descriptor server = Sockets.socket("unix", "stream", 0);
                Descriptor client = Sockets.socket("unix", "stream", 0)) {
            Sockets.bind(server, at);
            Sockets.listen(server, 5);
            assertTrue(Sockets.connect(client, at, SECOND));
            Sockets.Accepted accepted = Sockets.accept(server, SECOND);
            assertEquals("(unnamed)", accepted.peer().toString());
            assertEquals(at, Sockets.peerAddress(client));
            assertEquals(at.path(), Sockets.localAddress(accepted.socket()).path());
            accepted.socket().close();
        }
    }

    @Test
    void datagrams_keep_their_bounds_and_tell_the_sender() throws IOException {
        SockAddr any = SockAddr.of(InetAddress.getLoopbackAddress(), 0);
        try (Descriptor a = Sockets.socket("inet", "dgram", 0);
                Descriptor b = Sockets.socket("inet", "dgram", 0)) {
            Sockets.bind(a, any);
            Sockets.bind(b, any);
            SockAddr to = Sockets.localAddress(b);
            byte[] text = bytes("--hello");
            assertEquals(5, Datagrams.send(a, text, 2, 5, to, 0));
            assertEquals(0, Datagrams.send(a, text, 0, 0, to, 0));
            b.await(Poll.IN, SECOND);
            byte[] into = new byte[10];
            Datagrams.Received first = Datagrams.receive(b, into, 1, 9, 0);
            assertEquals(5, first.count());
            assertEquals(Sockets.localAddress(a), first.address());
            assertEquals("hello", new String(into, 1, 5, StandardCharsets.UTF_8));
            b.await(Poll.IN, SECOND);
            assertEquals(0, b.read(into, 0, 10), "an empty datagram is not an end");
            assertEquals(Descriptor.WOULD_BLOCK, Datagrams.receive(b, into, 0, 9, 0).count());
        }
    }

    @Test
    void RAW_4_a_truncated_datagram_is_flagged() throws IOException {
        Descriptor[] pair = Sockets.socketpair("unix", "dgram", 0);
        pair[0].send(bytes("0123456789"), 0, 10, 0);
        byte[] into = new byte[4];
        Datagrams.Received cut = Datagrams.receive(pair[1], into, 0, 4, 0);
        assertEquals(4, cut.count());
        assertTrue((cut.flags() & MessageFlags.TRUNC) != 0);
        pair[0].send(bytes("0123"), 0, 4, 0);
        Datagrams.Received whole = Datagrams.receive(pair[1], into, 0, 4, 0);
        assertEquals(0, whole.flags() & MessageFlags.TRUNC);
        Support.closeAll(pair);
    }

    @Test
    void a_truncated_datagram_asked_for_its_real_size_stays_in_the_buffer() throws IOException {
        Descriptor[] pair = Sockets.socketpair("unix", "dgram", 0);
        pair[0].send(new byte[300], 0, 300, 0);
        byte[] into = new byte[8];
        assertEquals(300, pair[1].recv(into, 2, 4, MessageFlags.TRUNC));
        assertArrayEquals(new byte[8], into);
        Support.closeAll(pair);
    }

    @Test
    void messages_are_gathered_and_scattered() throws IOException {
        Descriptor[] pair = Sockets.socketpair("unix", "seqpacket", 0);
        byte[] text = bytes("I love you");
        List<Datagrams.Part> from = List.of(new Datagrams.Part(text, 0, 1),
                new Datagrams.Part(text, 2, 4), new Datagrams.Part(text, 7, 3));
        assertEquals(8, Datagrams.send(pair[0], from, null, new byte[0], MessageFlags.EOR));
        byte[] one = new byte[3];
        byte[] two = new byte[10];
        Datagrams.Received received = Datagrams.receive(pair[1],
                List.of(new Datagrams.Part(one, 0, 3), new Datagrams.Part(two, 1, 9)), 64, 0);
        assertEquals(8, received.count());
        assertEquals("Ilo", new String(one, StandardCharsets.UTF_8));
        assertEquals("veyou", new String(two, 1, 5, StandardCharsets.UTF_8));
        assertEquals(0, received.flags() & (MessageFlags.TRUNC | MessageFlags.CTRUNC));
        assertEquals(0, received.control().length);
        Support.closeAll(pair);
    }

    @Test
    void every_descriptor_that_is_made_or_received_is_closed_on_exec() throws Exception {
        Set<Integer> before = new HashSet<>();
        for (int number : Support.numbers()) {
            before.add(number);
        }
        Descriptor[] pair = Support.streams();
        Descriptor[] pipe = Descriptor.pipe();
        Descriptor server = Sockets.socket("inet", "stream", 0);
        Sockets.bind(server, SockAddr.of(InetAddress.getLoopbackAddress(), 0));
        Sockets.listen(server, 1);
        Descriptor client = Sockets.socket("inet", "stream", 0);
        Sockets.connect(client, Sockets.localAddress(server), 5 * SECOND);
        Descriptor accepted = Sockets.accept(server, 5 * SECOND).socket();
        Descriptor copy = client.duplicate();
        int received = pass(pair, pipe[0].number());
        try (ShellProcess shell = ShellProcess.start("cat", true, true)) {
            int made = 0;
            for (int number : Support.numbers()) {
                String what = Handles.identity(number);
                if (!before.contains(number) && what != null && !what.startsWith("/")) {
                    assertTrue(RawDescriptor.isCloseOnExec(number), number + " " + what);
                    made++;
                }
            }
            assertTrue(made >= 10, made + " descriptors"); // at least those that can be counted here
            assertTrue(shell.isAlive());
        }
        Descriptor.own(received).close();
        Support.closeAll(pair[0], pair[1], pipe[0], pipe[1], server, client, accepted, copy);
    }

    /** Passes a number over a pair as control data (SCM_RIGHTS); returns the one that comes. */
    private static int pass(Descriptor[] pair, int number) throws IOException {
        Datagrams.Part one = new Datagrams.Part(new byte[1], 0, 1);
        Datagrams.send(pair[0], List.of(one), null, Support.rights(number, 1), 0);
        Datagrams.Received got = Datagrams.receive(pair[1], List.of(one), 64, 0);
        assertEquals(0, got.flags());
        return Support.rights(got.control())[0];
    }

    @Test
    void urgent_data_is_marked_and_read_apart() throws IOException {
        try (Descriptor server = server("127.0.0.1");
                Descriptor client = Sockets.socket("inet", "stream", 0)) {
            Sockets.connect(client, Sockets.localAddress(server), SECOND);
            Descriptor accepted = Sockets.accept(server, SECOND).socket();
            client.send(bytes("ab"), 0, 2, 0);
            client.send(bytes("!"), 0, 1, MessageFlags.OOB);
            client.send(bytes("cd"), 0, 2, 0);
            assertTrue((accepted.await(Poll.PRI, SECOND) & Poll.PRI) != 0);
            byte[] into = new byte[8];
            assertEquals(1, accepted.recv(into, 0, 8, MessageFlags.OOB));
            assertEquals('!', into[0]);
            assertFalse(Sockets.atMark(accepted));
            assertEquals(2, accepted.recv(into, 0, 8, MessageFlags.PEEK));
            assertEquals(2, accepted.recv(into, 0, 8, 0));
            assertTrue(Sockets.atMark(accepted));
            accepted.close();
        }
    }

    @Test
    void RAW_1_without_the_privilege_the_error_names_what_is_needed() throws IOException {
        try (Descriptor raw = Sockets.socket("inet", "raw", 1)) {
            assertEquals("raw", DescriptorOption.SO_TYPE.get(raw));
        } catch (PosixException e) {
            assertTrue(e.getMessage().contains("CAP_NET_RAW"), e.getMessage());
        }
    }

    @Test
    void raw_sockets_see_icmp_where_the_user_may() throws IOException {
        assertTrue(Sockets.socket("unix", "dgram", 0) != null);
        Descriptor raw;
        try {
            raw = Sockets.socket("inet", "raw", 1);
        } catch (PosixException e) {
            assertEquals("EPERM", e.name());
            return;
        }
        byte[] echo = {8, 0, 0, 0, 0x12, 0x34, 0, 1};
        int sum = ~(0x0800 + 0x1234 + 1) & 0xffff;
        echo[2] = (byte) (sum >> 8);
        echo[3] = (byte) sum;
        SockAddr loopback = SockAddr.of(InetAddress.getLoopbackAddress(), 0);
        assertEquals(8, Datagrams.send(raw, echo, 0, 8, loopback, 0));
        byte[] into = new byte[100];
        assertTrue(raw.await(Poll.IN, 5 * SECOND) != 0);
        Datagrams.Received received = Datagrams.receive(raw, into, 0, 100, 0);
        assertEquals(28, received.count());
        assertEquals("127.0.0.1:0", received.address().toString());
        raw.close();
    }

    @Test
    void unknown_domains_and_types_are_reported_with_the_known_ones() {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> Sockets.socket("inett", "stream", 0));
        assertEquals("socket: unknown domain inett, known on Linux are unspec inet inet6 unix"
                + " packet", e.getMessage());
        assertThrows(IllegalArgumentException.class, () -> Sockets.socket("inet", null, 0));
    }

    @Test
    void addresses_print_as_host_and_port() throws Exception {
        assertEquals("127.0.0.1:80",
                SockAddr.of(InetAddress.getByName("127.0.0.1"), 80).toString());
        assertEquals("[::1]:65535", SockAddr.of(InetAddress.getByName("::1"), 65535).toString());
        assertEquals("[2001:db8::1:0:0:1]:1", SockAddr.of(
                InetAddress.getByName("2001:db8:0:0:1:0:0:1"), 1).toString());
        assertEquals("/tmp/x", SockAddr.ofPath("/tmp/x").toString());
        assertEquals("@abstract", SockAddr.ofPath("\0abstract").toString());
        assertEquals("packet:3/01:02:03:04:05:06",
                SockAddr.ofPacket(0x800, 3, new byte[] {1, 2, 3, 4, 5, 6}).toString());
        byte[] data = {0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
        SockAddr made = SockAddr.of("inet", data);
        assertEquals(SockAddr.of(InetAddress.getByName("127.0.0.1"), 80), made);
        assertEquals("inet", made.family());
        assertEquals(80, made.port());
        assertEquals(14, made.data().length);
    }

    @Test
    void addresses_that_cannot_be_are_refused() {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        assertThrows(IllegalArgumentException.class, () -> SockAddr.of(loopback, 65536));
        assertThrows(IllegalArgumentException.class, () -> SockAddr.of(loopback, -1));
        assertThrows(IllegalArgumentException.class, () -> SockAddr.of("inet", new byte[127]));
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class,
                () -> SockAddr.ofPath("x".repeat(108)));
        assertTrue(e.getMessage().endsWith("has 108 bytes, expected at most 107"), e.getMessage());
    }

    @Test
    void port_of_an_address_cut_short_does_not_crash() {
        for (int size = 0; size < 30; size++) {
            for (String family : List.of("inet", "inet6", "unix", "packet")) {
                SockAddr address = SockAddr.of(family, new byte[size]);
                address.toString();
                address.port();
                address.path();
                address.inetAddress();
            }
        }
    }
}
