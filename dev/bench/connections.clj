(ns bench.connections
  "Whole conversations: connections opened, one line each way, closed, beside ServerSocket with a thread for each
  connection, and Netty with one event loop; and what a form costs that is sent to a REPL server, beside clojure.core.server. Clients are plain
  sockets in this process. Contenders take turns."
  (:require
   [bench.status :as status]
   [clojure.core.server :as core-server]
   [parley.repl :as repl]
   [parley.server :as server]
   [parley.stream :as stream])
  (:import
   (io.netty.bootstrap ServerBootstrap)
   (io.netty.channel ChannelFuture ChannelFutureListener ChannelHandler ChannelHandlerContext ChannelInitializer ChannelOption MultiThreadIoEventLoopGroup SimpleChannelInboundHandler)
   (io.netty.channel.nio NioIoHandler)
   (io.netty.channel.socket SocketChannel)
   (io.netty.channel.socket.nio NioServerSocketChannel)
   (io.netty.handler.codec LineBasedFrameDecoder)
   (io.netty.handler.codec.string StringDecoder StringEncoder)
   (java.io BufferedReader Closeable InputStreamReader OutputStream)
   (java.net InetAddress InetSocketAddress ServerSocket Socket SocketException)
   (java.util.concurrent TimeUnit)))

(set! *warn-on-reflection* true)

(defn- connect ^Socket [port]
  (doto (Socket. (InetAddress/getLoopbackAddress) (int port))
    (.setTcpNoDelay true)))

(defn- reader ^BufferedReader [^Socket socket]
  (BufferedReader. (InputStreamReader. (.getInputStream socket))))

(defn- send! [^Socket socket ^String text]
  (doto ^OutputStream (.getOutputStream socket)
    (.write (.getBytes text))))

(defn- conversation [port]
  (with-open [socket (connect port)]
    (send! socket "hello\n")
    (assert (= "hello" (.readLine (reader socket))))))

(defn- echo-line [s]
  (stream/write-line (stream/read-line s) s)
  (stream/finish-output s))

(defn- echo-plain [^Socket socket]
  (with-open [socket socket]
    (.setTcpNoDelay socket true)
    (send! socket (str (.readLine (reader socket)) "\n"))))

(defn- accept-all [^ServerSocket listener]
  (try
    (while true
      (let [socket (.accept listener)]
        (.start (Thread. #(echo-plain socket)))))
    (catch SocketException _
      nil))) ; closed

(defn- pipeline ^"[Lio.netty.channel.ChannelHandler;" []
  (into-array ChannelHandler
    [(LineBasedFrameDecoder. 1000)
     (StringDecoder.)
     (StringEncoder.)
     (proxy [SimpleChannelInboundHandler] []
       (channelRead0 [^ChannelHandlerContext context line]
         (.addListener ^ChannelFuture (.writeAndFlush context (str line "\n"))
           ChannelFutureListener/CLOSE)))]))

(defn- netty
  "A server that echoes a line and closes, in one event loop: its port, and a function that stops it."
  []
  (let [group (MultiThreadIoEventLoopGroup. 1 (NioIoHandler/newFactory))
        bootstrap (doto (ServerBootstrap.)
                    (.group group)
                    (.channel NioServerSocketChannel)
                    (.childOption ChannelOption/TCP_NODELAY true)
                    (.childHandler (proxy [ChannelInitializer] []
                                     (initChannel [^SocketChannel channel]
                                       (.addLast (.pipeline channel) (pipeline))))))
        channel (.channel (.sync ^ChannelFuture (.bind bootstrap (InetSocketAddress. (InetAddress/getLoopbackAddress) 0))))]
    [(.getPort ^InetSocketAddress (.localAddress channel))
     #(.sync (.shutdownGracefully group 0 5 TimeUnit/SECONDS))]))

(defn- conversations []
  (let [[netty-port stop-netty] (netty)]
    (try
      (with-open [^Closeable ours (server/serve echo-line)
                  theirs (ServerSocket. 0 50 (InetAddress/getLoopbackAddress))]
        (.start (Thread. #(accept-all theirs)))
        (let [port (.getLocalPort theirs)]
          (status/versus {:parley #(conversation (:port ours))
                          :jdk #(conversation port)
                          :netty #(conversation netty-port)})))
      (finally
        (stop-netty)))))

(defn- evaluations
  "Each evaluates on a connection that stays open; answers have no prompt to skip, since io-prepl has none."
  []
  (let [accept 'clojure.core.server/io-prepl
        theirs (core-server/start-server {:name "bench" :port 0 :accept accept})]
    (try
      (with-open [^Closeable ours (repl/repl-server {:accept accept})
                  to-ours (connect (:port ours))
                  to-theirs (connect (.getLocalPort ^ServerSocket theirs))]
        (let [ask (fn [socket]
                    (let [in (reader socket)]
                      #(do (send! socket "(+ 1 2)\n")
                           (assert (re-find #":val \"3\"" (.readLine in))))))]
          (status/versus {:parley (ask to-ours)
                          :jdk (ask to-theirs)})))
      (finally
        (core-server/stop-server "bench")))))

(defn run
  "Returns nanoseconds by the clock, of both contenders, for :conversation and :evaluation."
  [{:keys [turns]} progress]
  (binding [status/*turns* turns]
    (progress "connections: a line each way")
    (let [conversation (conversations)]
      (progress "connections: forms to a REPL server")
      {:conversation conversation
       :evaluation (evaluations)})))
