package parley.posix;

import com.sun.jna.Native;

/** The C functions that Linux alone has; like {@link LibC}, they check nothing. */
final class LinuxC {
    static {
        Native.register(LinuxC.class, LibC.process());
    }

    private LinuxC() {}

    /** Links everything, or throws. */
    static void load() {
        LibC.close(eventfd(0, Constants.O_CLOEXEC));
    }

    /** Variadic, but Linux passes the arguments that there are like any others. */
    static native int open(long path, int flags);

    static native int eventfd(int count, int flags);

    static native int pipe2(long twoInts, int flags);

    static native int accept4(int fd, long address, long sizeInOut, int flags);
}
