package parley.testing;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/**
 * Paths for files and Unix-domain sockets, short enough for every system, in one directory that is
 * the owner's alone and is removed, with all that is in it, when the Java machine ends.
 */
public final class TemporaryPaths {
    private static final Path ROOT = made();
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
        try {
            return Files.createTempDirectory(ROOT, "d");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path made() {
        try {
            Path root = Files.createTempDirectory("parley");
            Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(root)));
            return root;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void remove(Path root) {
        try (Stream<Path> all = Files.walk(root)) {
            all.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        } catch (IOException e) {
            System.err.println("left behind: " + root + ": " + e);
        }
    }
}
