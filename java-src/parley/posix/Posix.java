package parley.posix;

import java.io.IOException;

/**
 * Whether the C library can be reached, and the checks that every call here shares.
 *
 * <p>The system property {@code parley.posix}, set to {@code off}, makes this package behave as on
 * a platform that it does not support.
 */
public final class Posix {
    /** Why nothing here works, or null when it does. */
    private static final String REASON = findReason();

    private Posix() {}

    /** Returns true when the functions of this package work in this JVM. */
    public static boolean available() {
        return REASON == null;
    }

    /**
     * Returns why the functions of this package do not work in this JVM, as a clause that can stand
     * after "because", or null when they do.
     */
    public static String reason() {
        return REASON;
    }

    /** Returns the name of the platform, for messages: Linux, macOS, or what the JVM says. */
    public static String platform() {
        return Platform.CURRENT.toString();
    }

    /**
     * Throws unless the functions of this package work in this JVM.
     *
     * @param what the function that needs them, for the message
     * @throws UnsupportedOperationException saying what is missing
     */
    public static void require(String what) {
        if (REASON != null) {
            throw new UnsupportedOperationException(
                    what + ": needs the C library of Linux or macOS, which cannot be used because "
                            + REASON);
        }
    }

    private static String findReason() {
        if ("off".equals(System.getProperty("parley.posix"))) {
            return "the system property parley.posix is off";
        }
        if (Platform.CURRENT == Platform.OTHER || !Platform.lp64()) {
            return "this is " + Platform.CURRENT + " on " + System.getProperty("os.arch");
        }
        try {
            LibC.load();
            return null;
        } catch (LinkageError | RuntimeException e) {
            return "JNA or jnr-constants is not there or does not work: " + e;
        }
    }

    /** Throws what {@code call} failed with, unless {@code result} tells of success. */
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
