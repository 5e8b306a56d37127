(ns parley.impl.nrepl-socket
  "Parley's streams and servers as the classes of java.net that nREPL takes."
  {:no-doc true}
  (:require
   [parley.impl.endpoint :as endpoint])
  (:import
   (java.io InputStream OutputStream)
   (java.net InetSocketAddress ServerSocket Socket SocketAddress)
   (java.nio.channels ServerSocketChannel)
   (java.time Duration)
   (parley.net Direction SocketServer SocketStream)))

(set! *warn-on-reflection* true)

(defn for-stream
  "A java.net.Socket whose input and output are a stream's: what a transport function takes."
  ^Socket [^SocketStream s ^InputStream in ^OutputStream out]
  (let [inet (fn ^InetSocketAddress [^SocketAddress a] (when (instance? InetSocketAddress a) a))
        address (fn [a] (some-> ^InetSocketAddress (inet a) .getAddress))
        port (fn [a] (int (if-let [^InetSocketAddress a (inet a)] (.getPort a) 0)))]
    (proxy [Socket] []
      (getInputStream [] in)
      (getOutputStream [] out)
      (close [] (.close s))
      (isClosed [] (not (.isOpen s)))
      (isConnected [] true)
      (isBound [] true)
      (isInputShutdown [] (not (.isInput s)))
      (isOutputShutdown [] (not (.isOutput s)))
      (shutdownInput [] (.shutdown s Direction/INPUT))
      (shutdownOutput [] (.shutdown s Direction/OUTPUT))
      (getSoTimeout [] (int (if-let [d (.timeout (.in s))] (.toMillis ^Duration d) 0)))
      (setSoTimeout [ms] (.readTimeout s (when (pos? (int ms)) (Duration/ofMillis (int ms)))))
      (getTcpNoDelay [] true)
      (setTcpNoDelay [_])
      (getChannel [] (.channel s))
      (getRemoteSocketAddress [] (.peerAddress s))
      (getLocalSocketAddress [] (.localAddress s))
      (getInetAddress [] (address (.peerAddress s)))
      (getLocalAddress [] (address (.localAddress s)))
      (getPort [] (port (.peerAddress s)))
      (getLocalPort [] (port (.localAddress s)))
      (toString [] (str s)))))

(defn- no-accept []
  (throw (UnsupportedOperationException.
           "nrepl-server: the server accepts by itself; use its handler, its port, and its close")))

(defn- as-server-socket
  "A java.net.ServerSocket that tells where the server listens; closing it closes the server."
  ^ServerSocket [^SocketServer server close]
  (let [^InetSocketAddress address (.localAddress server)]
    (proxy [ServerSocket] []
      (accept [] (no-accept))
      (close [] (close))
      (isClosed [] (not (.isOpen server)))
      (isBound [] true)
      (getInetAddress [] (.getAddress address))
      (getLocalPort [] (int (.getPort address)))
      (getLocalSocketAddress [] address)
      (getChannel [] (.channel server))
      (toString [] (str server)))))

(defn- as-server-channel
  "As as-server-socket for a Unix-domain server, for which java.net has no class."
  ^ServerSocketChannel [^SocketServer server close]
  (let [channel (.channel server)]
    (proxy [ServerSocketChannel] [(.provider channel)]
      (accept [] (no-accept))
      (bind [_ _] (throw (java.nio.channels.AlreadyBoundException.)))
      (socket [] (throw (UnsupportedOperationException. "a Unix-domain server has no java.net.ServerSocket")))
      (getLocalAddress [] (.localAddress server))
      (supportedOptions [] (.supportedOptions channel))
      (getOption [^java.net.SocketOption name] (.getOption channel name))
      (setOption [^java.net.SocketOption name x] (.setOption channel name x))
      (implCloseSelectableChannel [] (close))
      (implConfigureBlocking [_])
      (toString [] (str server)))))

(defn for-server
  "Returns a ServerSocket, or a ServerSocketChannel for a path, that stands for a server; `close` is called
  when it is closed."
  [server close]
  (if (endpoint/unix? server)
    (as-server-channel server close)
    (as-server-socket server close)))
