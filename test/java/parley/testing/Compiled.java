package parley.testing;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.spi.ToolProvider;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The classes of the library's Clojure files and of core.async, for the Java machines that tests
 * start: to compile them takes such a machine longer than all that it is asked. The first process
 * that needs them makes them. They are in a jar, from which classes can be loaded when no
 * descriptor is left.
 */
final class Compiled {
    private static final Path JAR = Path.of("target", "compiled.jar").toAbsolutePath();
    private static final Path SOURCES = Path.of("clj-src");
    // Says what it loads, so that a slow machine is not taken for one that hangs.
    private static final String COMPILE = "(binding [*compile-files* true"
            + " *compile-path* (System/getProperty \"to\")] (require 'parley.socket 'parley.stream"
            + " 'parley.rawsock 'parley.server 'parley.tls 'parley.async 'parley.http 'parley.repl"
            + " 'parley.nrepl :verbose))";

    private Compiled() {
    }

    /** The jar, made when there is none of these sources. */
    static Path jar(List<String> classPath) {
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
            return JAR;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void make(List<String> classPath) throws IOException {
        String directory = TemporaryPaths.directory().toString();
        try (Child child = Child.clojure(List.of("-Dto=" + directory),
                Stream.concat(Stream.of(directory), classPath.stream()).toList(),
                "-e", COMPILE, "-e", "(println \"compiled\") (shutdown-agents)")) {
            child.answer("compiled");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while the Clojure files are compiled", e);
        }
        int status = ToolProvider.findFirst("jar").orElseThrow().run(System.out, System.err,
                "--create", "--no-compress", "--file=" + JAR, "-C", directory, ".");
        if (status != 0) {
            throw new AssertionError("jar: status " + status);
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
        return all.toString();
    }
}
