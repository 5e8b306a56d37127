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
 * Paths for Unix-domain sockets, short enough for every system, in one directory that is the
 * owner's alone and is removed when the Java machine ends.
 */
public final class UnixPaths {
    private static final Path DIRECTORY = directory();
    private static final AtomicInteger NEXT = new AtomicInteger();

    private UnixPaths() {
    }

    /** A path at which there is no file. */
    public static Path fresh() {
        return DIRECTORY.resolve("s" + NEXT.incrementAndGet());
    }

    private static Path directory() {
        try {
            Path directory = Files.createTempDirectory("parley");
            Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(directory)));
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void remove(Path directory) {
        try (Stream<Path> all = Files.walk(directory)) {
            all.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        } catch (IOException e) {
            System.err.println("left behind: " + directory + ": " + e);
        }
    }
}
