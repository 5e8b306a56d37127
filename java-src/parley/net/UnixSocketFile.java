package parley.net;

import java.io.IOException;
import java.net.BindException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import parley.net.wait.Log;
import parley.posix.ChannelDescriptor;
import parley.posix.Descriptor;
import parley.posix.Handles;
import parley.posix.OwnThreads;
import parley.posix.Posix;
import parley.posix.PosixException;
import parley.posix.Sockets;
import parley.posix.StackSafeLock;

/**
 * The file by which a Unix-domain server is found (unix(7)): replaced when its server is dead,
 * never when it is alive or no socket at all; removed on close when it is still the same file.
 */
final class UnixSocketFile {
    /** Bytes of a path that fit in sockaddr_un.sun_path with its zero. */
    private static final int LONGEST = 107;
    /** Bytes of a path that the JDK takes. */
    private static final int LONGEST_OF_JDK = 106;

    private static final Path LIST = Path.of("/proc/net/unix");
    // A socket that listens, or was bound and listens in a moment: Num RefCount Protocol Flags Type St
    // Inode Path, proc_pid_net(5). All of the path counts, whatever spaces it has.
    private static final Pattern SOCKET = Pattern.compile(
            "\\S+: +\\S+ +\\S+ +\\S+ +0001 +01 +\\d+ (?<path>.*)");
    private static final StackSafeLock REMOVING = new StackSafeLock();

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
            Runtime.getRuntime().addShutdownHook(
                    OwnThreads.daemon("parley-socket-files", Live::deleteAll));
        }

        private static void deleteAll() {
            for (UnixSocketFile each : FILES) {
                try {
                    each.delete();
                } catch (IOException e) {
                    Log.warning(Log.Part.CORE, "the socket file " + each.path + " stays behind: " + e);
                }
            }
        }
    }

    /**
     * Device, inode and the time of the last change of the content, which a socket file has none of
     * but being made: a file made anew can get its predecessor's inode, but hardly at the same
     * time.
     */
    private record Identity(Object device, Object inode, Object made, boolean isSocket) {
        static Identity of(Path path) throws IOException {
            Map<String, Object> facts = Files.readAttributes(path, "unix:dev,ino,lastModifiedTime,mode",
                    LinkOption.NOFOLLOW_LINKS);
            int mode = (Integer) facts.get("mode");
            return new Identity(facts.get("dev"), facts.get("ino"), facts.get("lastModifiedTime"),
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
            return other != null && device.equals(other.device) && inode.equals(other.inode)
                    && made.equals(other.made);
        }
    }

    /**
     * A path as a bind or a connect takes it, until closed.
     *
     * @param shown the path that the caller knows
     * @param directory open while the address is a path through it; null for the path itself
     */
    record Spelling(UnixDomainSocketAddress address, Path shown, Descriptor directory)
            implements AutoCloseable {
        @Override
        public void close() throws IOException {
            if (directory != null) {
                directory.close();
            }
        }
    }

    /**
     * Spells the path: absolute, or where only that is short enough relative to the working
     * directory, or through the number of its directory.
     */
    static Spelling spell(String operation, Path path) throws IOException {
        Path absolute = path.toAbsolutePath();
        Path here = Path.of("").toAbsolutePath();
        boolean inside = length(absolute) > LONGEST_OF_JDK && absolute.startsWith(here)
                && !path.toString().isEmpty();
        Path spelled = path.toString().isEmpty() ? path
                : inside ? here.relativize(absolute) : absolute;
        Spelling through = length(spelled) == LONGEST ? spellThroughDirectory(absolute) : null;
        if (through != null) {
            return through;
        }
        checkLength(operation, spelled);
        return new Spelling(UnixDomainSocketAddress.of(spelled), spelled, null);
    }

    /** Null where there is no such way, or it is too long itself. */
    private static Spelling spellThroughDirectory(Path path) throws IOException {
        if (!Posix.available() || !Posix.platform().equals("Linux")) {
            return null;
        }
        Descriptor directory;
        try {
            directory = Handles.directory(path.getParent().toString());
        } catch (PosixException e) {
            return null; // no file exists, or it may not be read
        }
        Path spelled = Path.of("/proc/self/fd/" + directory.number(), path.getFileName().toString());
        if (length(spelled) > LONGEST_OF_JDK) {
            directory.close();
            return null;
        }
        return new Spelling(UnixDomainSocketAddress.of(spelled), path, directory);
    }

    private static int length(Path path) {
        return bytes(path.toString()).length();
    }

    /** A text as one character for each byte that the system has for it. */
    private static String bytes(String text) {
        String name = System.getProperty("sun.jnu.encoding", "");
        Charset charset = Charset.isSupported(name) ? Charset.forName(name) : Charset.defaultCharset();
        return new String(text.getBytes(charset), StandardCharsets.ISO_8859_1);
    }

    private static void checkLength(String operation, Path path) throws IOException {
        int length = length(path);
        if (length == 0) {
            throw new IllegalArgumentException(Errors.name(operation) + ": the path is empty, expected the path"
                    + " of a socket file");
        } else if (length > LONGEST_OF_JDK) {
            throw ErrorInfo.attach(new SocketException(Errors.name(operation) + ": Unix domain path too long: "
                    + path + " has " + length + " bytes, the system allows " + LONGEST
                    + " and the JDK alone allows " + LONGEST_OF_JDK + "; choose a shorter one"), null, ErrorCode.ENAMETOOLONG);
        }
    }

    /** Makes the path free for a bind. */
    static void makeWay(String operation, Path path) throws IOException {
        Path directory = path.toAbsolutePath().getParent();
        if (!Files.isDirectory(directory)) {
            throw ErrorInfo.attach(new SocketException(Errors.name(operation) + ": " + path
                    + ": No such file or directory: there is no directory " + directory
                    + "; make it, or choose another path"),
                    ErrorInfo.endOf(operation, UnixDomainSocketAddress.of(path)), ErrorCode.ENOENT);
        }
        Identity old = Identity.ifAny(path);
        if (old == null) {
            return;
        } else if (!old.isSocket()) {
            throw inUse(operation, path, "the file is no socket; it was left alone");
        }
        refuseIfAlive(operation, path);
        removeDead(operation, path);
    }

    /**
     * Removes the file of a dead server. One process at a time checks and removes, so that no other
     * can make a new server's file between the check and the removal: while a file exists, bind
     * fails.
     */
    private static void removeDead(String operation, Path path) throws IOException {
        Path lockPath = path.resolveSibling(path.getFileName() + ".lock");
        REMOVING.lock();
        try (FileChannel channel = FileChannel.open(lockPath, Set.of(StandardOpenOption.CREATE,
                StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
            if (!isLocked(channel, lockPath)) {
                throw inUse(operation, path, "another server is being started there");
            }
            try {
                Identity old = Identity.ifAny(path);
                if (old != null && old.isSocket()) {
                    refuseIfAlive(operation, path);
                    Files.deleteIfExists(path);
                }
            } finally {
                Files.deleteIfExists(lockPath);
            }
        } finally {
            REMOVING.unlock();
        }
    }

    /** Locks the file, unless another process has, or has just removed it with the lock in hand. */
    private static boolean isLocked(FileChannel channel, Path path) throws IOException {
        if (channel.tryLock() == null) {
            return false;
        }
        // By its size, since closing another descriptor of the file would give the lock up.
        int size = 1 + ThreadLocalRandom.current().nextInt(1 << 20);
        channel.truncate(0);
        channel.write(ByteBuffer.allocate(1), size - 1);
        try {
            return Files.size(path) == size;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    private static void refuseIfAlive(String operation, Path path) throws IOException {
        if (isListed(path)) {
            throw inUse(operation, path, "a server accepts connections there");
        }
        try (Spelling spelling = spell(operation, path);
                SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            probe.configureBlocking(false);
            probe.connect(spelling.address());
        } catch (IOException e) {
            ErrorCode code = ErrorCode.of(e);
            if (code == ErrorCode.ECONNREFUSED || code == ErrorCode.ENOENT) {
                // The first look misses a socket that was bound meanwhile and does not listen yet.
                if (!isListed(path)) {
                    return;
                }
            } else if (code != ErrorCode.EAGAIN) { // which is a full queue: alive
                BindException error = inUse(operation, path, "it is not known whether its"
                        + " server runs: " + Errors.text(e) + "; it was left alone");
                error.addSuppressed(e);
                throw error;
            }
        }
        throw inUse(operation, path, "a server accepts connections there");
    }

    /**
     * Looks the path up where Linux lists bound sockets, which the server does not notice, as it
     * does a connection. Sockets that were accepted there have its path, too, and do not count.
     * A socket that is not listed may exist all the same, under another name of the file.
     */
    private static boolean isListed(Path path) throws IOException {
        if (!Files.isReadable(LIST)) {
            return false;
        }
        Path here = Path.of("").toAbsolutePath();
        Set<String> names = path.startsWith(here)
                ? Set.of(bytes(path.toString()), bytes(here.relativize(path).toString()))
                : Set.of(bytes(path.toString()));
        try (Stream<String> lines = Files.lines(LIST, StandardCharsets.ISO_8859_1)) {
            return lines.anyMatch(line -> {
                Matcher socket = SOCKET.matcher(line);
                return socket.matches() && names.contains(socket.group("path"));
            });
        }
    }

    private static BindException inUse(String operation, Path path, String why) {
        BindException error = new BindException(Errors.name(operation) + ": " + path
                + ": Address already in use: " + why + "; choose another path");
        return ErrorInfo.attach(error,
                ErrorInfo.endOf(operation, UnixDomainSocketAddress.of(path)), ErrorCode.EADDRINUSE);
    }

    /**
     * Sets the mode of the file that a bind will make, as far as the umask allows, so that no other
     * user can connect before the mode is set. Where the platform cannot, connections that came
     * before are refused.
     */
    static void restrict(ServerSocketChannel channel, Set<PosixFilePermission> mode)
            throws IOException {
        if (Posix.available() && Posix.platform().equals("Linux")) {
            try (Descriptor socket = ChannelDescriptor.find(channel).duplicate()) {
                Sockets.mode(socket, bits(mode));
            }
        }
    }

    private static int bits(Set<PosixFilePermission> mode) {
        int bits = 0;
        for (PosixFilePermission each : mode) {
            bits |= 0400 >> each.ordinal(); // declared in the order in which ls shows them
        }
        return bits;
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
