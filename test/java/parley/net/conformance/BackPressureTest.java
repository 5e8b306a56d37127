package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import parley.net.Direction;
import parley.net.Framing;
import parley.net.Intake;
import parley.net.Intake.Request;
import parley.net.Outlet;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.testing.Await;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Child;
import parley.testing.EveryCase;
import parley.testing.EveryCase.OverHandlesToo;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Peer;
import parley.testing.Task;
import parley.testing.Threads;

/** BP: peers that read slowly, or not at all. */
@Guarded
@OverHandlesToo
@SuppressWarnings("try") // closing early is what some cases are about
class BackPressureTest {
    /** Connects, reads everything and says how much it was and whether it was the payload. */
    public static final class Reader {
        /** The child's entry: the address, as {@link Sockets#text} writes it or a path. */
        public static void main(String[] arguments) throws IOException {
            try (Peer peer = Peer.connect(address(arguments))) {
                System.out.println("connected");
                byte[] all = peer.receiveAll();
                Payload.check(all, all.length);
                System.out.println("received " + all.length);
            }
        }

        private static java.net.SocketAddress address(String[] arguments) {
            return arguments.length == 1
                    ? java.net.UnixDomainSocketAddress.of(Path.of(arguments[0]))
                    : new java.net.InetSocketAddress(
                            arguments[0], Integer.parseInt(arguments[1]));
        }

        static Child of(SocketServer server, Case cell) throws IOException {
            return cell.family() == Family.UNIX
                    ? Child.java(Reader.class, server.localAddress().toString())
                    : Child.java(Reader.class, cell.family().host(),
                            Integer.toString(server.port()));
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX, Family.HANDLE})
    void BP_1_a_write_to_a_stopped_peer_blocks_and_ends_by_deadline_or_close(Case cell)
            throws Exception {
        try (SocketServer server = Sockets.listen(cell); Child child = Reader.of(server, cell);
                SocketStream stream = Sockets.accept(cell, server)) {
            child.answer("connected");
            child.stop();
            stream.writeTimeout(Duration.ofMillis(200));
            Task<Void> writer = cell.start("writer", () -> writeForEver(stream));
            writer.failure(SocketTimeoutException.class);
            stream.writeTimeout(null);
            Task<Void> again = cell.start("again", () -> writeForEver(stream));
            Blocked.in(again, Sockets.WAIT);
            stream.abort();
            again.failure(AsynchronousCloseException.class);
        }
    }

    private static Void writeForEver(SocketStream stream) throws IOException {
        byte[] block = new byte[64 * 1024];
        while (true) {
            Sockets.write(stream, block);
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX, Family.HANDLE})
    void BP_2_a_write_goes_on_when_the_peer_does(Case cell) throws Exception {
        try (SocketServer server = Sockets.listen(cell); Child child = Reader.of(server, cell);
                SocketStream stream = Sockets.accept(cell, server)) {
            child.answer("connected");
            child.stop();
            Task<Void> writer = cell.start("writer", () -> {
                Sockets.write(stream, Payload.bytes(0, Link.MUCH));
                stream.close();
                return null;
            });
            Blocked.in(writer, Sockets.WAIT);
            child.resume();
            writer.await();
            assertEquals(Integer.toString(Link.MUCH), child.answer("received"));
        }
    }

    @EveryCase
    void BP_3_a_big_write_through_small_buffers_arrives_in_order(Case cell) throws Exception {
        int size = 1_000_000;
        try (Link link = Link.narrow(cell, 2048)) {
            Task<Void> writer = cell.start("writer", () -> {
                Sockets.write(link.stream, Payload.bytes(0, size));
                link.stream.close();
                return null;
            });
            Payload.check(link.peer.receiveAll(), size);
            writer.await();
        }
    }

    @EveryCase
    void BP_4_a_full_stream_is_not_ready_for_output_until_the_peer_reads(Case cell)
            throws Exception {
        try (Link link = Link.connected(cell)) {
            long went = link.fill();
            for (int i = 0; i < 3; i++) {
                assertEquals(SocketStatus.NONE,
                        link.stream.status(Direction.OUTPUT, Duration.ZERO));
            }
            Task<SocketStatus> status = cell.start("status",
                    () -> link.stream.status(Direction.OUTPUT, null));
            Blocked.in(status, Sockets.WAIT);
            Task<byte[]> drain = cell.start("drain", link.peer::receiveAll);
            assertEquals(SocketStatus.OUTPUT, status.await());
            link.stream.close();
            Payload.check(drain.await(), went);
        }
    }

