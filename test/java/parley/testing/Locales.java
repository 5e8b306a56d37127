package parley.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Locales of the system for child processes, made by localedef(1). */
public final class Locales {
    private static Path made; // the directory of the locale; guarded by Locales.class

    private Locales() {
    }

    /**
     * Makes, once, a locale that most machines do not have, with the C library's German texts.
     *
     * @return the command in front of the one that is to run in this locale
     */
    public static synchronized List<String> german() throws Exception {
        if (made == null) {
            made = make();
        }
        assumeTrue(made != null || Boolean.getBoolean("parley.ci"),
                "the locale de_DE cannot be made");
        if (made == null) {
            throw new AssertionError("the locale de_DE cannot be made, and parley.ci requires it");
        }
        return List.of("env", "LOCPATH=" + made, "LC_ALL=de_DE.UTF-8");
    }

    private static Path make() throws InterruptedException {
        Path directory = TemporaryPaths.directory();
        try {
            Process process = new ProcessBuilder("localedef", "-i", "de_DE", "-f", "UTF-8",
                    directory.resolve("de_DE.UTF-8").toString()).inheritIO().start();
            boolean ended = process.waitFor(60, TimeUnit.SECONDS) && process.exitValue() == 0;
            return ended ? directory : null;
        } catch (java.io.IOException e) {
            return null; // there is no such command here
        }
    }
}
