package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.FileInputStream;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import parley.net.SocketServer.AcceptBackoff;
import parley.testing.Child;
import parley.testing.Descriptors;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Locales;

/** Codes of failures in a process whose C library speaks German. */
@Guarded
class LocaleTest {
    @TempDir
    Path directory;

    @Test
    void codes_are_found_whatever_language_the_process_speaks() throws Exception {
        List<String> german = Locales.german();
        check(german, List.of(), true);
    }

    @Test
    void without_the_c_library_the_class_of_the_exception_decides() throws Exception {
        List<String> german = Locales.german();
        check(german, List.of("-Dparley.posix=off"), false);
    }

    private void check(List<String> german, List<String> options, boolean all) throws Exception {
        assumeTrue(Descriptors.visible());
        try (Child child = Child.behind(german, options, Speaker.class, directory.toString())) {
            String words = child.answer("words");
            assertTrue(words.contains("Datei oder Verzeichnis nicht gefunden"), words);
            assertEquals(all ? "ENOENT" : "null", child.answer("file"));
            assertEquals("ENOENT", child.answer("attributes"));
            assertEquals(all ? "ENOENT" : "null", child.answer("missing"));
            assertEquals("EADDRINUSE", child.answer("used"));
            assertEquals("ECONNREFUSED", child.answer("refused"));
            assertEquals("EAI_NONAME", child.answer("host"));
            assertEquals("ECONNRESET", child.answer("reset"));
            assertEquals(all ? "EPIPE" : "null", child.answer("pipe"));
            assertEquals(all ? "EPIPE" : "null", child.answer("again"));
            assertEquals(all ? "ETIMEDOUT" : "null", child.answer("queue"));
            assertEquals(all ? "waited" : "at once", child.answer("waiting"));
            if (all) {
                assertEquals("connection lost", child.answer("after-reset-in-write"));
            }
            child.answer("starving");
            assertEquals("accepted", child.answer("starved"));
        }
    }

    /** Fails in many ways, and prints the codes. */
    public static final class Speaker {
        private final Path directory;

        private Speaker(Path directory) {
            this.directory = directory;
        }

        /** The child's entry: the directory to work in. */
        public static void main(String[] arguments) throws Exception {
            Speaker speaker = new Speaker(Path.of(arguments[0]));
            speaker.files();
            speaker.making();
            speaker.broken();
            speaker.queue();
            if (!"off".equals(System.getProperty("parley.posix"))) {
                speaker.resetInWrite();
            }
            speaker.starving();
        }

        private interface Call {
            Object run() throws IOException;
        }

        private static IOException failure(Call call) {
            try {
                throw new AssertionError("no failure, but " + call.run());
            } catch (IOException e) {
                return e;
            }
        }

        private static void code(String name, Call call) {
            IOException e = failure(call);
            ErrorCode code = ErrorCode.of(e);
            System.out.println("a failure: " + e);
            System.out.println(name + " " + code);
        }

        private void files() {
            String none = directory.resolve("none").toString();
            System.out.println("words " + failure(() -> new FileInputStream(none)).getMessage());
            code("file", () -> new FileInputStream(none));
            code("attributes", () -> Files.size(Path.of(none)));
        }

        private void making() throws IOException {
            code("missing", () -> SocketStream.connect(
                    UnixDomainSocketAddress.of(directory.resolve("none")), StreamOptions.DEFAULT));
            try (SocketServer server = SocketServer.listen(local())) {
                code("used", () -> SocketServer.listen(ServerOptions.builder().host("127.0.0.1")
                        .port(server.port()).build()));
            }
            int port;
            try (ServerSocket closed = new ServerSocket(0)) {
                port = closed.getLocalPort();
            }
            code("refused", () -> SocketStream.connect("127.0.0.1", port, StreamOptions.DEFAULT));
            code("host", () -> SocketStream.connect("no-such-host.invalid", 80,
                    StreamOptions.DEFAULT));
        }

        private static ServerOptions local() {
            return ServerOptions.builder().host("127.0.0.1").backlog(16).build();
        }

