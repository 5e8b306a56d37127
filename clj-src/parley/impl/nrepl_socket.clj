(ns parley.impl.nrepl-socket
  "Parley's streams and servers as the classes of java.net that nREPL takes."
  {:no-doc true}
  (:require
   [parley.impl.endpoint :as endpoint]
   [parley.impl.input :as input])
  (:import
   (java.io InputStream InterruptedIOException OutputStream)
   (java.net InetSocketAddress ServerSocket Socket SocketAddress SocketException SocketOption SocketTimeoutException)
   (java.nio.channels ClosedChannelException ServerSocketChannel SocketChannel)
   (java.time Duration)
   (java.util Arrays)
   (parley.net Direction SocketServer SocketStream)))

(set! *warn-on-reflection* true)

(defn- put
  "Writes a range of bytes. Returns nil, or what is left of it when the thread is interrupted; the interrupt
  flag is set again."
  [^OutputStream out ^bytes b start end]
  (try
    (.write out b (int start) (int (- (long end) (long start))))
    nil
    (catch SocketTimeoutException e
      (throw e))
    (catch InterruptedIOException e
      (.interrupt (Thread/currentThread))
      (Arrays/copyOfRange b (int (+ (long start) (.bytesTransferred e))) (int end)))))

(defn- put-pieces
  "Writes arrays. Returns those that are left when the thread is interrupted."
  [out pieces]
  (loop [pieces (seq pieces)]
    (when pieces
      (let [^bytes piece (first pieces)]
        (if-let [left (put out piece 0 (alength piece))]
          (cons left (next pieces))
          (recur (next pieces)))))))

(defn whole-output
  "Returns an OutputStream over `out` that cuts no message: what an interrupt keeps from being written goes
  out before what is written next. A write or flush that is interrupted returns with the interrupt flag
  set, since nREPL's buffer would repeat what fails. One thread at a time may use it, as nREPL's transports
  see to."
  ^OutputStream [^OutputStream out]
  (let [left (atom nil)
        write (fn [^bytes b ^long offset ^long length]
                (let [end (+ offset length)]
                  (if (reset! left (put-pieces out @left))
                    (swap! left concat [(Arrays/copyOfRange b (int offset) (int end))])
                    (when-let [rest (put out b offset end)]
                      (reset! left [rest])))))]
    (proxy [OutputStream] []
      (write
        ([b] (if (bytes? b)
               (write b 0 (alength ^bytes b))
               (write (byte-array [(unchecked-byte (int b))]) 0 1)))
        ([b offset length] (write b offset length)))
      (flush []
        (try
          (when-not (reset! left (put-pieces out @left))
            (.flush out))
          (catch SocketTimeoutException e
            (throw e))
          (catch InterruptedIOException _ ; the stream keeps what it has not sent
            (.interrupt (Thread/currentThread)))))
      (close [] (.close out)))))

(defn- connection
  "Returns the Socket of a channel. Options act on the connection itself: the proxy's own socket is never
  opened."
  ^Socket [^SocketChannel channel]
  (if (instance? InetSocketAddress (.getLocalAddress channel))
    (.socket channel)
    (throw (UnsupportedOperationException.
             "a Unix-domain connection has no such option; see setOption and supportedOptions"))))

(defn- as-sockets-do
  "Calls f. Throws a SocketException where the connection is closed on this side: what nREPL and its middleware
  expect of a socket, and the NIO channels do not throw."
  [f]
  (try
    (f)
    (catch ClosedChannelException e
      (throw (doto (SocketException. ^String (ex-message e))
               (.addSuppressed e))))))

(defn- socket-input ^InputStream [^InputStream in]
  (input/input-stream (fn [^bytes into offset length] (as-sockets-do #(.read in into (int offset) (int length))))
    {:available #(as-sockets-do (fn [] (.available in)))
     :close #(.close in)}))

(defn- socket-output ^OutputStream [^OutputStream out]
  (proxy [OutputStream] []
    (write
      ([b] (as-sockets-do #(if (bytes? b)
                             (.write out ^bytes b)
                             (.write out (int b)))))
      ([b offset length] (as-sockets-do #(.write out ^bytes b (int offset) (int length)))))
    (flush [] (as-sockets-do #(.flush out)))
    (close [] (.close out))))

(defn for-stream
  "A java.net.Socket whose input and output are a stream's: what a transport function takes."
  ^Socket [^SocketStream s ^InputStream in ^OutputStream out]
  (let [^SocketChannel channel (.channel s)
        in (socket-input in)
        out (socket-output out)
        inet (fn ^InetSocketAddress [^SocketAddress a] (when (instance? InetSocketAddress a) a))
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
      (bind [_] (throw (SocketException. "already bound")))
      (connect
        ([_] (throw (SocketException. "already connected")))
        ([_ _] (throw (SocketException. "already connected"))))
      (sendUrgentData [n] (.sendUrgentData (connection channel) (int n)))
      (setPerformancePreferences [_ _ _])
      (getTcpNoDelay [] (.getTcpNoDelay (connection channel)))
      (setTcpNoDelay [on] (.setTcpNoDelay (connection channel) (boolean on)))
      (getKeepAlive [] (.getKeepAlive (connection channel)))
      (setKeepAlive [on] (.setKeepAlive (connection channel) (boolean on)))
      (getOOBInline [] (.getOOBInline (connection channel)))
      (setOOBInline [on] (.setOOBInline (connection channel) (boolean on)))
      (getReuseAddress [] (.getReuseAddress (connection channel)))
      (setReuseAddress [on] (.setReuseAddress (connection channel) (boolean on)))
      (getSoLinger [] (.getSoLinger (connection channel)))
      (setSoLinger [on seconds] (.setSoLinger (connection channel) (boolean on) (int seconds)))
      (getTrafficClass [] (.getTrafficClass (connection channel)))
      (setTrafficClass [n] (.setTrafficClass (connection channel) (int n)))
      (getReceiveBufferSize [] (.getReceiveBufferSize (connection channel)))
      (setReceiveBufferSize [n] (.setReceiveBufferSize (connection channel) (int n)))
      (getSendBufferSize [] (.getSendBufferSize (connection channel)))
      (setSendBufferSize [n] (.setSendBufferSize (connection channel) (int n)))
      (supportedOptions [] (.supportedOptions channel))
      (getOption [^SocketOption name] (.getOption channel name))
      (setOption [^SocketOption name x]
        (.setOption channel name x)
        this)
      (getChannel [] channel)
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
  "Returns a java.net.ServerSocket with the address of the server; closing it closes the server."
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
      (getOption [^SocketOption name] (.getOption channel name))
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
