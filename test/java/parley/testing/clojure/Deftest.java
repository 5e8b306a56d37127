package parley.testing.clojure;

import static java.util.stream.Collectors.toUnmodifiableSet;

import clojure.java.api.Clojure;
import clojure.lang.IFn;
import clojure.lang.Symbol;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.platform.engine.TestTag;
import parley.testing.Compiled;

/**
 * A test of clojure.test. It is found in the text of its namespace, since Maven looks for tests in
 * several processes, and loading all namespaces takes a minute. A deftest begins a line; one that
 * the text does not show makes its namespace fail.
 *
 * @param tags the flags among the metadata of the test and its namespace
 */
record Deftest(String namespace, String name, Set<TestTag> tags) {
    private static final String SUPPORT = "parley.testing.deftests";
    private static final String METADATA = "((?:\\^(?:\\{[^}]*\\}|\\S+)\\s+)*)";
    private static final Pattern NAMESPACE = Pattern.compile("(?m)^\\(ns\\s+" + METADATA);
    private static final Pattern DEFTEST =
            Pattern.compile("(?m)^\\(deftest\\s+" + METADATA + "([^\\s()]+)");
    private static final Pattern FLAG = Pattern.compile("\\^:([\\w-]+)|:([\\w-]+)\\s+true");

    /** The sources of a directory by the name of their namespace, sorted. */
    static Map<String, Path> sources(String directory) {
        Path root = Path.of(directory);
        Map<String, Path> sources = new LinkedHashMap<>();
        try (Stream<Path> files = Files.walk(root)) {
            files.filter(file -> file.toString().matches(".*\\.cljc?")).sorted().forEach(file ->
                    sources.put(root.relativize(file).toString().replaceFirst("\\.cljc?$", "")
                            .replace(File.separator, ".").replace("_", "-"), file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return sources;
    }

    /** The tests of a namespace, in the order of its file. */
    static List<Deftest> in(String namespace, Path file) {
        String text;
        try {
            text = Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Matcher ns = NAMESPACE.matcher(text);
        String shared = ns.find() ? ns.group(1) : "";
        List<Deftest> tests = new ArrayList<>();
        for (Matcher found = DEFTEST.matcher(text); found.find(); ) {
            tests.add(new Deftest(namespace, found.group(2), tags(shared + found.group(1))));
        }
        return tests;
    }

    private static Set<TestTag> tags(String metadata) {
        return FLAG.matcher(metadata).results()
                .map(flag -> flag.group(1) == null ? flag.group(2) : flag.group(1))
                .map(TestTag::create)
                .collect(toUnmodifiableSet());
    }

    /**
     * Loads a namespace and runs tests of it within its fixtures, in the calling thread.
     *
     * @param all the tests that the text of the namespace shows
     * @param chosen those to run
     * @param started told of each test when it begins
     * @param finished told of each test when it ends, and why it failed or null
     * @return what the fixtures threw after the tests, or null
     */
    static Throwable run(String namespace, Collection<Deftest> all, Collection<Deftest> chosen,
            Consumer<Deftest> started, BiConsumer<Deftest, Throwable> finished) {
        Map<String, Deftest> byName = new LinkedHashMap<>();
        chosen.forEach(test -> byName.put(test.name(), test));
        Consumer<String> began = name -> started.accept(byName.get(name));
        BiConsumer<String, Throwable> ended = (name, why) -> finished.accept(byName.get(name), why);
        Compiled.prepare();
        Clojure.var("clojure.core", "require").invoke(Symbol.intern(SUPPORT));
        IFn run = Clojure.var(SUPPORT, "load-and-run");
        return (Throwable) run.invoke(Symbol.intern(namespace),
                all.stream().map(Deftest::name).toList(), List.copyOf(byName.keySet()), began,
                ended);
    }
}
