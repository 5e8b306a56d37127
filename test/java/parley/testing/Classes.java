package parley.testing;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * Loads classes before a process is starved of descriptors: out of a directory each takes one, and
 * a class that cannot be loaded for want of it never can be.
 */
public final class Classes {
    private Classes() {
    }

    /**
     * Loads every class of {@code packages} and of those inside them, if they come from the directory that {@code sample}
     * comes from.
     */
    public static void load(Class<?> sample, String... packages) throws IOException {
        Path root = root(sample);
        if (!Files.isDirectory(root)) {
            return; // out of an archive, which stays open
        }
        for (String each : packages) {
            try (Stream<Path> files = Files.walk(root.resolve(each.replace('.', '/')))) {
                files.map(file -> root.relativize(file).toString())
                        .filter(file -> file.endsWith(".class"))
                        .forEach(file -> load(file.replace(".class", "").replace('/', '.')));
            }
        }
    }

    private static Path root(Class<?> sample) {
        try {
            return Path.of(sample.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    private static void load(String name) {
        if (!name.endsWith("package-info")) {
            try {
                Class.forName(name, false, Classes.class.getClassLoader());
            } catch (ClassNotFoundException e) {
                throw new AssertionError(e);
            }
        }
    }
}
