package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import parley.net.Framing.FormSyntax;
import parley.net.Reactor.Watch;
import parley.net.wait.BatchingExecutor;
import parley.testing.Await;
import parley.testing.Cpu;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Reported;
import parley.testing.Task;
import parley.testing.Threads;

/** The reactor: what it watches it tells once, and nothing stops it or keeps it going for nothing. */
@Guarded
class ReactorTest {
    private static final Reactor REACTOR = Reactor.shared();
    private static final Duration MOMENT = Duration.ofMillis(30);

    private PeerListener listener;
    private Peer peer;
    private SocketStream stream;
    private final BlockingQueue<SocketStatus> told = new LinkedBlockingQueue<>();

    @BeforeEach
    void connect() throws IOException {
        listener = PeerListener.on(Family.TCP4);
        stream = SocketStream.connect(listener.address(), StreamOptions.builder()
                .elementType(ElementType.BIVALENT).build());
        peer = listener.accept();
    }

    @AfterEach
    void disconnect() throws IOException {
        stream.abort();
        peer.close();
        listener.close();
        assertEquals(0, REACTOR.watches());
    }

    private SocketStatus next() throws InterruptedException {
        SocketStatus status = told.poll(10, TimeUnit.SECONDS);
        assertTrue(status != null, "nothing was told");
        return status;
    }

    private void nothingMore() {
        Await.pass(MOMENT);
        assertNull(told.poll());
    }

    @Test
    void a_watch_reports_once() throws Exception {
        REACTOR.whenReady(stream, Direction.INPUT, told::add);
        nothingMore();
        peer.send("a");
        assertSame(SocketStatus.INPUT, next());
        peer.send("b");
        nothingMore();
    }

    @Test
    void a_status_that_holds_is_reported_in_the_call() throws Exception {
        Thread[] by = {null};
        REACTOR.whenReady(stream, Direction.OUTPUT, status -> by[0] = Thread.currentThread());
        assertSame(Thread.currentThread(), by[0]);
    }

    @Test
    void a_listener_runs_on_the_executor_that_it_was_given() throws Exception {
        BlockingQueue<Runnable> given = new ArrayBlockingQueue<>(8);
        Thread[] by = {null};
        REACTOR.whenReady(stream, Direction.INPUT, given::add, status -> by[0] = Thread.currentThread());
        peer.send("a");
        given.poll(10, TimeUnit.SECONDS).run();
        assertSame(Thread.currentThread(), by[0]);
    }

    @Test
    void a_closed_watch_reports_nothing() throws Exception {
        Watch watch = REACTOR.whenReady(stream, Direction.INPUT, told::add);
        assertEquals(1, REACTOR.watches());
        watch.close();
        watch.close();
        assertEquals(0, REACTOR.watches());
        peer.send("a");
        nothingMore();
    }

    @Test
    void closing_the_object_reports_an_error() throws Exception {
        REACTOR.whenReady(stream, Direction.INPUT, told::add);
        stream.close();
        assertSame(SocketStatus.ERROR, next());
        assertThrows(IllegalStateException.class,
                () -> REACTOR.whenReady(stream, Direction.INPUT, told::add));
    }

    @Test
    void a_watch_for_what_can_never_be_ends_with_the_object() throws Exception {
        stream.shutdown(Direction.OUTPUT);
        REACTOR.whenReady(stream, Direction.OUTPUT, told::add);
        peer.send("input is something else");
        nothingMore();
        stream.close();
        assertSame(SocketStatus.ERROR, next());
    }

    @Test
    void a_stream_and_its_channel_can_both_be_watched() throws Exception {
        REACTOR.whenReady(stream, Direction.INPUT, told::add);
        REACTOR.whenReady(Pollable.of(stream.channel()), Direction.INPUT, told::add);
        peer.send("a");
        assertSame(SocketStatus.INPUT, next());
        assertSame(SocketStatus.INPUT, next());
    }

    @Test
    void a_foreign_channel_closed_by_its_owner_is_noticed() throws Exception {
        Pipe pipe = Pipe.open();
        pipe.source().configureBlocking(false);
        REACTOR.whenReady(Pollable.of(pipe.source()), Direction.INPUT, told::add);
        pipe.source().close();
        assertSame(SocketStatus.ERROR, next());
        pipe.sink().close();
    }

