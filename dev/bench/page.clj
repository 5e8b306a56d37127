(ns bench.page
  "Makes doc/performance.md, and its plots, of the figures in doc/figures. A part that was not measured is left out."
  (:require
   [bench.jmh :as jmh]
   [bench.plot :as plot]
   [clojure.edn :as edn]
   [clojure.java.io :as io]
   [clojure.string :as str])
  (:import
   (java.io File)))

(set! *warn-on-reflection* true)

;; ---- numbers and tables -------------------------------------------------------------------------

(defn- median [xs]
  (nth (sort xs) (quot (count xs) 2)))

(defn- number [x]
  (let [x (double x)]
    (cond
      (>= x 100) (format "%,.0f" x)
      (>= x 10) (format "%.1f" x)
      :else (format "%.2f" x))))

(defn- nanos [ns]
  (if (>= (double ns) 10000) (str (number (/ (double ns) 1000)) " µs") (str (number ns) " ns")))

(defn- ratio [a b]
  (/ (double a) (double b)))

(defn- spread
  "The median of ratios, with the lowest and the highest when there are several."
  [ratios]
  (let [of (median ratios)]
    (if (next ratios)
      (format "**%.2f** (%.2f–%.2f)" of (apply min ratios) (apply max ratios))
      (format "**%.2f**" of))))

(defn- row [cells]
  (str "| " (str/join " | " cells) " |\n"))

(defn- table [head rows]
  (str (row head) (row (cons "---" (repeat (dec (count head)) "---:"))) (str/join (map row rows)) "\n"))

(defn- picture [file alt]
  (format "<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"figures/%s-dark.svg\"><img alt=\"%s\" src=\"figures/%s-light.svg\"></picture>\n\n"
    file alt file))

(defn- stated
  "The conditions of a part, in a sentence."
  [{:keys [setting jdk os processors load-before load-after]}]
  (format "Setting `%s`; JDK %s, %s, %d processors, load average %.1f before and %.1f after.%s\n\n"
    setting jdk os processors (double load-before) (double load-after)
    (if (> (max (double load-before) (double load-after)) (* 1.5 (double processors)))
      " **The machine was busy with other work: only the ratios count, and roughly.**" "")))

;; ---- single operations --------------------------------------------------------------------------

