(ns bench.async
  "Channels over many connections, beside a bare Selector loop, the same loop delivering into channels of
  core.async, and Netty's NIO transport delivering into them.

  Clients live in a second process, which stays the same: all connect, the active ones send 32 bytes, wait
  for the echo, and send again. Packets carry the time at which they were sent, which the server compares
  with that at which its consumer has the value (the bare loop: has read it). Contenders take turns, round by
  round. A figure is the better quartile of the rounds, since other work on the machine only ever makes it
  worse; :cpu is what the server's process spent on an event, which that disturbs less than the rate. Each
  turn begins with as long again to warm up; the first round is not counted. Needs 20,000 descriptors in
  each process for 9,000 connections."
  (:require
   [bench.child :as child]
   [clojure.core.async :as a]
   [clojure.string :as str]
   [parley.async :as pa]
   [parley.socket :as socket])
  (:import
   (com.sun.management OperatingSystemMXBean)
   (io.netty.util.internal PlatformDependent)
   (java.io BufferedReader InputStreamReader)
   (java.lang ProcessBuilder$Redirect)
   (java.lang.management BufferPoolMXBean ManagementFactory)
   (java.lang.ref Reference)
   (java.net InetSocketAddress StandardSocketOptions)
   (java.nio ByteBuffer)
   (java.nio.channels CancelledKeyException ClosedChannelException ClosedSelectorException SelectionKey Selector ServerSocketChannel SocketChannel)
   (java.util ArrayList Iterator)
   (java.util.concurrent CountDownLatch Executor Executors)
   (java.util.concurrent.atomic AtomicLongArray)
   (java.util.function Consumer)
   (parley.net Framing Intake Outlet Outlet$Ending SocketServer SocketStream)
   (parley.net.wait BatchingExecutor)))

(set! *warn-on-reflection* true)

(def ^:private packet 32)
(def ^:private backlog 4096)

(defn- cpu-nanos
  "What this process has spent of the processors."
  ^long []
  (.getProcessCpuTime ^OperatingSystemMXBean (ManagementFactory/getOperatingSystemMXBean)))

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

(defn- run-clients
  "Events a second, and the part of a processor that this took."
  [selector buffer seconds]
  (let [from (System/nanoTime)
        cpu (cpu-nanos)
        until (+ from (long (* (double seconds) 1e9)))]
    (loop [events 0]
      (let [now (System/nanoTime)]
        (if (neg? (- now until))
          (recur (+ events (echo-round! selector buffer)))
          (let [took (double (- now from))]
            [(Math/round (/ events (* 1e-9 took))) (/ (- (cpu-nanos) cpu) took)]))))))

(defn- open-clients [selector port n active buffer]
  (let [address (InetSocketAddress. "127.0.0.1" (int port))
        channels (vec (repeatedly n
                        #(doto (SocketChannel/open address)
                           (.setOption StandardSocketOptions/TCP_NODELAY true)
                           (.configureBlocking false))))]
    {:channels channels
     :start (delay (doseq [^SocketChannel ch (take active channels)]
                     (.register ch selector SelectionKey/OP_READ)
                     (send-packet! ch buffer)))}))

