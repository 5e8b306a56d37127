package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import parley.net.wait.BatchingExecutor;
import parley.net.wait.EventLoop;
import parley.testing.Await;
import parley.testing.Cpu;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Reported;

/** A batching executor keeps up with the reactor, and no task can hold up the others. */
@Guarded
class BatchingExecutorTest {
    private static final int CONNECTIONS = 40;
    private static final int ROUNDS = 200;

    private final ExecutorService pool = Executors.newCachedThreadPool();
    private final BatchingExecutor executor = new BatchingExecutor(pool);
    private final List<SocketStream> streams = new ArrayList<>();
    private final List<Peer> peers = new ArrayList<>();
    private final CountDownLatch release = new CountDownLatch(1);
    private PeerListener listener;

    @BeforeEach
    void listen() throws Exception {
        listener = PeerListener.on(Family.TCP4);
    }

    @AfterEach
    void disconnect() throws Exception {
        release.countDown();
        for (int i = 0; i < streams.size(); i++) {
            streams.get(i).abort();
            peers.get(i).close();
        }
        listener.close();
        assertEquals(0, Reactor.shared().watches());
        CountDownLatch closed = new CountDownLatch(1);
        EventLoop.shared().post(closed::countDown, 0); // behind what closing the streams has left
        assertTrue(closed.await(10, TimeUnit.SECONDS));
        Await.until("no worker is left",
                () -> executor.toString().equals("#<batching-executor of 0, 0 waiting>"));
        pool.shutdown();
        assertTrue(pool.awaitTermination(10, TimeUnit.SECONDS));
    }

    private SocketStream connect() throws Exception {
        SocketStream stream = SocketStream.connect(listener.address(), StreamOptions.builder()
                .elementType(ElementType.BIVALENT).build());
        streams.add(stream);
        peers.add(listener.accept());
        return stream;
    }

    private static <T> T soon(BlockingQueue<T> queue) throws InterruptedException {
        T found = queue.poll(10, TimeUnit.SECONDS);
        assertTrue(found != null, "nothing came");
        return found;
    }

    private void block() {
        try {
            assertTrue(release.await(20, TimeUnit.SECONDS));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Echoes for ever. */
    private void echo(SocketStream stream) {
        Intake<byte[]> chunks = Intake.elements(stream, Framing.chunks(100), executor);
        Outlet<byte[]> outlet = new Outlet<>(stream, Framing.chunks(100),
                Outlet.Ending.LEAVE_OPEN, executor);
        chunks.take(new Consumer<>() {
            @Override
            public void accept(byte[] chunk) {
                if (chunk != null) {
                    outlet.put(chunk, accepted -> chunks.take(this));
                }
            }
        });
    }

    @Test
    void a_task_that_blocks_holds_up_neither_tasks_nor_watches_of_others() throws Exception {
        SocketStream blocks = connect();
        SocketStream served = connect();
        SocketStream watched = connect();
        BlockingQueue<SocketStatus> onReactor = new LinkedBlockingQueue<>();
        BlockingQueue<Object> onExecutor = new LinkedBlockingQueue<>();
        Intake.elements(blocks, Framing.chunks(100), executor).take(chunk -> block());
        peers.get(0).send("block"); // its worker is stuck from now on
        Await.until("it was taken", () -> Reactor.shared().watches() == 0);
        for (int i = 0; i < 20; i++) {
            Reactor.shared().whenReady(watched, Direction.INPUT, onReactor::add);
            Intake.elements(served, Framing.chunks(1), executor).take(onExecutor::add);
            peers.get(1).send("x");
            peers.get(2).send("x");
            soon(onExecutor);
            assertSame(SocketStatus.INPUT, soon(onReactor));
            assertEquals('x', watched.in().readByte());
        }
    }

    @Test
    void tasks_that_go_on_without_end_do_not_keep_others_from_running() throws Exception {
        SocketStream served = connect();
        BlockingQueue<Object> told = new LinkedBlockingQueue<>();
        executor.execute(new Runnable() {
            @Override
            public void run() {
                if (release.getCount() > 0) {
                    executor.execute(this);
                }
            }
        });
        for (int i = 0; i < 20; i++) {
            Reactor.shared().whenReady(served, Direction.INPUT, told::add);
            peers.get(0).send("x");
            soon(told);
            assertEquals('x', served.in().readByte());
        }
    }

    @Test
    void a_task_that_throws_harms_no_other() throws Exception {
        BlockingQueue<String> ran = new LinkedBlockingQueue<>();
        AtomicInteger uncaught = new AtomicInteger();
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, e) -> {
            uncaught.incrementAndGet();
            throw new IllegalStateException("on purpose, by the handler");
        });
        try (Reported reported = new Reported()) {
            for (int i = 0; i < 10; i++) {
                executor.execute(() -> {
                    throw new StackOverflowError("on purpose");
                });
                executor.execute(() -> ran.add("next"));
                assertEquals("next", soon(ran));
            }
            assertEquals(10, uncaught.get());
            Await.until("what the handler threw is logged",
                    () -> reported.about("a task or a listener failed") == 10);
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
    }

    @Test
    void no_event_is_lost() throws Exception {
        for (int i = 0; i < CONNECTIONS; i++) {
            echo(connect());
        }
        for (int round = 0; round < ROUNDS; round++) {
            int first = round % 7; // some rounds have few events
            for (int i = first; i < CONNECTIONS; i += first + 1) {
                peers.get(i).send("x");
            }
            for (int i = first; i < CONNECTIONS; i += first + 1) {
                assertEquals('x', peers.get(i).receive(1)[0]);
            }
        }
    }

    @Test
    void a_pool_that_cannot_start_a_thread_is_asked_again() throws Exception {
        AtomicInteger failures = new AtomicInteger(2);
        BatchingExecutor unlucky = new BatchingExecutor(task -> {
            if (failures.getAndDecrement() > 0) {
                throw new OutOfMemoryError("unable to create native thread, on purpose");
            }
            pool.execute(task);
        });
        BlockingQueue<String> ran = new LinkedBlockingQueue<>();
        try (Reported reported = new Reported()) {
            unlucky.execute(() -> ran.add("first"));
            assertEquals("first", soon(ran));
            assertEquals(2, reported.about("no thread for a task, which waits for one: "));
        }
        unlucky.execute(() -> ran.add("second"));
        assertEquals("second", soon(ran));
    }

    @Test
    void an_executor_that_rejects_loses_no_result_and_harms_no_other() throws Exception {
        BlockingQueue<Object> rejected = new LinkedBlockingQueue<>();
        BlockingQueue<Object> served = new LinkedBlockingQueue<>();
        SocketStream first = connect();
        SocketStream second = connect();
        try (Reported reported = new Reported()) {
            Intake.elements(first, Framing.chunks(1), task -> {
                throw new java.util.concurrent.RejectedExecutionException("on purpose");
            }).take(rejected::add);
            Intake.elements(second, Framing.chunks(1), executor).take(served::add);
            peers.get(0).send("x");
            peers.get(1).send("x");
            soon(rejected);
            soon(served);
            assertEquals(1, reported.about("rejected a task"));
        }
    }

    @Test
    void an_idle_worker_leaves_and_costs_no_processor_time() throws Exception {
        echo(connect());
        for (int i = 0; i < 100; i++) {
            peers.get(0).send("x");
            assertEquals('x', peers.get(0).receive(1)[0]);
        }
        Await.until("no worker is left",
                () -> executor.toString().equals("#<batching-executor of 0, 0 waiting>"));
        Cpu.assertIdle();
    }
}
