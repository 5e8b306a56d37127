package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import parley.testing.Await;
import parley.testing.Child;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.Task;
import parley.testing.TemporaryPaths;
import parley.testing.Threads;

/** What doc/scale-out.md tells: one port for several processes, socket activation, HAProxy. */
@Guarded
class ManyProcessesTest {
    /** Listens on a port, passes the socket on as handle 3, and becomes the command. */
    private static final String ACTIVATE = String.join("\n",
            "import os, socket, sys",
            "s = socket.socket()",
            "s.bind(('127.0.0.1', 0))",
            "s.listen(128)",
            "print('port', s.getsockname()[1], flush=True)",
            "os.dup2(s.fileno(), 3)",
            "os.set_inheritable(3, True)", // which it is not yet when it was 3 already
            "os.execvp(sys.argv[1], sys.argv[1:])");

    /** A process that serves lines with its name and the client's address. */
    static final class Node {
        private Node() {
        }

        /** Takes a name, and a port to share, "proxied", or "3", a handle. */
        public static void main(String[] args) throws Exception {
            ServerBuilder builder = Server.builder(stream -> {
                for (String line = stream.in().readLine(); line != null;
                        line = stream.in().readLine()) {
                    stream.out().writeLine(args[0] + " " + Addresses.show(stream.peerAddress()));
                    stream.out().flush();
                }
            });
            switch (args[1]) {
                case "proxied" -> builder.proxyProtocol(List.of("127.0.0.1"));
                case "3" -> builder.handle(3);
                default -> builder.listen(ServerOptions.builder().host("127.0.0.1")
                        .port(Integer.parseInt(args[1])).reusePort(true).build());
            }
            try (Server server = builder.start()) {
                System.out.println("port " + server.port());
                System.in.read();
            }
            System.out.println("closed");
        }
    }

    private static void need(String... tools) {
        for (String each : tools) {
            assumeTrue(Boolean.getBoolean("parley.ci") || List.of("/usr/bin", "/usr/sbin", "/bin").stream()
                    .anyMatch(bin -> Files.isExecutable(Path.of(bin, each))), each + " is missing");
        }
    }

    private static InetSocketAddress address(Child child) throws Exception {
        return new InetSocketAddress("127.0.0.1", Integer.parseInt(child.answer("port")));
    }

    private static String ask(InetSocketAddress address) throws IOException {
        try (Peer client = Peer.connect(address)) {
            client.send("who?\n").endOutput();
            return new String(client.receiveAll(), StandardCharsets.UTF_8).strip();
        }
    }

    // ---- one machine -------------------------------------------------------------------------

    @Test
    void two_processes_share_a_port_and_one_goes_on_without_the_other() throws Exception {
        try (Child one = Child.java(Node.class, "one", "0")) {
            InetSocketAddress shared = address(one);
            try (Child two = Child.java(Node.class, "two", String.valueOf(shared.getPort()))) {
                assertEquals(shared, address(two));
                Await.until("both have served", new Seen(shared, "one", "two"));
                one.tell("end");
                assertEquals("closed", one.line());
                for (int i = 0; i < 20; i++) {
                    assertTrue(ask(shared).startsWith("two "));
                }
            }
        }
    }

    /** Asks until all have answered. */
    private static final class Seen implements java.util.concurrent.Callable<Boolean> {
        private final InetSocketAddress address;
        private final List<String> missing;

        Seen(InetSocketAddress address, String... names) {
            this.address = address;
            this.missing = new ArrayList<>(List.of(names));
        }

        @Override
        public Boolean call() throws IOException {
            missing.remove(ask(address).split(" ")[0]);
            return missing.isEmpty();
        }
    }

    @Test
    void a_service_manager_passes_the_socket_on() throws Exception {
        need("systemd-socket-activate");
        Path path = TemporaryPaths.fresh();
        try (Child child = Child.behind(List.of("systemd-socket-activate", "-l", path.toString()),
                List.of(), Node.class, "activated", "3")) {
            Await.until("it listens", () -> Files.exists(path));
            try (Peer client = Peer.connect(UnixDomainSocketAddress.of(path))) { // starts the process
                assertTrue(client.send("who?\n").receiveText(10).startsWith("activated "));
            }
            child.tell("end");
            child.answer("port");
        }
    }

    @Test
    void a_program_passes_the_socket_on_as_handle_3() throws Exception {
        need("python3");
        try (Child child = Child.behind(List.of("python3", "-c", ACTIVATE), List.of(), Node.class,
                "passed", "3")) {
            InetSocketAddress address = address(child);
            assertTrue(ask(address).startsWith("passed 127.0.0.1:")); // waits in the backlog at first
            child.tell("end");
        }
    }

