package parley.net;

import java.io.IOException;
import java.net.BindException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * The file by which a Unix-domain server is found (unix(7)): replaced when its server is dead, never
 * when it is alive or no socket at all; removed on close when it is still the same file.
 */
final class UnixSocketFile {
    /** Bytes of a path that fit in sockaddr_un.sun_path with its closing zero. */
    static final int LONGEST = 107;

    private static final Path LIST = Path.of("/proc/net/unix");
    private static final int TYPE_MASK = 0170000;
    private static final int SOCKET_TYPE = 0140000;

    private final Path path;
    private final Identity identity; // of the file that the bind made

    private UnixSocketFile(Path path, Identity identity) {
        this.path = path;
        this.identity = identity;
    }

    /** The files of servers that are open, removed when the JVM ends before they are closed. */
    private static final class Live {
        static final Set<UnixSocketFile> FILES = ConcurrentHashMap.newKeySet();

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(null, Live::deleteAll,
                    "parley-socket-files", 0, false));
        }

        private static void deleteAll() {
            for (UnixSocketFile each : FILES) {
                try {
                    each.delete();
                } catch (IOException e) {
                    Reports.error("the socket file " + each.path + " stays behind", e);
                }
            }
        }
    }

    /** Device, inode and time of birth: a file made anew can get its predecessor's inode. */
    private record Identity(Object device, Object inode, Object changed, boolean isSocket) {
        static Identity of(Path path) throws IOException {
            Map<String, Object> facts = Files.readAttributes(path, "unix:dev,ino,ctime,mode",
                    LinkOption.NOFOLLOW_LINKS);
            int mode = (Integer) facts.get("mode");
            return new Identity(facts.get("dev"), facts.get("ino"), facts.get("ctime"),
                    (mode & TYPE_MASK) == SOCKET_TYPE);
        }

        static Identity ifAny(Path path) throws IOException {
            try {
                return of(path);
            } catch (NoSuchFileException e) {
                return null;
            }
        }

        boolean isSameFile(Identity other) {
            return other != null && device.equals(other.device) && inode.equals(other.inode);
        }
    }

    static void checkLength(String operation, Path path) throws IOException {
        int length = path.toString().getBytes(StandardCharsets.UTF_8).length;
        if (length == 0) {
            throw new IllegalArgumentException(Failures.name(operation) + ": the path is empty, expected the path"
                    + " of a socket file");
        } else if (length > LONGEST) {
            throw ErrorInfo.attach(new SocketException(Failures.name(operation) + ": Unix domain path too long: "
                    + path + " has " + length + " bytes, the system allows " + LONGEST
                    + "; choose a shorter one"), null, ErrorCode.ENAMETOOLONG);
        }
    }

    /** Makes the path free for a bind. */
    static void makeWay(String operation, Path path) throws IOException {
        checkLength(operation, path);
        Path directory = path.toAbsolutePath().getParent();
        if (!Files.isDirectory(directory)) {
            throw ErrorInfo.attach(new SocketException(Failures.name(operation) + ": " + path + ": No such file or"
                    + " directory: there is no directory " + directory + "; make it, or choose another"
                    + " path"), UnixDomainSocketAddress.of(path), ErrorCode.ENOENT);
        }
        Identity old = Identity.ifAny(path);
        if (old == null) {
            return;
        } else if (!old.isSocket()) {
            throw inUse(operation, path, "the file is no socket; it was left alone");
        }
        refuseIfAlive(operation, path);
        remove(operation, path, old);
    }

    private static void refuseIfAlive(String operation, Path path) throws IOException {
        if (isListed(path)) {
            throw inUse(operation, path, "a server accepts connections there");
        }
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            probe.configureBlocking(false);
            probe.connect(UnixDomainSocketAddress.of(path));
        } catch (IOException e) {
            ErrorCode code = ErrorCode.of(e);
            if (code == ErrorCode.ECONNREFUSED || code == ErrorCode.ENOENT) {
                return;
            } else if (code != ErrorCode.EAGAIN) { // which is a full queue: alive
                BindException error = inUse(operation, path, "whether its server lives cannot be"
                        + " told: " + Failures.text(e) + "; it was left alone");
                error.addSuppressed(e);
                throw error;
            }
        }
        throw inUse(operation, path, "a server accepts connections there");
    }

    /**
     * Looks the path up where Linux lists bound sockets, which the server does not notice, as it does
     * a connection. What is not listed may live all the same, under another name of the file.
     */
    private static boolean isListed(Path path) throws IOException {
        if (!Files.isReadable(LIST)) {
            return false;
        }
        String end = " " + path;
        try (Stream<String> lines = Files.lines(LIST, StandardCharsets.ISO_8859_1)) {
            String bytes = new String(end.getBytes(StandardCharsets.UTF_8),
                    StandardCharsets.ISO_8859_1);
            return lines.anyMatch(line -> line.endsWith(bytes));
        }
    }

    /** Takes the dead file away, and nothing that has come into its place meanwhile. */
    private static void remove(String operation, Path path, Identity dead) throws IOException {
        Path aside = path.resolveSibling(path.getFileName() + "." + UUID.randomUUID());
        try {
            Files.move(path, aside);
        } catch (NoSuchFileException e) {
            return; // somebody else was faster
        }
        if (dead.isSameFile(Identity.of(aside))) {
            Files.delete(aside);
        } else {
            Files.move(aside, path);
            throw inUse(operation, path, "another server has just been started there");
        }
    }

    private static BindException inUse(String operation, Path path, String why) {
        BindException error = new BindException(Failures.name(operation) + ": Address already in use: " + path
                + ": " + why + "; choose another path");
        return ErrorInfo.attach(error, UnixDomainSocketAddress.of(path),
                ErrorCode.EADDRINUSE);
    }

    /** The file that a bind has just made. */
    static UnixSocketFile made(Path path) throws IOException {
        UnixSocketFile file = new UnixSocketFile(path, Identity.of(path));
        Live.FILES.add(file);
        return file;
    }

    /** Removes the file if it is still the one that was made. */
    void delete() throws IOException {
        Live.FILES.remove(this);
        if (identity.isSameFile(Identity.ifAny(path))) {
            Files.deleteIfExists(path);
        }
    }
}