    @Test
    void a_foreign_channel_can_be_watched_again_and_again() throws Exception {
        Pipe pipe = Pipe.open();
        pipe.source().configureBlocking(false);
        Pollable channel = Pollable.of(pipe.source());
        for (int i = 0; i < 5; i++) {
            REACTOR.whenReady(channel, Direction.INPUT, told::add).close(); // lets go of it
            REACTOR.whenReady(channel, Direction.INPUT, told::add);
            pipe.sink().write(ByteBuffer.allocate(1));
            assertSame(SocketStatus.INPUT, next());
            assertEquals(1, pipe.source().read(ByteBuffer.allocate(8)));
        }
        pipe.sink().close();
        pipe.source().close();
    }

    @Test
    void watches_of_one_foreign_channel_do_not_replace_each_other() throws Exception {
        Pipe pipe = Pipe.open();
        pipe.source().configureBlocking(false);
        for (int i = 0; i < 3; i++) {
            REACTOR.whenReady(Pollable.of(pipe.source()), Direction.INPUT, told::add);
        }
        pipe.sink().write(ByteBuffer.allocate(1));
        for (int i = 0; i < 3; i++) {
            assertSame(SocketStatus.INPUT, next());
        }
        pipe.sink().close();
        pipe.source().close();
    }

    @Test
    void SEL_8_listeners_that_throw_harm_no_other() throws Exception {
        try (Reported reported = new Reported()) {
            for (Throwable each : new Throwable[] {new IllegalStateException("on purpose"),
                new StackOverflowError("on purpose"), new OutOfMemoryError("on purpose")}) {
                REACTOR.whenReady(stream, Direction.INPUT, status -> sneak(each));
            }
            REACTOR.whenReady(stream, Direction.INPUT, told::add);
            peer.send("a");
            assertSame(SocketStatus.INPUT, next());
            Await.until("three failures are logged", () -> reported.about("a listener failed") == 3);
        }
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void sneak(Throwable e) throws T {
        throw (T) e;
    }

    @Test
    void a_stray_interrupt_neither_stops_nor_spins_it() throws Exception {
        REACTOR.whenReady(stream, Direction.INPUT, told::add);
        Thread thread = Thread.getAllStackTraces().keySet().stream()
                .filter(each -> each.getName().equals("parley-reactor")).findAny().orElseThrow();
        thread.interrupt();
        Cpu.assertIdle();
        peer.send("a");
        assertSame(SocketStatus.INPUT, next());
        assertTrue(thread.isAlive());
    }

    @Test
    void SEL_2_a_reset_of_an_unwatched_stream_does_not_spin() throws Exception {
        REACTOR.whenReady(stream, Direction.INPUT, told::add).close(); // registered, with no interest
        try (SocketChannel otherEnd = SocketChannel.open(listener.address());
                SocketStream other = SocketStream.adopt(listener.accept().channel(),
                        StreamOptions.DEFAULT)) {
            Watch keeps = REACTOR.whenReady(other, Direction.INPUT, told::add);
            peer.reset();
            Cpu.assertIdle();
            keeps.close();
            assertTrue(otherEnd.isOpen());
        }
    }

    @Test
    void HC_7_the_end_of_an_input_left_alone_does_not_spin() throws Exception {
        peer.endOutput();
        REACTOR.whenReady(stream, Direction.INPUT, told::add);
        assertSame(SocketStatus.EOF, next());
        Cpu.assertIdle();
    }

    @Test
    void RES_7_it_goes_when_idle_and_comes_again() throws Exception {
        for (int i = 0; i < 2; i++) {
            Watch watch = REACTOR.whenReady(stream, Direction.INPUT, told::add);
            Thread thread = reactorThread();
            assertTrue(thread.isDaemon());
            watch.close();
            Await.until("the thread has ended", () -> !thread.isAlive());
            REACTOR.whenReady(stream, Direction.INPUT, told::add);
            assertNotSame(thread, reactorThread());
            peer.send("a");
            assertSame(SocketStatus.INPUT, next());
            stream.in().readByte();
        }
    }

    private static Thread reactorThread() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(each -> each.getName().equals("parley-reactor")).findAny().orElseThrow();
    }

