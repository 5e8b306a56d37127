package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.InterruptedIOException;
import java.lang.reflect.Field;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import parley.net.Direction;
import parley.net.Reactor;
import parley.net.Reactor.Watch;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Child;
import parley.testing.Cpu;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.Race;
import parley.testing.Seeds;
import parley.testing.Stacks;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.Timing;

/** INT: interrupts. */
@Guarded
@OverHandlesToo
class InterruptTest {
    private static final Duration PROMPT = Duration.ofMillis(100);

    @Race
    @EveryCase
    void INT_1_an_interrupt_ends_a_blocked_call_and_nothing_else(Case cell, Call call)
            throws Exception {
        try (Stuck stuck = call.in(cell)) {
            Task<Void> task = cell.start("blocked", () -> {
                stuck.call(null);
                return null;
            });
            Blocked.in(task, Sockets.WAIT);
            Timing timing = Timing.start();
            task.interrupt();
            isAnInterrupt(task);
            timing.endedWithin(PROMPT, task);
            assertTrue(task.interruptedAtEnd(), "the flag is set");
            assertTrue(stuck.object().isOpen(), "the object is open");
            stuck.proveUsable();
        }
    }

    private static void isAnInterrupt(Task<?> task) {
        InterruptedIOException e = task.failure(InterruptedIOException.class);
        if (e instanceof SocketTimeoutException) {
            throw new AssertionError("an interrupt is no timeout", e);
        }
    }

    @Race
    @EveryCase
    void INT_2_a_flag_set_before_the_call_ends_it_at_once(Case cell, Call call)
            throws Exception {
        try (Stuck stuck = call.in(cell)) {
            Timing timing = Timing.start();
            Task<Void> task = cell.start("blocked", () -> {
                Thread.currentThread().interrupt();
                stuck.call(null);
                return null;
            });
            isAnInterrupt(task);
            timing.endedWithin(PROMPT, task);
            assertTrue(task.interruptedAtEnd(), "the flag is set");
            stuck.proveUsable();
        }
    }