        private void broken() throws IOException {
            try (SocketServer server = SocketServer.listen(local());
                    SocketStream stream = SocketStream.connect(
                            "127.0.0.1", server.port(), StreamOptions.DEFAULT)) {
                reset(accepted(server));
                stream.status(Direction.INPUT, null);
                code("reset", () -> stream.in().readChar());
                stream.abort();
            }
            Path path = directory.resolve("pipe");
            try (SocketServer server = SocketServer.listen(ServerOptions.builder().path(path).build());
                    SocketStream stream = SocketStream.connect(
                            UnixDomainSocketAddress.of(path), StreamOptions.DEFAULT);
                    SocketStream peer = server.accept()) {
                peer.abort();
                stream.status(Direction.INPUT, null);
                stream.out().writeChar('x');
                code("pipe", () -> {
                    stream.out().flush();
                    return null;
                });
                code("again", () -> {
                    stream.out().flush();
                    return null;
                });
                stream.abort();
            }
        }

        /** A Unix-domain server whose queue is full. */
        private void queue() throws IOException {
            Path path = directory.resolve("full");
            UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
            List<SocketStream> made = new ArrayList<>();
            try (SocketServer server = SocketServer.listen(
                    ServerOptions.builder().path(path).backlog(1).build())) {
                System.out.println(server + " accepts nobody");
                Duration patience = Duration.ofMillis(300);
                long[] began = new long[1];
                code("queue", () -> {
                    for (;;) {
                        began[0] = System.nanoTime();
                        made.add(SocketStream.connect(address,
                                StreamOptions.builder().timeout(patience).build()));
                    }
                });
                long took = System.nanoTime() - began[0];
                System.out.println("waiting "
                        + (took < patience.toNanos() ? "at once" : "waited"));
            }
            for (SocketStream each : made) {
                each.abort();
            }
        }

        /** The write is told of the reset, and reading must not take the connection as ended. */
        private void resetInWrite() throws IOException {
            try (SocketServer server = SocketServer.listen(local());
                    SocketStream stream = SocketStream.connect(
                            "127.0.0.1", server.port(), StreamOptions.DEFAULT)) {
                SocketChannel peer = accepted(server);
                stream.out().writeChar('x');
                stream.out().flush();
                reset(peer);
                for (IOException e = null; e == null;) {
                    try {
                        stream.out().writeChar('x');
                        stream.out().flush();
                    } catch (IOException failed) {
                        e = failed;
                    }
                }
                String read;
                try {
                    read = "read " + stream.in().readChar();
                } catch (IOException e) {
                    read = "connection lost";
                }
                System.out.println("after-reset-in-write " + read);
                stream.abort();
            }
        }

        private static void reset(SocketChannel peer) throws IOException {
            peer.setOption(StandardSocketOptions.SO_LINGER, 0);
            peer.close();
        }

        private static SocketChannel accepted(SocketServer server) throws IOException {
            server.awaitConnection(null);
            return server.channel().accept();
        }

        /** Accepts while there is no descriptor: one is free again only after the accept has begun. */
        private void starving() throws Exception {
            try (SocketServer server = SocketServer.listen(local())) {
                Socket first = new Socket("127.0.0.1", server.port());
                server.accept().close();
                first.close();
                Socket second = new Socket("127.0.0.1", server.port());
                List<FileInputStream> hog = new ArrayList<>();
                IOException starved = failure(() -> {
                    for (;;) {
                        hog.add(new FileInputStream("/dev/null"));
                    }
                });
                Thread relief = new Thread(() -> relieve(hog));
                relief.start();
                String outcome = "accepted";
                try {
                    server.accept().close();
                } catch (IOException e) {
                    outcome = e.toString();
                }
                relief.join();
                second.close();
                System.out.println("starving " + starved.getMessage());
                System.out.println("starved " + outcome);
            }
        }

        /** Gives the descriptors back once the accepting thread rests. */
        private static void relieve(List<FileInputStream> hog) {
            long end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
            while (!rests() && System.nanoTime() < end) {
                Thread.onSpinWait();
            }
            try {
                for (FileInputStream each : hog) {
                    each.close();
                }
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }

        private static boolean rests() {
            return Thread.getAllStackTraces().values().stream().anyMatch(stack ->
                    java.util.Arrays.stream(stack).anyMatch(frame ->
                            frame.getClassName().equals(AcceptBackoff.class.getName())));
        }
    }
}
