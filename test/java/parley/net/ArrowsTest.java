package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Packages use only those below them: the import lines of each are compared with a table. */
class ArrowsTest {
    private static final Path ROOT = Path.of("java-src");
    private static final Pattern OURS = Pattern.compile(
            "\\b(parley(?:\\.[a-z]\\w*)+)\\.[A-Z]\\w*", Pattern.MULTILINE);
    private static final Pattern PUBLIC_TYPE = Pattern.compile("^public ", Pattern.MULTILINE);
    private static final Pattern COMMENT = Pattern.compile("/\\*.*?\\*/|//[^\n]*", Pattern.DOTALL);

    @ParameterizedTest
    @CsvSource(nullValues = "-", value = {
        "parley.net,      parley.net.text parley.net.tls parley.net.wait parley.posix",
        "parley.net.text, -",
        "parley.net.tls,  -",
        "parley.net.wait, parley.posix",
        "parley.posix,    -"})
    void a_package_uses_only_what_is_below_it(String name, String below) throws IOException {
        Set<String> used = new TreeSet<>();
        List<Path> sources = sources(ROOT.resolve(name.replace('.', '/')));
        assertFalse(sources.isEmpty(), name);
        for (Path source : sources) {
            String code = COMMENT.matcher(Files.readString(source)).replaceAll("");
            Matcher found = OURS.matcher(code);
            while (found.find()) {
                used.add(found.group(1));
            }
        }
        used.remove(name);
        assertEquals(below == null ? Set.of() : new TreeSet<>(List.of(below.split(" "))), used);
    }

    @Test
    void the_api_has_few_types() throws IOException {
        List<String> types = new ArrayList<>();
        for (Path source : sources(ROOT.resolve("parley/net"))) {
            if (PUBLIC_TYPE.matcher(Files.readString(source)).find()) {
                types.add(source.getFileName().toString());
            }
        }
        assertTrue(types.size() <= 26, types.size() + " public types: " + types);
    }

    @Test
    void no_file_is_long() throws IOException {
        try (Stream<Path> files = Files.walk(ROOT)) {
            for (Path each : files.filter(Files::isRegularFile).toList()) {
                int lines = Files.readAllLines(each).size();
                assertTrue(lines <= 500, each + " has " + lines + " lines, expected 500 or fewer");
            }
        }
    }

    private static List<Path> sources(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(each -> each.toString().endsWith(".java")).toList();
        }
    }
}
