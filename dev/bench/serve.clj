(ns bench.serve
  "What idle connections under `serve` cost: memory and threads, before and with 2,000 connections from
  another process. The server has a process of its own, too, since the memory of this one has grown with
  what was measured before."
  (:require
   [bench.child :as child]
   [clojure.edn :as edn]
   [clojure.string :as str]
   [parley.server :as server]
   [parley.stream :as stream])
  (:import
   (java.io BufferedReader Closeable InputStreamReader)
   (java.lang.management ManagementFactory)
   (java.nio.file Files Path)))

(set! *warn-on-reflection* true)

(def ^:private clients 2000)

(defn- echo [s]
  (loop []
    (when-let [line (stream/read-line s nil nil)]
      (stream/write-line line s)
      (stream/force-output s)
      (recur))))

(def ^:private program
  "Opens the connections, has each answered once, and ends with its input."
  (str/join "\n"
    ["import socket, sys"
     "all = []"
     "for i in range(int(sys.argv[2])):"
     "  s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
     "  s.sendall(b'hello\\n'); s.recv(100); all.append(s)"
     "print('ready', flush=True)"
     "sys.stdin.read()"]))

(defn- status [key]
  (parse-long (second (re-find (re-pattern (str key ":\\s+(\\d+)")) (str/join "\n" (Files/readAllLines (Path/of "/proc/self/status" (make-array String 0))))))))

(defn- figures []
  (dotimes [_ 3] (System/gc))
  (Thread/sleep 1000)
  {:rss-kib (status "VmRSS")
   :heap-kib (quot (.getUsed (.getHeapMemoryUsage (ManagementFactory/getMemoryMXBean))) 1024)
   :threads (status "Threads")})

(defn- measured []
  (with-open [^Closeable r (server/serve echo :backlog 1000)]
    (let [before (figures)
          child (.start (doto (ProcessBuilder. ^"[Ljava.lang.String;"
                                (into-array ["python3" "-c" program (str (:port r)) (str clients)]))
                          (.redirectError java.lang.ProcessBuilder$Redirect/INHERIT)))]
      (try
        (.readLine (BufferedReader. (InputStreamReader. (.getInputStream child))))
        (let [with (figures)]
          {:before before
           :with with
           :each (merge-with #(/ (- (double %1) (double %2)) clients) with before)})
        (finally
          (.destroy child))))))

(defn -main
  "Prints the figures."
  []
  (prn (measured))
  (shutdown-agents))

(defn run
  "Returns the figures :before, :with the connections, and of :each of them."
  [_ progress]
  (progress "serve: 2,000 connections")
  (let [server (.start ^ProcessBuilder (child/process 'bench.serve))]
    (with-open [out (java.io.PushbackReader. (InputStreamReader. (.getInputStream server)))]
      (edn/read out))))
