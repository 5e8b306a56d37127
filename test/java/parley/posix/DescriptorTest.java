package parley.posix;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static parley.posix.Support.SECOND;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import parley.testing.Leaks;

@Timeout(180)
class DescriptorTest {
    private Descriptor[] pair;
    private Leaks before;

    @BeforeEach
    void openPair() throws IOException {
        before = Leaks.snapshot();
        pair = Support.streams();
    }

    @AfterEach
    void closePair() {
        Support.closeAll(pair);
        before.assertBack();
    }

    @Test
    void what_is_written_is_read() throws IOException {
        assertEquals(3, pair[0].write(new byte[] {0, 1, 2, 3, 4}, 1, 3));
        byte[] bytes = new byte[8];
        assertEquals(3, pair[1].read(bytes, 2, 6));
        assertArrayEquals(new byte[] {0, 0, 1, 2, 3, 0, 0, 0}, bytes);
    }

    @Test
    void reading_nothing_would_block_and_does_not() throws IOException {
        assertEquals(Descriptor.WOULD_BLOCK, pair[0].read(new byte[1], 0, 1));
        assertEquals(Descriptor.WOULD_BLOCK, pair[0].recv(new byte[1], 0, 1, MessageFlags.PEEK));
    }

    @Test
    void writing_to_a_full_socket_would_block_and_does_not() throws IOException {
        byte[] block = new byte[100_000];
        long total = 0;
        int n = pair[0].write(block, 0, block.length);
        while (n > 0) {
            total += n;
            n = pair[0].write(block, 0, block.length);
        }
        assertEquals(Descriptor.WOULD_BLOCK, n);
        assertTrue(total > 0);
        assertEquals(0, pair[0].await(Poll.OUT, 0));
    }

    @Test
    void the_end_is_reported_again_and_again() throws IOException {
        pair[0].write(new byte[] {7}, 0, 1);
        pair[0].close();
        assertEquals(1, pair[1].read(new byte[4], 0, 4));
        for (int i = 0; i < 5; i++) {
            assertEquals(Descriptor.EOF, pair[1].read(new byte[4], 0, 4));
            assertEquals(0, pair[1].recv(new byte[4], 0, 4, 0));
        }
    }

    @Test
    void reading_and_writing_no_bytes_does_nothing_but_fail_when_closed() throws IOException {
        assertEquals(0, pair[0].read(new byte[1], 1, 0));
        assertEquals(0, pair[0].write(new byte[1], 0, 0));
        pair[0].close();
        assertThrows(ClosedDescriptorException.class, () -> pair[0].read(new byte[1], 0, 0));
        assertThrows(ClosedDescriptorException.class, () -> pair[0].write(new byte[1], 0, 0));
    }

    @Test
    void buffers_of_all_kinds_work() throws IOException {
        ByteBuffer direct = ByteBuffer.allocateDirect(16).put(new byte[] {1, 2, 3}).flip();
        assertEquals(3, pair[0].write(direct));
        assertEquals(3, pair[0].write(ByteBuffer.wrap(new byte[] {9, 4, 5, 6}, 1, 3).slice()));
        assertEquals(1, pair[0].write(ByteBuffer.wrap(new byte[] {7}).asReadOnlyBuffer()));
        assertFalse(direct.hasRemaining());
        ByteBuffer into = ByteBuffer.allocateDirect(4).position(1);
        assertEquals(3, pair[1].read(into));
        assertEquals(4, into.position());
        ByteBuffer heap = ByteBuffer.allocate(8).position(2).slice();
        assertEquals(4, pair[1].read(heap));
        assertEquals(4, heap.get(0));
        assertEquals(7, heap.get(3));
        assertThrows(IllegalArgumentException.class,
                () -> pair[1].read(ByteBuffer.allocate(1).asReadOnlyBuffer()));
    }

