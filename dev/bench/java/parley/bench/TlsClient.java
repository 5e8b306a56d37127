package parley.bench;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.concurrent.Semaphore;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import parley.net.ElementType;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.net.WaitMode;
import parley.net.tls.TlsOptions;

/** A connection under TLS whose handshake is over, of one of the contenders. */
interface TlsClient extends AutoCloseable {
    String HOST = "localhost";
    /** What is received; one client at a time is used. */
    byte[] BLOCK = new byte[TlsServer.BLOCK];

    /** Sends an array a number of times, and returns when the last can be on its way. */
    void send(byte[] bytes, int times) throws IOException;

    /** Receives that many bytes. */
    void receive(long count) throws IOException;

    @Override
    void close() throws IOException;

    /** Makes connections that share what one context has for sessions. */
    interface Maker {
        TlsClient connect(int port) throws IOException;
    }

    /** A contender. */
    enum Contender {
        PARLEY {
            @Override
            Maker maker(SSLContext context) {
                StreamOptions options = StreamOptions.builder().tls(TlsOptions.of(context))
                        .elementType(ElementType.UNSIGNED_BYTE_8).build();
                return port -> new Parley(SocketStream.connect(HOST, port, options));
            }
        },
        JDK {
            @Override
            Maker maker(SSLContext context) {
                return port -> {
                    SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(HOST, port);
                    socket.setTcpNoDelay(true);
                    socket.setSSLParameters(checked(socket.getSSLParameters()));
                    socket.startHandshake();
                    return new Jdk(socket);
                };
            }
        },
        NETTY {
            @Override
            Maker maker(SSLContext context) {
                return port -> {
                    SSLEngine engine = context.createSSLEngine(HOST, port);
                    engine.setUseClientMode(true);
                    engine.setSSLParameters(checked(engine.getSSLParameters()));
                    return new Netty(new SslHandler(engine), port);
                };
            }
        };

        abstract Maker maker(SSLContext context);
    }

    private static SSLParameters checked(SSLParameters parameters) {
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        return parameters;
    }

    /** A stream. */
    record Parley(SocketStream stream) implements TlsClient {
        @Override
        public void send(byte[] bytes, int times) throws IOException {
            for (int i = 0; i < times; i++) {
                stream.out().writeBytes(bytes, 0, bytes.length, WaitMode.FULL);
            }
            stream.out().flush();
        }

        @Override
        public void receive(long count) throws IOException {
            for (long left = count; left > 0;) {
                left -= stream.in().readBytes(BLOCK, 0, (int) Math.min(left, BLOCK.length), WaitMode.FULL);
            }
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }
    }

    /** A socket of the JDK. */
    final class Jdk implements TlsClient {
        private final SSLSocket socket;
        private final InputStream in;
        private final OutputStream out;

        Jdk(SSLSocket socket) throws IOException {
            this.socket = socket;
            this.in = socket.getInputStream();
            this.out = socket.getOutputStream();
        }

        @Override
        public void send(byte[] bytes, int times) throws IOException {
            for (int i = 0; i < times; i++) {
                out.write(bytes);
            }
        }

        @Override
        public void receive(long count) throws IOException {
            for (long left = count; left > 0;) {
                left -= in.readNBytes(BLOCK, 0, (int) Math.min(left, BLOCK.length));
            }
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    /** A channel of Netty's, with one event loop for all. */
    final class Netty extends ChannelInboundHandlerAdapter implements TlsClient {
        private static final EventLoopGroup GROUP = new MultiThreadIoEventLoopGroup(1,
                new DefaultThreadFactory("netty", true), NioIoHandler.newFactory());

        private final Semaphore changed = new Semaphore(0);
        private final Channel channel;
        private volatile long received; // written by the event loop
        private long taken;

        Netty(SslHandler tls, int port) {
            channel = new Bootstrap().group(GROUP).channel(NioSocketChannel.class)
                    .option(ChannelOption.TCP_NODELAY, true)
                    .handler(new ChannelInitializer<>() {
                        @Override
                        protected void initChannel(Channel made) {
                            made.pipeline().addLast(tls, Netty.this);
                        }
                    }).connect(HOST, port).syncUninterruptibly().channel();
            tls.handshakeFuture().syncUninterruptibly();
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            ByteBuf bytes = (ByteBuf) message;
            received += bytes.readableBytes();
            bytes.release();
        }

        @Override
        public void channelReadComplete(ChannelHandlerContext context) {
            changed.release();
        }

        @Override
        public void channelWritabilityChanged(ChannelHandlerContext context) {
            changed.release();
        }

        @Override
        public void send(byte[] bytes, int times) {
            for (int i = 0; i < times; i++) {
                while (!channel.isWritable()) {
                    changed.acquireUninterruptibly();
                    changed.drainPermits();
                }
                channel.writeAndFlush(Unpooled.wrappedBuffer(bytes), channel.voidPromise());
            }
        }

        @Override
        public void receive(long count) {
            taken += count;
            while (received < taken) {
                changed.acquireUninterruptibly();
                changed.drainPermits();
            }
        }

        @Override
        public void close() {
            channel.close().syncUninterruptibly();
        }
    }
}
