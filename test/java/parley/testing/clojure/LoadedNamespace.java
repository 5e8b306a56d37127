package parley.testing.clojure;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What came of loading a namespace. Remembered, because build tools ask an engine to discover its
 * tests more than once, and a second attempt to load what failed fails for another reason.
 *
 * @param tests the deftests, in the order of the file
 * @param problem why it could not be loaded, or null
 */
record LoadedNamespace(List<Deftest> tests, Throwable problem) {
    private static final Map<String, LoadedNamespace> LOADED = new ConcurrentHashMap<>();

    static LoadedNamespace of(String name) {
        return LOADED.computeIfAbsent(name, LoadedNamespace::load);
    }

    private static LoadedNamespace load(String name) {
        try {
            return new LoadedNamespace(Deftest.in(name), null);
        } catch (Throwable problem) { // of any kind: it becomes the result of a test
            return new LoadedNamespace(List.of(), problem);
        }
    }
}
