package parley.testing;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * Clojure files compiled once for all processes of a run; the first that needs them makes them.
 *
 * <p>The processes that run the tests load the library from its sources, and core.async, which takes
 * most of the time, from compiled classes. The Java machines that tests start have the library
 * compiled, too, but for {@code parley.async}, so that it can be reloaded, and an archive of the
 * loaded classes (class data sharing): compiling them, and even checking the compiled classes, takes
 * such a machine longer than its work. They are in a jar, from which classes can be loaded when no
 * descriptor is left.
 */
public final class Compiled {
    private static final Path CORE_ASYNC = Path.of("target", "core-async").toAbsolutePath(); // as in pom.xml
    private static final Path JAR = Path.of("target", "compiled.jar").toAbsolutePath();
    private static final Path ARCHIVE = JAR.resolveSibling("compiled.jsa");
    private static final Path SOURCES = Path.of("clj-src");
    private static final Path CLASSES = Path.of("target", "classes");
    private static final String LIBRARY = "(require 'parley.socket 'parley.stream 'parley.rawsock"
            + " 'parley.server 'parley.tls 'parley.http 'parley.repl 'parley.nrepl :verbose)";
    // Says what it loads, so that a slow machine is not taken for one that hangs.
    private static final String COMPILE = "(binding [*compile-files* true"
            + " *compile-path* (System/getProperty \"to\")] %s)";
    private static final String END = "(do (println \"ready\") (System/exit 0))";

    private Compiled() {
    }

    /** Compiles core.async, if this process would find it and that was not done before. */
    public static void prepare() {
        List<String> classPath = Child.sourcePath();
        if (classPath.contains(CORE_ASYNC.toString())) {
            once(CORE_ASYNC, Compiled::libraries, classPath, () -> {
                if (Files.exists(CORE_ASYNC)) { // of another version, perhaps
                    TemporaryPaths.remove(CORE_ASYNC);
                }
                Files.createDirectory(CORE_ASYNC);
                compile(CORE_ASYNC, classPath, "(require 'clojure.core.async :verbose)");
            });
        }
    }

    /** The class path with the jar, made when there is none of these sources, before all else. */
    static List<String> path(List<String> classPath) {
        prepare();
        once(JAR, Compiled::library, classPath, () -> make(classPath));
        return jarsFirst(classPath).toList();
    }

    private interface Description {
        String of(List<String> classPath) throws IOException;
    }

    private interface Making {
        void make() throws IOException;
    }

    /** Makes something unless it was made of what has the same description. */
    private static void once(Path what, Description description, List<String> classPath,
            Making making) {
        Path mark = sibling(what, ".of");
        try {
            Files.createDirectories(what.getParent());
            try (FileChannel file = FileChannel.open(sibling(what, ".lock"),
                    StandardOpenOption.CREATE, StandardOpenOption.WRITE); FileLock lock = file.lock()) {
                assert lock.isValid();
                String wanted = description.of(classPath);
                if (!Files.exists(mark) || !Files.readString(mark).equals(wanted)) {
                    making.make();
                    Files.writeString(mark, wanted);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path sibling(Path what, String ending) {
        return what.resolveSibling(what.getFileName() + ending);
    }

    /** The option with which a Java machine of that {@link #path} finds the archive. */
    static String archive() {
        return "-XX:SharedArchiveFile=" + ARCHIVE;
    }

    /** An archive is of jars only; what a machine has besides comes after them. */
    private static Stream<String> jarsFirst(List<String> classPath) {
        return Stream.of(Stream.of(JAR.toString()), classPath.stream().filter(Compiled::isJar),
                classPath.stream().filter(each -> !isJar(each))).flatMap(each -> each);
    }

    private static boolean isJar(String path) {
        return path.endsWith(".jar");
    }

    private static void make(List<String> classPath) throws IOException {
        Path directory = TemporaryPaths.directory();
        compile(directory, classPath, "(do " + LIBRARY + " (require 'clojure.core.async))");
        Files.deleteIfExists(ARCHIVE); // it would be of another jar
        List<String> command = new ArrayList<>(List.of("--create", "--no-compress",
                "--file=" + JAR, "-C", directory.toString(), "."));
        if (classPath.contains(CORE_ASYNC.toString())) {
            command.addAll(List.of("-C", CORE_ASYNC.toString(), "."));
        }
        for (Path each : classes()) {
            command.addAll(List.of("-C", CLASSES.toString(), CLASSES.relativize(each).toString()));
        }
        int status = ToolProvider.findFirst("jar").orElseThrow()
                .run(System.out, System.err, command.toArray(String[]::new));
        if (status != 0) {
            throw new AssertionError("jar: status " + status);
        }
        evaluate("-XX:ArchiveClassesAtExit=" + ARCHIVE,
                jarsFirst(classPath).filter(Compiled::isJar), LIBRARY);
    }

    private static void compile(Path to, List<String> classPath, String code) throws IOException {
        evaluate("-Dto=" + to, Stream.concat(Stream.of(to.toString()), classPath.stream()),
                String.format(Locale.ROOT, COMPILE, code));
    }

    private static void evaluate(String option, Stream<String> classPath, String code)
            throws IOException {
        try (Child child = Child.clojure(List.of(option), classPath.toList(), "-e", code, "-e", END)) {
            child.answer("ready");
            child.exitCode();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while the Clojure files are compiled", e);
        }
    }

    private static List<Path> classes() throws IOException {
        return files(CLASSES).filter(each -> each.toString().endsWith(".class")).toList();
    }

    private static Stream<Path> files(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(Files::isRegularFile).sorted().toList().stream();
        }
    }

    /** What compiled classes of libraries depend on. */
    private static String libraries(List<String> classPath) {
        return System.getProperty("java.version") + "\n" + String.join("\n", classPath) + "\n";
    }

    /** What those of Parley depend on: its classes, and the sources wherever they are found. */
    private static String library(List<String> classPath) throws IOException {
        StringBuilder all = new StringBuilder(libraries(classPath));
        for (Path each : files(SOURCES).toList()) {
            classPath.stream().map(Path::of).filter(Files::isDirectory)
                    .map(entry -> entry.resolve(SOURCES.relativize(each)))
                    .forEach(found -> append(all, found));
        }
        classes().forEach(each -> append(all, each));
        return all.toString();
    }

    private static void append(StringBuilder all, Path file) {
        all.append(file).append(' ').append(file.toFile().lastModified()).append('\n');
    }
}
