package parley.bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import parley.net.SocketStream;
import parley.net.StreamOptions;

/** A loopback connection. The other end is a plain blocking channel in a thread of this process. */
final class Connection {
    private static final int BLOCK = 256 * 1024;

    /** What the other end does until the connection ends. */
    interface Peer {
        void run(SocketChannel channel) throws IOException;
    }

    private Connection() {
    }

    /** Returns a peer that sends a block again and again. */
    static Peer sender(byte[] block) {
        return channel -> {
            ByteBuffer buffer = ByteBuffer.allocateDirect(block.length).put(block);
            for (;;) {
                channel.write(buffer.clear());
            }
        };
    }

    /** Returns a peer that sends a line again and again. */
    static Peer lines(String line) {
        return sender((line + "\n").repeat(4096).getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    /** A peer that reads all that comes. */
    static void sink(SocketChannel channel) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(BLOCK);
        while (channel.read(buffer.clear()) >= 0) {
            continue;
        }
    }

    /** A peer that sends every byte back. */
    static void echo(SocketChannel channel) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(64);
        while (channel.read(buffer.clear()) >= 0) {
            channel.write(buffer.flip());
        }
    }

    static Socket socket(Peer peer) throws IOException {
        Socket socket = new Socket();
        socket.setTcpNoDelay(true);
        connect(peer, address -> socket.connect(address));
        return socket;
    }

    static SocketStream stream(Peer peer, StreamOptions options) throws IOException {
        SocketChannel channel = SocketChannel.open();
        connect(peer, channel::connect);
        return SocketStream.adopt(channel, options);
    }

    private interface Connect {
        void to(InetSocketAddress address) throws IOException;
    }

    private static void connect(Peer peer, Connect client) throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            client.to((InetSocketAddress) server.getLocalAddress());
            SocketChannel accepted = server.accept();
            accepted.setOption(StandardSocketOptions.TCP_NODELAY, true);
            Thread thread = new Thread(() -> serve(peer, accepted), "bench-peer");
            thread.setDaemon(true);
            thread.start();
        }
    }

    private static void serve(Peer peer, SocketChannel channel) {
        try (channel) {
            peer.run(channel);
        } catch (IOException e) {
            String message = String.valueOf(e.getMessage()).toLowerCase(java.util.Locale.ROOT);
            if (!message.contains("pipe") && !message.contains("reset")) {
                throw new java.io.UncheckedIOException(e);
            }
        }
    }
}
