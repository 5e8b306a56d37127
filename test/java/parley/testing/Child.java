package parley.testing;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Another process: by default a Java machine with this one's class path that runs a given main
 * class. It can be stopped, continued, killed and starved of descriptors, and talks in lines. Its
 * standard error goes into the same lines.
 */
public final class Child implements AutoCloseable {
    private static final String END = new String("end of output"); // compared by identity

    private static final List<String> FLAGS =
            List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");

    // Set to run children with so many.
    private static final String DESCRIPTORS = System.getProperty("parley.child.descriptors");

    private final Process process; // immutable
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    private final Task<Void> reader; // immutable

    private Child(List<String> command) throws IOException {
        this(command, ProcessBuilder.Redirect.PIPE);
    }

    private Child(List<String> command, ProcessBuilder.Redirect input) throws IOException {
        process = new ProcessBuilder(command).redirectErrorStream(true).redirectInput(input)
                .start();
        reader = Threads.PLATFORM.start("child-output", this::readAll);
    }

    /** Runs {@code main} of this class path in a Java machine of its own. */
    public static Child java(Class<?> main, String... arguments) throws IOException {
        return java(List.of(), main, arguments);
    }

    /** As {@link #java(Class, String...)}, with options for the Java machine. */
    public static Child java(List<String> options, Class<?> main, String... arguments)
            throws IOException {
        List<String> command = javaCommand(main, options);
        command.addAll(List.of(arguments));
        return new Child(command);
    }

    /** As {@link #java(Class, String...)}, with a file as its standard input. */
    public static Child javaWithInput(Path file, Class<?> main, String... arguments)
            throws IOException {
        List<String> command = javaCommand(main, List.of());
        command.addAll(List.of(arguments));
        return new Child(command, ProcessBuilder.Redirect.from(file.toFile()));
    }

    /** As {@link #java(Class, String...)}, with another mask for the modes of new files. */
    public static Child withUmask(String umask, Class<?> main, String... arguments)
            throws IOException {
        return behind(List.of("sh", "-c", "umask " + umask + "; exec \"$@\"", "sh"), List.of(), main,
                arguments);
    }

    /** As {@link #java(List, Class, String...)}, run by another command, such as {@code env A=B}. */
    public static Child behind(List<String> prefix, List<String> options, Class<?> main,
            String... arguments) throws IOException {
        List<String> command = new ArrayList<>(prefix);
        command.addAll(javaCommand(main, options));
        command.addAll(List.of(arguments));
        return new Child(command);
    }

    /**
     * Makes system calls of {@code victim} fail, by strace, from when this returns until it is
     * closed: those of the comma-separated {@code calls} with {@code error}, {@code when} as strace
     * counts them in each thread.
     */
    public static Child injecting(Child victim, String calls, String error, String when)
            throws Exception {
        Child strace = command("strace", "-f", "-p", Long.toString(victim.pid()),
                "-o", "/dev/null", "-e", "trace=" + calls,
                "-e", "inject=" + calls + ":error=" + error + ":" + when);
        String said = strace.line();
        if (!said.contains("attached")) {
            strace.close();
            throw new AssertionError(said);
        }
        return strace;
    }

    static List<String> javaCommand(Class<?> main, List<String> options) {
        List<String> command = new ArrayList<>();
        if (DESCRIPTORS != null) {
            command.addAll(List.of("prlimit", "--nofile=" + DESCRIPTORS + ":"));
        }
        command.add(java());
        command.addAll(FLAGS);
        if (DESCRIPTORS != null) {
            command.add("-XX:-MaxFDLimit"); // else the Java machine takes the hard limit
        }
        command.add(temporary());
        command.addAll(options);
        command.addAll(List.of("-cp", classPath(), main.getName()));
        return command;
    }

    /** Runs Clojure with the library compiled in a Java machine of its own. */
    public static Child clojure(List<String> options, String... arguments) throws IOException {
        return clojure(Stream.concat(Stream.of(archive()), options.stream()).toList(),
                compiledPath(), arguments);
    }

