package parley.testing;

import java.io.IOException;
import java.io.InterruptedIOException;
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
}
