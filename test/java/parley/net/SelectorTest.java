package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.SelectionKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import parley.net.wait.Poller;
import parley.net.wait.Registration;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;

/** SEL: what a poller reports when its sources' interests change, and what cancelling costs. */
@Guarded
class SelectorTest {
    private static final int READ = SelectionKey.OP_READ;
    private static final int WRITE = SelectionKey.OP_WRITE;
    private static final long LONG = Duration.ofSeconds(10).toNanos();
    private static final long SHORT = Duration.ofMillis(20).toNanos();

    private final int[] found = {0};

    private int poll(Poller poller, long nanos) throws IOException {
        found[0] = 0;
        poller.poll(nanos, (registration, ops) -> found[0] |= ops);
        return found[0];
    }

    /** Fails unless just what is asked for is reported, and nothing when that is nothing. */
    private void reports(int asked, int possible, Poller poller) throws IOException {
        int expected = asked & possible;
        for (int i = 0; i < 2; i++) { // again: these are levels
            if (expected != 0) {
                assertEquals(expected, poll(poller, LONG), "asked for " + asked);
            } else {
                long start = System.nanoTime();
                assertEquals(0, poll(poller, SHORT), "asked for " + asked);
                assertTrue(System.nanoTime() - start >= SHORT / 2, "it did not block");
            }
        }
    }

    @EveryCase
    void SEL_3_all_transitions_of_interests_report_what_is_asked_and_then_block(Case cell)
            throws Exception {
        int[] interests = {0, READ, WRITE, READ | WRITE};
        try (PeerListener listener = PeerListener.on(cell.family());
                SocketStream stream = SocketStream.connect(
                        listener.address(), StreamOptions.DEFAULT);
                Peer peer = listener.accept(); Poller poller = new Poller(null)) {
            for (int possible : new int[] {WRITE, READ | WRITE}) {
                for (int before : interests) {
                    for (int after : interests) {
                        Registration registration = stream.source().join(poller, before, null);
                        reports(before, possible, poller);
                        registration.interest(after);
                        reports(after, possible, poller);
                        poller.release(registration);
                    }
                }
                peer.send("x"); // readable, too, from here on
                Registration arrival = stream.source().join(poller, READ, null);
                assertEquals(READ, poll(poller, LONG));
                poller.release(arrival);
            }
        }
    }

    @Tag("nightly")
        @EveryCase(over = Family.TCP4)
    void SEL_9_fifty_thousand_cancels_cost_linear_time(Case cell) throws Exception {
        long few = nanosPerCancel(cell, 500, 10);
        long many = nanosPerCancel(cell, 5_000, 9);
        assertTrue(many < 5 * few + 20_000, "a cancel takes " + few + " ns of 500 members and "
                + many + " ns of 5,000");
    }

    /** Members join a set and leave it, all of them, so many times. */
    private static long nanosPerCancel(Case cell, int members, int rounds) throws IOException {
        List<SocketServer> sources = new ArrayList<>();
        try (StatusSet set = new StatusSet()) {
            for (int i = 0; i < members; i++) { // one descriptor each
                sources.add(SocketServer.listen(ServerOptions.builder()
                        .host(cell.family().host()).port(0).build()));
            }
            long nanos = 0;
            for (int round = 0; round <= rounds; round++) {
                for (SocketServer each : sources) {
                    set.add(each, Direction.INPUT);
                }
                set.check(Duration.ZERO);
                long start = System.nanoTime();
                for (SocketServer each : sources) {
                    set.remove(each);
                }
                nanos += round == 0 ? 0 : System.nanoTime() - start; // the first one warms up
            }
            return nanos / members / rounds;
        } finally {
            for (SocketServer each : sources) {
                each.close();
            }
        }
    }
}