    @Tag("nightly")
    @EveryCase
    void BP_5_two_sides_that_only_write_end_by_their_deadlines(Case cell) throws Exception {
        try (Both both = Both.of(cell)) {
            both.client.writeTimeout(Duration.ofMillis(300));
            both.server.writeTimeout(Duration.ofMillis(300));
            Task<Void> client = cell.start("client", () -> writeForEver(both.client));
            Task<Void> server = cell.start("server", () -> writeForEver(both.server));
            client.failure(SocketTimeoutException.class);
            server.failure(SocketTimeoutException.class);
        }
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6, Family.UNIX, Family.HANDLE})
    void BP_6_a_slow_reader_does_not_read_ahead(Case cell) throws Exception {
        try (Link link = Link.narrow(cell, 16 * 1024)) {
            SocketChannel channel = link.peer.channel();
            channel.configureBlocking(false);
            long kernel = pushAll(channel);
            for (int i = 0; i < 100; i++) {
                link.stream.in().readByte();
            }
            long ahead = pushAll(channel);
            channel.configureBlocking(true);
            assertTrue(ahead <= kernel + 64 * 1024,
                    ahead + " bytes went after " + kernel + " had filled the kernel");
            assertFalse(link.stream.in().offset() > 100);
        }
    }

    @EveryCase
    void BP_7_what_was_cancelled_is_not_sent_and_what_came_later_is(Case cell) throws Exception {
        try (Link link = Link.narrow(cell, 4096);
                Outlet<byte[]> outlet = new Outlet<>(link.stream, Framing.chunks(100_000),
                        Outlet.Ending.SHUT_DOWN, task -> cell.start("receiver", () -> {
                            task.run();
                            return null;
                        }))) {
            BlockingQueue<String> told = new LinkedBlockingQueue<>();
            byte[] big = Payload.bytes(0, 100_000);
            outlet.put(big, accepted -> told.add("big " + accepted));
            assertEquals("big true", told.poll(10, TimeUnit.SECONDS));
            List<Withdrawable> cancelled = new ArrayList<>();
            for (int i = 0; i < 5; i++) { // all of these wait, since the first is still on its way
                Withdrawable claim = new Withdrawable();
                assertSame(Intake.PENDING, outlet.put(("cancelled " + i).getBytes(), claim));
                cancelled.add(claim);
                String kept = "kept " + i;
                outlet.put(kept.getBytes(), accepted -> told.add(kept + " " + accepted));
            }
            cancelled.forEach(Withdrawable::withdraw);
            assertArrayEquals(big, link.peer.receive(big.length));
            assertEquals("kept 0kept 1kept 2kept 3kept 4", link.peer.receiveText(30));
            Set<String> all = new TreeSet<>(); // told on a thread each, in any order
            for (int i = 0; i < 5; i++) {
                all.add(told.poll(10, TimeUnit.SECONDS));
            }
            assertEquals("[kept 0 true, kept 1 true, kept 2 true, kept 3 true, kept 4 true]",
                    all.toString());
            assertFalse(cancelled.stream().anyMatch(each -> each.committed));
        }
    }

    /** A request that its owner may give up. */
    private static final class Withdrawable implements Request<Boolean> {
        private final ReentrantLock lock = new ReentrantLock();
        private boolean stands = true; // guarded by lock
        private volatile boolean committed;

        void withdraw() {
            lock.lock();
            try {
                stands = false;
            } finally {
                lock.unlock();
            }
        }

        @Override
        public boolean isActive() {
            lock.lock();
            try {
                return stands;
            } finally {
                lock.unlock();
            }
        }

        @Override
        public boolean mayLapse() {
            return true;
        }

        @Override
        public boolean mayWait() {
            return true;
        }

        @Override
        public void lock() {
            lock.lock();
        }

        @Override
        public void unlock() {
            lock.unlock();
        }

        @Override
        public Consumer<Boolean> commit() {
            committed = true;
            stands = false;
            return accepted -> { };
        }
    }

    /** Sends until the kernel has taken nothing for a while. */
    private static long pushAll(SocketChannel channel) {
        java.nio.ByteBuffer block = java.nio.ByteBuffer.allocate(16 * 1024);
        long[] sent = {0};
        while (Await.holds(Duration.ofMillis(50), () -> push(channel, block, sent))) {
            block.clear();
        }
        return sent[0];
    }

    private static boolean push(SocketChannel channel, java.nio.ByteBuffer block, long[] sent) {
        try {
            int n = channel.write(block);
            sent[0] += n;
            return n > 0;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @EveryCase(on = Threads.PLATFORM)
    void BP_a_peer_that_reads_slowly_gets_everything(Case cell) throws Exception {
        int size = 200_000;
        try (Link link = Link.narrow(cell, 4096)) {
            Task<byte[]> slow = cell.start("slow",
                    () -> link.peer.receiveSlowly(2_000, Duration.ofMillis(1)));
            Sockets.write(link.stream, Payload.bytes(0, size));
            link.stream.close();
            Payload.check(slow.await(), size);
        }
    }
}
