package parley.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Locales of the system for child processes, made by localedef(1). */
public final class Locales {
    private Locales() {
    }

    /**
     * Makes a locale that most machines do not have, with the C library's German texts.
     *
     * @return the command in front of the one that is to run in this locale
     */
    public static List<String> german() throws Exception {
        Path directory = TemporaryPaths.directory();
        boolean made = false;
        try {
            Process process = new ProcessBuilder("localedef", "-i", "de_DE", "-f", "UTF-8",
                    directory.resolve("de_DE.UTF-8").toString()).inheritIO().start();
            made = process.waitFor(60, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (java.io.IOException e) {
            System.err.println("localedef cannot be run: " + e);
        }
        assumeTrue(made || Boolean.getBoolean("parley.ci"), "the locale de_DE cannot be made");
        if (!made) {
            throw new AssertionError("the locale de_DE cannot be made, and parley.ci requires it");
        }
        return List.of("env", "LOCPATH=" + directory, "LC_ALL=de_DE.UTF-8");
    }
}
