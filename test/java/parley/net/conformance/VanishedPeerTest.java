package parley.net.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import parley.net.Direction;
import parley.net.ErrorCode;
import parley.net.SocketOptions;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.posix.DescriptorOption;
import parley.testing.Blocked;
import parley.testing.Case;
import parley.testing.Child;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Task;
import parley.testing.Timing;

/** VAN: a peer that is not there any more and does not say so. */
@Guarded
class VanishedPeerTest {
    private static final int BIG = 16 * 1024 * 1024;

    /** Accepts, and once told so has its kernel drop all that comes for the connection. */
    private static final String PEER = """
            import ctypes, socket, struct, sys
            family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
            server = socket.create_server((sys.argv[1], 0), family=family)
            print('listening', server.getsockname()[1], flush=True)
            peer, _ = server.accept()
            sys.stdin.readline()
            class Filter(ctypes.Structure):
                _fields_ = [('code', ctypes.c_ushort), ('jt', ctypes.c_ubyte),
                            ('jf', ctypes.c_ubyte), ('k', ctypes.c_uint)]
            program = (Filter * 1)(Filter(6, 0, 0, 0))
            class Program(ctypes.Structure):
                _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
            whole = Program(1, ctypes.addressof(program))
            peer.setsockopt(socket.SOL_SOCKET, 26, bytes(whole))
            print('deaf', flush=True)
            sys.stdin.readline()
            """;

    /** A stream to a peer that has vanished. */
    private static final class Deaf implements AutoCloseable {
        final Child peer;
        final SocketStream stream;

        Deaf(Case cell) throws Exception {
            peer = Child.command("python3", "-c", PEER, cell.family().host());
            stream = SocketStream.connect(cell.family().host(),
                    Integer.parseInt(peer.answer("listening")), Sockets.BIVALENT);
        }

        void vanish() throws Exception {
            peer.tell("vanish");
            peer.answer("deaf");
        }

        @Override
        public void close() throws IOException {
            stream.abort();
            peer.close();
        }
    }

    private static void assumePython() throws Exception {
        boolean there;
        try (Child child = Child.command("python3", "-c", "print('here')")) {
            there = child.line().equals("here");
        } catch (IOException e) {
            there = false;
        }
        assumeTrue(there || Boolean.getBoolean("parley.ci"), "python3 is missing");
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void VAN_1_a_write_to_a_peer_that_vanished_meets_our_deadline(Case cell) throws Exception {
        assumePython();
        try (Deaf deaf = new Deaf(cell)) {
            deaf.vanish();
            deaf.stream.writeTimeout(Duration.ofMillis(500));
            Timing timing = Timing.start();
            assertThrows(SocketTimeoutException.class,
                    () -> Sockets.write(deaf.stream, new byte[BIG]));
            timing.tookAbout(Duration.ofMillis(500));
            assertTrue(deaf.stream.isOpen());
        }
    }

    @Tag("nightly")
    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void VAN_1_the_kernels_user_timeout_ends_a_write_that_waits_for_ever(Case cell)
            throws Exception {
        assumePython();
        try (Deaf deaf = new Deaf(cell)) {
            SocketOptions.set(deaf.stream, DescriptorOption.TCP_USER_TIMEOUT, 2_000);
            deaf.vanish();
            Task<Void> writer = cell.start("writer", () -> {
                Sockets.write(deaf.stream, new byte[BIG]);
                return null;
            });
            gone(deaf.stream, writer);
        }
    }

    @Tag("nightly")
    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void VAN_2_keep_alive_ends_a_read_from_a_peer_that_vanished(Case cell) throws Exception {
        assumePython();
        try (Deaf deaf = new Deaf(cell)) {
            SocketOptions.set(deaf.stream, DescriptorOption.SO_KEEPALIVE, true);
            SocketOptions.set(deaf.stream, DescriptorOption.TCP_KEEPIDLE, 1);
            SocketOptions.set(deaf.stream, DescriptorOption.TCP_KEEPINTVL, 1);
            SocketOptions.set(deaf.stream, DescriptorOption.TCP_KEEPCNT, 2);
            deaf.vanish();
            Task<Integer> reader = cell.start("reader", () -> deaf.stream.in().readByte());
            Blocked.in(reader, Sockets.WAIT);
            gone(deaf.stream, reader);
        }
    }

    /** By the kernel's word, which stays: not a time of ours that was up. */
    private static void gone(SocketStream stream, Task<?> task) throws Exception {
        IOException said = task.failure(IOException.class);
        assertEquals(ErrorCode.ETIMEDOUT, ErrorCode.of(said), said::toString);
        assertTrue(!(said instanceof SocketTimeoutException), said::toString);
        assertTrue(said.getMessage().contains("Connection timed out"), said::getMessage);
        IOException again = assertThrows(IOException.class, () -> stream.in().readByte());
        assertEquals(ErrorCode.ETIMEDOUT, ErrorCode.of(again), again::toString);
        assertSame(SocketStatus.ERROR, stream.status(Direction.INPUT, Duration.ZERO));
    }

    @EveryCase(over = {Family.TCP4, Family.TCP6})
    void VAN_2_by_default_a_read_waits_on(Case cell) throws Exception {
        assumePython();
        try (Deaf deaf = new Deaf(cell)) {
            assertEquals(false, SocketOptions.get(deaf.stream, DescriptorOption.SO_KEEPALIVE));
            deaf.vanish();
            deaf.stream.readTimeout(Duration.ofMillis(500));
            Timing timing = Timing.start();
            assertThrows(SocketTimeoutException.class, () -> deaf.stream.in().readByte());
            timing.tookAbout(Duration.ofMillis(500));
        }
    }
}