    // ---- behind HAProxy ----------------------------------------------------------------------

    /** Four clients that ask again and again, and note by whom they were answered. */
    private static final class Load {
        private final InetSocketAddress address;
        private final AtomicBoolean over = new AtomicBoolean();
        private final Map<String, AtomicInteger> answers = new ConcurrentHashMap<>();
        private final List<String> failures = new CopyOnWriteArrayList<>();
        private final List<Task<Void>> clients = new ArrayList<>();

        Load(InetSocketAddress address) {
            this.address = address;
            for (int i = 0; i < 4; i++) {
                clients.add(Threads.PLATFORM.start("load-" + i, this::run));
            }
        }

        private Void run() {
            while (!over.get() && failures.isEmpty()) {
                try (Peer client = Peer.connect(address)) {
                    String me = Addresses.show(client.channel().getLocalAddress());
                    client.send("who?\n").endOutput();
                    String answer = new String(client.receiveAll(), StandardCharsets.UTF_8).strip();
                    if (answer.endsWith(" " + me)) {
                        answers.computeIfAbsent(answer.split(" ")[0], name -> new AtomicInteger())
                                .incrementAndGet();
                    } else {
                        failures.add("\"" + answer + "\" to " + me);
                    }
                } catch (IOException e) {
                    failures.add(e.toString());
                }
            }
            return null;
        }

        int of(String name) {
            return answers.getOrDefault(name, new AtomicInteger()).get();
        }

        void awaitMore(String name, int count) {
            int before = of(name);
            Await.until(name + " has answered " + count + " more",
                    () -> of(name) >= before + count || !failures.isEmpty());
            assertEquals(List.of(), failures);
        }

        List<String> end() throws Exception {
            over.set(true);
            for (Task<Void> each : clients) {
                each.await();
            }
            return failures;
        }
    }

    private static String configuration(Path admin, int one, int two) {
        return String.join("\n",
                "global",
                "  stats socket unix@" + admin + " mode 600 level admin",
                "defaults",
                "  mode tcp",
                "  timeout connect 5s",
                "  timeout client 1m",
                "  timeout server 1m",
                "  option redispatch",
                "  retries 3",
                "frontend front",
                "  bind fd@3",
                "  default_backend app",
                "backend app",
                "  balance roundrobin",
                "  server one 127.0.0.1:" + one + " send-proxy-v2 check check-send-proxy inter 100ms",
                "  server two 127.0.0.1:" + two + " send-proxy check check-send-proxy inter 100ms",
                "");
    }

    private static String command(Path admin, String text) throws IOException {
        try (Peer client = Peer.connect(UnixDomainSocketAddress.of(admin))) {
            client.send(text + "\n");
            return new String(client.receiveAll(), StandardCharsets.UTF_8);
        }
    }

    /** A column of the statistics of a server of the backend. */
    private static String statistic(Path admin, String server, String column) throws IOException {
        String[] lines = command(admin, "show stat").split("\n");
        int at = List.of(lines[0].replace("# ", "").split(",")).indexOf(column);
        for (String each : lines) {
            if (each.startsWith("app," + server + ",")) {
                return each.split(",")[at];
            }
        }
        return "";
    }

    @Test
    void behind_haproxy_a_process_stops_under_load_and_no_request_fails() throws Exception {
        need("python3", "haproxy");
        Path admin = TemporaryPaths.fresh();
        try (Child one = Child.java(Node.class, "one", "proxied");
                Child two = Child.java(Node.class, "two", "proxied")) {
            Path file = TemporaryPaths.fresh();
            Files.writeString(file, configuration(admin, address(one).getPort(), address(two).getPort()));
            try (Child haproxy = Child.command("python3", "-c", ACTIVATE, "haproxy", "-db", "-f",
                    file.toString())) {
                Load load = new Load(address(haproxy));
                load.awaitMore("one", 20);
                load.awaitMore("two", 20);
                Await.until("both are checked", () -> statistic(admin, "one", "status").equals("UP")
                        && statistic(admin, "two", "status").equals("UP"));
                command(admin, "set server app/one state drain");
                Await.until("nothing is left for it",
                        () -> statistic(admin, "one", "scur").equals("0"));
                one.tell("end");
                assertEquals("closed", one.line());
                load.awaitMore("two", 50);
                Await.until("the check has noticed",
                        () -> statistic(admin, "one", "check_status").equals("L4CON"));
                assertEquals(List.of(), load.end());
            }
        }
    }
}
