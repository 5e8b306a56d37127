package parley.testing;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/**
 * Paths for files and Unix-domain sockets, short enough for every system, in a directory that is the
 * owner's alone, but for those that other users are to reach. All of it is removed when the Java
 * machine ends.
 */
public final class TemporaryPaths {
    private static final Path OUTER = made(); // others may pass through it, and list nothing
    private static final Path ROOT = own(OUTER.resolve("o"));
    private static final AtomicInteger NEXT = new AtomicInteger();

    private TemporaryPaths() {
    }

    /** A path at which there is no file. */
    public static Path fresh() {
        return ROOT.resolve("s" + NEXT.incrementAndGet());
    }

    /** The directory that all of them are in. */
    static Path root() {
        return ROOT;
    }

    /** A new directory, the owner's alone and empty. */
    public static Path directory() {
        return directoryIn(ROOT);
    }

    /** As {@link #directory()}; when its mode is changed, other users come as far as that allows. */
    public static Path reachableDirectory() {
        return directoryIn(OUTER);
    }

    private static Path directoryIn(Path parent) {
        try {
            return Files.createTempDirectory(parent, "d");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path made() {
        try {
            Path root = Files.createTempDirectory("parley");
            root.toFile().setExecutable(true, false);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(root)));
            return root;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path own(Path directory) {
        try {
            return Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(
                    PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void remove(Path root) {
        try (Stream<Path> all = Files.walk(root)) {
            all.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        } catch (IOException e) {
            System.err.println("left behind: " + root + ": " + e);
        }
    }
}
