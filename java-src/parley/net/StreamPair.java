package parley.net;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/**
 * Makes two streams that are connected to each other: over a Unix-domain socket whose file no other
 * user can reach and that is gone when they are made. socketpair(2) would need the C library.
 */
final class StreamPair {
    private StreamPair() {
    }

    static List<SocketStream> make(StreamOptions options) throws IOException {
        Errors.plainOptions("stream-pair", options);
        Path directory = Files.createTempDirectory("parley", PosixFilePermissions.asFileAttribute(
                PosixFilePermissions.fromString("rwx------")));
        try (SocketServer server = SocketServer.listen(
                ServerOptions.builder().path(directory.resolve("pair")).build())) {
            SocketStream first = SocketStream.connect(server.localAddress(), options);
            boolean made = false;
            try {
                SocketStream second = server.acceptNow(options); // is in the queue
                made = second != null;
                return List.of(first, second);
            } finally {
                if (!made) {
                    first.abort();
                }
            }
        } finally {
            Files.deleteIfExists(directory.resolve("pair"));
            Files.deleteIfExists(directory);
        }
    }
}
