package parley.testing;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A network namespace of its own (Linux, for root): a machine in the machine, where a name server
 * can be silent and a route lead nowhere. Only its loopback interface is up.
 */
public final class Netns implements AutoCloseable {
    private final String name; // immutable
    private final Path etc; // what is seen as /etc there

    private Netns(String suffix) {
        name = "parley" + ProcessHandle.current().pid() + suffix;
        etc = Path.of("/etc/netns", name);
    }

    /** Makes one, or answers null where this process may not. */
    public static Netns create() throws IOException {
        return create("");
    }

    /** As {@link #create()}, one of several. */
    static Netns create(String suffix) throws IOException {
        Netns netns = new Netns(suffix);
        if (!run("ip", "netns", "add", netns.name)) {
            return null;
        }
        if (!netns.exec("ip", "link", "set", "lo", "up")) {
            netns.close();
            return null;
        }
        return netns;
    }

    String name() {
        return name;
    }

    /** Makes {@code lines} the resolver's configuration in the namespace. */
    public void resolver(String... lines) throws IOException {
        Files.createDirectories(etc);
        Files.writeString(etc.resolve("resolv.conf"), String.join("\n", lines) + "\n");
    }

    /** Makes {@code lines} what is known of hosts in the namespace without asking. */
    public void hosts(String... lines) throws IOException {
        Files.createDirectories(etc);
        Files.writeString(etc.resolve("hosts"), String.join("\n", lines) + "\n");
    }

    /** Runs a command in the namespace; true when it succeeds. */
    public boolean exec(String... command) throws IOException {
        return run(prefixed(List.of(command)));
    }

    /** Runs {@code main} in the namespace, in a Java machine of its own. */
    public Child java(Class<?> main, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(Child.javaCommand(main, List.of()));
        command.addAll(List.of(arguments));
        return Child.command(prefixed(command));
    }

    /** As {@link #java}, without the privileges that root has, even those over this namespace. */
    public Child unprivileged(Class<?> main) throws IOException {
        List<String> command = new ArrayList<>(
                List.of("setpriv", "--bounding-set=-all", "--inh-caps=-all"));
        command.addAll(Child.javaCommand(main, List.of()));
        return Child.command(prefixed(command));
    }

    private String[] prefixed(List<String> command) {
        List<String> all = new ArrayList<>(List.of("ip", "netns", "exec", name));
        all.addAll(command);
        return all.toArray(String[]::new);
    }

    @Override
    public void close() throws IOException {
        run("ip", "netns", "delete", name);
        Files.deleteIfExists(etc.resolve("resolv.conf"));
        Files.deleteIfExists(etc.resolve("hosts"));
        Files.deleteIfExists(etc);
    }

    private static boolean run(String... command) throws IOException {
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        } catch (IOException e) {
            return false; // there is no such command here
        }
        process.getOutputStream().close();
        try {
            return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException(String.join(" ", command));
        }
    }

    /** Two machines in the machine, with a cable between them or a network that harms packets. */
    public static final class Pair implements AutoCloseable {
        /** The address of the second one over the cable. */
        public static final String SECOND = "10.99.0.2";
        /** An address at the cable that nobody has. */
        public static final String NOBODY = "10.99.0.77";
        /** The address of the second one over the network of {@link #faulty}. */
        public static final String SECOND_FAULTY = "10.98.0.2";

        private static final String FIRST = "10.99.0.1";

        /** One of the machines. */
        public final Netns first;
        /** The other one. */
        public final Netns second;

        private Pair(Netns first, Netns second) {
            this.first = first;
            this.second = second;
        }

        /** Two machines without a connection, or null where this process may not make them. */
        public static Pair apart() throws IOException {
            Netns first = Netns.create("a");
            if (first == null) {
                return null;
            }
            Netns second = Netns.create("b");
            if (second == null) {
                first.close();
                return null;
            }
            return new Pair(first, second);
        }

        /** Two machines with a cable, or null where this process may not make them. */
        public static Pair connected() throws IOException {
            Pair pair = apart();
            if (pair != null && !pair.connect()) {
                pair.close();
                return null;
            }
            return pair;
        }

        private boolean connect() throws IOException {
            return first.exec("ip", "link", "add", "va", "type", "veth",
                            "peer", "name", "vb", "netns", second.name())
                    && first.exec("ip", "addr", "add", FIRST + "/24", "dev", "va")
                    && second.exec("ip", "addr", "add", SECOND + "/24", "dev", "vb")
                    && second.exec("ip", "link", "set", "vb", "up")
                    && first.exec("ip", "link", "set", "va", "up");
        }

        /** Takes the first one's end of the cable {@code up} or {@code down}. */
        public void link(String state) throws IOException {
            if (!first.exec("ip", "link", "set", "va", state)) {
                throw new AssertionError("the link cannot be set " + state);
            }
        }

        /** Connects the two, until closed, by a network with {@code faults} (see usernetem.py). */
        public Child faulty(String... faults) throws Exception {
            List<String> command = new ArrayList<>(List.of("python3", script().toString(),
                    first.name(), second.name()));
            command.addAll(List.of(faults));
            Child network = Child.command(command.toArray(String[]::new));
            network.answer("ready");
            return network;
        }

        private static Path script() throws URISyntaxException {
            URL script = Pair.class.getResource("usernetem.py");
            return Path.of(script.toURI());
        }

        @Override
        public void close() throws IOException {
            try {
                first.close();
            } finally {
                second.close();
            }
        }
    }
}
