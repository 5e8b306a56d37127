package parley.testing;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Whether the machine has more to do than processors to do it with. */
final class Load {
    private static final Path RUNNING = Path.of("/proc/loadavg");
    private static final Path PRESSURE = Path.of("/proc/pressure/cpu");
    private static final Pattern NOW = Pattern.compile(" (\\d+)/\\d+ ");
    private static final Pattern RECENT = Pattern.compile("some avg10=([\\d.]+)");
    private static final double A_TENTH = 10; // percent of the time somebody has waited

    private Load() {
    }

    /** By any of: the last minute, the last ten seconds, this moment. */
    static boolean isHigh() {
        int processors = Runtime.getRuntime().availableProcessors();
        return ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage() >= processors
                || number(PRESSURE, RECENT) > A_TENTH || number(RUNNING, NOW) > processors;
    }

    /** Zero where the system does not tell. */
    private static double number(Path file, Pattern pattern) {
        try {
            Matcher found = pattern.matcher(Files.readString(file));
            return found.find() ? Double.parseDouble(found.group(1)) : 0;
        } catch (IOException e) {
            return 0;
        }
    }
}