    @Test
    void a_pipe_is_read_and_written_and_ends() throws IOException {
        Descriptor[] pipe = Descriptor.pipe();
        assertTrue(RawDescriptor.isCloseOnExec(pipe[0].number()) && RawDescriptor.isCloseOnExec(pipe[1].number()));
        assertEquals(Descriptor.WOULD_BLOCK, pipe[0].read(new byte[3], 0, 3));
        assertEquals(2, pipe[1].write(new byte[] {1, 2}, 0, 2));
        assertEquals(2, pipe[0].read(new byte[3], 0, 3));
        pipe[1].close();
        assertEquals(Descriptor.EOF, pipe[0].read(new byte[3], 0, 3));
        pipe[0].close();
    }

    @Test
    void a_pipe_in_blocking_mode_does_not_block_either() throws IOException {
        Descriptor[] pipe = Descriptor.pipe();
        pipe[0].nonblocking(false);
        pipe[1].nonblocking(false);
        assertEquals(Descriptor.WOULD_BLOCK, pipe[0].read(new byte[3], 0, 3));
        byte[] block = new byte[50_000];
        int n = pipe[1].write(block, 0, block.length);
        while (n > 0) {
            n = pipe[1].write(block, 0, block.length);
        }
        assertEquals(Descriptor.WOULD_BLOCK, n);
        Support.closeAll(pipe);
    }

    @Test
    void writing_to_a_pipe_without_a_reader_fails_with_epipe() throws IOException {
        Descriptor[] pipe = Descriptor.pipe();
        pipe[0].close();
        PosixException e = assertThrows(
                PosixException.class, () -> pipe[1].write(new byte[1], 0, 1));
        assertEquals("EPIPE", e.name());
        pipe[1].close();
    }

