(ns bench.async-netty
  "The server that bench.async compares with: Netty's NIO transport, one event loop, each
  connection with a core.async channel that its handler puts into and a go block that echoes."
  (:require
   [bench.async :as bench]
   [clojure.core.async :as a])
  (:import
   (io.netty.bootstrap ServerBootstrap)
   (io.netty.buffer ByteBuf)
   (io.netty.channel ChannelFuture ChannelHandler ChannelHandlerContext ChannelInboundHandlerAdapter ChannelInitializer ChannelOption MultiThreadIoEventLoopGroup)
   (io.netty.channel.nio NioIoHandler)
   (io.netty.channel.socket SocketChannel)
   (io.netty.channel.socket.nio NioServerSocketChannel)
   (java.net InetSocketAddress)
   (java.util.concurrent Semaphore)))

(set! *warn-on-reflection* true)

(defn- echo [h ^ChannelHandlerContext context packets]
  (a/go-loop []
    (when-let [^ByteBuf packet (a/<! packets)]
      (bench/record! h (.getLong packet 0))
      (.writeAndFlush context packet)
      (recur))))

(defn- handler ^ChannelHandler [h]
  (let [packets (a/chan)]
    (proxy [ChannelInboundHandlerAdapter] []
      (channelActive [context] (echo h context packets))
      (channelRead [_ packet] (a/put! packets packet))
      (channelInactive [_] (a/close! packets)))))

(defn- start [handler n]
  (let [group (MultiThreadIoEventLoopGroup. 1 (NioIoHandler/newFactory))
        all (Semaphore. 0)
        initializer (proxy [ChannelInitializer] []
                      (initChannel [^SocketChannel ch]
                        (let [^"[Lio.netty.channel.ChannelHandler;" handlers
                              (into-array ChannelHandler [(handler)])]
                          (.addLast (.pipeline ch) handlers))
                        (.release all)))
        bootstrap (doto (ServerBootstrap.)
                    (.group group)
                    (.channel NioServerSocketChannel)
                    (.option ChannelOption/SO_BACKLOG (int 4096))
                    (.childOption ChannelOption/TCP_NODELAY true)
                    (.childHandler initializer))
        channel (.channel (.sync ^ChannelFuture (.bind bootstrap (InetSocketAddress. "127.0.0.1" 0))))]
    {:port (.getPort ^InetSocketAddress (.localAddress channel))
     :ready #(.acquire all n)
     :more #(.acquire all %)
     :held channel
     :stop #(.sync (.shutdownGracefully group 0 5 java.util.concurrent.TimeUnit/SECONDS))}))

(defn server
  "As bench.async describes servers."
  [h n]
  (start #(handler h) n))

(defn idle-server
  "As `server`, for connections on which nothing comes, with a handler that does nothing: :more waits for more of them."
  []
  (start #(ChannelInboundHandlerAdapter.) 0))