    /** As {@link #clojure(List, String...)}, with another class path. */
    public static Child clojure(List<String> options, List<String> path, String... arguments)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(java()));
        command.addAll(FLAGS);
        command.add(temporary());
        command.addAll(options);
        command.addAll(List.of("-cp", String.join(File.pathSeparator, path), "clojure.main"));
        command.addAll(List.of(arguments));
        return new Child(command);
    }

    /**
     * The class path of the tests without the directory of tools for a REPL, which every Clojure
     * loads that finds it.
     */
    public static List<String> sourcePath() {
        return Stream.of(classPath().split(File.pathSeparator))
                .filter(each -> !each.endsWith("/dev")).toList();
    }

    /** As {@link #sourcePath}, with the library compiled: only parley.async can be reloaded. */
    public static List<String> compiledPath() {
        return Compiled.path(sourcePath());
    }

    /** The option that makes a Java machine with the {@link #compiledPath} start faster. */
    public static String archive() {
        return Compiled.archive();
    }

    /** What a child that is killed leaves behind goes with this machine's own. */
    private static String temporary() {
        return "-Djava.io.tmpdir=" + TemporaryPaths.root();
    }

    private static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /** Runs any command. */
    public static Child command(String... command) throws IOException {
        return new Child(List.of(command));
    }

    /**
     * The class path tests run on; Surefire keeps the real one in a property of its own. A child
     * that has few descriptors gets no archive that Java users do not have.
     */
    private static String classPath() {
        String all = System.getProperty("surefire.test.class.path",
                System.getProperty("java.class.path"));
        return DESCRIPTORS == null ? all : Stream.of(all.split(File.pathSeparator))
                .filter(each -> !each.endsWith(".jar")
                        || each.matches(".*/(jna|jnr|junit|opentest4j)[^/]*"))
                .collect(Collectors.joining(File.pathSeparator));
    }

    private Void readAll() throws IOException {
        try (BufferedReader output = new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                lines.add(line);
            }
        } finally {
            lines.add(END);
        }
        return null;
    }

    /** Its process number. */
    public long pid() {
        return process.pid();
    }

    /** The next line it prints, at the latest after {@link Task#PATIENCE}; fails at the end. */
    public String line() throws InterruptedException {
        String line = lines.poll(Task.PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
        if (line == null) {
            throw new AssertionError("process " + pid() + " printed nothing for " + Task.PATIENCE);
        }
        if (line == END) {
            throw new AssertionError("process " + pid() + " ended, exit code " + exitCode());
        }
        return line;
    }

    /** The rest of the first line to come that starts with {@code prefix}. */
    public String answer(String prefix) throws InterruptedException {
        List<String> before = new ArrayList<>();
        try {
            for (String line = line(); ; line = line()) {
                if (line.startsWith(prefix)) {
                    return line.substring(prefix.length()).strip();
                }
                before.add(line);
            }
        } catch (AssertionError e) {
            throw new AssertionError("no line " + prefix + "…: " + e.getMessage() + "; before that:"
                    + "\n" + String.join("\n", before), e);
        }
    }

    /** Sends it one line. */
    public void tell(String line) throws IOException {
        OutputStream input = process.getOutputStream();
        input.write((line + "\n").getBytes(StandardCharsets.UTF_8));
        input.flush();
    }

    /** Stops it where it stands (SIGSTOP), until {@link #resume}. */
    public void stop() throws Exception {
        signal("STOP");
        Await.until("process " + pid() + " is stopped", () -> state() == 'T');
    }

    /** Lets it go on (SIGCONT). */
    public void resume() throws Exception {
        signal("CONT");
    }

    /** Kills it (SIGKILL); the kernel closes what it had open. */
    public void kill() throws Exception {
        process.destroyForcibly().waitFor();
    }

    /** Its exit code, at the latest after {@link Task#PATIENCE}. */
    public int exitCode() throws InterruptedException {
        if (!process.waitFor(Task.PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
            throw new AssertionError("process " + pid() + " goes on after " + Task.PATIENCE);
        }
        return process.exitValue();
    }

    /** Leaves it so many descriptors to open (by the soft limit, which bounds their numbers). */
    public void leaveDescriptors(int spare) throws Exception {
        Set<Integer> taken;
        try (Stream<Path> entries = Files.list(Path.of("/proc/" + pid() + "/fd"))) {
            taken = entries.map(e -> Integer.valueOf(e.getFileName().toString()))
                    .collect(Collectors.toSet());
        }
        int limit = 0;
        for (int free = 0; free < spare || taken.contains(limit); limit++) {
            free += taken.contains(limit) ? 0 : 1;
        }
        limitDescriptors(limit);
    }

    /** Lets it have so many descriptors (the soft limit). */
    public void limitDescriptors(long limit) throws Exception {
        run("prlimit", "--pid", Long.toString(pid()), "--nofile=" + limit + ":");
    }

    /** Leaves it so many bytes of memory to map (the soft limit); -1 for all that it wants. */
    public void limitMemory(long spare) throws Exception {
        long mapped = Files.readAllLines(Path.of("/proc/" + pid() + "/status")).stream()
                .filter(line -> line.startsWith("VmSize:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", ""))).sum() << 10;
        run("prlimit", "--pid", Long.toString(pid()),
                "--as=" + (spare < 0 ? "unlimited" : mapped + spare) + ":");
    }

    @Override
    public void close() throws IOException {
        process.destroyForcibly();
        reader.ended(Duration.ofSeconds(10));
        process.getOutputStream().close();
    }

    private void signal(String name) throws Exception {
        run("sh", "-c", "kill -" + name + " " + pid());
    }

    private char state() throws IOException {
        String stat = Files.readString(Path.of("/proc/" + pid() + "/stat"));
        return stat.charAt(stat.lastIndexOf(')') + 2);
    }

    private static void run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new AssertionError(String.join(" ", command) + ": " + output);
        }
    }
}
