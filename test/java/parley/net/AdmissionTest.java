package parley.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import parley.testing.Guarded;

/** Connections that have no thread before they have shown who they are. */
@Guarded
class AdmissionTest {
    private static final int CLIENTS = 20;
    private static final Duration SOON = Duration.ofSeconds(20);

    /** Lets one connection wait, and refuses it in favour of the next. */
    private static final class Narrow implements Server.Admission {
        private Server.Connection waiting;

        @Override
        public Verdict arrived(Server.Connection connection) {
            if (waiting != null) {
                waiting.server().refuse(waiting, "refused", "it has been silent longest");
            }
            waiting = connection;
            return Verdict.waitFor(SOON);
        }

        @Override
        public Verdict readable(Server.Connection connection) throws IOException {
            waiting = null;
            connection.stream().in().readChar();
            return Verdict.ADMIT;
        }

        @Override
        public Verdict late(Server.Connection connection) {
            return Verdict.ADMIT;
        }
    }

    @Test
    void a_client_that_has_sent_what_admits_it_makes_no_room_for_the_next() throws Exception {
        SocketServer listener = SocketServer.listen(ServerOptions.builder().host("127.0.0.1").build());
        for (int i = 0; i < CLIENTS; i++) { // all of them before the first is accepted
            try (SocketStream client = SocketStream.connect("127.0.0.1", listener.port(),
                    StreamOptions.DEFAULT)) {
                client.out().writeString("x");
            }
        }
        CountDownLatch served = new CountDownLatch(CLIENTS);
        try (Server server = Server.builder(stream -> served.countDown()).admission(new Narrow())
                .log(event -> { }).start(listener)) {
            assertTrue(served.await(SOON.toSeconds(), TimeUnit.SECONDS),
                    () -> served.getCount() + " refused by " + server);
        }
    }
}