(defn- by-round
  "Contender -> round -> figures."
  [figures]
  (update-vals (group-by :contender figures) #(into {} (map (juxt :round identity)) %)))

(defn- versus-jdk [by contender k]
  (let [jdk (:jdk by)]
    (for [[round figure] (by contender)
          :when (jdk round)]
      (ratio (k figure) (k (jdk round))))))

(defn- operation-row [label params figures]
  (let [by (by-round figures)
        typical (fn [contender k] (some->> (by contender) vals (map k) median))
        cells (fn [contender]
                (if (by contender)
                  [(nanos (typical contender :cpu-ns)) (spread (versus-jdk by contender :cpu-ns))
                   (spread (versus-jdk by contender :wall-ns)) (number (typical contender :allocated))]
                  ["–" "–" "–" "–"]))]
    (concat [(str label (when (seq params) (str ", " (str/join ", " (map (fn [[k v]] (case k
                                                                                       :members (str v " members")
                                                                                       :percentReady (str v " % ready")
                                                                                       v)) params)))))
             (nanos (typical :jdk :cpu-ns)) (number (typical :jdk :allocated))]
      (cells :java) (cells :clojure))))

(defn- single-operations [figures]
  (table ["operation" "JDK" "bytes" "Java" "ratio" "by the clock" "bytes" "Clojure" "ratio" "by the clock" "bytes"]
    (for [[operation _ label] jmh/operations
          [params same] (sort-by (comp str first) (group-by :params (filter #(= operation (:operation %)) figures)))]
      (operation-row label params same))))

;; ---- status -------------------------------------------------------------------------------------

(defn- check-plot [rows]
  {:title "One check of a set, none of its members ready"
   :x "members" :y "µs" :log-y? true
   :series (for [[k label] [[:set "status set"] [:bare "Selector.selectNow"] [:c-epoll "C, epoll_wait"] [:c-poll "C, poll"]]
                 :let [points (for [r rows
                                    :when (and (= 0 (:percent r)) (k r))]
                                [(:members r) (/ (double (k r)) 1000)])]
                 :when (seq points)]
             [label points])})

(defn- status-section [directory {:keys [single heap anew again rows echo]}]
  (plot/write! (io/file directory "check") (check-plot rows))
  (str
    (picture "check" "Time of a check by the number of members")
    (table ["members" "ready" "status set" "ratio to `selectNow`" "from Clojure" "`selectNow`" "C `epoll_wait`" "C `poll`"]
      (for [{:keys [members ready bare set clojure-set c-epoll c-poll]} rows]
        [members ready (nanos set) (format "**%.2f**" (ratio set bare)) (nanos clojure-set) (nanos bare)
         (if c-epoll (nanos c-epoll) "–") (if c-poll (nanos c-poll) "–")]))
    (table ["what" "Parley" "beside" "ratio"]
      (remove nil?
        [["status of one stream, input" (nanos (:input single)) (str "`selectNow`: " (nanos (:bare single)))
          (number (ratio (:input single) (:bare single)))]
         ["the same list of 480 again, from Clojure" (nanos (:clojure-list again)) (str "from Java: " (nanos (:list again)))
          (number (ratio (:clojure-list again) (:list again)))]
         (when (:clisp again)
           ["the same list of 480 again, from Java" (nanos (:list again)) (str "CLISP: " (nanos (:clisp again)))
            (format "%.4f" (ratio (:list again) (:clisp again)))])
         ["a list of 480 that is new" (nanos (:list-anew anew)) (str "register, select, close: " (nanos (:bare-anew anew)))
          (number (ratio (:list-anew anew) (:bare-anew anew)))]
         ["heap of an idle stream in a set, beyond channel and key" (str (number heap) " bytes") "" ""]
         ["echo to 9,000 clients, requests a second" (number (:wall (:set echo))) (str "bare `Selector`: " (number (:wall (:bare echo))))
          (number (ratio (:wall (:set echo)) (:wall (:bare echo))))]]))))

;; ---- channels -----------------------------------------------------------------------------------

(def ^:private megabyte 1048576.0)

(defn- channels-section [directory {:keys [heap rates]}]
  (plot/write! (io/file directory "throughput")
    {:title "Echo of 32 bytes on the active connections" :x "connections" :y "events a second"
     :series (for [what (map :what (:contenders (first rates)))]
               [what (for [{:keys [connections contenders]} rates]
                       [connections (:rate (first (filter #(= what (:what %)) contenders)))])])})
  (plot/write! (io/file directory "memory")
    {:title "Heap of connections that wait for input" :x "connections" :y "MB"
     :series (for [[label f] [["stream of Parley" :stream] ["channel of Netty" :netty]
                              ["stream with elements and a take" #(+ (double (:stream %)) (double (:channel %)))]]]
               [label (for [h heap] [(:connections h) (/ (* (long (:connections h)) (double (f h))) megabyte)])])})
  (str
    (picture "throughput" "Events a second by the number of connections")
    (table ["connections" "server" "events/s" "of the bare loop" "µs of the server's for an event" "of the bare loop's" "p50 µs" "p99 µs"]
      (for [{:keys [connections contenders]} rates
            {:keys [what rate cpu p50 p99 ratios]} contenders]
        [connections what (number rate) (spread (map first ratios)) (number cpu) (spread (map second ratios)) p50 p99]))
    (picture "memory" "Heap by the number of connections")
    (table ["connections" "stream, bytes each" "Netty's channel" "`Intake` with a request, beyond the stream"
            "`elements` with a take, beyond the stream" "a bare channel's key"]
      (for [{:keys [connections stream netty request channel nio]} heap]
        (cons connections (map number [stream netty request channel nio]))))))

;; ---- connections --------------------------------------------------------------------------------

(defn- connections-section [_ {:keys [conversation evaluation]}]
  (table ["what" "Parley" "beside" "ratio"]
    [["open, a line each way, close: `serve`" (nanos (:parley conversation))
      (str "`ServerSocket`, a thread each: " (nanos (:jdk conversation))) (number (ratio (:parley conversation) (:jdk conversation)))]
     ["" "" (str "Netty, one event loop: " (nanos (:netty conversation))) (number (ratio (:parley conversation) (:netty conversation)))]
     ["a form to `io-prepl` in an open session: `repl-server`" (nanos (:parley evaluation))
      (str "`clojure.core.server`: " (nanos (:jdk evaluation))) (number (ratio (:parley evaluation) (:jdk evaluation)))]]))

;; ---- TLS ----------------------------------------------------------------------------------------

(defn- tls-section [_ {:keys [operations idle]}]
  (let [best (fn [costs k] (min (double (k (costs "JDK"))) (double (k (costs "NETTY")))))]
    (str
      (table ["operation" "Parley" "processor" "bytes" "SSLSocket" "processor" "bytes" "Netty" "processor" "bytes" "clock" "processor" "bytes"]
        (for [{:keys [label costs]} operations]
          (concat [label]
            (mapcat (fn [who]
                      (let [{:keys [wallNanos cpuNanos allocated]} (costs who)]
                        [(nanos wallNanos) (nanos cpuNanos) (number allocated)]))
              ["PARLEY" "JDK" "NETTY"])
            (for [k [:wallNanos :cpuNanos :allocated]]
              (number (ratio (k (costs "PARLEY")) (best costs k)))))))
      (table ["an idle connection, bytes" "Parley" "SSLSocket" "Netty"]
        [(cons "of heap" (map (comp number idle) ["PARLEY" "JDK" "NETTY"]))]))))

;; ---- serve --------------------------------------------------------------------------------------

(defn- serve-section [_ {:keys [each]}]
  (table ["an idle connection under `serve`" "takes"]
    [["memory of the process" (str (number (:rss-kib each)) " KiB")]
     ["of that Java's heap" (str (number (:heap-kib each)) " KiB")]
     ["threads of the system" (number (:threads each))]]))

;; ---- the page -----------------------------------------------------------------------------------

(def ^:private introduction
  "# Performance

Made by `mvn -q -Pbench compile exec:exec` of the figures in `doc/figures`: change `dev/bench/page.clj`, not this page. The same
with `-Dbench.args=\"quick\"` takes a few minutes, with `-Dbench.args=\"jmh:readChar page\"` it measures some operations.

Every figure stands beside that of what would be used instead, measured in the same run, in turns. Ratios of time, processor time
and memory are Parley's over the other's: **below 1 Parley is cheaper**. In parentheses are the lowest and the highest of the rounds.

")

(def ^:private sections
  [["jmh" "Single operations"
    "JMH starts a new JVM for each contender in each round. Beside `BufferedReader`, `BufferedWriter` and the streams of a `Socket`, over
loopback TCP, and `Selector.selectNow` with a consumer. Times and the first ratio are the processor time of the calling thread, kernel
included; the second ratio is by the clock. Bytes are what an operation allocates. For a ping-pong the clock counts. For 480 streams the
`Selector` is kept, while the list is given anew each time.\n\n"
    (fn [_ figures] (single-operations figures))]
   ["status" "Status sets and lists" "By the clock, the lower quartile of the turns.\n\n" status-section]
   ["channels" "Many connections"
    "Clients live in a second process; at most 100 connections are active. The better quartile of the rounds.\n\n" channels-section]
   ["connections" "Conversations" "By the clock, the lower quartile of the turns; clients are plain sockets.\n\n" connections-section]
   ["tls" "TLS"
    "Clients in this process of an `SSLServerSocket` in another: `SSLSocket`, and Netty's `SslHandler` with the JDK's engine, which works in
its event loop. By the clock and by the processor time of all threads of the client, the lower quartile of the turns; what they allocate. The
last three columns are Parley's ratios to the better of the others.\n\n" tls-section]
   ["serve" "Idle connections of serve" "2,000 clients of a second process, each served once.\n\n" serve-section]])

(defn write!
  "Writes the page and the plots of what `directory` holds."
  [^File directory]
  (spit (io/file (.getParentFile directory) "performance.md")
    (apply str introduction
      (for [[part title text section] sections
            :let [file (io/file directory (str part ".edn"))]
            :when (.exists file)
            :let [{:keys [conditions figures]} (edn/read-string (slurp file))]]
        (str "## " title "\n\n" text (stated conditions) (section directory figures))))))
