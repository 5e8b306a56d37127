package parley.net.tls;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Random;
import parley.net.Direction;
import parley.net.ElementType;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.net.StreamInput;
import parley.net.StreamOptions;
import parley.net.WaitMode;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Keys;
import parley.testing.Peer;
import parley.testing.PeerListener;
import parley.testing.Seeds;
import parley.testing.Task;
import parley.testing.Threads;
import parley.testing.TlsPeer;

/** The status of a stream under TLS, compared with a model that knows each byte on the wire. */
@Guarded
class TlsStatusTest {
    private static final Duration LONG = Duration.ofSeconds(20);
    private static final int STEPS = 80;

    /** The version, and whether the stream is the server. */
    private enum Side {
        CLIENT_13("TLSv1.3"), SERVER_13("TLSv1.3"), CLIENT_12("TLSv1.2"), SERVER_12("TLSv1.2");

        final String version;

        Side(String version) {
            this.version = version;
        }

        boolean isServer() {
            return name().startsWith("SERVER");
        }
    }

    /** A stream of Parley's, and a peer whose every byte a test sends. */
    private static final class Wire implements AutoCloseable {
        final SocketStream stream;
        final StatusSet set = new StatusSet();
        final TlsPeer tls;
        final Side side;
        private final Peer peer;
        private final SocketChannel channel;
        private final Deque<byte[]> payloads = new ArrayDeque<>(); // of the records on the wire
        private final Deque<Integer> ends = new ArrayDeque<>(); // where they end
        private final ByteArrayOutputStream records = new ByteArrayOutputStream();
        private final ByteArrayOutputStream data = new ByteArrayOutputStream(); // can be read
        private int sent; // of records
        private int read; // of data

        Wire(Case cell, Side side, boolean buffered) throws Exception {
            this.side = side;
            tls = new TlsPeer(side.isServer());
            tls.engine().setEnabledProtocols(new String[] {side.version});
            StreamOptions options = StreamOptions.builder().buffered(buffered)
                    .elementType(ElementType.UNSIGNED_BYTE_8)
                    .tls(TlsOptions.of(Keys.context())).build();
            try (PeerListener listener = PeerListener.on(cell.family());
                    SocketServer server = SocketServer.adopt(cell.family().listen(5))) {
                Task<SocketStream> opening = cell.start("opening", () -> {
                    SocketStream opened = side.isServer() ? server.accept(options)
                            : SocketStream.connect(listener.address(), options);
                    opened.status(Direction.OUTPUT, LONG); // when the handshake is over
                    return opened;
                });
                peer = side.isServer() ? Peer.connect(server.localAddress()) : listener.accept();
                channel = peer.channel();
                if (side.version.equals("TLSv1.3")) {
                    add(tls.handshakeKeepingTicket(channel), new byte[0]);
                } else {
                    tls.handshake(channel); // what a server sends last is awaited
                }
                stream = opening.await();
                set.add(stream, Direction.INPUT);
            }
        }

        void add(byte[] record, byte[] payload) {
            records.writeBytes(record);
            ends.add(records.size());
            payloads.add(payload);
        }

        /** How much can be sent. */
        int waiting() {
            return records.size() - sent;
        }

        void send(int count) throws IOException {
            TlsPeer.send(channel, Arrays.copyOfRange(records.toByteArray(), sent, sent + count));
            sent += count;
            while (!ends.isEmpty() && ends.peek() <= sent) {
                ends.remove();
                data.writeBytes(payloads.remove());
            }
        }

        int available() {
            return data.size() - read;
        }

        /** The status, in every way there is to ask for it, beginning with one of them. */
        void check(int first, String when) throws IOException {
            boolean is = available() > 0;
            Duration time = is ? LONG : Duration.ZERO;
            SocketStatus expected = is ? SocketStatus.INPUT : SocketStatus.NONE;
            for (int i = first; i < first + 3; i++) {
                switch (i % 3) {
                    case 0 -> assertEquals(expected, set.check(time).statusOf(stream), when);
                    case 1 -> assertEquals(expected, stream.status(Direction.INPUT, time), when);
                    default -> {
                        stream.status(Direction.INPUT, time); // a look ahead does not wait
                        assertEquals(is ? 1 : StreamInput.NOTHING, stream.in().byteLookahead(), when);
                    }
                }
            }
            assertEquals(SocketStatus.OUTPUT, stream.status(Direction.OUTPUT, Duration.ZERO), when);
        }

