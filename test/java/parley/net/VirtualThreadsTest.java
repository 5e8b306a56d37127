package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.channels.AsynchronousCloseException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import parley.testing.Await;
import parley.testing.Child;
import parley.testing.Cpu;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Task;
import parley.testing.Threads;

/** Virtual threads wait by parking: the reactor wakes them, and no carrier is held. */
@Guarded
@Tag("virtual")
class VirtualThreadsTest {
    private static final int WAITERS = 300;
    private static final int CLOSED = 50;
    private static final int ROUNDS = 3;
    private static final int FILLING = 8 << 20;
    private static final long SLACK = CLOSED / 2;
    private static final int READS = 100_000;
    private static final int BATCH = 500;
    private static final long DIRECT_SLACK = 4 << 20;

    /** Blocks many virtual threads on two carriers and tells what became of one more. */
    static final class Crowd {
        private Crowd() {
        }

        /** Prints the milliseconds that another thread took, and the pinned events in our frames. */
        public static void main(String[] args) throws Exception {
            java.nio.file.Path file = java.nio.file.Files.createTempFile("pinned", ".jfr");
            try (Recording recording = new Recording(); PeerListener listener =
                    PeerListener.on(Family.TCP4)) {
                recording.enable("jdk.VirtualThreadPinned").withoutThreshold().withStackTrace();
                run(listener, 2); // loading and initialising classes pins whoever comes second
                recording.start();
                System.out.println("took " + run(listener, WAITERS));
                recording.stop();
                recording.dump(file);
            }
            System.out.println("pinned " + pinned(file));
            java.nio.file.Files.delete(file);
        }

        private static long run(PeerListener listener, int count) throws Exception {
            List<SocketStream> streams = new ArrayList<>();
            List<Peer> peers = new ArrayList<>();
            List<Task<String>> waiters = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                SocketStream stream = SocketStream.connect(listener.address(),
                        StreamOptions.DEFAULT);
                streams.add(stream);
                peers.add(listener.accept());
                boolean reads = i % 2 == 0;
                waiters.add(Threads.VIRTUAL.start("waiter", () -> reads
                        ? stream.in().readLine()
                        : stream.status(Direction.INPUT, null) + stream.in().readLine()));
            }
            Await.until("all wait", () -> Reactor.shared().watches() == count);
            long before = System.nanoTime();
            Threads.VIRTUAL.start("another", () -> 1).await();
            long took = (System.nanoTime() - before) / 1_000_000;
            for (Peer peer : peers) {
                peer.send("x\n");
            }
            for (int i = 0; i < count; i++) {
                String line = waiters.get(i).await();
                if (!line.equals(i % 2 == 0 ? "x" : "INPUTx")) {
                    throw new AssertionError(line);
                }
                streams.get(i).close();
                peers.get(i).close();
            }
            return took;
        }

        private static long pinned(java.nio.file.Path file) throws Exception {
            long pinned = 0;
            for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
                if (!event.getEventType().getName().equals("jdk.VirtualThreadPinned")) {
                    continue; // an event of ours
                }
                boolean ours = false;
                for (RecordedFrame frame : event.getStackTrace().getFrames()) {
                    ours |= frame.getMethod().getType().getName().startsWith("parley.net.");
                }
                if (ours) {
                    pinned++;
                    System.out.println(event);
                }
            }
            return pinned;
        }
    }

    @Test
    void VT_2_three_hundred_that_wait_hold_neither_of_two_carriers() throws Exception {
        try (Child child = Child.java(List.of("-Djdk.virtualThreadScheduler.parallelism=2",
                "-Djdk.virtualThreadScheduler.maxPoolSize=2"), Crowd.class)) {
            int took = Integer.parseInt(child.answer("took"));
            assertTrue(took < 100, took + " ms");
            assertEquals("0", child.answer("pinned"));
            assertEquals(0, child.exitCode());
        }
    }

    @Test
        void VT_3_a_hundred_thousand_short_reads_leave_direct_memory_as_it_was() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = SocketStream.connect(listener.address(), StreamOptions
                        .builder().elementType(ElementType.UNSIGNED_BYTE_8).build());
                Peer peer = listener.accept()) {
            batch(stream, peer);
            long before = direct();
            for (int done = 0; done < READS; done += BATCH) {
                batch(stream, peer);
            }
            assertTrue(direct() - before < DIRECT_SLACK, before + " then " + direct());
        }
    }

    private static void batch(SocketStream stream, Peer peer) throws Exception {
        AtomicInteger sum = new AtomicInteger();
        List<Task<Integer>> readers = new ArrayList<>();
        for (int i = 0; i < BATCH; i++) {
            readers.add(Threads.VIRTUAL.start("reader",
                    () -> sum.addAndGet(stream.in().readByte())));
        }
        byte[] ones = new byte[BATCH];
        java.util.Arrays.fill(ones, (byte) 1);
        peer.send(ones);
        for (Task<Integer> each : readers) {
            each.await();
        }
        assertEquals(BATCH, sum.get());
    }

    private static long direct() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed).sum();
    }

    @Test
    void a_virtual_thread_that_waits_gives_up_in_time() throws Exception {
        try (PeerListener listener = PeerListener.on(Family.TCP4);
                SocketStream stream = SocketStream.connect(listener.address(),
                        StreamOptions.DEFAULT);
                Peer peer = listener.accept()) {
            Task<SocketStatus> poll = Threads.VIRTUAL.start("waiter",
                    () -> stream.status(Direction.INPUT, Duration.ofMillis(50)));
            assertEquals(SocketStatus.NONE, poll.await());
            assertEquals(0, Reactor.shared().watches());
            peer.send("x\n");
            assertEquals("x", stream.in().readLine());
        }
    }

    @Test
    void closing_under_a_writer_costs_no_more_than_under_a_reader() throws Exception {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < ROUNDS; i++) {
            long reader = ticksOfClosing(stream -> stream.in().readByte());
            long writer = ticksOfClosing(stream ->
                    stream.out().writeBytes(new byte[FILLING], 0, FILLING, WaitMode.FULL));
            least = Math.min(least, writer - 2 * reader);
        }
        assertTrue(least <= SLACK, least + " ticks more"); // a loop that spins burns a tick in each
    }

    private interface Use {
        void of(SocketStream stream) throws IOException;
    }

    private static long ticksOfClosing(Use use) throws Exception {
        List<SocketStream> streams = new ArrayList<>();
        List<Task<Void>> tasks = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        try (PeerListener listener = PeerListener.on(Family.TCP4)) {
            for (int i = 0; i < CLOSED; i++) {
                SocketStream stream = SocketStream.connect(listener.address(), StreamOptions
                        .builder().elementType(ElementType.UNSIGNED_BYTE_8).build());
                streams.add(stream);
                peers.add(listener.accept());
                tasks.add(Threads.VIRTUAL.start("user", () -> {
                    use.of(stream);
                    return null;
                }));
            }
            Await.until("all wait", () -> Reactor.shared().watches() == CLOSED);
            long before = Cpu.ticks();
            for (int i = 0; i < CLOSED; i++) {
                streams.get(i).abort();
                tasks.get(i).failure(AsynchronousCloseException.class);
            }
            long after = Cpu.ticks();
            for (Peer peer : peers) {
                peer.close();
            }
            return after - before;
        }
    }
}