    @Test
    void a_file_is_read_to_its_end(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("f"), new byte[10]);
        // the shell opens it, this process reads the shell's descriptor
        int number = Numbers.open(file);
        Descriptor opened = Descriptor.own(number);
        assertFalse(opened.isSocket());
        assertEquals(10, opened.read(new byte[20], 0, 20));
        assertEquals(Descriptor.EOF, opened.read(new byte[20], 0, 20));
        assertEquals(Poll.IN, opened.await(Poll.IN, 0));
        opened.close();
    }

    @Test
    void bounds_are_checked_before_anything_native() {
        byte[] four = new byte[4];
        int[][] wrong = {{-1, 1}, {0, 5}, {5, 0}, {1, 4}, {0, -1}, {Integer.MAX_VALUE, 1},
            {1, Integer.MAX_VALUE}, {Integer.MIN_VALUE, Integer.MIN_VALUE}};
        for (int[] w : wrong) {
            assertThrows(IllegalArgumentException.class, () -> pair[0].read(four, w[0], w[1]));
            assertThrows(IllegalArgumentException.class, () -> pair[0].write(four, w[0], w[1]));
            assertThrows(IllegalArgumentException.class, () -> pair[0].recv(four, w[0], w[1], 0));
            assertThrows(IllegalArgumentException.class, () -> pair[0].send(four, w[0], w[1], 0));
        }
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> pair[0].read(four, 2, 3));
        assertEquals("read: offset 2 and length 3 do not fit in the buffer of 4 bytes",
                e.getMessage());
    }

    @Test
    void errors_carry_number_name_and_call() {
        PosixException e = assertThrows(PosixException.class, () -> RawDescriptor.duplicate(99_999));
        assertEquals("EBADF", e.name());
        assertEquals(Constants.EBADF, e.errno());
        assertEquals("dup(99999)", e.call());
        assertEquals("dup(99999): Bad file descriptor (EBADF)", e.getMessage());
    }

    @Test
    void RAW_2_a_call_after_close_never_touches_the_numbers_new_owner() throws IOException {
        pair[0] = Numbers.moved(pair[0]);
        pair[0].close();
        Descriptor[] recycled = Numbers.pair();
        assertEquals(pair[0].number(), recycled[0].number());
        assertThrows(ClosedDescriptorException.class, () -> pair[0].write(new byte[1], 0, 1));
        assertThrows(ClosedDescriptorException.class, () -> pair[0].await(Poll.IN, SECOND));
        assertThrows(ClosedDescriptorException.class, () -> pair[0].duplicate());
        pair[0].close();
        assertEquals(Descriptor.WOULD_BLOCK, recycled[1].read(new byte[1], 0, 1));
        Support.closeAll(recycled);
    }

    @Test
    void RAW_2_racing_writers_never_reach_the_numbers_new_owner() throws Exception {
        for (int round = 0; round < 300; round++) {
            Descriptor[] first = Support.streams();
            Thread writer = Support.start("test-writer", () -> writeUntilClosed(first[0]));
            first[0].close();
            Descriptor[] second = Support.streams();
            Support.join(writer);
            assertEquals(Descriptor.WOULD_BLOCK, second[0].read(new byte[1], 0, 1));
            assertEquals(Descriptor.WOULD_BLOCK, second[1].read(new byte[1], 0, 1));
            first[1].close();
            Support.closeAll(second);
        }
    }

    private static void writeUntilClosed(Descriptor descriptor) {
        try {
            while (true) {
                descriptor.write(new byte[] {42}, 0, 1);
            }
        } catch (IOException e) {
            assertInstanceOf(ClosedDescriptorException.class, e);
        }
    }

    @Test
    void close_is_idempotent_from_many_threads() throws Exception {
        for (int round = 0; round < 50; round++) {
            Descriptor[] mine = Support.streams();
            Thread[] closers = new Thread[8];
            for (int i = 0; i < closers.length; i++) {
                closers[i] = Support.start("test-closer", mine[0]::close);
            }
            for (Thread closer : closers) {
                Support.join(closer);
            }
            assertFalse(mine[0].isOpen());
            mine[1].close();
        }
    }

    @Test
    void the_number_is_free_when_close_returns() throws IOException {
        pair[0] = Numbers.moved(pair[0]);
        pair[0].close();
        assertNull(Handles.identity(pair[0].number()));
        assertEquals(Descriptor.EOF, pair[1].read(new byte[1], 0, 1));
    }

    @Test
    void RAW_5_close_wakes_a_thread_that_waits() throws Exception {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread waiting = Support.start("test-waiting", () -> {
            try {
                pair[0].await(Poll.IN, Long.MAX_VALUE);
            } catch (IOException e) {
                thrown.set(e);
            }
        });
        Support.untilIn(waiting, "poll");
        pair[0].close();
        Support.join(waiting);
        assertInstanceOf(AsynchronousCloseException.class, thrown.get());
    }

    @Test
    void RAW_5_an_interrupt_wakes_a_thread_that_waits_and_leaves_the_descriptor_open(
            ) throws Exception {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        AtomicReference<Boolean> flag = new AtomicReference<>();
        Thread waiting = Support.start("test-waiting", () -> {
            try {
                pair[0].await(Poll.IN, Long.MAX_VALUE);
            } catch (IOException e) {
                thrown.set(e);
                flag.set(Thread.currentThread().isInterrupted());
            }
        });
        Support.untilIn(waiting, "poll");
        waiting.interrupt();
        Support.join(waiting);
        assertInstanceOf(InterruptedIOException.class, thrown.get());
        assertTrue(flag.get());
        pair[1].write(new byte[] {1}, 0, 1);
        assertEquals(1, pair[0].read(new byte[1], 0, 1));
    }

    @Test
    void an_interrupt_before_the_wait_ends_it_at_once_unless_data_has_arrived() throws IOException {
        Thread.currentThread().interrupt();
        assertThrows(InterruptedIOException.class, () -> pair[0].await(Poll.IN, 30 * SECOND));
        pair[1].write(new byte[] {1}, 0, 1);
        assertEquals(Poll.IN, pair[0].await(Poll.IN, 30 * SECOND));
        assertTrue(Thread.interrupted());
    }

    @Test
    void await_ends_when_data_comes() throws Exception {
        Thread writer = Support.start("test-writer", () -> {
            try {
                pair[1].write(new byte[] {1}, 0, 1);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        assertEquals(Poll.IN, pair[0].await(Poll.IN, 30 * SECOND));
        Support.join(writer);
        assertEquals(Poll.OUT, pair[0].await(Poll.OUT, 30 * SECOND));
    }

    @Test
    void await_takes_its_time_and_not_less() throws IOException {
        long start = System.nanoTime();
        assertEquals(0, pair[0].await(Poll.IN, Duration.ofMillis(120).toNanos()));
        long took = System.nanoTime() - start;
        assertTrue(took >= Duration.ofMillis(120).toNanos(), took + " ns");
        assertTrue(took < 10 * SECOND, took + " ns");
        assertEquals(0, pair[0].await(Poll.IN, -5));
    }

    @Test
    void RST_1_a_reset_is_remembered_and_never_becomes_an_end() throws IOException {
        Descriptor server = Sockets.socket("inet", "stream", 0);
        Sockets.bind(server, SockAddr.of(InetAddress.getLoopbackAddress(), 0));
        Sockets.listen(server, 1);
        Descriptor client = Sockets.socket("inet", "stream", 0);
        assertTrue(Sockets.connect(client, Sockets.localAddress(server), SECOND));
        Descriptor accepted = Sockets.accept(server, SECOND).socket();
        DescriptorOption.SO_LINGER.set(accepted, 0);
        accepted.close();
        client.await(Poll.IN, SECOND);
        assertNull(client.error());
        for (int i = 0; i < 5; i++) {
            PosixException e = assertThrows(
                    PosixException.class, () -> client.read(new byte[4], 0, 4));
            assertEquals("ECONNRESET", e.name());
        }
        assertEquals("ECONNRESET", client.error().name());
        Support.closeAll(client, server);
    }

    @Test
    void RST_1_a_reset_that_the_option_took_is_still_a_reset() throws IOException {
        Descriptor server = Sockets.socket("inet", "stream", 0);
        Sockets.bind(server, SockAddr.of(InetAddress.getLoopbackAddress(), 0));
        Sockets.listen(server, 1);
        Descriptor client = Sockets.socket("inet", "stream", 0);
        assertTrue(Sockets.connect(client, Sockets.localAddress(server), SECOND));
        Descriptor accepted = Sockets.accept(server, SECOND).socket();
        DescriptorOption.SO_LINGER.set(accepted, 0);
        accepted.close();
        client.await(Poll.IN, SECOND);
        assertEquals("ECONNRESET", DescriptorOption.SO_ERROR.get(client));
        assertThrows(PosixException.class, () -> client.read(new byte[4], 0, 4));
        Support.closeAll(client, server);
    }

    @Test
    void a_duplicate_is_another_number_for_the_same() throws IOException {
        try (Descriptor copy = pair[0].duplicate()) {
            assertNotEquals(pair[0].number(), copy.number());
            assertTrue(RawDescriptor.isCloseOnExec(copy.number()));
            copy.write(new byte[] {5}, 0, 1);
        }
        assertEquals(1, pair[1].read(new byte[4], 0, 4));
        assertTrue(pair[0].isOpen());
    }

    @Test
    void a_borrowed_number_stays_open() throws IOException {
        Descriptor.borrow(pair[0].number()).close();
        assertEquals(1, pair[0].write(new byte[] {5}, 0, 1));
    }

    @Test
    void it_prints_number_and_state() {
        assertEquals("#<descriptor " + pair[0].number() + " socket>", pair[0].toString());
        pair[0].close();
        assertEquals("#<descriptor " + pair[0].number() + " socket closed>", pair[0].toString());
    }
}
