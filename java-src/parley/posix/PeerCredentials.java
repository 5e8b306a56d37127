package parley.posix;

import java.io.IOException;

/**
 * Who is at the other end of a Unix-domain connection, as the kernel knows it: SO_PEERCRED on
 * Linux, LOCAL_PEERCRED and LOCAL_PEERPID on macOS.
 *
 * @param pid the process that connected or listened
 * @param uid its effective user
 * @param gid its effective group
 */
public record PeerCredentials(int pid, int uid, int gid) {
    private static final int SOL_LOCAL = 0;
    private static final int LOCAL_PEERCRED = 1;
    private static final int LOCAL_PEERPID = 2;
    private static final int XUCRED_SIZE = 76;

    /**
     * Asks for them on a connected Unix-domain socket.
     *
     * @param socket a connected Unix-domain socket
     * @return the process, the user and the group of the peer
     * @throws IOException when the system call fails
     */
    public static PeerCredentials of(Descriptor socket) throws IOException {
        Posix.require("PeerCredentials.of");
        if (Constants.LINUX) {
            byte[] raw = Sockets.option(
                    socket, Constants.SOL_SOCKET, Constants.SO_PEERCRED, 12);
            return new PeerCredentials(
                    Bytes.getInt(raw, 0), Bytes.getInt(raw, 4), Bytes.getInt(raw, 8));
        }
        byte[] raw = Sockets.option(socket, SOL_LOCAL, LOCAL_PEERCRED, XUCRED_SIZE);
        byte[] pid = Sockets.option(socket, SOL_LOCAL, LOCAL_PEERPID, 4);
        return new PeerCredentials(
                Bytes.getInt(pid, 0), Bytes.getInt(raw, 4), Bytes.getInt(raw, 12));
    }
}
