package parley.posix;

import jnr.constants.Constant;
import jnr.constants.platform.AddressFamily;
import jnr.constants.platform.Errno;
import jnr.constants.platform.Fcntl;
import jnr.constants.platform.OpenFlags;
import jnr.constants.platform.Sock;
import jnr.constants.platform.SocketLevel;
import jnr.constants.platform.SocketMessage;
import jnr.constants.platform.SocketOption;

/**
 * Numbers of the C library that jnr-constants knows per platform, and the few that it does not
 * (those are from the system headers, Linux first, macOS second).
 */
final class Constants {
    static final int AF_UNSPEC = AddressFamily.AF_UNSPEC.intValue();
    static final int AF_UNIX = AddressFamily.AF_UNIX.intValue();
    static final int AF_INET = AddressFamily.AF_INET.intValue();
    static final int AF_INET6 = AddressFamily.AF_INET6.intValue();
    /** Linux only; -1 elsewhere. */
    static final int AF_PACKET = Posix.LINUX ? 17 : -1;

    static final int SOCK_STREAM = Sock.SOCK_STREAM.intValue();
    static final int SOCK_DGRAM = Sock.SOCK_DGRAM.intValue();
    static final int SOCK_RAW = Sock.SOCK_RAW.intValue();
    static final int SOCK_RDM = Sock.SOCK_RDM.intValue();
    static final int SOCK_SEQPACKET = Sock.SOCK_SEQPACKET.intValue();
    /** Closed on exec and non-blocking: Linux takes it with the type, macOS needs more calls. */
    static final int SOCK_FLAGS =
            Posix.LINUX ? OpenFlags.O_CLOEXEC.intValue() | OpenFlags.O_NONBLOCK.intValue() : 0;

    static final int SOL_SOCKET = SocketLevel.SOL_SOCKET.intValue();
    static final int SO_TYPE = SocketOption.SO_TYPE.intValue();
    static final int SO_ERROR = SocketOption.SO_ERROR.intValue();
    /** macOS only, 0 elsewhere. */
    static final int SO_NOSIGPIPE = orZero(SocketOption.SO_NOSIGPIPE);

    static final int MSG_DONTWAIT = SocketMessage.MSG_DONTWAIT.intValue();
    static final int MSG_OOB = SocketMessage.MSG_OOB.intValue();
    static final int MSG_PEEK = SocketMessage.MSG_PEEK.intValue();
    static final int MSG_EOR = SocketMessage.MSG_EOR.intValue();
    static final int MSG_TRUNC = SocketMessage.MSG_TRUNC.intValue();
    static final int MSG_CTRUNC = SocketMessage.MSG_CTRUNC.intValue();
    /** The control data that passes descriptors; the same number on both platforms. */
    static final int SCM_RIGHTS = 1;
    /** Closes on exec what comes as control data; Linux only, 0 elsewhere. */
    static final int MSG_CMSG_CLOEXEC = Posix.LINUX ? 0x40000000 : 0;
    static final int MSG_WAITALL = SocketMessage.MSG_WAITALL.intValue();
    static final int MSG_DONTROUTE = SocketMessage.MSG_DONTROUTE.intValue();
    static final int MSG_CONFIRM = orZero(SocketMessage.MSG_CONFIRM);
    static final int MSG_MORE = orZero(SocketMessage.MSG_MORE);
    static final int MSG_ERRQUEUE = orZero(SocketMessage.MSG_ERRQUEUE);
    /** 0 where the option {@link #SO_NOSIGPIPE} takes its place. */
    static final int MSG_NOSIGNAL = orZero(SocketMessage.MSG_NOSIGNAL);

    static final int F_GETFD = Fcntl.F_GETFD.intValue();
    static final int F_SETFD = Fcntl.F_SETFD.intValue();
    static final int F_GETFL = Fcntl.F_GETFL.intValue();
    static final int F_SETFL = Fcntl.F_SETFL.intValue();
    static final int F_DUPFD_CLOEXEC = Posix.LINUX ? 1030 : 67;
    static final int FD_CLOEXEC = 1;

    static final int O_ACCMODE = OpenFlags.O_ACCMODE.intValue();
    static final int O_WRONLY = OpenFlags.O_WRONLY.intValue();
    static final int O_NONBLOCK = OpenFlags.O_NONBLOCK.intValue();
    static final int O_CLOEXEC = OpenFlags.O_CLOEXEC.intValue();

    static final int EINTR = Errno.EINTR.intValue();
    static final int EAGAIN = Errno.EAGAIN.intValue();
    static final int EBADF = Errno.EBADF.intValue();
    static final int EPERM = Errno.EPERM.intValue();
    static final int EACCES = Errno.EACCES.intValue();
    static final int ENOENT = Errno.ENOENT.intValue();
    static final int EEXIST = Errno.EEXIST.intValue();
    static final int EINVAL = Errno.EINVAL.intValue();
    static final int ENOTSOCK = Errno.ENOTSOCK.intValue();
    static final int ENOTCONN = Errno.ENOTCONN.intValue();
    static final int EINPROGRESS = Errno.EINPROGRESS.intValue();
    static final int EALREADY = Errno.EALREADY.intValue();
    static final int EISCONN = Errno.EISCONN.intValue();
    static final int ENOBUFS = Errno.ENOBUFS.intValue();
    static final int ECHILD = Errno.ECHILD.intValue();
    static final int ECONNRESET = Errno.ECONNRESET.intValue();
    static final int ECONNABORTED = Errno.ECONNABORTED.intValue();
    static final int ETIMEDOUT = Errno.ETIMEDOUT.intValue();
    static final int ENETRESET = Errno.ENETRESET.intValue();
    static final int ECONNREFUSED = Errno.ECONNREFUSED.intValue();
    static final int EHOSTUNREACH = Errno.EHOSTUNREACH.intValue();
    static final int ENETUNREACH = Errno.ENETUNREACH.intValue();
    static final int EPIPE = Errno.EPIPE.intValue();

    private Constants() {}

    private static int orZero(Constant constant) {
        return constant.defined() ? constant.intValue() : 0;
    }
}
