package parley.posix;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Finds out whether the C library can be called. Has the checks that all calls share.
 *
 * <pre>{@code
 * if (!Posix.available()) {
 *     System.err.println(Posix.reason()); // such as: JNA or jnr-constants is missing
 * }
 * }</pre>
 *
 * <p>The system property {@code parley.posix}, set to {@code off}, makes this package behave as on
 * a platform that it does not support.
 */
public final class Posix {
    private static final String OS = System.getProperty("os.name", "an unknown platform");
    static final boolean LINUX = OS.toLowerCase(Locale.ROOT).startsWith("linux");
    static final boolean MACOS = OS.toLowerCase(Locale.ROOT).matches("(mac|darwin).*");
    /** The processors whose pointers and longs have the size that the layouts here assume. */
    private static final String LP64 = "amd64|x86_64|aarch64|arm64|riscv64|loongarch64";

    /** Stands for no reason: everything works. Compared by identity. */
    private static final String NONE = new String("none");
    /** Descriptors that loading the C library or parts of the JDK takes at once, and some more. */
    private static final int SPARE = 16;
    private static final Path NULL = Path.of("/dev/null");

    private static final StackSafeLock LOCK = new StackSafeLock();
    /**
     * Why nothing here works, NONE when it does, null until it is known; changed with LOCK held.
     */
    private static volatile String reason;

    private Posix() {}

    /** {@return true when the functions of this package work in this JVM} */
    public static boolean available() {
        return reason() == null;
    }

    /**
     * {@return why the functions of this package do not work in this JVM, as a clause that can
     * stand after "because", or null when they do}
     */
    public static String reason() {
        String known = reason;
        if (known == null) {
            known = find();
        }
        return known == NONE ? null : known;
    }

    /**
     * A class that fails to load once never loads, so none is loaded while descriptors are scarce.
     */
    private static String find() {
        LOCK.lock();
        try {
            if (reason == null) {
                requireDescriptors();
                String found = findReason();
                reason = found == null ? NONE : found;
            }
            return reason;
        } catch (IOException e) {
            return "too few descriptors are left to load it: " + e.getMessage();
        } finally {
            LOCK.unlock();
        }
    }

    /**
     * Throws unless a few descriptors are free: what the JDK cannot load for want of them stays
     * broken until the end of the process.
     *
     * @throws IOException in the system's words
     */
    public static void requireDescriptors() throws IOException {
        List<InputStream> open = new ArrayList<>();
        try {
            while (open.size() < SPARE && Files.exists(NULL)) {
                open.add(new FileInputStream(NULL.toString()));
            }
        } finally {
            for (InputStream each : open) {
                each.close();
            }
        }
    }

    /** {@return the name of the platform, for messages: Linux, macOS, or the JVM's name for it} */
    public static String platform() {
        return LINUX ? "Linux" : MACOS ? "macOS" : OS;
    }

    /**
     * Throws unless the functions of this package work in this JVM.
     *
     * @param what the function that needs them, for the message
     * @throws UnsupportedOperationException saying what is missing
     */
    public static void require(String what) {
        String why = reason();
        if (why != null) {
            throw new UnsupportedOperationException(
                    what + ": needs the C library of Linux or macOS, which cannot be used because "
                            + why);
        }
    }

    private static String findReason() {
        if ("off".equals(System.getProperty("parley.posix"))) {
            return "the system property parley.posix is off";
        }
        String processor = System.getProperty("os.arch", "");
        if (!LINUX && !MACOS || !processor.matches(LP64)) {
            return "this is " + platform() + " on " + processor;
        }
        try {
            // JNA drops an interrupt while it loads: a thread that is never interrupted loads it.
            CompletableFuture.runAsync(LibC::load, Posix::startOrRun).join();
            return null;
        } catch (CompletionException e) {
            if (e.getCause() instanceof VirtualMachineError error) {
                throw error; // the next call tries again
            }
            String missing = missingJars();
            return missing.isEmpty() ? "JNA or jnr-constants does not work here: " + e.getCause()
                    : "JNA or jnr-constants is missing; add " + missing + " to the class path";
        }
    }

    private static void startOrRun(Runnable task) {
        try {
            OwnThreads.daemon("parley-posix", task).start();
        } catch (OutOfMemoryError e) { // no thread is to be had
            task.run();
        }
    }

    /** Returns the coordinates of the libraries that are not on the class path, empty for none. */
    private static String missingJars() {
        List<String> missing = new ArrayList<>();
        if (!exists("com.sun.jna.Native")) {
            missing.add("net.java.dev.jna:jna");
        }
        if (!exists("jnr.constants.Constant")) {
            missing.add("com.github.jnr:jnr-constants");
        }
        return String.join(" and ", missing);
    }

    /** Returns true when the class is on the class path. */
    static boolean exists(String type) {
        try {
            Class.forName(type, false, Posix.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    /** Throws the failure of {@code call}, unless {@code result} is a success. */
    static long check(long result, String call) throws IOException {
        if (result < 0) {
            throw new PosixException(LibC.errno(), call);
        }
        return result;
    }

    /** Does the same for functions whose result is an int. */
    static int check(int result, String call) throws IOException {
        if (result < 0) {
            throw new PosixException(LibC.errno(), call);
        }
        return result;
    }

    /** Checks a part of an array before its bounds reach native code. */
    static void checkBounds(String what, byte[] bytes, int offset, int length) {
        if (bytes == null) {
            throw new IllegalArgumentException(
                    what + ": the buffer is null, expected a byte array");
        }
        if (offset < 0 || length < 0 || offset > bytes.length - length) {
            throw new IllegalArgumentException(what + ": offset " + offset + " and length " + length
                    + " do not fit in the buffer of " + bytes.length + " bytes");
        }
    }
}