    @Race
    @EveryCase
    void INT_2_a_flag_set_before_a_call_that_need_not_wait_harms_nothing(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            link.peer.send("x");
            assertEquals(SocketStatus.INPUT, link.stream.status(Direction.INPUT, null));
            Task<Integer> task = cell.start("flagged", () -> {
                Thread.currentThread().interrupt();
                return readOnceMore(link.stream);
            });
            assertEquals('x', task.await());
            link.roundTrip();
        }
    }

    /** Reads; when the interrupt comes first, clears it and reads again. */
    private static int readOnceMore(SocketStream stream) throws Exception {
        try {
            return stream.in().readByte();
        } catch (InterruptedIOException e) {
            assertTrue(Thread.interrupted(), "the flag is set");
            return stream.in().readByte();
        }
    }

    @EveryCase
    void INT_1_an_interrupted_write_points_to_how_much_went(Case cell) throws Exception {
        try (Link link = Link.narrow(cell, 4096)) {
            Task<?> writer = cell.start("writer", () -> {
                Sockets.write(link.stream, Payload.bytes(0, Link.MUCH));
                return null;
            });
            Blocked.in(writer, "parley.net.StreamSide.await");
            writer.interrupt();
            InterruptedIOException e = writer.failure(InterruptedIOException.class);
            assertTrue(e.getMessage().endsWith("the exception has the number of bytes that went, the"
                    + " stream can still be used"), e.getMessage());
            link.stream.abort();
        }
    }

    @Tag("nightly")
    @EveryCase
    void INT_3_many_interrupts_against_a_status_loop_are_all_survived(Case cell) throws Exception {
        int rounds = 200_000;
        AtomicInteger seen = new AtomicInteger();
        try (Link link = Link.connected(cell)) {
            Task<Integer> loop = cell.start("status", () -> {
                int interrupted = 0;
                SocketStatus status = SocketStatus.NONE;
                while (status == SocketStatus.NONE) {
                    try {
                        status = link.stream.status(Direction.INPUT, Duration.ofSeconds(10));
                    } catch (InterruptedIOException e) {
                        interrupted += Thread.interrupted() ? 1 : 0;
                        seen.set(interrupted);
                    }
                }
                return interrupted;
            });
            for (int i = 0; i < rounds; i++) {
                loop.interrupt();
            }
            for (int i = 0; i < 1_000; i++) { // and of those that come one by one none is lost
                int before = seen.get();
                loop.interrupt();
                Await.until("the interrupt is seen", () -> seen.get() > before);
            }
            link.peer.send("x");
            assertEquals(seen.get(), loop.await());
            Thread.interrupted();
            link.stream.in().readByte();
            link.roundTrip();
        }
    }

    @Test
    void INT_3_an_interrupt_that_the_JDK_loses_is_found() throws Exception {
        assumeTrue(Runtime.version().feature() < 24);
        try (Child child = Child.java(
                List.of("--add-opens=java.base/java.lang=ALL-UNNAMED"), LostInterrupts.class)) {
            child.answer("done");
        }
    }

    /**
     * Sets the flags of waiting threads and wakes none. This happens up to JDK 23 when the thread
     * begins to wait while {@link Thread#interrupt} runs.
     */
    static final class LostInterrupts {
        private LostInterrupts() {
        }

        public static void main(String[] arguments) throws Exception {
            List<Link> links = new ArrayList<>();
            List<Task<Void>> tasks = new ArrayList<>();
            Field flag = Thread.class.getDeclaredField("interrupted");
            flag.setAccessible(true);
            for (int i = 0; i < 4; i++) { // at once, since it takes seconds
                Family family = i < 2 ? Family.TCP4 : Family.HANDLE;
                boolean byStatus = i % 2 == 0;
                Case cell = new Case(family, Threads.PLATFORM);
                Link link = Link.connected(cell);
                links.add(link);
                tasks.add(cell.start("waits", () -> {
                    waitForInput(link.stream, byStatus);
                    return null;
                }));
                Blocked.in(tasks.get(i), Sockets.WAIT);
                flag.setBoolean(tasks.get(i).thread(), true);
            }
            for (int i = 0; i < 4; i++) {
                isAnInterrupt(tasks.get(i));
                links.get(i).roundTrip();
                links.get(i).close();
            }
            System.out.println("done");
        }
    }

    /** Interrupts a thread while it begins to wait. */
    @EveryCase(over = {Family.TCP4, Family.HANDLE})
    void INT_3_no_interrupt_of_thousands_is_lost(Case cell) throws Exception {
        long budget = Duration.ofMillis(200).toNanos() * Race.Rounds.of(1, 20);
        AtomicInteger begun = new AtomicInteger();
        AtomicInteger seen = new AtomicInteger();
        try (Link link = Link.connected(cell)) {
            Task<Void> loop = cell.start("waits", () -> {
                for (int round = 1;; round++) {
                    begun.set(round);
                    try {
                        waitForInput(link.stream, round % 2 == 0);
                        return null; // what the test sends in the end
                    } catch (InterruptedIOException e) {
                        assertTrue(Thread.interrupted(), "the flag is set");
                        seen.set(round);
                    }
                }
            });
            Seeds.with(random -> {
                long start = System.nanoTime();
                while (System.nanoTime() - start < budget) {
                    int round = seen.get() + 1;
                    spinUntil(() -> begun.get() == round, loop);
                    long at = System.nanoTime() + random.nextInt(10_000);
                    spinUntil(() -> System.nanoTime() - at > 0, loop);
                    loop.interrupt();
                    spinUntil(() -> seen.get() == round, loop);
                }
            });
            link.peer.send("x");
            loop.await();
        }
    }

    private static void waitForInput(SocketStream stream, boolean byStatus) throws Exception {
        if (byStatus) {
            stream.status(Direction.INPUT, null);
        } else {
            stream.in().readByte();
        }
    }

    private static void spinUntil(BooleanSupplier holds, Task<?> loop) {
        long start = System.nanoTime();
        while (!holds.getAsBoolean()) {
            Thread.onSpinWait();
            if (System.nanoTime() - start > Task.PATIENCE.toNanos()) {
                throw new AssertionError("an interrupt is lost; " + Stacks.of(loop.thread()));
            }
        }
    }

    @EveryCase
    void INT_4_an_interrupt_of_the_reactor_thread_does_not_stop_it(Case cell) throws Exception {
        try (Link link = Link.connected(cell)) {
            CountDownLatch told = new CountDownLatch(1);
            try (Watch watch = Reactor.shared().whenReady(
                    link.stream, Direction.INPUT, status -> told.countDown())) {
                Thread reactor = reactorThread();
                Blocked.in(reactor, "parley.net.wait.EventLoop");
                for (int i = 0; i < 10; i++) {
                    reactor.interrupt();
                    Await.until("the flag is taken", () -> !reactor.isInterrupted());
                }
                assumeTrue(Cpu.measurable());
                Cpu.assertIdle();
                link.peer.send("x");
                assertTrue(told.await(10, TimeUnit.SECONDS), () -> watch + " was not told");
            }
        }
    }

    private static Thread reactorThread() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("parley-reactor"))
                .findFirst().orElseThrow(() -> new AssertionError("no reactor runs"));
    }

    @Race
    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX})
    void INT_5_an_interrupt_of_one_acceptor_leaves_the_other_working(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell)) {
            Task<SocketStream> one = cell.start("one", () -> server.accept());
            Task<SocketStream> other = cell.start("other", () -> server.accept());
            Blocked.in(one, Sockets.WAIT);
            Blocked.in(other, Sockets.WAIT);
            one.interrupt();
            isAnInterrupt(one);
            assertTrue(server.isOpen());
            try (Peer peer = Peer.connect(server.localAddress());
                    SocketStream stream = other.await()) {
                assertTrue(stream.isOpen());
                peer.send("x");
            }
        }
    }
}
