package parley.testing;

import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A small proxy between a client and a server that harms each direction with a {@link Fault}. What
 * is left to chance comes from one seed, which {@link #toString} tells.
 *
 * <p>It is <em>down</em> once {@link #down} was called: its port refuses and what was connected is
 * cut, until {@link #close} takes the rest.
 */
public final class FaultProxy implements AutoCloseable {
    private static final int CHUNK = 16 * 1024;

    private final SocketAddress target; // immutable
    private final Fault.Kind up; // immutable; client to server
    private final Fault.Kind down; // immutable; server to client
    private final long seed; // immutable
    private final Random random; // guarded by itself
    private final ServerSocketChannel listener; // immutable; blocking
    private final SocketAddress address; // immutable
    private final Set<Pair> pairs = ConcurrentHashMap.newKeySet();
    private final Set<Task<Void>> tasks = ConcurrentHashMap.newKeySet();

    private FaultProxy(Family family, SocketAddress target, Fault.Kind up, Fault.Kind down,
            long seed) throws IOException {
        this.target = target;
        this.up = up;
        this.down = down;
        this.seed = seed;
        random = new Random(seed);
        listener = family.listen(128);
        address = listener.getLocalAddress();
    }

    /** Starts a proxy before {@code target}: {@code up} harms requests, {@code down} answers. */
    public static FaultProxy before(SocketAddress target, Family family, Fault.Kind up,
            Fault.Kind down, long seed) throws IOException {
        FaultProxy proxy = new FaultProxy(family, target, up, down, seed);
        proxy.start("proxy-accept", proxy::acceptAll);
        return proxy;
    }

    /** Where clients connect. */
    public SocketAddress address() {
        return address;
    }

    /** Refuses from now on, and cuts every connection. */
    public void down() throws IOException {
        listener.close();
        for (Pair pair : pairs) {
            pair.cut();
        }
    }

    @Override
    public void close() throws IOException {
        down();
        for (Task<Void> task : tasks) {
            task.interrupt(); // it may be pausing, as some faults do
            if (!task.ended(Duration.ofSeconds(10))) {
                throw new AssertionError(this + " does not stop:\n" + Stacks.of(task.thread()));
            }
        }
    }

    @Override
    public String toString() {
        return "FaultProxy[" + address + " before " + target + ", seed " + seed + "]";
    }

    /** A step of the proxy's own threads. */
    private interface Step {
        void run() throws IOException;
    }

    private void start(String name, Step step) {
        tasks.add(Threads.PLATFORM.start(name, () -> {
            step.run();
            return null;
        }));
    }

    private void acceptAll() throws IOException {
        try {
            while (true) {
                carry(listener.accept());
            }
        } catch (ClosedChannelException e) {
            down(); // by down() or close(), maybe while a connection was being made: cut it too
        }
    }

    private void carry(SocketChannel client) throws IOException {
        SocketChannel server;
        try {
            server = SocketChannel.open(target);
        } catch (ConnectException e) {
            client.close(); // what a client sees of a server that is gone
            return;
        }
        Pair pair = new Pair(client, server);
        pairs.add(pair);
        start("proxy-up", () -> pump(client, server, begin(up), pair));
        start("proxy-down", () -> pump(server, client, begin(down), pair));
    }

    private Fault begin(Fault.Kind kind) {
        synchronized (random) {
            return kind.begin(new Random(random.nextLong()));
        }
    }

    private static void pump(SocketChannel from, SocketChannel to, Fault fault, Pair pair)
            throws IOException {
        Fault.Next next = pair.into(to);
        byte[] bytes = new byte[CHUNK];
        try {
            for (int n = from.read(ByteBuffer.wrap(bytes)); n >= 0;
                    n = from.read(ByteBuffer.wrap(bytes))) {
                fault.bytes(bytes, n, next);
            }
            fault.ended(next);
            to.shutdownOutput();
        } catch (ClosedChannelException e) {
            pair.cut(); // one side is cut, so the other is
        } catch (IOException e) {
            pair.reset(); // one side broke, and the other is to learn of it
        }
    }

    /** The two sides of one connection. */
    private record Pair(SocketChannel client, SocketChannel server) {
        void cut() throws IOException {
            client.close();
            server.close();
        }

        void reset() throws IOException {
            linger0(client);
            linger0(server);
            cut();
        }

        Fault.Next into(SocketChannel to) {
            return new Fault.Next() {
                @Override
                public void write(byte[] bytes, int offset, int count) throws IOException {
                    ByteBuffer part = ByteBuffer.wrap(bytes, offset, count);
                    while (part.hasRemaining()) {
                        to.write(part);
                    }
                }

                @Override
                public void cut() throws IOException {
                    Pair.this.cut();
                }

                @Override
                public void reset() throws IOException {
                    Pair.this.reset();
                }
            };
        }

        private static void linger0(SocketChannel channel) throws IOException {
            if (channel.isOpen()
                    && channel.supportedOptions().contains(StandardSocketOptions.SO_LINGER)) {
                channel.setOption(StandardSocketOptions.SO_LINGER, 0);
            }
        }
    }
}
