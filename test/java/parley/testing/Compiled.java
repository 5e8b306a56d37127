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
import java.util.spi.ToolProvider;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The library's classes, with its Clojure files and core.async compiled, for the Java machines that
 * tests start: compiling them, and even checking the compiled classes, takes such a machine longer
 * than its work. The first process that needs them makes them, and an archive of the loaded classes
 * (class data sharing). They are in a jar, from which classes can be loaded when no descriptor is
 * left. {@code parley.async} is not compiled, so that it can be reloaded.
 */
final class Compiled {
    private static final Path JAR = Path.of("target", "compiled.jar").toAbsolutePath();
    private static final Path ARCHIVE = JAR.resolveSibling("compiled.jsa");
    private static final Path SOURCES = Path.of("clj-src");
    private static final Path CLASSES = Path.of("target", "classes");
    private static final String REQUIRE = "(require 'parley.socket 'parley.stream 'parley.rawsock"
            + " 'parley.server 'parley.tls 'parley.http 'parley.repl 'parley.nrepl";
    // Says what it loads, so that a slow machine is not taken for one that hangs.
    private static final String COMPILE = "(binding [*compile-files* true"
            + " *compile-path* (System/getProperty \"to\")] " + REQUIRE
            + " 'clojure.core.async :verbose))";
    private static final String END = "(do (println \"ready\") (System/exit 0))";

    private Compiled() {
    }

    /** The class path with the jar, made when there is none of these sources, before all else. */
    static List<String> path(List<String> classPath) {
        Path mark = JAR.resolveSibling("compiled.of");
        try {
            Files.createDirectories(JAR.getParent());
            try (FileChannel file = FileChannel.open(JAR.resolveSibling("compiled.lock"),
                    StandardOpenOption.CREATE, StandardOpenOption.WRITE); FileLock lock = file.lock()) {
                assert lock.isValid();
                String wanted = description(classPath);
                if (!Files.exists(mark) || !Files.readString(mark).equals(wanted)) {
                    make(classPath);
                    Files.writeString(mark, wanted);
                }
            }
            return jarsFirst(classPath).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
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
        String directory = TemporaryPaths.directory().toString();
        evaluate("-Dto=" + directory, Stream.concat(Stream.of(directory), classPath.stream()),
                COMPILE);
        Files.deleteIfExists(ARCHIVE); // it would be of another jar
        List<String> command = new ArrayList<>(List.of("--create", "--no-compress",
                "--file=" + JAR, "-C", directory, "."));
        for (Path each : javaClasses()) {
            command.addAll(List.of("-C", CLASSES.toString(), CLASSES.relativize(each).toString()));
        }
        int status = ToolProvider.findFirst("jar").orElseThrow()
                .run(System.out, System.err, command.toArray(String[]::new));
        if (status != 0) {
            throw new AssertionError("jar: status " + status);
        }
        evaluate("-XX:ArchiveClassesAtExit=" + ARCHIVE,
                jarsFirst(classPath).filter(Compiled::isJar), REQUIRE + ")");
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

    private static List<Path> javaClasses() throws IOException {
        try (Stream<Path> files = Files.walk(CLASSES)) {
            return files.filter(each -> each.toString().endsWith(".class")).sorted().toList();
        }
    }

    /** What the classes depend on: Java, the libraries, and the sources wherever they are found. */
    private static String description(List<String> classPath) throws IOException {
        StringBuilder all = new StringBuilder(System.getProperty("java.version")).append('\n');
        classPath.forEach(each -> all.append(each).append('\n'));
        try (Stream<Path> files = Files.walk(SOURCES)) {
            for (Path each : files.filter(Files::isRegularFile).sorted().toList()) {
                all.append(each).append(' ').append(classPath.stream()
                        .map(Path::of)
                        .filter(Files::isDirectory)
                        .map(entry -> entry.resolve(SOURCES.relativize(each)))
                        .filter(Files::isRegularFile)
                        .map(found -> String.valueOf(found.toFile().lastModified()))
                        .collect(Collectors.joining(" "))).append('\n');
            }
        }
        for (Path each : javaClasses()) {
            all.append(each).append(' ').append(each.toFile().lastModified()).append('\n');
        }
        return all.toString();
    }
}
