package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import parley.testing.Blocked;
import parley.testing.Child;
import parley.testing.Cpu;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Reported;
import parley.testing.Task;
import parley.testing.Threads;

/** SEL: a selector that returns early without a reason is replaced, and nothing is lost by that. */
@Guarded
class SpinGuardTest {
    private static final long HOUR = Duration.ofHours(1).toNanos();

    private static int returnsUntilReplaced(SpinGuard guard, long nanos) {
        for (int returns = 1; returns < 10_000; returns++) {
            guard.begins();
            if (guard.ends(0, nanos)) {
                return returns;
            }
        }
        return 0;
    }

    @Test
    void SEL_1_more_than_512_early_returns_in_a_row_are_too_many() {
        SpinGuard guard = new SpinGuard();
        assertEquals(SpinGuard.LIMIT + 1, returnsUntilReplaced(guard, HOUR));
        // A new selector did not help: so it is twice as patient with each.
        assertEquals(2 * SpinGuard.LIMIT + 1, returnsUntilReplaced(guard, HOUR));
        assertEquals(4 * SpinGuard.LIMIT + 1, returnsUntilReplaced(guard, HOUR));
    }

    @Test
    void SEL_1_returns_for_a_reason_are_not_early() {
        SpinGuard guard = new SpinGuard();
        assertEquals(0, returnsUntilReplaced(guard, 0)); // the time was up
        for (int i = 0; i < 10_000; i++) {
            guard.begins();
            if (i % 500 == 0) {
                guard.woken();
            }
            assertFalse(guard.ends(i % 500 == 250 ? 1 : 0, HOUR));
        }
        Thread.currentThread().interrupt();
        assertEquals(0, returnsUntilReplaced(guard, HOUR));
        assertTrue(Thread.interrupted());
    }

    /** Who waits on the defective selector. */
    enum Wait {
        /** A blocked read. */
        READ,
        /** A status set. */
        SET,
        /** The reactor. */
        REACTOR
    }

    @ParameterizedTest
    @EnumSource
    void SEL_1_a_selector_that_spins_is_replaced_and_says_so_once(Wait wait) throws Exception {
        try (Child child = Child.java(List.of("--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
                "-Djava.nio.channels.spi.SelectorProvider=" + SpinningProvider.class.getName()),
                Waiter.class, wait.name())) {
            assertEquals("got 'x', 1 warning, idle", child.answer("waiter:"));
            long returns = Long.parseLong(child.answer("early returns:"));
            assertTrue(returns > SpinGuard.LIMIT && returns < 2 * SpinGuard.LIMIT,
                    returns + " early returns");
        }
    }

    /** Waits by a selector with the defect for two things that come late. */
    public static final class Waiter {
        private static final BlockingQueue<SocketStatus> TOLD = new LinkedBlockingQueue<>();

        /** The child's entry: who waits. */
        public static void main(String[] arguments) throws Exception {
            Wait wait = Wait.valueOf(arguments[0]);
            try (Reported reported = new Reported();
                    PeerListener listener = PeerListener.on(Family.TCP4);
                    SocketStream stream = connect(listener);
                    SocketStream other = connect(listener);
                    Peer peer = listener.accept();
                    Peer silent = listener.accept()) {
                SpinningProvider.defective = true;
                Task<Integer> waiter = Threads.PLATFORM.start("waiter",
                        () -> wait(wait, stream, other));
                parley.testing.Await.until("the selector was replaced",
                        () -> !reported.messages().isEmpty());
                Blocked.in(waiter, wait == Wait.REACTOR ? "poll" : "Poller.poll");
                Cpu.assertIdle();
                peer.send("x");
                int got = waiter.await();
                assertTrue(silent.channel().isOpen());
                System.out.println("waiter: got '" + (char) got + "', "
                        + reported.about("it was replaced") + " warning, idle");
                System.out.println("early returns: " + SpinningProvider.last().returns());
            }
        }

        private static SocketStream connect(PeerListener listener) throws IOException {
            return SocketStream.connect(listener.address(), StreamOptions.builder()
                    .elementType(ElementType.BIVALENT).build());
        }

        private static int wait(Wait wait, SocketStream stream, SocketStream other)
                throws Exception {
            switch (wait) {
                case READ:
                    return stream.in().readByte();
                case SET:
                    try (StatusSet set = new StatusSet()) {
                        set.add(other, Direction.INPUT);
                        set.add(stream, Direction.INPUT);
                        assertEquals(1, set.check(null).actionable());
                        assertEquals(SocketStatus.NONE, other.status(Direction.INPUT, Duration.ZERO));
                    }
                    return stream.in().readByte();
                default:
                    Reactor.shared().whenReady(other, Direction.INPUT, TOLD::add);
                    Reactor.shared().whenReady(stream, Direction.INPUT, TOLD::add);
                    assertEquals(SocketStatus.INPUT, TOLD.poll(20, TimeUnit.SECONDS));
                    assertEquals(0, TOLD.size());
                    return stream.in().readByte();
            }
        }
    }
}
