(ns bench.fresh
  "Blocks of 55 KB in the first seconds of a JVM, called from Clojure, beside the streams of a Socket: a new process for each
  contender and turn, so that nothing was compiled before. The other end is a plain channel in this process."
  (:require
   [bench.child :as child]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io BufferedReader Closeable IOException InputStream InputStreamReader OutputStream)
   (java.net InetSocketAddress Socket)
   (java.nio ByteBuffer)
   (java.nio.channels ServerSocketChannel SocketChannel)))

(set! *warn-on-reflection* true)

(def ^:private block 55000)
(def ^:private seconds 2)

(defn- blocks
  "Calls f again and again, and returns how many times a second, from the first call on."
  [f]
  (let [start (System/nanoTime)
        elapsed #(/ (- (System/nanoTime) start) 1e9)]
    (loop [n 1]
      (f)
      (let [passed (double (elapsed))]
        (if (< passed (double seconds))
          (recur (inc n))
          (/ n passed))))))

(defn- parley [port direction bytes]
  (with-open [s ^Closeable (socket/socket-connect port "127.0.0.1" :element-type :unsigned-byte-8)]
    (blocks (case direction
              "in" #(stream/read-byte-sequence bytes s)
              "out" #(stream/write-byte-sequence bytes s)))))

(defn- jdk [port direction ^bytes bytes]
  (with-open [socket (Socket. "127.0.0.1" (int port))]
    (.setTcpNoDelay socket true)
    (let [in ^InputStream (.getInputStream socket)
          out ^OutputStream (.getOutputStream socket)]
      (blocks (case direction
                "in" #(.readNBytes in bytes 0 block)
                "out" #(.write out bytes))))))

(defn -main
  "The process of one contender: prints blocks a second."
  [contender port direction]
  (println (({"parley" parley
              "jdk" jdk} contender)
            (parse-long port) direction (byte-array block)))
  (shutdown-agents))

(defn- serve
  "Sends blocks to one client, or takes them, until it has closed."
  [^ServerSocketChannel server direction]
  (with-open [client (.accept server)]
    (let [buffer (ByteBuffer/allocateDirect (* 4 block))]
      (try
        (if (= direction "in")
          (while true (.write client (.clear buffer)))
          (while (<= 0 (.read client (.clear buffer)))))
        (catch IOException _
          nil))))) ; closed with bytes on their way

(defn- measure [contender direction]
  (with-open [server (.bind (ServerSocketChannel/open) (InetSocketAddress. "127.0.0.1" 0))]
    (let [port (.getPort ^InetSocketAddress (.getLocalAddress server))
          process (.start (.redirectError (child/process 'bench.fresh contender port direction)
                            java.lang.ProcessBuilder$Redirect/INHERIT))
          served (future (serve server direction))
          rate (parse-double (.readLine (BufferedReader. (InputStreamReader. (.getInputStream process)))))]
      @served
      rate)))

(defn run
  "Direction -> contender -> blocks a second, of each turn."
  [{:keys [rounds]} progress]
  (into {} (for [direction ["in" "out"]
                 :let [turns (for [round (range (inc (long rounds)))
                                   contender ["parley" "jdk"]]
                               (do
                                 (progress (str "fresh: 55 KB " direction ", round " round ", " contender))
                                 [(keyword contender) (measure contender direction)]))]]
             [(keyword direction) (update-vals (group-by first (doall turns)) #(mapv second %))])))
