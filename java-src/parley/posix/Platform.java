package parley.posix;

import java.util.Locale;

/** The platforms whose structure layouts are known here. */
enum Platform {
    LINUX("Linux"),
    MACOS("macOS"),
    OTHER(System.getProperty("os.name", "an unknown platform"));

    /** The platform this JVM runs on. */
    static final Platform CURRENT = of(System.getProperty("os.name", ""));

    private final String title; // immutable

    Platform(String title) {
        this.title = title;
    }

    static Platform of(String osName) {
        String name = osName.toLowerCase(Locale.ROOT);
        if (name.startsWith("linux")) {
            return LINUX;
        }
        return name.startsWith("mac") || name.startsWith("darwin") ? MACOS : OTHER;
    }

    /** Returns whether this JVM's pointers and longs have the size that the layouts here assume. */
    static boolean lp64() {
        String arch = System.getProperty("os.arch", "");
        return arch.matches("amd64|x86_64|aarch64|arm64|riscv64|loongarch64");
    }

    @Override
    public String toString() {
        return title;
    }
}
