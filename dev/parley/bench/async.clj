(ns parley.bench.async
  "Channels over many connections, beside a bare Selector loop and beside Netty's NIO transport echoing
  through core.async channels, in one run:

    java -cp bench:dev:clj-src:target/classes:$(mvn -q -Pbench dependency:build-classpath \\
        -Dmdep.outputFile=/dev/stdout) clojure.main -m parley.bench.async 9000 100 5
    clj -M:bench -m parley.bench.async [connections [active [seconds]]]

  Clients live in a second process: all connect, the active ones send 32 bytes, wait for the echo, and
  send again. Packets carry the time at which they were sent, which the server compares with that at which
  a go block has the value (the Selector loop: has read it)."
  (:require
   [clojure.core.async :as a]
   [clojure.string :as str]
   [parley.async :as pa]
   [parley.socket :as socket])
  (:import
   (java.io BufferedReader InputStreamReader)
   (java.lang ProcessBuilder$Redirect)
   (java.net InetSocketAddress StandardSocketOptions)
   (java.nio ByteBuffer)
   (java.nio.channels CancelledKeyException ClosedSelectorException SelectionKey Selector ServerSocketChannel SocketChannel)
   (java.util Iterator)
   (java.util.concurrent CountDownLatch Executor)
   (java.util.concurrent.atomic AtomicLongArray)
   (parley.net Framing Intake Receiver SocketServer SocketStream)))

(set! *warn-on-reflection* true)

(def ^:private packet 32)
(def ^:private backlog 4096)

;; ---- latencies ----------------------------------------------------------------------------------

(def ^:private buckets 200000) ; of a microsecond each

(defn histogram
  "Counts by microseconds; one for each server."
  ^AtomicLongArray []
  (AtomicLongArray. (int buckets)))

(defn record!
  "Counts a packet that was sent at `sent`."
  [^AtomicLongArray h ^long sent]
  (let [micros (quot (- (System/nanoTime) sent) 1000)]
    (.incrementAndGet h (int (max 0 (min (dec (long buckets)) micros))))))

(defn- clear! [^AtomicLongArray h]
  (dotimes [i buckets] (.set h i 0)))

