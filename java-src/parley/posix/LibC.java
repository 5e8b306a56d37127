package parley.posix;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;

/**
 * The C functions themselves, by JNA's direct mapping; sizes and addresses are {@code long}.
 *
 * <p>Direct mapping costs a good half of interface mapping (poll: 0.4 against 0.9 µs).
 * JNA saves {@code errno} inside the native frame of each call, in thread-local storage, so {@link
 * #errno()} is that of the same call although it is asked for later. {@code LastErrorException}
 * reads the same place, but makes an exception with a stack trace out of each {@code EAGAIN}: 5 µs
 * instead of 0.6.
 *
 * <p>Nothing here checks anything. Linux's own functions are in {@link Linux}, since JNA refuses a
 * class when one of its functions is missing; variadic ones in {@link Variadic}, since their
 * arguments are passed differently on macOS for ARM.
 */
final class LibC {
    static {
        Native.register(LibC.class, process());
    }

    private LibC() {}

    /** Links everything, or throws. */
    static void load() {
        getpid();
        fcntl(0, Constants.F_GETFD, 0);
        if (Posix.LINUX) {
            Linux.load();
        }
    }

    /** The process itself as a library: the JVM is linked against libc, whatever its file is. */
    static NativeLibrary process() {
        return NativeLibrary.getProcess();
    }

    /** The error number that this thread's last native call left. */
    static int errno() {
        return Native.getLastError();
    }

    /** Functions with variable arguments, which direct mapping cannot pass. */
    interface Variadic extends Library {
        /** The one instance. */
        Variadic C = Native.load(null, Variadic.class);

        int fcntl(int fd, int command, Object... argument);
    }

    /** The functions that Linux alone has, since JNA refuses a class that lacks one. */
    static final class Linux {
        static {
            Native.register(Linux.class, process());
        }

        private Linux() {}

        /** Links everything, or throws. */
        static void load() {
            LibC.close(eventfd(0, Constants.O_CLOEXEC));
        }

        /** Variadic as the next, but Linux passes the arguments that there are like any others. */
        static native int open(long path, int flags);

        static native int fcntl(int fd, int command, int argument);

        static native int eventfd(int count, int flags);

        static native int pipe2(long twoInts, int flags);

        static native int accept4(int fd, long address, long sizeInOut, int flags);
    }

    /** Without an object for the result on Linux: when the heap is full, a number would be lost. */
    static int fcntl(int fd, int command, int argument) {
        return Posix.LINUX ? Linux.fcntl(fd, command, argument)
                : Variadic.C.fcntl(fd, command, argument);
    }

    static native int getpid();

    static native long read(int fd, long buffer, long size);

    static native long write(int fd, long buffer, long size);

    static native int close(int fd);

    static native int dup2(int fd, int copy);

    static native int fchmod(int fd, int mode);

    static native int pipe(long twoInts);

    static native long readlink(long path, long buffer, long size);

    static native int poll(long fds, long count, int milliseconds);

    static native int socket(int domain, int type, int protocol);

    static native int socketpair(int domain, int type, int protocol, long twoInts);

    static native int connect(int fd, long address, int size);

    static native int bind(int fd, long address, int size);

    static native int listen(int fd, int backlog);

    static native int accept(int fd, long address, long sizeInOut);

    static native int shutdown(int fd, int how);

    static native int sockatmark(int fd);

    static native long recv(int fd, long buffer, long size, int flags);

    static native long send(int fd, long buffer, long size, int flags);

    static native long recvmsg(int fd, long message, int flags);

    static native long sendmsg(int fd, long message, int flags);

    static native int getsockname(int fd, long address, long sizeInOut);

    static native int getpeername(int fd, long address, long sizeInOut);

    static native int getsockopt(int fd, int level, int name, long value, long sizeInOut);

    static native int setsockopt(int fd, int level, int name, long value, int size);

    static native int getaddrinfo(long node, long service, long hints, long resultOut);

    static native void freeaddrinfo(long list);

    static native long gai_strerror(int code);

    static native long strerror(int errno);

    static native int getnameinfo(
            long address, int size, long host, int hostSize, long service, int serviceSize,
            int flags);

    static native int getifaddrs(long resultOut);

    static native void freeifaddrs(long list);

    static native long if_nameindex();

    static native void if_freenameindex(long list);

    static native long getprotobyname(long name);

    static native long getprotobynumber(int number);

    static native void setprotoent(int stayOpen);

    static native long getprotoent();

    static native void endprotoent();

    static native long getnetbyname(long name);

    static native long getnetbyaddr(int net, int type);

    static native void setnetent(int stayOpen);

    static native long getnetent();

    static native void endnetent();
}
