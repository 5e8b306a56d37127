package parley.testing;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Something to connect to that gives {@link Peer}s, on a plain {@link ServerSocketChannel}. */
public final class PeerListener implements AutoCloseable {
    private static final int BACKLOG = 128;
    private static final Duration A_MOMENT = Duration.ofMillis(20);
    private static final int FILLERS = 8; // more than a backlog of one ever takes

    private final ServerSocketChannel channel; // immutable; non-blocking
    private final SocketAddress address; // immutable
    private final List<SocketChannel> fillers = new ArrayList<>(); // confined to the owner

    private final BlockingQueue<Peer> secured = new LinkedBlockingQueue<>(); // under TLS
    private final Selector selector; // of the thread that accepts under TLS, else null

    private PeerListener(ServerSocketChannel channel, Family family) throws IOException {
        this.channel = channel;
        address = channel.getLocalAddress();
        channel.configureBlocking(false);
        selector = family.isTls() ? Selector.open() : null;
        if (selector != null) { // connecting takes a peer that answers
            channel.register(selector, SelectionKey.OP_ACCEPT);
            Threads.PLATFORM.start("accepting", this::acceptAll);
        }
    }

    private Void acceptAll() throws IOException {
        try {
            while (channel.isOpen()) {
                selector.select(each -> { }, Task.PATIENCE.toMillis());
                SocketChannel accepted = channel.accept();
                if (accepted != null) {
                    accepted.configureBlocking(true);
                    secured.add(Peer.noDelay(accepted).secure(false));
                }
            }
            return null;
        } catch (ClosedChannelException | ClosedSelectorException e) {
            return null; // this listener was closed
        }
    }

    /** Listens on a free loopback address of {@code family}. */
    public static PeerListener on(Family family) throws IOException {
        return new PeerListener(family.listen(BACKLOG), family);
    }

    /** As {@link #on}, with receive buffers of {@code size} bytes for what it accepts. */
    public static PeerListener withReceiveBuffer(Family family, int size) throws IOException {
        ServerSocketChannel channel = ServerSocketChannel.open(family.protocol());
        channel.setOption(StandardSocketOptions.SO_RCVBUF, size);
        return new PeerListener(channel.bind(family.unbound(), BACKLOG), family);
    }

    /** Listens with its queue of pending connections full: a further connect waits for ever. */
    public static PeerListener full(Family family) throws IOException {
        PeerListener listener = new PeerListener(family.listen(1), family);
        try {
            for (int i = 0; i < FILLERS; i++) {
                listener.fill(family);
            }
            return listener;
        } catch (IOException e) {
            listener.close();
            throw e;
        }
    }

    private void fill(Family family) throws IOException {
        SocketChannel filler = family.open();
        fillers.add(filler);
        filler.configureBlocking(false);
        try {
            filler.connect(address);
        } catch (SocketException e) {
            // a Unix-domain queue says at once that it is full, which is what was wanted
            filler.close();
        }
    }

    /** Where it listens. */
    public SocketAddress address() {
        return address;
    }

    /** The port it listens on. */
    public int port() {
        return ((InetSocketAddress) address).getPort();
    }

    /** The next connection, at the latest after {@link Task#PATIENCE}. */
    public Peer accept() throws IOException {
        if (selector != null) {
            return acceptSecured();
        }
        if (!pending(Task.PATIENCE)) {
            throw new AssertionError("nobody connected to " + address + " within " + Task.PATIENCE);
        }
        SocketChannel accepted = channel.accept();
        accepted.configureBlocking(true);
        return Peer.noDelay(accepted);
    }

    private Peer acceptSecured() {
        try {
            Peer peer = secured.poll(Task.PATIENCE.toSeconds(), TimeUnit.SECONDS);
            if (peer == null) {
                throw new AssertionError("nobody connected to " + address);
            }
            return peer;
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted while waiting for a connection", e);
        }
    }

    /**
     * Makes room in a queue that is {@link #full} and takes the connection that waits for it, which
     * may try again after a second only.
     */
    public Peer acceptLate() throws IOException {
        closeFillers();
        Peer peer = accept();
        while (peer.readable(A_MOMENT)) { // the end, or a reset, of one that only filled the queue
            peer.close();
            peer = accept();
        }
        return peer;
    }

    private void closeFillers() throws IOException {
        for (SocketChannel filler : fillers) {
            filler.close();
        }
    }

    /** Whether a connection is there to be accepted within {@code limit}. */
    public boolean pending(Duration limit) throws IOException {
        try (Selector selector = Selector.open()) {
            channel.register(selector, SelectionKey.OP_ACCEPT);
            return selector.select(Math.max(1, limit.toMillis())) > 0;
        }
    }

    @Override
    public void close() throws IOException {
        closeFillers();
        channel.close();
        if (selector != null) {
            selector.close();
        }
        for (Peer each; (each = secured.poll()) != null;) {
            each.close();
        }
        if (address instanceof UnixDomainSocketAddress unix) {
            Files.deleteIfExists(unix.getPath());
        }
    }
}
