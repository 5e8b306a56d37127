package parley.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Looks for each test that test/CONFORMANCE.md names. */
@Guarded
class ConformanceTableTest {
    private static final Path TABLE = Path.of("test/CONFORMANCE.md");
    private static final Pattern NAMED = Pattern.compile("`([\\w.-]+)#([^`]+)`");

    @Test
    void every_test_of_the_table_exists() throws IOException {
        assumeTrue(Files.isReadable(TABLE));
        Map<String, String> sources = sources();
        List<String> missing = new ArrayList<>();
        int named = 0;
        for (String line : Files.readAllLines(TABLE)) {
            Matcher test = NAMED.matcher(line);
            while (line.startsWith("| ") && test.find()) {
                named++;
                if (!isIn(sources.get(test.group(1)), test.group(2))) {
                    missing.add(line.split("\\|")[1].strip() + ": " + test.group());
                }
            }
        }
        assertEquals(List.of(), missing);
        assertTrue(named > 200, named + " tests are named");
    }

    private static boolean isIn(String source, String test) {
        return source != null && (source.contains(" void " + test + "(")
                || Pattern.compile("\\(deftest (\\^:\\w+ )?" + Pattern.quote(test) + "\\s")
                        .matcher(source).find());
    }

    /** The text of each suite by the name that the table gives it. */
    private static Map<String, String> sources() throws IOException {
        Map<String, String> sources = new HashMap<>();
        try (Stream<Path> files = Files.walk(Path.of("test"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = file.getFileName().toString();
                if (name.endsWith(".java")) {
                    sources.put(name.substring(0, name.length() - 5), Files.readString(file));
                } else if (name.endsWith(".clj")) {
                    sources.put(name.substring(0, name.length() - 4).replace('_', '-'),
                            Files.readString(file));
                }
            }
        }
        return sources;
    }
}
