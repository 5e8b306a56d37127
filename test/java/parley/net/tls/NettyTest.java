package parley.net.tls;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.ssl.SslCloseCompletionEvent;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLEngine;
import parley.net.Direction;
import parley.net.ErrorCode;
import parley.net.SocketServer;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StreamInput;
import parley.net.WaitMode;
import parley.testing.Case;
import parley.testing.EveryCase;
import parley.testing.Family;
import parley.testing.Guarded;
import parley.testing.Keys;
import parley.testing.Seeds;
import parley.testing.Task;
import parley.testing.Threads;

/** Streams under TLS whose other side is Netty's SslHandler with the JDK's engine. */
@Guarded
class NettyTest {
    private static final Duration LONG = Duration.ofSeconds(20);

    /** Netty's role. */
    enum Role { CLIENT, SERVER }

    /** A stream of ours and a channel of Netty's that are connected. */
    @Sharable
    private static final class Pair extends ChannelInboundHandlerAdapter implements AutoCloseable {
        final BlockingQueue<String> seen = new LinkedBlockingQueue<>(); // texts and ends
        final SslHandler tls;
        final SocketStream stream;
        private final EventLoopGroup group = new MultiThreadIoEventLoopGroup(1,
                new DefaultThreadFactory("netty", true), NioIoHandler.newFactory());
        private final CompletableFuture<Channel> channel = new CompletableFuture<>();
        private final boolean echo;

        Pair(Role role, String protocol, boolean echo) throws Exception {
            SSLEngine engine = Keys.context().createSSLEngine();
            engine.setUseClientMode(role == Role.CLIENT);
            engine.setEnabledProtocols(new String[] {protocol});
            this.tls = new SslHandler(engine);
            this.echo = echo;
            this.stream = role == Role.CLIENT ? accept() : connect();
            stream.readTimeout(LONG);
            assertEquals(protocol, stream.tlsSession().protocol());
        }

        private SocketStream accept() throws Exception {
            try (SocketServer server = TlsTest.listen(new Case(Family.TCP4, Threads.PLATFORM))) {
                new Bootstrap().group(group).channel(NioSocketChannel.class).handler(initializer())
                        .connect(server.localAddress());
                return server.accept(TlsTest.OPTIONS);
            }
        }

        private SocketStream connect() throws Exception {
            Channel server = new ServerBootstrap().group(group).channel(NioServerSocketChannel.class)
                    .childHandler(initializer()).bind("127.0.0.1", 0).sync().channel();
            try {
                return SocketStream.connect(server.localAddress(), TlsTest.OPTIONS);
            } finally {
                server.close().sync();
            }
        }

        private ChannelInitializer<Channel> initializer() {
            return new ChannelInitializer<>() {
                @Override
                protected void initChannel(Channel made) {
                    made.pipeline().addLast(tls, Pair.this);
                    channel.complete(made);
                }
            };
        }

        Channel channel() throws Exception {
            return channel.get(LONG.toSeconds(), TimeUnit.SECONDS);
        }

        void send(String text) throws Exception {
            channel().writeAndFlush(Unpooled.copiedBuffer(text.getBytes())).sync();
        }

        String seen() throws InterruptedException {
            return seen.poll(LONG.toSeconds(), TimeUnit.SECONDS);
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            if (echo) {
                context.writeAndFlush(message);
            } else {
                ByteBuf bytes = (ByteBuf) message;
                seen.add(bytes.toString(java.nio.charset.StandardCharsets.US_ASCII));
                bytes.release();
            }
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            if (event instanceof SslCloseCompletionEvent end) {
                seen.add(end.isSuccess() ? "end" : "truncated");
            }
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            seen.add(cause.toString());
        }

        @Override
        public void close() throws IOException {
            stream.abort();
            if (channel.isDone()) {
                channel.join().close().syncUninterruptibly(); // or its descriptor might stay open
            }
            group.shutdownGracefully(0, 0, TimeUnit.SECONDS).syncUninterruptibly();
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void data_goes_both_ways_in_records_of_every_size(Case cell, Role role) throws Exception {
        for (String protocol : new String[] {"TLSv1.3", "TLSv1.2"}) {
            try (Pair pair = new Pair(role, protocol, true)) {
                for (int record : new int[] {1, 7, 1000, 16384}) {
                    pair.tls.setWrapDataSize(record);
                    if (protocol.equals("TLSv1.3")) {
                        pair.tls.renegotiate(); // asks for new keys
                    }
                    byte[] data = Seeds.bytes(new Random(record), Math.min(100 * record, 300_000));
                    Task<Void> writing = cell.start("writing", () -> {
                        pair.stream.out().writeBytes(data, 0, data.length, WaitMode.FULL);
                        pair.stream.out().flush();
                        return null;
                    });
                    byte[] got = new byte[data.length];
                    assertEquals(got.length, pair.stream.in().readBytes(got, 0, got.length, WaitMode.FULL));
                    assertArrayEquals(data, got);
                    writing.await();
                    assertEquals(SocketStatus.OUTPUT, pair.stream.status(Direction.IO, Duration.ZERO));
                }
            }
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void each_direction_ends_by_itself(Case cell, Role role) throws Exception {
        for (boolean oursFirst : new boolean[] {true, false}) {
            try (Pair pair = new Pair(role, "TLSv1.3", false)) {
                if (oursFirst) {
                    pair.stream.out().writeString("bye");
                    pair.stream.shutdown(Direction.OUTPUT);
                    assertEquals("bye", pair.seen());
                    assertEquals("end", pair.seen());
                    pair.send("late\n");
                    assertEquals("late", pair.stream.in().readLine());
                }
                pair.tls.closeOutbound().sync();
                assertEquals(SocketStatus.EOF, pair.stream.status(Direction.INPUT, LONG));
                assertEquals(StreamInput.END, pair.stream.in().readChar());
                if (!oursFirst) {
                    pair.stream.out().writeString("late");
                    pair.stream.close();
                    assertEquals("late", pair.seen());
                    assertEquals("end", pair.seen());
                }
                assertTrue(pair.seen.isEmpty(), pair.seen::toString);
            }
        }
    }

    @EveryCase(over = Family.TCP4, on = Threads.PLATFORM)
    void an_end_without_close_notify_is_known_to_both(Case cell, Role role) throws Exception {
        try (Pair pair = new Pair(role, "TLSv1.3", false)) {
            pair.send("cut");
            pair.channel().pipeline().context(pair.tls).close().sync(); // below the handler
            assertEquals("cut".length(), pair.stream.in().readBytes(new byte[9], 0, 3, WaitMode.FULL));
            IOException e = assertThrows(IOException.class, () -> pair.stream.in().readChar());
            assertEquals(ErrorCode.TLS_TRUNCATED, ErrorCode.of(e));
        }
        try (Pair pair = new Pair(role, "TLSv1.3", false)) {
            pair.stream.out().writeString("cut");
            pair.stream.out().flush();
            assertEquals("cut", pair.seen());
            pair.stream.abort();
            String end = pair.seen();
            assertFalse(end.equals("end"), end);
        }
    }
}