        void read(int count) throws IOException {
            byte[] got = new byte[count];
            int end = stream.in().readBytes(got, 0, count, WaitMode.FULL);
            assertEquals(count, end);
            assertArrayEquals(Arrays.copyOfRange(data.toByteArray(), read, read + count), got);
            read += count;
        }

        @Override
        public void close() throws IOException {
            set.close();
            stream.abort();
            peer.channel().close();
        }
    }

    @EveryCase(over = {Family.TCP4, Family.UNIX}, on = Threads.PLATFORM)
    void status_agrees_with_a_model_of_the_wire(Case cell, Side side) throws Exception {
        Seeds.with(random -> {
            for (boolean buffered : new boolean[] {true, false}) {
                try (Wire wire = new Wire(cell, side, buffered)) {
                    for (int i = 0; i < STEPS; i++) {
                        String what = step(wire, random);
                        wire.check(random.nextInt(3), "step " + i + ", " + what);
                    }
                    finish(wire);
                }
            }
        });
    }

    private static String step(Wire wire, Random random) throws IOException {
        int choice = random.nextInt(10);
        if (choice < 3) {
            byte[] payload = Seeds.bytes(random, random.nextInt(8) == 0 ? 1 + random.nextInt(16384)
                    : 1 + random.nextInt(20));
            wire.add(wire.tls.encrypt(payload), payload);
            return "a record of " + payload.length + " is made";
        } else if (choice == 3 && wire.side.version.equals("TLSv1.3")) {
            wire.add(wire.tls.keyUpdate(), new byte[0]);
            return "a key update is made";
        } else if (choice < 7 && wire.waiting() > 0) {
            int count = random.nextBoolean() ? 1 : random.nextInt(3) == 0 ? wire.waiting()
                    : 1 + random.nextInt(wire.waiting());
            wire.send(count);
            return count + " encrypted bytes are sent";
        } else if (wire.available() > 0) {
            int count = random.nextBoolean() ? 1 : 1 + random.nextInt(wire.available());
            wire.read(count);
            return count + " bytes are read";
        }
        return "nothing is done";
    }

    /** Everything arrives, and the replies to key updates make sense to the peer. */
    private static void finish(Wire wire) throws IOException {
        wire.send(wire.waiting());
        wire.read(wire.available());
        wire.check(0, "all is read");
        wire.stream.out().writeByte('!');
        wire.stream.out().flush();
        while (!wire.tls.hasInput()) {
            wire.tls.receive(wire.channel);
        }
        wire.add(wire.tls.closeNotify(), new byte[0]);
        wire.send(wire.waiting());
        assertEquals(SocketStatus.EOF, wire.stream.status(Direction.INPUT, LONG));
        assertEquals(StreamInput.END, wire.stream.in().readByte());
    }

    @EveryCase(over = Family.UNIX)
    void a_wait_for_input_outlasts_everything_but_data(Case cell) throws Exception {
        try (Wire wire = new Wire(cell, Side.CLIENT_13, true)) {
            Task<SocketStatus> waiting = cell.start("status",
                    () -> wire.stream.status(Direction.INPUT, null));
            Task<Integer> check = cell.start("check", () -> wire.set.check(null).actionable());
            wire.add(wire.tls.keyUpdate(), new byte[0]);
            wire.add(wire.tls.encrypt(new byte[] {'x', 'y'}), new byte[] {'x', 'y'});
            while (wire.waiting() > 1) {
                wire.send(1);
            }
            assertEquals(SocketStatus.NONE,
                    wire.stream.status(Direction.INPUT, Duration.ofMillis(20)));
            assertEquals(false, waiting.isDone() || check.isDone());
            wire.send(1);
            assertEquals(SocketStatus.INPUT, waiting.await());
            assertEquals(1, check.await());
            wire.read(1);
            wire.check(0, "a byte is left");
        }
    }
}