(defn- percentile [^AtomicLongArray h p]
  (let [total (reduce + (map #(.get h (int %)) (range buckets)))]
    (loop [i 0 seen 0]
      (let [seen (+ seen (.get h (int i)))]
        (if (or (>= seen (* p total)) (= i (dec (long buckets)))) i (recur (inc i) seen))))))

;; ---- clients: the second process ----------------------------------------------------------------

(defn- send-packet! [^SocketChannel ch ^ByteBuffer buffer]
  (.clear buffer)
  (.putLong buffer 0 (System/nanoTime))
  (.write ch buffer))

(defn- echo-round!
  "Sends again to each that has answered; how many those were."
  ^long [^Selector selector ^ByteBuffer buffer]
  (.select selector 100)
  (let [^Iterator keys (.iterator (.selectedKeys selector))]
    (loop [n 0]
      (if (.hasNext keys)
        (let [^SelectionKey k (.next keys)
              ch ^SocketChannel (.channel k)]
          (.remove keys)
          (.clear buffer)
          (let [got (.read ch buffer)]
            (when (neg? got) (throw (java.io.EOFException. "the server hung up")))
            (if (= packet got)
              (do (send-packet! ch buffer) (recur (inc n)))
              (throw (IllegalStateException. (str "a packet of " got " bytes"))))))
        n))))

(defn client
  "Connects, then obeys: a line with seconds has it run so long and print events a second."
  [port n active]
  (let [address (InetSocketAddress. "127.0.0.1" (int (parse-long port)))
        channels (vec (repeatedly (parse-long n)
                        #(doto (SocketChannel/open address)
                           (.setOption StandardSocketOptions/TCP_NODELAY true)
                           (.configureBlocking false))))
        buffer (ByteBuffer/allocateDirect packet)
        in (BufferedReader. (InputStreamReader. System/in))]
    (println "connected")
    (with-open [selector (Selector/open)]
      (let [chosen (take (parse-long active) channels)]
        (doseq [^SocketChannel ch chosen]
          (.register ch selector SelectionKey/OP_READ))
        (loop [started false]
          (when-let [seconds (some-> (.readLine in) parse-double)]
            (when-not started
              (doseq [ch chosen] (send-packet! ch buffer)))
            (let [from (System/nanoTime)
                  until (+ from (long (* seconds 1e9)))]
              (loop [events 0]
                (let [now (System/nanoTime)]
                  (if (neg? (- now until))
                    (recur (+ events (echo-round! selector buffer)))
                    (println (Math/round (/ events (* 1e-9 (- now from)))))))))
            (recur true)))))))

(defn- start-client ^Process [port n active]
  (let [^java.util.List command [(str (System/getProperty "java.home") "/bin/java") "-XX:+UseSerialGC"
                                 "-cp" (System/getProperty "java.class.path") "clojure.main"
                                 "-m" "parley.bench.async" "client" (str port) (str n) (str active)]]
    (.start (doto (ProcessBuilder. command)
              (.redirectError ProcessBuilder$Redirect/INHERIT)))))

;; ---- servers ------------------------------------------------------------------------------------
;; Each is a function of the histogram and the number of connections to come that answers its :port,
;; :ready, which waits for all of them, and :stop.

(defn- selector-loop [^Selector selector ^ServerSocketChannel server h ^CountDownLatch all]
  (let [buffer (ByteBuffer/allocateDirect 4096)]
    (while (.isOpen selector)
      (.select selector)
      (when (.isOpen selector)
        (let [^Iterator keys (.iterator (.selectedKeys selector))]
          (while (.hasNext keys)
            (let [^SelectionKey k (.next keys)]
              (.remove keys)
              (if (.isAcceptable k)
                (loop []
                  (when-let [ch (.accept server)]
                    (.configureBlocking ch false)
                    (.setOption ch StandardSocketOptions/TCP_NODELAY true)
                    (.register ch selector SelectionKey/OP_READ)
                    (.countDown all)
                    (recur)))
                (let [ch ^SocketChannel (.channel k)]
                  (.clear buffer)
                  (if (neg? (.read ch buffer))
                    (.close ch)
                    (do
                      (.flip buffer)
                      (record! h (.getLong buffer 0))
                      (.write ch buffer))))))))))))

(defn- selector-server [h n]
  (let [server (doto (ServerSocketChannel/open)
                 (.bind (InetSocketAddress. "127.0.0.1" 0) (int backlog))
                 (.configureBlocking false))
        selector (Selector/open)
        all (CountDownLatch. n)]
    (.register server selector SelectionKey/OP_ACCEPT)
    (.start (Thread. ^Runnable (fn []
                                 (try (selector-loop selector server h all)
                                      (catch ClosedSelectorException _ nil) ; stopped
                                      (catch CancelledKeyException _ nil)))
              "bench-selector"))
    {:port (.getPort ^InetSocketAddress (.getLocalAddress server))
     :ready #(.await all)
     :stop (fn []
             (doseq [^SelectionKey k (vec (.keys selector))] (.close (.channel k)))
             (.close selector))}))

(defn- parley-echo [h s]
  (let [chunks (pa/elements s)
        snk (pa/sink s)]
    (a/go-loop []
      (when-let [chunk (a/<! chunks)]
        (record! h (.getLong (ByteBuffer/wrap ^bytes chunk)))
        (when (a/>! snk chunk)
          (recur))))))

(defn- parley-server [h n]
  (let [^SocketServer server (socket/socket-server 0 :interface "127.0.0.1" :backlog backlog)
        conns (pa/connections server)
        coming (a/into [] (a/take n conns))
        streams (atom nil)]
    {:port (.port server)
     :ready (fn [] (run! #(parley-echo h %) (reset! streams (a/<!! coming))))
     :stop (fn []
             (run! #(.abort ^SocketStream %) @streams)
             (.close server))}))

;; ---- one row ------------------------------------------------------------------------------------

(defn- ask ^long [^Process client ^BufferedReader from line]
  (doto (.outputWriter client) (.write (str line "\n")) (.flush))
  (parse-long (.readLine from)))

(defn- measure
  [what make n active seconds]
  (let [h (histogram)
        {:keys [port ready stop]} (make h n)
        client (start-client port n active)]
    (try
      (let [from (BufferedReader. (InputStreamReader. (.getInputStream client)))]
        (.readLine from)
        (ready)
        (ask client from seconds)
        (ask client from seconds)
        (clear! h)
        (let [rate (ask client from seconds)]
          {:what what
           :rate rate
           :p50 (percentile h 0.5)
           :p99 (percentile h 0.99)}))
      (finally
        (.waitFor (.destroyForcibly client))
        (stop)))))

(defn- used-heap []
  (dotimes [_ 3] (System/gc))
  (let [r (Runtime/getRuntime)]
    (- (.totalMemory r) (.freeMemory r))))

(defn- heap-each
  "Bytes of heap for each stream, for each request that waits for its elements in Java, and for each
  channel of its elements with a take that waits, core.async's part included."
  [n]
  (let [^SocketServer server (socket/socket-server 0 :interface "127.0.0.1" :backlog backlog)
        conns (pa/connections server)
        before (used-heap)
        coming (a/into [] (a/take n conns))
        client (start-client (.port server) n 0)]
    (try
      (let [streams (a/<!! coming)
            held (used-heap)
            [some others] (split-at (quot n 2) streams)
            framing (Framing/chunks 1000)
            receiver (reify Receiver (receive [_ _]))
            ^Executor executor (reify Executor (execute [_ task] (.run ^Runnable task)))
            requests (mapv #(doto (Intake/elements % framing executor) (.take receiver)) some)
            requested (used-heap)
            channels (mapv #(doto (pa/elements %) (a/take! (fn [_]))) others)
            taken (used-heap)]
        (run! #(.abort ^SocketStream %) streams)
        {:stream (quot (- held before) n)
         :request (quot (- requested held) (count requests))
         :channel (quot (- taken requested) (count channels))})
      (finally
        (.waitFor (.destroyForcibly client))
        (.close server)))))

(defn- netty-server []
  (try
    (requiring-resolve 'parley.bench.async-netty/server)
    (catch java.io.FileNotFoundException _ nil)
    (catch clojure.lang.Compiler$CompilerException e
      (println "without Netty, which is in the profile and alias bench:" (ex-message (ex-cause e))))))

(defn -main
  ([] (-main "9000" "100" "5"))
  ([n active seconds]
   (let [n (parse-long n)
         {:keys [stream request channel]} (heap-each n)]
     (println (str/join " " ["java" (System/getProperty "java.version") n "connections," active "active,"
                             seconds "s each"]))
     (printf "heap: %d bytes a stream, %d more for a request that waits, %d for a channel and a take%n"
       stream request channel)
     (flush)
     (doseq [[what make] [["Selector loop" selector-server]
                          ["Netty and channels" (netty-server)]
                          ["Parley" parley-server]
                          ["Selector loop, again" selector-server]
                          ["Netty, again" (netty-server)]
                          ["Parley, again" parley-server]]
             :when make]
       (let [{:keys [rate p50 p99]} (measure what make n active seconds)]
         (printf "%-22s %8d events/s  p50 %6d us  p99 %6d us%n" what rate p50 p99)
         (flush)))
     (shutdown-agents)))
  ([role port n active]
   (assert (= "client" role))
   (client port n active)))
