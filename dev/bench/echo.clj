(ns bench.echo
  "One thread that serves thousands of echo clients, by a status set and by a bare Selector. The clients
  live in a second process, since a process has only so many descriptors: `clj -M:bench -m bench.echo port n`."
  (:require
   [bench.child :as child])
  (:import
   (java.io BufferedReader Closeable InputStreamReader)
   (java.lang.management ManagementFactory)
   (java.net InetSocketAddress)
   (java.nio ByteBuffer)
   (java.nio.channels SelectionKey Selector ServerSocketChannel SocketChannel)
   (java.time Duration)
   (java.util Iterator)
   (java.util.function BiConsumer)
   (parley.net Direction ElementType ServerOptions SocketServer SocketStream StatusSet StreamOptions WaitMode)))

(set! *warn-on-reflection* true)

(def ^:private clients 9000)
(def ^:private size "Bytes of a request." 64)
(def ^:private warm-up (* 2 1000000000))
(def ^:private window (* 3 1000000000))

;; ---- the clients' process ------------------------------------------------------------------------

(defn- request! [^SelectionKey key]
  (.write ^SocketChannel (.channel key) (ByteBuffer/allocate (int size))))

(defn- answered!
  "Each client sends its next request when it has the whole answer to its last one."
  [^ByteBuffer buffer ^SelectionKey key]
  (let [got (+ (.read ^SocketChannel (.channel key) (.clear buffer)) (long (or (.attachment key) 0)))]
    (if (= got (long size))
      (do (.attach key nil) (request! key))
      (.attach key got))))

(defn -main
  "Clients of the server at `port`, for as long as the process lives."
  [port n]
  (let [selector (child/connect-all (parse-long port) (parse-long n))
        buffer (ByteBuffer/allocateDirect (int size))]
    (println "connected")
    (flush)
    (run! request! (.keys selector))
    (loop []
      (.select selector)
      (let [^Iterator keys (.iterator (.selectedKeys selector))]
        (while (.hasNext keys)
          (answered! buffer (.next keys))
          (.remove keys)))
      (recur))))

(defn- start-clients ^Process [port]
  (.start (.redirectErrorStream (child/process 'bench.echo port clients) true)))

(defn- await-connected [^Process process]
  (let [line (.readLine (BufferedReader. (InputStreamReader. (.getInputStream process))))]
    (when-not (= "connected" line)
      (throw (ex-info (str "the clients said " line) {})))))

(defn- cpu-nanos []
  (.getCurrentThreadCpuTime (ManagementFactory/getThreadMXBean)))

(defn- served
  "Requests a second while `turn` is called again and again, which returns how many it has served:
  {:wall by the clock, :cpu by the server's own processor time, which other processes do not disturb}."
  [turn]
  (let [serve (fn [nanos]
                (let [start (System/nanoTime)
                      cpu (long (cpu-nanos))]
                  (loop [n 0]
                    (let [took (- (System/nanoTime) start)]
                      (if (< took (long nanos))
                        (recur (+ n (long (turn))))
                        {:wall (/ (* 1e9 n) took)
                         :cpu (/ (* 1e9 n) (- (long (cpu-nanos)) cpu))})))))]
    (serve warm-up)
    (serve window)))

;; ---- by a status set -----------------------------------------------------------------------------

(def ^:private options
  (.build (.elementType (StreamOptions/builder) ElementType/UNSIGNED_BYTE_8)))

(defn- echo! [^SocketStream s ^bytes buffer]
  (let [n (.readBytes (.in s) buffer 0 (alength buffer) WaitMode/NO_HANG)]
    (.writeBytes (.out s) buffer 0 n WaitMode/FULL)
    (.flush (.out s))
    n))

(defn- set-turn
  "A turn of the server: everybody who has sent something is answered."
  [^StatusSet ss]
  (let [buffer (byte-array size)
        served (long-array 1)
        visitor (reify BiConsumer
                  (accept [_ s _]
                    (aset served 0 (+ (aget served 0) (long (echo! s buffer))))))
        patience (Duration/ofSeconds 10)]
    (fn []
      (aset served 0 0)
      (.forEachActionable (.check ss patience) visitor)
      (quot (aget served 0) (long size)))))

(defn- by-status-set []
  (with-open [server (SocketServer/listen (-> (ServerOptions/builder) (.host "127.0.0.1") (.backlog 1000) (.build)))
              ss (StatusSet.)]
    (let [process (start-clients (.port server))
          streams (object-array (repeatedly clients #(.accept server ^StreamOptions options)))]
      (try
        (await-connected process)
        (doseq [^SocketStream s streams]
          (.add ss s Direction/INPUT))
        (served (set-turn ss))
        (finally
          (.waitFor (.destroyForcibly process))
          (doseq [^SocketStream s streams]
            (.abort s)))))))

;; ---- by a bare Selector --------------------------------------------------------------------------

(defn- bare-turn [^Selector selector]
  (let [buffer (ByteBuffer/allocateDirect (int size))]
    (fn []
      (.select selector 10000)
      (let [^Iterator keys (.iterator (.selectedKeys selector))]
        (loop [served 0]
          (if (.hasNext keys)
            (let [^SocketChannel channel (.channel ^SelectionKey (.next keys))
                  n (.read channel (.clear buffer))]
              (.remove keys)
              (.write channel (.flip buffer))
              (recur (+ served n)))
            (quot served (long size))))))))

(defn- by-bare-selector []
  (with-open [listener (doto (ServerSocketChannel/open)
                         (.bind (InetSocketAddress. "127.0.0.1" 0) 1000))
              selector (Selector/open)]
    (let [process (start-clients (.getPort ^InetSocketAddress (.getLocalAddress listener)))
          channels (object-array (repeatedly clients #(.accept listener)))]
      (try
        (await-connected process)
        (doseq [^SocketChannel c channels]
          (.configureBlocking c false)
          (.register c selector SelectionKey/OP_READ))
        (served (bare-turn selector))
        (finally
          (.waitFor (.destroyForcibly process))
          (doseq [^Closeable c channels]
            (.close c)))))))

(defn run
  "Requests a second of both servers, {:bare {:wall :cpu} :set {:wall :cpu}}: the better of two turns each."
  []
  (let [turns (doall (for [_ (range 2)]
                       {:bare (by-bare-selector)
                        :set (by-status-set)}))
        best (fn [k]
               (apply merge-with max (map k turns)))]
    {:bare (best :bare)
     :set (best :set)}))
