package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import parley.testing.Child;
import parley.testing.Guarded;

/** A Java program gets by with Parley's jar: no Clojure, no core.async, no JNA. */
@Guarded
class JarAloneTest {
    private static final Path SOURCE = Path.of("test/resources/parley/testing/alone/Alone.java");
    private static final String NEEDS = "java.lang.UnsupportedOperationException: %s: needs the C library of"
            + " Linux or macOS, which cannot be used because JNA or jnr-constants is missing; add"
            + " net.java.dev.jna:jna and com.github.jnr:jnr-constants to the class path";

    @TempDir
    Path directory;

    @Test
    void a_program_compiled_against_the_jar_alone_runs_with_the_jar_alone() throws Exception {
        Path jar = jar();
        tool("javac", "-proc:none", "-Xlint:all", "-Werror", "-cp", jar.toString(),
                "-d", directory.toString(), SOURCE.toString());
        List<String> printed = new ArrayList<>();
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        try (Child child = Child.command(java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
                jar + File.pathSeparator + directory, "Alone", jar.toString())) {
            do {
                printed.add(child.line());
            } while (!printed.contains("end: reached"));
        } catch (AssertionError e) {
            throw new AssertionError(String.join("\n", printed), e);
        }
        assertEquals(expected(), printed);
    }

    private static List<String> expected() {
        List<String> lines = new ArrayList<>(List.of("version: " + Parley.version(), "actionable: 1", "line: true",
                "byte: 200", "so-keepalive: true false", "so-reuseaddr: true false",
                "tcp-nodelay: true", "so-linger: null 3 null", "ip-tos: 0 16", "so-rcvbuf: true",
                "so-rcvtimeo: PT0S PT0.001S", "times out: SocketTimeoutException",
                "so-sndtimeo: PT0S PT2S", "wrong value: socket option so-linger: the value x of"
                        + " java.lang.String does not fit, expected a whole number from 0 to 2147483647"));
        for (String what : List.of("socket option so-rcvlowat", "socket option ipv6-v6only",
                "SocketOptions.handles", "DescriptorStreams.of", "DescriptorStreams.pipe",
                "DescriptorStreams.keyboard")) {
            lines.add("missing: " + NEEDS.replace("%s", what));
        }
        lines.add("end: reached");
        return lines;
    }

    private Path jar() {
        Path classes = Path.of(
                SocketServer.class.getProtectionDomain().getCodeSource().getLocation().getPath());
        Path jar = directory.resolve("parley.jar");
        tool("jar", "--create", "--file", jar.toString(), "-C", classes.toString(), ".");
        return jar;
    }

    private static void tool(String name, String... arguments) {
        ToolProvider tool = ToolProvider.findFirst(name).orElseThrow();
        assertTrue(tool.run(System.out, System.err, arguments) == 0, name);
    }
}
