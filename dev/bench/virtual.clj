(ns bench.virtual
  "1,000 connections, each with a virtual thread that echoes lines, 100 of them busy at a time: streams of Parley beside
  the reader and the writer of a Socket. Clients live in a second process. Needs JDK 25, since a virtual thread of
  an earlier one holds its carrier, or does not exist. Contenders take turns."
  (:require
   [bench.child :as child])
  (:import
   (com.sun.management OperatingSystemMXBean)
   (java.io BufferedReader BufferedWriter Closeable IOException InputStreamReader OutputStreamWriter)
   (java.lang ProcessBuilder$Redirect)
   (java.lang.management ManagementFactory)
   (java.net InetAddress ServerSocket Socket)
   (java.nio ByteBuffer)
   (java.nio.channels SelectionKey Selector SocketChannel)
   (java.util ArrayDeque Arrays Iterator Random)
   (parley.net ServerOptions SocketServer SocketStream)))

(set! *warn-on-reflection* true)

(def ^:private connections 1000)
(def ^:private busy 100)
(def ^:private ^String line "a line of text, as long as most are\n")

;; ---- the clients' process ------------------------------------------------------------------------

(defn- ask! [^SelectionKey key ^bytes request]
  (.attach key (System/nanoTime))
  (.write ^SocketChannel (.channel key) (ByteBuffer/wrap request)))

(defn- answers
  "Nanoseconds of each answer within `seconds`. A connection that was answered rests, and a random one asks."
  ^longs [^Selector selector ^ArrayDeque waiting ^Random random seconds]
  (let [request (.getBytes line)
        buffer (ByteBuffer/allocateDirect 100)
        times (long-array 10000000)
        end (+ (System/nanoTime) (long (* 1e9 (double seconds))))]
    (loop [n 0]
      (if (neg? (- (System/nanoTime) end))
        (do
          (.select selector 1000)
          (let [^Iterator keys (.iterator (.selectedKeys selector))]
            (recur
              (long
                (loop [n n]
                  (if (.hasNext keys)
                    (let [^SelectionKey key (.next keys)]
                      (.remove keys)
                      (.read ^SocketChannel (.channel key) (.clear buffer)) ; one write of the server's is read whole
                      (aset times n (- (System/nanoTime) (long (.attachment key))))
                      (.add waiting key)
                      (dotimes [_ (.nextInt random 3)]
                        (.add waiting (.poll waiting)))
                      (ask! (.poll waiting) request)
                      (recur (inc n)))
                    n))))))
        (Arrays/copyOf times (int n))))))

(defn -main
  "Clients of the server at `port`: prints a line when the time begins that counts, and the figures when it ends."
  [port seconds]
  (let [selector (child/connect-all (parse-long port) connections)
        waiting (ArrayDeque. ^java.util.Collection (.keys selector))
        random (Random. 1)
        seconds (parse-double seconds)]
    (dotimes [_ busy]
      (ask! (.poll waiting) (.getBytes line)))
    (answers selector waiting random (max 1.0 seconds))
    (println "begin")
    (let [times (doto (answers selector waiting random seconds) (Arrays/sort))
          n (alength times)]
      (prn {:rate (/ n seconds)
            :answers n
            :p50 (aget times (quot n 2))
            :p99 (aget times (quot (* 99 n) 100))}))
    (System/exit 0)))

;; ---- the servers ---------------------------------------------------------------------------------

(defn- start-virtual! [^Runnable body]
  (.invoke (.getMethod Thread "startVirtualThread" (into-array Class [Runnable])) nil (object-array [body])))

(defn- until-closed [accept echo]
  (start-virtual!
    (fn []
      (try
        (while true
          (let [connection (accept)]
            (start-virtual!
              (fn []
                (with-open [^Closeable c connection]
                  (try
                    (echo c)
                    (catch IOException _ ; the clients have ended
                      nil)))))))
        (catch Exception _ ; the server was closed
          nil)))))

(defn- echo-stream [^SocketStream s]
  (let [in (.in s)
        out (.out s)]
    (loop []
      (when-let [line (.readLine in)]
        (.writeLine out line)
        (.flush out)
        (recur)))))

(defn- echo-socket [^Socket socket]
  (.setTcpNoDelay socket true)
  (let [in (BufferedReader. (InputStreamReader. (.getInputStream socket)))
        out (BufferedWriter. (OutputStreamWriter. (.getOutputStream socket)))]
    (loop []
      (when-let [line (.readLine in)]
        (.write out line)
        (.write out "\n")
        (.flush out)
        (recur)))))

(defn- measured
  "What the clients of a server report, with :cpu, the nanoseconds of this process for an answer."
  [port seconds]
  (let [^OperatingSystemMXBean os (ManagementFactory/getOperatingSystemMXBean)
        process (.start (.redirectError (child/process 'bench.virtual port seconds) ProcessBuilder$Redirect/INHERIT))
        out (BufferedReader. (InputStreamReader. (.getInputStream process)))]
    (try
      (.readLine out)
      (let [before (.getProcessCpuTime os)
            figures (read-string (.readLine out))]
        (assoc figures :cpu (/ (double (- (.getProcessCpuTime os) before)) (long (:answers figures)))))
      (finally
        (.waitFor (.destroyForcibly process))))))

(defn- parley [seconds]
  (with-open [server (SocketServer/listen (-> (ServerOptions/builder) (.host "127.0.0.1") (.backlog 1000) (.build)))]
    (until-closed #(.accept server) echo-stream)
    (measured (.port server) seconds)))

(defn- jdk [seconds]
  (with-open [server (ServerSocket. 0 1000 (InetAddress/getLoopbackAddress))]
    (until-closed #(.accept server) echo-socket)
    (measured (.getLocalPort server) seconds)))

(defn run
  "Returns for :parley and :jdk the figures of each turn: :rate, answers a second; :cpu, nanoseconds of the server's
  processor time for an answer; :p50 and :p99, nanoseconds. nil before JDK 25."
  [{:keys [rounds seconds]} progress]
  (if (< (.feature (Runtime/version)) 25)
    (progress "virtual: left out, needs JDK 25")
    (let [turns (doall
                  (for [turn (range (* 2 (inc (long rounds))))
                        [who serve] [[:parley parley] [:jdk jdk]]]
                    (do
                      (progress (str "virtual: turn " turn ", " (name who)))
                      [who (serve (* 3 (double seconds)))])))]
      (update-vals (group-by first turns) #(mapv second (drop 1 %)))))) ; the first of each warms up
