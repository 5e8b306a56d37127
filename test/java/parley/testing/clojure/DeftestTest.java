package parley.testing.clojure;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.platform.engine.TestTag;

class DeftestTest {
    @Test
    void tests_and_their_flags_are_found_in_the_text(@TempDir Path directory) throws Exception {
        Path file = Files.writeString(directory.resolve("some_test.clj"), """
                (ns ^:slow some-test
                  "Some: :nightly true.")
                (deftest one-thing! (is true))
                (deftest ^:nightly ^{:big true :why "x"} another
                  (quote (deftest no-test)))
                """);
        assertEquals(Set.of("some-test"), Deftest.sources(directory.toString()).keySet());
        List<Deftest> found = Deftest.in("some-test", file);
        assertEquals(List.of("one-thing!", "another"), found.stream().map(Deftest::name).toList());
        assertEquals(List.of(Set.of("slow"), Set.of("slow", "nightly", "big")),
                found.stream().map(DeftestTest::names).toList());
    }

    private static Set<String> names(Deftest test) {
        return test.tags().stream().map(TestTag::getName).collect(Collectors.toSet());
    }

    @Test
    void the_parts_are_the_whole_and_share_nothing() {
        Set<String> all = Deftest.sources("test/clj").keySet();
        Set<String> parts = new TreeSet<>();
        int count = 0;
        for (Class<?> part : List.of(SessionsClojureTests.class, ServersClojureTests.class,
                OtherClojureTests.class)) {
            Selection selection = new Selection(ClojureTests.selection(part.getName()));
            List<String> covered = all.stream().filter(selection::covers).toList();
            count += covered.size();
            parts.addAll(covered);
        }
        assertEquals(new TreeSet<>(all), parts);
        assertEquals(all.size(), count);
    }
}
