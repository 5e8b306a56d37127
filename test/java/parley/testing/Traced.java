package parley.testing;

import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Has strace look at the system calls of a child's main thread. The child says {@link #begin} and
 * marks its steps by opening files that are not there, {@link #mark}; both ends are here.
 */
public final class Traced {
    private static final String MARKS = "/parley-steps/";
    private static final String THREAD = "traced thread ";
    private static final Pattern MARK =
            Pattern.compile("open.*\"" + MARKS + "([^\"]+)\".*");

    private Traced() {
    }

    // ---- in the child ------------------------------------------------------------------------

    /** Waits until the calling thread is traced; {@code go} is the child's first argument. */
    public static void begin(String go) throws Exception {
        Path thread = Files.readSymbolicLink(Path.of("/proc/thread-self"));
        System.out.println(THREAD + thread.getFileName());
        Await.until("we are traced", () -> Files.exists(Path.of(go)));
    }

    /** Makes a system call that shows where we are. */
    public static void mark(String name) throws IOException {
        try (FileInputStream file = new FileInputStream(new File(MARKS + name))) {
            throw new AssertionError(file + " is there");
        } catch (FileNotFoundException e) {
            return; // as it should be: the call was made and can be seen from outside
        }
    }

    // ---- in the test -------------------------------------------------------------------------

    /** The file whose name the child needs; it appears when the child may go on. */
    public static Path go(Path directory) {
        return directory.resolve("go");
    }

    /**
     * Lets the child go on until it ends, which it must do well.
     *
     * @param calls what strace is to show, as its {@code trace=} has it
     * @param allThreads whether those of other threads too
     * @return what it shows, line by line, without the numbers of threads
     */
    public static List<String> log(Child child, Path directory, String calls, boolean allThreads)
            throws Exception {
        Path log = directory.resolve("log");
        String thread = child.answer(THREAD);
        String shown = "trace=?open,?openat," + calls;
        try (Child strace = allThreads
                ? Child.command("strace", "-f", "-p", Long.toString(child.pid()),
                        "-o", log.toString(), "-e", shown)
                : Child.command("strace", "-p", thread, "-o", log.toString(), "-e", shown)) {
            String said = strace.line();
            if (!said.contains("attached")) {
                throw new AssertionError(said);
            }
            Files.createFile(go(directory));
            if (child.exitCode() != 0) {
                child.answer("nothing that it says"); // fails with what it said
            }
            strace.exitCode(); // it ends with what it traces, and what it saw is in the file
        }
        return Files.readAllLines(log).stream()
                .map(line -> line.replaceFirst("^\\d+ +", "")).collect(Collectors.toList());
    }

    /** The name of the mark that a line is, or null. */
    public static String markOf(String line) {
        Matcher mark = MARK.matcher(line);
        return mark.matches() ? mark.group(1) : null;
    }
}
