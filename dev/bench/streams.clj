(ns bench.streams
  "How fast streams are, beside java.net.Socket with the buffers of java.io, in one run:

    mvn -q -Pbench compile exec:exec -Dbench.main=bench.streams
    mvn -q -Pbench compile exec:exec -Dbench.main=bench.streams -Dbench.parts='5 7 4 make-stream'
    clj -M:bench -m bench.streams [connections [rounds [warm-up-rounds [rows]]]]

  Each row is measured over several connections, since how the scheduler places the two ends of one is good
  for a factor of two, and over each in rounds that take turns between the two; shown are the medians. The other end
  of every connection is a plain blocking channel, in a thread of this process. The rows of make-stream
  have a stream over a handle on the right and a socket stream on the left."
  (:require
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io BufferedOutputStream BufferedReader BufferedWriter Closeable InputStreamReader OutputStreamWriter)
   (java.net InetAddress InetSocketAddress Socket)
   (java.nio ByteBuffer)
   (java.nio.channels ClosedChannelException ServerSocketChannel SocketChannel)
   (java.nio.charset StandardCharsets)
   (java.util Arrays)
   (parley.net SocketStream WaitMode)))

(set! *warn-on-reflection* true)

;; ---- connections --------------------------------------------------------------------------------

(defn- in-background [^String name f]
  (doto (Thread. ^Runnable f name)
    (.setDaemon true)
    (.start)))

