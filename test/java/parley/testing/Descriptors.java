package parley.testing;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The open descriptors of a process, each as what it refers to: {@code socket:[4711]}, {@code
 * anon_inode:[eventpoll]}, a path. What the Java machine opens for itself whenever it likes (class
 * files, the module image, the random device) is left out.
 */
public final class Descriptors {
    private static final Path SELF = Path.of("/proc/self/fd");

    private Descriptors() {
    }

    /** Whether this system tells. */
    public static boolean visible() {
        return Files.isDirectory(SELF);
    }

    /** The targets of this process's descriptors, one element for each. */
    public static List<String> targets() {
        return targets(SELF);
    }

    /** The targets of the descriptors of process {@code pid}. */
    public static List<String> targets(long pid) {
        return targets(Path.of("/proc", Long.toString(pid), "fd"));
    }

    /** How many sockets this process has open. */
    public static long sockets() {
        return targets().stream().filter(Descriptors::isSocket).count();
    }

    /** The highest number of this process's descriptors. */
    public static int highest() {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(SELF)) {
            int highest = -1;
            for (Path entry : entries) {
                highest = Math.max(highest, Integer.parseInt(entry.getFileName().toString()));
            }
            return highest;
        } catch (IOException e) {
            throw new AssertionError("cannot list " + SELF, e);
        }
    }

    static boolean isSocket(String target) {
        return target.startsWith("socket:");
    }

    /** Selectors, wake-up events and the like: what may wait for the collector to find it. */
    static boolean isSelector(String target) {
        return target.startsWith("anon_inode:");
    }

    private static List<String> targets(Path directory) {
        List<String> targets = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                String target = target(entry);
                if (!ownBusiness(target)) {
                    targets.add(target);
                }
            }
        } catch (IOException e) {
            throw new AssertionError("cannot list " + directory, e);
        }
        return targets;
    }

    private static String target(Path entry) {
        try {
            return Files.readSymbolicLink(entry).toString();
        } catch (IOException e) {
            return ""; // closed since it was listed, as the listing's own descriptor always is
        }
    }

    private static boolean ownBusiness(String target) {
        return target.isEmpty()
                || target.startsWith(System.getProperty("java.home"))
                || target.contains("/ffi") && target.endsWith(" (deleted)") // JNA's, for callbacks
                || target.endsWith(".jar") || target.endsWith(".class") || target.endsWith(".so")
                || target.startsWith("/dev/") || target.startsWith("/proc/")
                || target.startsWith("/sys/");
    }
}