    @Test
    void no_byte_is_missed_while_watches_are_made_cancelled_and_bytes_taken_by_others()
            throws Exception {
        AtomicInteger seen = new AtomicInteger();
        Task<Void> sender = Threads.PLATFORM.start("sender", () -> {
            for (int i = 0; i < 2000; i++) {
                peer.send(new byte[] {1});
            }
            return null;
        });
        while (seen.get() < 2000) {
            Watch cancelled = REACTOR.whenReady(stream, Direction.INPUT, status -> { });
            REACTOR.whenReady(stream, Direction.INPUT, told::add);
            cancelled.close();
            assertSame(SocketStatus.INPUT, next());
            assertEquals(1, stream.in().readByte()); // may leave others in the buffer
            seen.incrementAndGet();
        }
        sender.await();
    }

    @Test
    void ASY_3_closing_while_watches_are_made_misses_none() throws Exception {
        for (int i = 0; i < 100; i++) {
            SocketStream mine = SocketStream.connect(listener.address(), StreamOptions.DEFAULT);
            Peer other = listener.accept();
            int[] made = {0};
            Task<Void> closer = Threads.PLATFORM.start("closer", () -> {
                mine.abort();
                return null;
            });
            try {
                for (; made[0] < 50; made[0]++) {
                    REACTOR.whenReady(mine, Direction.INPUT, told::add);
                }
            } catch (IllegalStateException e) {
                assertTrue(e.getMessage().contains("is closed"));
            }
            closer.await();
            for (; made[0] > 0; made[0]--) {
                assertSame(SocketStatus.ERROR, next());
            }
            other.close();
        }
        assertFalse(REACTOR.isReactorThread());
    }

    @Test
    void an_intake_serves_requests_in_order_and_each_once() throws Exception {
        BlockingQueue<String> lines = new LinkedBlockingQueue<>();
        try (Intake<String> intake = Intake.elements(stream, Framing.lines(100), new BatchingExecutor(
                task -> Threads.PLATFORM.start("crew", () -> {
                    task.run();
                    return null;
                })))) {
            for (int i = 0; i < 3; i++) {
                intake.take(line -> lines.add(String.valueOf(line)));
            }
            peer.send("one\ntwo\nthree\nfour\n");
            assertEquals("one", lines.poll(10, TimeUnit.SECONDS));
            assertEquals("two", lines.poll(10, TimeUnit.SECONDS));
            assertEquals("three", lines.poll(10, TimeUnit.SECONDS));
            assertEquals("four", stream.in().readLine());
            intake.take(line -> lines.add(String.valueOf(line)));
        }
        assertEquals("null", lines.poll(10, TimeUnit.SECONDS));
    }

    @Test
    void code_of_the_user_that_reads_forms_does_not_run_on_the_reactor() throws Exception {
        BlockingQueue<Boolean> onReactor = new LinkedBlockingQueue<>();
        FormSyntax<String> syntax = new FormSyntax<>() {
            @Override
            public String read(String text) {
                onReactor.add(REACTOR.isReactorThread());
                return text;
            }

            @Override
            public String print(String form) {
                return form;
            }
        };
        try (Intake<String> intake = Intake.elements(stream, Framing.forms(100, syntax),
                task -> Threads.PLATFORM.start("forms", () -> {
                    task.run();
                    return null;
                }))) {
            BlockingQueue<String> forms = new LinkedBlockingQueue<>();
            intake.take(form -> forms.add(String.valueOf(form)));
            peer.send("(1 2)");
            assertEquals("(1 2)", forms.poll(10, TimeUnit.SECONDS));
            assertEquals(false, onReactor.poll(10, TimeUnit.SECONDS));
        }
    }

    @Test
    void more_requests_than_can_be_meant_are_refused() throws Exception {
        Intake<SocketStatus> intake = Intake.statuses(stream, Direction.INPUT, Runnable::run);
        for (int i = 0; i < RequestQueue.MOST; i++) {
            intake.take(status -> { });
        }
        String said = assertThrows(IllegalStateException.class,
                () -> intake.take(status -> { })).getMessage();
        assertTrue(said.startsWith("Intake.take: 1024 requests are waiting"), said);
        intake.close();
    }
}
