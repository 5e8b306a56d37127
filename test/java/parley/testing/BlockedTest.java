package parley.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.channels.Selector;
import java.time.Duration;

@Guarded
class BlockedTest {
    @EveryCase
    void a_thread_in_a_read_is_seen_there(Case cell) throws Exception {
        try (PeerListener listener = PeerListener.on(cell.family());
                Peer client = Peer.connect(listener.address()); Peer server = listener.accept()) {
            Task<byte[]> reader = cell.start("reader", () -> client.receive(1));
            Blocked.in(reader, "Peer.receive");
            server.send("x");
            assertEquals('x', reader.await()[0]);
        }
    }

    @EveryCase(over = Family.TCP4)
    void a_thread_in_a_select_is_seen_there(Case cell) throws Exception {
        try (Selector selector = Selector.open()) {
            Task<Integer> task = cell.start("selecting", selector::select);
            Blocked.in(task, "SelectorImpl.select");
            selector.wakeup();
            assertEquals(0, task.await());
        }
    }

    @EveryCase(over = Family.TCP4)
    void a_thread_that_ended_is_no_blocked_one(Case cell) throws Exception {
        Task<Integer> task = cell.start("short", () -> 1);
        task.await();
        AssertionError e = assertThrows(AssertionError.class, () -> Blocked.in(task, "nowhere"));
        assertTrue(e.getMessage().contains("ended instead of blocking"), e.getMessage());
    }

    @EveryCase(over = Family.TCP4)
    void an_interrupt_shows_in_the_flag_at_the_end(Case cell) throws Exception {
        Task<Void> task = cell.start("passing", () -> {
            Await.holds(Duration.ofSeconds(10), Thread.currentThread()::isInterrupted);
            return null;
        });
        task.interrupt();
        assertTrue(task.interruptedAtEnd());
    }
}