(defn client
  "Obeys lines of EDN: [:open port n active], [:run seconds], [:close]; answers each with one."
  []
  (let [buffer (ByteBuffer/allocateDirect packet)
        in (BufferedReader. (InputStreamReader. System/in))]
    (with-open [selector (Selector/open)]
      (loop [open nil]
        (when-let [[what & args] (some-> (.readLine in) read-string)]
          (recur
            (case what
              :open (let [[port n active] args
                          opened (open-clients selector port n active buffer)]
                      (prn :opened)
                      (update opened :channels into (:channels open))) ; the last ones can be active
              :run (do (force (:start open))
                       (prn (run-clients selector buffer (first args)))
                       open)
              :close (do (run! #(.close ^SocketChannel %) (:channels open))
                         (.selectNow selector)
                         (prn :closed)))))))))

(defn- start-process
  "Runs -main in a process of its own."
  [& args]
  (let [process (.start (.redirectError ^ProcessBuilder (apply child/process 'bench.async args)
                          ProcessBuilder$Redirect/INHERIT))]
    {:process process
     :from (BufferedReader. (InputStreamReader. (.getInputStream process)))}))

(defn- tell [{:keys [^Process process]} & message]
  (doto (.outputWriter process) (.write (prn-str (vec message))) (.flush)))

(defn- answer [{:keys [^BufferedReader from]}]
  (or (some-> (.readLine from) read-string)
    (throw (IllegalStateException. "a process that takes part has ended"))))

(defn- ask [client & message]
  (apply tell client message)
  (answer client))

(defn- stop-client [{:keys [^Process process]}]
  (.waitFor (.destroyForcibly process)))

;; ---- servers ------------------------------------------------------------------------------------
;; Each is a function of the histogram and the number of connections to come that answers its :port,
;; :ready, which waits for all of them, and :stop.

(defn- echo-now
  "What the bare loop does with what it has read."
  [h]
  (fn [^SocketChannel ch ^ByteBuffer buffer]
    (record! h (.getLong buffer 0))
    (.write ch buffer)))

(defn- write-back
  "False when the server was stopped. A function, since go blocks lose type hints."
  [^SocketChannel ch ^bytes packet]
  (try
    (.write ch (ByteBuffer/wrap packet))
    true
    (catch ClosedChannelException _
      false)))

(defn- echo-by-channel
  "Delivers into a channel of core.async, where a go block takes it and writes it back: what Netty's
  handler does."
  [h]
  (fn [ch]
    (let [packets (a/chan)]
      (a/go-loop []
        (when-let [^bytes packet (a/<! packets)]
          (record! h (.getLong (ByteBuffer/wrap packet)))
          (when (write-back ch packet)
            (recur))))
      (fn [_ ^ByteBuffer buffer]
        (let [packet (byte-array (.remaining buffer))]
          (.get buffer packet)
          (a/put! packets packet))))))

(defn- accept-all [^ServerSocketChannel server selector on-connection ^CountDownLatch all]
  (loop []
    (when-let [ch (.accept server)]
      (.configureBlocking ch false)
      (.setOption ch StandardSocketOptions/TCP_NODELAY true)
      (.register ch selector SelectionKey/OP_READ (on-connection ch))
      (.countDown all)
      (recur))))

(defn- selector-loop [^Selector selector ^ServerSocketChannel server on-connection all]
  (let [buffer (ByteBuffer/allocateDirect 4096)]
    (while (.isOpen selector)
      (.select selector)
      (when (.isOpen selector)
        (let [^Iterator keys (.iterator (.selectedKeys selector))]
          (while (.hasNext keys)
            (let [^SelectionKey k (.next keys)]
              (.remove keys)
              (if (.isAcceptable k)
                (accept-all server selector on-connection all)
                (let [ch ^SocketChannel (.channel k)]
                  (.clear buffer)
                  (if (neg? (.read ch buffer))
                    (.close ch)
                    ((.attachment k) ch (.flip buffer))))))))))))

(defn- selector-server [on-connection n]
  (let [server (doto (ServerSocketChannel/open)
                 (.bind (InetSocketAddress. "127.0.0.1" 0) (int backlog))
                 (.configureBlocking false))
        selector (Selector/open)
        all (CountDownLatch. n)]
    (.register server selector SelectionKey/OP_ACCEPT)
    (.start (Thread. ^Runnable (fn []
                                 (try (selector-loop selector server on-connection all)
                                      (catch ClosedSelectorException _ nil) ; stopped
                                      (catch CancelledKeyException _ nil)))
              "bench-selector"))
    {:port (.getPort ^InetSocketAddress (.getLocalAddress server))
     :ready #(.await all)
     :stop (fn []
             (doseq [^SelectionKey k (vec (.keys selector))] (.close (.channel k)))
             (.close selector))}))

(defn- bare-server [h n]
  (let [echo (echo-now h)]
    (selector-server (constantly echo) n)))

(defn- delivering-server [h n]
  (selector-server (echo-by-channel h) n))

(defn- parley-server* [echo n]
  (let [^SocketServer server (socket/socket-server 0 :interface "127.0.0.1" :backlog backlog)
        conns (pa/connections server)
        coming (a/into [] (a/take n conns))
        streams (atom nil)]
    {:port (.port server)
     :ready (fn [] (run! echo (reset! streams (a/<!! coming))))
     :stop (fn []
             (run! #(.abort ^SocketStream %) @streams)
             (.close server))}))

(defn- parley-server [h n]
  (parley-server*
    (fn [s]
      (let [chunks (pa/elements s)
            snk (pa/sink s)]
        (a/go-loop []
          (when-let [^bytes chunk (a/<! chunks)]
            (record! h (.getLong (ByteBuffer/wrap chunk)))
            (when (a/>! snk chunk)
              (recur))))))
    n))

(defonce ^:private crew (delay (BatchingExecutor. (Executors/newCachedThreadPool))))

(defn- core-server
  "Without core.async: an intake and an outlet, with functions for their results."
  [h n]
  (let [^Executor crew @crew]
    (parley-server*
      (fn [s]
        (let [chunks (Intake/elements s (Framing/chunks 65536) crew)
              outlet (Outlet. s (Framing/chunks 65536) Outlet$Ending/LEAVE_OPEN crew)
              written (volatile! nil)
              read (reify Consumer
                     (accept [_ chunk]
                       (when chunk
                         (record! h (.getLong (ByteBuffer/wrap ^bytes chunk)))
                         (.put outlet chunk ^Consumer @written))))]
          (vreset! written (reify Consumer
                             (accept [_ accepted] (when accepted (.take chunks ^Consumer read)))))
          (.take chunks ^Consumer read)))
      n)))

;; ---- memory of idle connections -----------------------------------------------------------------
;; Each contender has a process of its own, since each leaves classes, pools and garbage behind. The first
;; connections pay for what is loaded and pooled once, and are not counted.

(def ^:private uncounted 100)

(defn- holding
  "A server of Parley that keeps what `hold` makes of each accepted stream."
  [hold]
  (let [^SocketServer server (socket/socket-server 0 :interface "127.0.0.1" :backlog backlog)
        held (ArrayList.)]
    {:port (.port server)
     :more (fn [n]
             (dotimes [_ n]
               (.add held (hold (socket/socket-accept server)))))
     :held held}))

(defn- bare-idle []
  (let [server (doto (ServerSocketChannel/open)
                 (.bind (InetSocketAddress. "127.0.0.1" 0) (int backlog)))
        selector (Selector/open)]
    {:port (.getPort ^InetSocketAddress (.getLocalAddress server))
     :more (fn [n]
             (dotimes [_ n]
               (.register ^SocketChannel (doto (.accept server) (.configureBlocking false))
                 selector SelectionKey/OP_READ)))
     :held selector}))

(def ^:private idle-contenders
  "What is held -> a function that makes its server: :port, :more, which waits for n more connections."
  {"stream" #(holding identity)
   "stream with an Intake and a request"
   #(let [framing (Framing/chunks 1000)
          receiver (reify Consumer (accept [_ _]))]
      (holding (fn [s] (doto (Intake/elements s framing ^Executor @crew) (.take ^Consumer receiver)))))
   "stream with elements and a take" #(holding (fn [s] (doto (pa/elements s) (a/take! (fn [_])))))
   "Netty's channel with its pipeline" #((requiring-resolve 'bench.async-netty/idle-server))
   "bare SocketChannel with its key" bare-idle})

(defn- used-memory
  "Bytes of the heap, and of direct memory, once the heap has settled."
  []
  (let [heap #(do (System/gc)
                  (Thread/sleep 50) ; cleaners run in threads of their own
                  (.getUsed (.getHeapMemoryUsage (ManagementFactory/getMemoryMXBean))))
        direct (reduce + (for [^BufferPoolMXBean pool (ManagementFactory/getPlatformMXBeans BufferPoolMXBean)]
                           (.getMemoryUsed pool)))
        netty (PlatformDependent/usedDirectMemory)] ; of its own counter, -1 when it has none
    {:heap (loop [before (heap) tries 20]
             (let [now (heap)]
               (if (or (zero? tries) (< (abs (- (long before) (long now))) 512))
                 now
                 (recur now (dec tries)))))
     :direct (+ (long direct) (max 0 netty))}))

