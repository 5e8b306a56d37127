package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.nio.channels.DatagramChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import parley.net.ErrorCode;
import parley.net.ServerOptions;
import parley.net.SocketServer;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.testing.Child;
import parley.testing.Guarded;
import parley.testing.Netns;

/** CON-2, 3 and 11, where names and routes lead nowhere: in a network namespace. */
@Guarded
class ResolvingTest {
    private static final String[] SILENT = {
        "nameserver 127.0.0.1", "options timeout:1 attempts:1"
    };

    @Test
    void CON_3_a_timeout_covers_a_silent_name_server() throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null);
            netns.resolver("nameserver 127.0.0.1", "options timeout:10 attempts:1");
            try (Child child = netns.java(Connect.class, "name.example", "300")) {
                assertEquals("ETIMEDOUT", child.answer("code"));
                long millis = Long.parseLong(child.answer("millis"));
                assertTrue(millis >= 295 && millis < 9_000, millis + " ms");
            }
        }
    }

    @Test
    void CON_3_a_silent_name_server_differs_from_an_unknown_name() throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null);
            netns.resolver(SILENT);
            try (Child child = netns.java(Connect.class, "name.example", "")) {
                assertEquals("EAI_AGAIN", child.answer("code"));
                assertTrue(child.answer("message").contains("name.example"));
            }
        }
    }

    @Test
    void CON_2_routes_that_lead_nowhere_have_codes_of_their_own() throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null);
            String[][] routes = {{"unreachable", "192.0.2.1", "EHOSTUNREACH"},
                {"prohibit", "198.51.100.1", "EACCES"}, {"blackhole", "203.0.113.1", "EINVAL"}};
            for (String[] route : routes) {
                assumeTrue(netns.exec("ip", "route", "add", route[0], route[1] + "/32"));
                try (Child child = netns.java(Connect.class, route[1], "")) {
                    assertEquals(route[2], child.answer("code"), route[0]);
                    assertTrue(child.answer("message").contains(route[1]), route[0]);
                }
            }
        }
    }

    @Test
    void CON_2_no_route_at_all_has_a_code_of_its_own() throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null);
            try (Child child = netns.java(Connect.class, "192.0.2.1", "")) {
                assertEquals("ENETUNREACH", child.answer("code"));
            }
        }
    }

    @Test
    void CON_4_of_a_names_addresses_one_that_listens_is_found_and_else_all_are_reported()
            throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null);
            netns.hosts("127.0.0.1 two.example", "127.0.0.2 two.example");
            try (Child child = netns.java(TwoAddresses.class)) {
                assertEquals("127.0.0.2", child.answer("found"));
                assertEquals("127.0.0.1", child.answer("found"));
                List<String> refusals = List.of(child.answer("refused"), child.answer("refused"));
                for (String address : List.of("127.0.0.1", "127.0.0.2")) {
                    // The words of the system between the address and ours depend on the locale.
                    assertEquals(1, refusals.stream().filter(text -> text.startsWith(
                            "SocketStream.connect: " + address + ":5000: ")
                            && text.contains(": nothing is listening there;")).count(),
                            refusals::toString);
                }
            }
        }
    }

    /** Connects to a name with two addresses, of which one listens, then the other, then none. */
    public static final class TwoAddresses {
        /** The child's entry. */
        public static void main(String[] arguments) throws IOException {
            for (String host : List.of("127.0.0.2", "127.0.0.1")) {
                try (SocketServer server = SocketServer.listen(
                                ServerOptions.builder().host(host).port(5000).build());
                        SocketStream stream = SocketStream.connect(
                                "two.example", server.port(), StreamOptions.DEFAULT)) {
                    System.out.println("found " + ((InetSocketAddress) stream.peerAddress())
                            .getAddress().getHostAddress());
                }
            }
            try {
                SocketStream.connect("two.example", 5000, StreamOptions.DEFAULT).close();
            } catch (IOException e) {
                System.out.println("refused " + e.getMessage());
                for (Throwable other : e.getSuppressed()) {
                    if (other instanceof IOException) {
                        System.out.println("refused " + other.getMessage());
                    }
                }
            }
        }
    }

    @Test
    void CON_11_a_machine_without_free_ports_reports_it() throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null && netns.exec(
                    "sysctl", "-w", "net.ipv4.ip_local_port_range=40000 40003"));
            try (Child child = netns.java(Exhaust.class)) {
                assertEquals("EADDRNOTAVAIL", child.answer("code"));
                assertTrue(child.answer("message").contains("127.0.0.1:5000"));
                int made = Integer.parseInt(child.answer("made"));
                assertTrue(made > 0 && made <= 4, made + " connections of 4 ports");
            }
        }
    }

    /** Connects until no port is left, and tells what is said then. */
    public static final class Exhaust {
        /** The child's entry. */
        public static void main(String[] arguments) throws IOException {
            List<SocketStream> made = new ArrayList<>();
            try (SocketServer server = SocketServer.listen(
                    ServerOptions.builder().host("127.0.0.1").port(5000).backlog(64).build())) {
                while (made.size() < 10) {
                    made.add(SocketStream.connect(
                            "127.0.0.1", server.port(), StreamOptions.DEFAULT));
                }
                System.out.println("code none");
            } catch (IOException e) {
                System.out.println("code " + ErrorCode.of(e));
                System.out.println("message " + e.getMessage());
                System.out.println("made " + made.size());
            }
        }
    }

    @Test
    void CON_4_look_ups_without_a_response_take_few_threads() throws Exception {
        try (Netns netns = Netns.create()) {
            assumeTrue(netns != null);
            netns.resolver("nameserver 127.0.0.1");
            try (Child child = netns.java(LookUps.class)) {
                int threads = Integer.parseInt(child.answer("threads"));
                assertTrue(threads > 0 && threads <= 16, threads + " threads");
            }
        }
    }

    /** Gives up looking hosts up, many times, and tells how many threads still do. */
    public static final class LookUps {
        /** The child's entry. */
        public static void main(String[] arguments) throws IOException {
            try (DatagramChannel silent = DatagramChannel.open()) {
                silent.bind(new InetSocketAddress("127.0.0.1", 53));
                for (int i = 0; i < 40; i++) {
                    String host = "host" + i + ".example";
                    assertThrows(SocketTimeoutException.class, () -> SocketStream.connect(host, 80,
                            Sockets.timeout(Duration.ofMillis(20))));
                }
                System.out.println("threads " + Thread.getAllStackTraces().keySet().stream()
                        .filter(each -> each.getName().startsWith("parley-resolver-")).count());
            }
        }
    }

    /** Connects and tells what came of it, beside a name server that never answers. */
    public static final class Connect {
        /** The child's entry: a host, and a timeout in milliseconds or nothing. */
        public static void main(String[] arguments) throws IOException {
            Duration timeout = arguments[1].isEmpty() ? null
                    : Duration.ofMillis(Long.parseLong(arguments[1]));
            StreamOptions options = Sockets.timeout(timeout);
            try (DatagramChannel silent = DatagramChannel.open()) {
                silent.bind(new InetSocketAddress("127.0.0.1", 53));
                long start = System.nanoTime();
                try {
                    SocketStream.connect(arguments[0], 80, options).close();
                    System.out.println("code none");
                } catch (IOException e) {
                    long millis = (System.nanoTime() - start) / 1_000_000;
                    System.out.println("code " + ErrorCode.of(e));
                    System.out.println("message " + e.getMessage());
                    System.out.println("millis " + millis);
                }
            }
        }
    }
}