(defn- ending-with-the-connection [f]
  (try (f)
       (catch java.io.IOException e
         (when-not (or (instance? ClosedChannelException e)
                     (re-find #"(?i)broken pipe|reset" (str (.getMessage e))))
           (throw e)))))

(defn- connected
  "Calls `(f port)` for a client, whose other end `peer` gets as a blocking channel, in a thread."
  [peer f]
  (with-open [server (.bind (ServerSocketChannel/open)
                       (InetSocketAddress. (InetAddress/getLoopbackAddress) 0))]
    (let [port (.getPort ^InetSocketAddress (.getLocalAddress server))
          client (f port)
          channel (.accept server)]
      (.setOption channel java.net.StandardSocketOptions/TCP_NODELAY true)
      (in-background "parley-bench-peer"
        #(with-open [channel channel]
           (ending-with-the-connection (fn [] (peer channel)))))
      client)))

(defn- sender
  "A peer that sends a block again and again."
  [^bytes block]
  (fn [^SocketChannel channel]
    (let [buffer (doto (ByteBuffer/allocateDirect (alength block))
                   (.put block))]
      (while true
        (.clear buffer)
        (.write channel buffer)))))

(defn- sink
  "A peer that reads whatever comes."
  [^SocketChannel channel]
  (let [buffer (ByteBuffer/allocateDirect 262144)]
    (while (<= 0 (.read channel (.clear buffer))))))

(defn- echo
  "A peer that sends every byte back."
  [^SocketChannel channel]
  (let [buffer (ByteBuffer/allocateDirect 64)]
    (while (<= 0 (.read channel (.clear buffer)))
      (.write channel (.flip buffer)))))

(defn- plain ^Socket [port]
  (doto (Socket. (InetAddress/getLoopbackAddress) (int port))
    (.setTcpNoDelay true)))

(defn- parleys ^SocketStream [port & opts]
  (apply socket/socket-connect port "127.0.0.1" opts))

;; ---- what is measured ---------------------------------------------------------------------------

(defn- line-block ^bytes [^String line]
  (String/.getBytes (apply str (repeat 4096 (str line "\n"))) StandardCharsets/UTF_8))

(def ^:private ascii-line "GET /index/of/things?page=1024&order=ascending HTTP 11")
(def ^:private accented-line "Grüße aus Köln: naïve façade, señor, 12 € für 3 Stück")

(defn- seconds [f]
  (let [began (System/nanoTime)]
    (f)
    (/ (- (System/nanoTime) began) 1e9)))

(defn- rate [n f]
  (/ n (double (seconds f))))

(defn- lines-plain [port n]
  (let [socket (plain port)
        reader (BufferedReader. (InputStreamReader. (.getInputStream socket) StandardCharsets/UTF_8))]
    [socket #(rate n (fn [] (dotimes [_ n] (.readLine reader))))]))

(defn- lines-parley [port n]
  (let [s (parleys port)
        in (.in s)]
    [s #(rate n (fn [] (dotimes [_ n] (.readLine in))))]))

(defn- lines-clojure [port n]
  (let [s (parleys port)]
    [s #(rate n (fn [] (dotimes [_ n] (stream/read-line s))))]))

(defn- chars-plain [port n]
  (let [socket (plain port)
        reader (BufferedReader. (InputStreamReader. (.getInputStream socket) StandardCharsets/UTF_8))]
    [socket #(rate n (fn [] (dotimes [_ n] (.read reader))))]))

(defn- chars-parley [port n]
  (let [s (parleys port)
        in (.in s)]
    [s #(rate n (fn [] (dotimes [_ n] (.readChar in))))]))

(defn- chars-clojure [port n]
  (let [s (parleys port)]
    [s #(rate n (fn [] (dotimes [_ n] (stream/read-char s))))]))

(def ^:private block-size 65536)

(defn- blocks-in-plain [port n]
  (let [socket (plain port)
        in (.getInputStream socket)
        block (byte-array block-size)]
    [socket #(rate (* n block-size) (fn [] (dotimes [_ n] (.readNBytes in block 0 block-size))))]))

(defn- over-handle
  "A stream over the handle of a socket stream, instead of that."
  ^SocketStream [^SocketStream s & opts]
  (with-open [s s]
    (apply stream/make-stream (first (socket/stream-handles s)) opts)))

(defn- blocks-in [^SocketStream s n]
  (let [in (.in s)
        block (byte-array block-size)]
    [s #(rate (* n block-size)
          (fn [] (dotimes [_ n] (.readBytes in block 0 block-size WaitMode/FULL))))]))

(defn- blocks-in-parley [port n]
  (blocks-in (parleys port :element-type :unsigned-byte-8) n))

(defn- blocks-in-handle [port n]
  (blocks-in (over-handle (parleys port) :element-type :unsigned-byte-8) n))

(defn- blocks-out-plain [port n]
  (let [socket (plain port)
        out (BufferedOutputStream. (.getOutputStream socket))
        block (byte-array block-size)]
    [socket #(rate (* n block-size) (fn [] (dotimes [_ n] (.write out block 0 block-size)) (.flush out)))]))

(defn- blocks-out [^SocketStream s n]
  (let [out (.out s)
        block (byte-array block-size)]
    [s #(rate (* n block-size)
          (fn []
            (dotimes [_ n] (.writeBytes out block 0 block-size WaitMode/FULL))
            (.flush out)))]))

(defn- blocks-out-parley [port n]
  (blocks-out (parleys port :element-type :unsigned-byte-8) n))

(defn- blocks-out-handle [port n]
  (blocks-out (over-handle (parleys port) :element-type :unsigned-byte-8) n))

(defn- lines-handle [port n]
  (let [s (over-handle (parleys port))
        in (.in s)]
    [s #(rate n (fn [] (dotimes [_ n] (.readLine in))))]))

(defn- lines-out-plain [port n]
  (let [socket (plain port)
        writer (BufferedWriter. (OutputStreamWriter. (.getOutputStream socket) StandardCharsets/UTF_8))]
    [socket #(rate n (fn []
                       (dotimes [_ n] (.write writer ^String ascii-line) (.write writer 10))
                       (.flush writer)))]))

(defn- lines-out-parley [port n]
  (let [s (parleys port)
        out (.out s)]
    [s #(rate n (fn [] (dotimes [_ n] (.writeLine out ascii-line)) (.flush out)))]))

(defn- chars-out-plain [port n]
  (let [socket (plain port)
        writer (BufferedWriter. (OutputStreamWriter. (.getOutputStream socket) StandardCharsets/UTF_8))]
    [socket #(rate n (fn [] (dotimes [_ n] (.write writer 97)) (.flush writer)))]))

(defn- chars-out-parley [port n]
  (let [s (parleys port)
        out (.out s)]
    [s #(rate n (fn [] (dotimes [_ n] (.writeChar out 97)) (.flush out)))]))

(defn- chars-out-clojure [port n]
  (let [s (parleys port)]
    [s #(rate n (fn [] (dotimes [_ n] (stream/write-char \a s)) (stream/finish-output s)))]))

(defn- median ^double [xs]
  (let [sorted (double-array xs)]
    (Arrays/sort sorted)
    (aget sorted (quot (alength sorted) 2))))

(defn- round-trips
  "One over the median time of a round trip."
  [n trip]
  (let [times (double-array n)]
    (dotimes [i n]
      (let [began (System/nanoTime)]
        (trip)
        (aset times i (double (- (System/nanoTime) began)))))
    (/ 1e9 (median times))))

(defn- ping-pong-plain [port n]
  (let [socket (plain port)
        in (.getInputStream socket)
        out (.getOutputStream socket)]
    [socket #(round-trips n (fn [] (.write out 1) (.read in)))]))

(defn- ping-pong-parley [port n]
  (let [s (parleys port :element-type :unsigned-byte-8 :buffered nil)
        in (.in s)
        out (.out s)]
    [s #(round-trips n (fn [] (.writeByte out 1) (.readByte in)))]))

(defn- ping-pong-handle [port n]
  (let [s (over-handle (parleys port) :element-type :unsigned-byte-8 :buffered nil)
        in (.in s)
        out (.out s)]
    [s #(round-trips n (fn [] (.writeByte out 1) (.readByte in)))]))

(def ^:private rows
  ;; what, peer, operations in a round, unit, the plain way, Parley's
  [["read-line, ASCII" (sender (line-block ascii-line)) 500000 "lines/s" lines-plain lines-parley]
   ["read-line, accents" (sender (line-block accented-line)) 400000 "lines/s" lines-plain lines-parley]
   ["  from Clojure, ASCII" (sender (line-block ascii-line)) 500000 "lines/s" lines-plain lines-clojure]
   ["read-char" (sender (line-block ascii-line)) 8000000 "chars/s" chars-plain chars-parley]
   ["  from Clojure" (sender (line-block ascii-line)) 8000000 "chars/s" chars-plain chars-clojure]
   ["64 KiB blocks in" (sender (byte-array 262144)) 4000 "bytes/s" blocks-in-plain blocks-in-parley]
   ["64 KiB blocks out" sink 4000 "bytes/s" blocks-out-plain blocks-out-parley]
   ["write-line, ASCII" sink 500000 "lines/s" lines-out-plain lines-out-parley]
   ["write-char" sink 8000000 "chars/s" chars-out-plain chars-out-parley]
   ["  from Clojure" sink 8000000 "chars/s" chars-out-plain chars-out-clojure]
   ["1-byte ping-pong" echo 10000 "1/median" ping-pong-plain ping-pong-parley]
   ["make-stream blocks in" (sender (byte-array 262144)) 4000 "bytes/s" blocks-in-parley blocks-in-handle]
   ["make-stream blocks out" sink 4000 "bytes/s" blocks-out-parley blocks-out-handle]
   ["make-stream read-line" (sender (line-block ascii-line)) 500000 "lines/s" lines-parley lines-handle]
   ["make-stream ping-pong" echo 10000 "1/median" ping-pong-parley ping-pong-handle]])

(defn- measured
  "[plain parley] of each round over connections of their own. Who begins changes with the rounds, since
  whoever comes second finds the other's sink still busy."
  [[_ peer n _ make-plain make-parley] rounds]
  (let [[^Closeable a plain-round] (connected peer #(make-plain % n))
        [^Closeable b parley-round] (connected peer #(make-parley % n))]
    (try
      (mapv (fn [round]
              (if (even? round)
                [(plain-round) (parley-round)]
                (let [q (parley-round)]
                  [(plain-round) q])))
        (range rounds))
      (finally
        (.close a)
        (.abort ^SocketStream b)))))

(defn- compare-row [[what _ _ unit :as row] connections rounds warm-up]
  (let [pairs (doall (mapcat (fn [_] (drop warm-up (measured row (+ warm-up rounds)))) (range connections)))
        [p q] (map median (apply map vector pairs))]
    (println (format "%-24s %14.0f %14.0f  %-9s %5.2f" what p q unit (/ q p)))
    (flush)))

(defn -main
  "Prints a row for each way of reading and writing."
  [& [connections rounds warm-up pattern]]
  (println (format "%-24s %14s %14s  %-9s %5s" "" "java.io" "Parley" "" "ratio"))
  (doseq [row rows
          :when (re-find (re-pattern (or pattern "")) (first row))]
    (compare-row row (parse-long (or connections "5")) (parse-long (or rounds "7")) (parse-long (or warm-up "4")))))