(defn idle
  "Obeys lines with a number: waits for that many more connections, and prints the memory that is used then."
  [contender]
  (let [{:keys [port more held]} ((idle-contenders contender))
        in (BufferedReader. (InputStreamReader. System/in))]
    (prn port)
    (loop []
      (when-let [n (some-> (.readLine in) parse-long)]
        (more n)
        (prn (used-memory))
        (recur)))
    (Reference/reachabilityFence held)))

(defn- idle-memory
  "What idle connections of a contender take: :growth, [connections bytes], and :heap and :direct, bytes of each."
  [client contender connections]
  (let [{:keys [^Process process] :as server} (start-process "idle" contender)]
    (try
      (let [port (answer server)
            grow (fn [n]
                   (.write (.outputWriter process) (str n "\n"))
                   (.flush (.outputWriter process))
                   (ask client :open port n 0)
                   (answer server))
            from (grow uncounted)
            used (mapv #(merge-with - (grow %) from) (map - connections (cons 0 connections)))
            n (double (last connections))]
        {:what contender
         :growth (mapv #(vector %1 (+ (long (:heap %2)) (long (:direct %2)))) connections used)
         :heap (/ (:heap (peek used)) n)
         :direct (/ (:direct (peek used)) n)})
      (finally
        (.waitFor (.destroyForcibly process))
        (ask client :close)))))

;; ---- one turn, all turns ------------------------------------------------------------------------

(defn- turn [client make n active seconds]
  (let [h (histogram)
        {:keys [port ready stop]} (make h n)]
    (try
      (ask client :open port n active)
      (ready)
      (ask client :run seconds)
      (clear! h)
      (let [cpu (cpu-nanos)
            [rate busy] (ask client :run seconds)
            spent (- (cpu-nanos) cpu)]
        {:rate rate
         :client busy
         :cpu (/ spent 1e3 (max 1 (* rate seconds)))
         :p50 (percentile h 0.5)
         :p99 (percentile h 0.99)})
      (finally
        (stop)
        (ask client :close)))))

(defn- contenders []
  [["bare Selector loop" bare-server]
   ["Selector loop into channels" delivering-server]
   ["Netty NIO into channels" (requiring-resolve 'bench.async-netty/server)]
   ["Intake and Outlet (Java)" core-server]
   ["elements and sink" parley-server]])

(defn- typical
  "The better quartile of the turns; of how busy the client was, neither good nor bad, the middle."
  [k turns]
  (let [sorted (sort (map (comp double k) turns))
        best-first (if (= :rate k) (reverse sorted) sorted)]
    (nth best-first (quot (count sorted) (if (= :client k) 2 4)))))

(defn- compare-all
  "A map for each contender: :rate (events a second), :cpu (microseconds of the server's for an event), :client
  (how busy the clients were), :p50 and :p99 (microseconds); :ratios has [rate cpu] beside the bare loop, by rounds."
  [client n active seconds rounds progress]
  (let [all (contenders)
        turns (vec (for [round (range (inc (long rounds)))]
                     (into {}
                       (for [[what make] (take (count all) (drop (mod round (count all)) (cycle all)))]
                         (do (progress (format "channels: %d connections, round %d, %s" n round what))
                             [what (turn client make n active seconds)])))))
        counted (subvec turns 1) ; the first warms up
        of-bare (fn [k what turn] (/ (double (get-in turn [what k])) (double (get-in turn ["bare Selector loop" k]))))]
    (vec
      (for [[what] all]
        (into {:what what
               :ratios (mapv (fn [turn] [(of-bare :rate what turn) (of-bare :cpu what turn)]) counted)}
          (map (fn [k] [k (typical k (map #(get % what) counted))]))
          [:rate :cpu :client :p50 :p99])))))

(defn run
  "Returns :rates, the contenders by numbers of connections, and :idle, the memory of connections on which nothing
  comes, by contender."
  [{:keys [connections active seconds rounds]} progress]
  (let [client (start-process "client")]
    (try
      {:idle (vec (for [contender (keys idle-contenders)]
                    (do (progress (str "channels: memory of " contender))
                        (idle-memory client contender connections))))
       :rates (vec (for [n connections]
                     {:connections n
                      :contenders (compare-all client n (min n active) seconds rounds progress)}))}
      (finally
        (stop-client client)))))

(defn -main
  "A process that takes part: of the clients, or of the connections whose memory is measured."
  [role & args]
  (case role
    "client" (client)
    "idle" (idle (first args)))
  (shutdown-agents)
  (System/exit 0))
