package parley.testing;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import parley.net.Direction;
import parley.net.Reactor;
import parley.net.Reactor.Watch;
import parley.net.SocketStream;
import parley.net.StreamOptions;

@Guarded
class LeaksTest {
    private static final Duration SHORT = Duration.ofMillis(200);

    @Test
    void an_open_socket_is_reported_until_it_is_closed() throws Exception {
        assumeTrue(Descriptors.visible());
        Leaks base = Leaks.snapshot();
        try (ServerSocketChannel server = Family.TCP4.listen(1)) {
            assertTrue(server.isOpen());
            AssertionError leak = assertThrows(AssertionError.class,
                    () -> base.assertBack(SHORT));
            assertTrue(leak.getMessage().contains("socket:["), leak.getMessage());
        }
        base.assertBack();
    }

    @Test
    void an_open_selector_is_reported_until_it_is_closed() throws Exception {
        assumeTrue(Descriptors.visible());
        Await.until("the reactor of other cases is gone, and with it its selector",
                () -> Thread.getAllStackTraces().keySet().stream()
                        .noneMatch(each -> each.getName().equals("parley-reactor")));
        Leaks base = Leaks.snapshot();
        try (Selector selector = Selector.open()) {
            selector.wakeup();
            AssertionError leak = assertThrows(AssertionError.class,
                    () -> base.assertBack(SHORT));
            assertTrue(leak.getMessage().contains("anon_inode:"), leak.getMessage());
        }
        base.assertBack();
    }

    @EveryCase
    void a_registered_key_is_reported_until_it_is_gone(Case cell) throws Exception {
        Leaks base = Leaks.snapshot();
        try (ServerSocketChannel listener = cell.family().listen(1);
                SocketStream stream = SocketStream.connect(
                        listener.getLocalAddress(), StreamOptions.DEFAULT)) {
            Watch watch = Reactor.shared().whenReady(stream, Direction.INPUT, status -> { });
            AssertionError leak = assertThrows(AssertionError.class,
                    () -> base.assertBack(SHORT));
            assertTrue(leak.getMessage().contains("1 watches, before 0"), leak.getMessage());
            assertTrue(leak.getMessage().contains("1 keys with the reactor, before 0"),
                    leak.getMessage());
            watch.close();
        }
        base.assertBack();
    }

    @EveryCase(over = Family.TCP4)
    void a_task_is_reported_with_its_stack_until_it_ends(Case cell) throws Exception {
        Leaks base = Leaks.snapshot();
        CountDownLatch end = new CountDownLatch(1);
        Task<Void> task = cell.start("lingering", () -> {
            end.await();
            return null;
        });
        Blocked.in(task, "CountDownLatch.await");
        AssertionError leak = assertThrows(AssertionError.class,
                    () -> base.assertBack(SHORT));
        assertTrue(leak.getMessage().contains("test-lingering"), leak.getMessage());
        assertTrue(leak.getMessage().contains("CountDownLatch.await"), leak.getMessage());
        end.countDown();
        task.await();
        base.assertBack();
    }
}
