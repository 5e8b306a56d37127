package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.FileInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import parley.posix.Posix;
import parley.testing.Await;
import parley.testing.Child;
import parley.testing.Classes;
import parley.testing.Descriptors;
import parley.testing.Guarded;
import parley.testing.Race.Rounds;
import parley.testing.Threads;

/** A process that has no descriptors when it first uses the library, and some later. */
@Guarded
class EarlyExhaustionTest {
    @Test
    void what_fails_for_want_of_descriptors_at_first_works_later() throws Exception {
        assumeTrue(Descriptors.visible());
        for (int spare : Rounds.of(1, 2) == 1 ? new int[] {0, 2, 5} : new int[] {0, 1, 2, 3, 5, 9}) {
            try (Child child = Child.java(Starved.class, Integer.toString(spare))) {
                assertEquals("EMFILE", child.answer("first"), "spare " + spare);
                assertEquals(Posix.available() ? "echo x 2" : "echo x 0", child.answer("later"),
                        "spare " + spare);
            }
        }
    }

    /** Uses up all descriptors but some, fails, gives them back, and works. */
    public static final class Starved {
        private Starved() {
        }

        /** The child's entry: how many descriptors to leave. */
        public static void main(String[] arguments) throws IOException {
            Classes.load(SocketServer.class, "parley.net", "parley.posix");
            Classes.load(EarlyExhaustionTest.class, "parley.net"); // files cannot be opened later
            List<FileInputStream> hog = new ArrayList<>();
            try {
                while (hog.size() < 1_000_000) {
                    hog.add(new FileInputStream("/dev/null"));
                }
            } catch (IOException e) {
                for (int i = 0; i < Integer.parseInt(arguments[0]); i++) {
                    hog.remove(0).close();
                }
            }
            ServerOptions options = ServerOptions.builder().host("127.0.0.1").build();
            String first = "none";
            try {
                SocketServer.listen(options).close();
            } catch (IOException e) {
                first = ErrorCode.of(e) + "";
            }
            for (FileInputStream each : hog) {
                each.close();
            }
            System.out.println("first " + first);
            try (SocketServer server = SocketServer.listen(options);
                    SocketStream client = SocketStream.connect(
                            "127.0.0.1", server.port(), StreamOptions.DEFAULT);
                    SocketStream served = server.accept()) {
                client.out().writeChar('x');
                client.out().flush();
                char read = (char) served.in().readChar();
                int handles = Posix.available() ? SocketOptions.handles(client).length : 0;
                System.out.println("later echo " + read + " " + handles);
            }
        }
    }

    @Test
    void a_channel_for_which_no_selector_can_be_opened_is_closed() throws Exception {
        assumeTrue(Descriptors.visible());
        try (Child child = Child.java(Unwatched.class)) {
            assertEquals("0 of 0 to 3 spare", child.answer("left"));
        }
    }

    /** Connects with hardly a descriptor, when the selector of the event loop is closed. */
    public static final class Unwatched {
        private Unwatched() {
        }

        /** The child's entry. */
        public static void main(String[] arguments) throws Exception {
            Classes.load(SocketServer.class, "parley.net", "parley.posix");
            Classes.load(EarlyExhaustionTest.class, "parley.net");
            try (ServerSocketChannel listener = ServerSocketChannel.open()) {
                listener.bind(new InetSocketAddress("127.0.0.1", 0));
                int port = listener.socket().getLocalPort();
                SocketStream.connect("127.0.0.1", port, StreamOptions.DEFAULT).close();
                listener.accept().close();
                Await.until("the event loop has gone", () -> Threads.running()
                        .noneMatch(thread -> thread.getName().equals("parley-reactor")));
                long before = Descriptors.sockets();
                List<FileInputStream> hog = new ArrayList<>();
                for (int spare = 0; spare <= 3; spare++) {
                    try {
                        while (hog.size() < 1_000_000) {
                            hog.add(new FileInputStream("/dev/null"));
                        }
                    } catch (IOException e) {
                        for (int i = 0; i < spare; i++) {
                            hog.remove(0).close();
                        }
                    }
                    try {
                        SocketStream.connect("127.0.0.1", port, StreamOptions.DEFAULT).close();
                    } catch (IOException e) {
                        continue; // as it should be
                    }
                }
                for (FileInputStream each : hog) {
                    each.close();
                }
                System.out.println("left " + (Descriptors.sockets() - before) + " of 0 to 3 spare");
            }
        }
    }
}
