(ns bench.page
  "Makes doc/performance.md, and its plots, of the figures in doc/figures. A part that was not measured is left
  out; a figure that was not is shown as –."
  (:require
   [clojure.edn :as edn]
   [clojure.java.io :as io]
   [clojure.string :as str])
  (:import
   (java.io File)))

(set! *warn-on-reflection* true)

;; ---- numbers and tables -------------------------------------------------------------------------

(defn- measured?
  "Returns whether a figure can be one: nil stands for one that is missing, and costs are above 0."
  [x]
  (and (number? x) (Double/isFinite (double x)) (pos? (double x))))

(defn- median
  "The median of the figures that were measured; nil of none."
  [xs]
  (when-let [xs (seq (sort (filter measured? xs)))]
    (let [n (count xs)]
      (/ (+ (double (nth xs (quot n 2))) (double (nth xs (quot (dec n) 2)))) 2))))

(defn- number [x]
  (if (measured? x)
    (let [x (double x)]
      (cond
        (>= x 100) (format "%,.0f" x)
        (>= x 10) (format "%.1f" x)
        :else (format "%.2f" x)))
    "–"))

(defn- nanos [ns]
  (cond
    (not (measured? ns)) "–"
    (>= (double ns) 1e7) (str (number (/ (double ns) 1e6)) " ms")
    (>= (double ns) 1e4) (str (number (/ (double ns) 1000)) " µs")
    :else (str (number ns) " ns")))

(defn- ratio
  "nil when one of both was not measured."
  [a b]
  (when (and (measured? a) (measured? b))
    (/ (double a) (double b))))

(defn- spread
  "The median of ratios, with the lowest and the highest when there are several."
  [ratios]
  (let [ratios (filter measured? ratios)]
    (cond
      (next ratios) (format "**%.2f** (%.2f–%.2f)" (median ratios) (double (apply min ratios)) (double (apply max ratios)))
      (seq ratios) (format "**%.2f**" (double (first ratios)))
      :else "–")))

(defn- row [cells]
  (str "| " (str/join " | " cells) " |\n"))

(defn- table
  "A table whose columns stand right, but for the first and those whose heads are in `left`."
  ([head rows] (table head #{} rows))
  ([head left rows]
   (if (seq rows)
     (str (row head)
       (row (cons "---" (map #(if (left %) "---" "---:") (rest head))))
       (str/join (map row rows))
       "\n")
     "")))

(defn- plotted
  "Draws a plot of the points that were measured, and returns the text that shows it; nothing without points."
  [{:keys [directory draw!]} file alt {:keys [series] :as plot}]
  (let [series (for [[label points] series
                     :let [points (filter #(every? measured? %) points)]
                     :when (seq points)]
                 [label points])]
    (if (seq series)
      (do
        (draw! (io/file directory file) (assoc plot :series series))
        (format "<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"figures/%s-dark.svg\"><img alt=\"%s\" src=\"figures/%s-light.svg\"></picture>\n\n"
          file alt file))
      "")))

(defn- stated
  "The conditions of a part, in a sentence."
  [{:keys [setting jdk os processors load-before load-after]}]
  (format "Setting `%s`; JDK %s, %s, %d processors, load average %.1f before and %.1f after.%s\n\n"
    setting jdk os processors (double load-before) (double load-after)
    (if (> (max (double load-before) (double load-after)) (* 1.5 (double processors)))
      " **The machine was busy with other work: only the ratios count, and roughly.**" "")))

;; ---- single operations --------------------------------------------------------------------------

(def ^:private operations
  "The operations of bench.jmh, in the order of the page, and what they are called there."
  [["readChar" "read a character"]
   ["readLine" "read a line"]
   ["writeChar" "write a character"]
   ["writeLine" "write a line"]
   ["blockIn" "read 64 KiB"]
   ["blockOut" "write 64 KiB"]
   ["pingPong" "send a byte, wait for it"]
   ["single" "status of one stream"]
   ["list480" "status of a list of 480"]
   ["check" "check of a set"]])

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
                [(nanos (typical contender :cpu-ns)) (spread (versus-jdk by contender :cpu-ns))
                 (spread (versus-jdk by contender :wall-ns)) (number (typical contender :allocated))])]
    (concat [(str/join ", " (cons label (for [[k v] params]
                                          (case k
                                            :members (str v " members")
                                            :percentReady (str v " % ready")
                                            v))))
             (nanos (typical :jdk :cpu-ns)) (number (typical :jdk :allocated))]
      (cells :java) (cells :clojure))))

(defn- single-operations [_ figures]
  (table ["operation" "JDK" "bytes" "Java" "ratio" "by the clock" "bytes" "Clojure" "ratio" "by the clock" "bytes"]
    (for [[operation label] operations
          [params same] (sort-by (comp str first) (group-by :params (filter #(= operation (:operation %)) figures)))]
      (operation-row label params same))))

;; ---- status -------------------------------------------------------------------------------------

(defn- check-plot [rows]
  {:title "One check of a set, none of its members ready"
   :x "members" :y "time of a check, µs" :log-y? true
   :series (for [[k label] [[:set "status set"] [:bare "Selector.selectNow"] [:c-epoll "C, epoll_wait"] [:c-poll "C, poll"]]]
             [label (for [r rows
                          :when (= 0 (:percent r))]
                      [(:members r) (ratio (k r) 1000)])])})

(defn- versus
  "A row of a table: what, figures of Parley and of the other, and their ratio."
  [what ours label theirs show]
  (when (and (measured? ours) (measured? theirs))
    [what (show ours) (str label ": " (show theirs)) (number (ratio ours theirs))]))

(defn- status-section [page {:keys [single heap anew again rows echo]}]
  (str
    (plotted page "check" "Time of a check by the number of members" (check-plot rows))
    (table ["members" "ready" "status set" "ratio to `selectNow`" "from Clojure" "`selectNow`" "C `epoll_wait`" "C `poll`"]
      (for [{:keys [members ready bare set clojure-set c-epoll c-poll]} rows]
        [members ready (nanos set) (spread [(ratio set bare)]) (nanos clojure-set) (nanos bare) (nanos c-epoll) (nanos c-poll)]))
    (table ["what" "Parley" "beside" "ratio"]
      (remove nil?
        [(versus "status of one stream, input" (:input single) "`selectNow`" (:bare single) nanos)
         (versus "the same list of 480 again, from Clojure" (:clojure-list again) "from Java" (:list again) nanos)
         (versus "the same list of 480 again, from Java" (:list again) "CLISP" (:clisp again) nanos)
         (versus "a list of 480 that is new" (:list-anew anew) "register, select, close" (:bare-anew anew) nanos)
         (when (measured? heap)
           ["heap of an idle stream in a set, beyond channel and key" (str (number heap) " bytes") "" ""])
         (versus "echo to 9,000 clients, requests a second" (:wall (:set echo)) "bare `Selector`" (:wall (:bare echo)) number)]))))

;; ---- channels -----------------------------------------------------------------------------------

(def ^:private megabyte 1048576.0)

(defn- throughput-plot [rates]
  {:title "Echo of 32 bytes on the active connections" :x "connections" :y "events a second"
   :series (for [what (distinct (map :what (mapcat :contenders rates)))]
             [what (for [{:keys [connections contenders]} rates]
                     [connections (:rate (first (filter #(= what (:what %)) contenders)))])])})

(defn- memory-plot [idle]
  {:title "Memory of connections on which nothing comes" :x "connections" :y "heap and direct memory, MB" :log-y? true
   :series (for [{:keys [what growth]} idle]
             [what (for [[connections bytes] growth]
                     [connections (ratio bytes megabyte)])])})

(defn- channels-section [page {:keys [idle rates]}]
  (str
    (plotted page "throughput" "Events a second by the number of connections" (throughput-plot rates))
    (table ["connections" "server" "events/s" "of the bare loop" "µs of the server's for an event" "of the bare loop's" "p50 µs" "p99 µs"]
      (for [{:keys [connections contenders]} rates
            {:keys [what rate cpu p50 p99 ratios]} contenders]
        [connections what (number rate) (spread (map first ratios)) (number cpu) (spread (map second ratios)) (number p50) (number p99)]))
    (plotted page "memory" "Memory by the number of connections" (memory-plot idle))
    (table ["an idle connection" "heap, bytes" "direct memory, bytes"]
      (for [{:keys [what heap direct]} idle]
        [what (number heap) (if (measured? heap) (format "%.1f" (double direct)) "–")]))))

;; ---- connections --------------------------------------------------------------------------------

(defn- connections-section [_ {:keys [conversation evaluation]}]
  (table ["what" "Parley" "beside" "ratio"]
    (remove nil?
      [(versus "open, a line each way, close: `serve`" (:parley conversation)
         "`ServerSocket`, a thread each" (:jdk conversation) nanos)
       (versus "a form to `io-prepl` in an open session: `repl-server`" (:parley evaluation)
         "`clojure.core.server`" (:jdk evaluation) nanos)])))

;; ---- TLS ----------------------------------------------------------------------------------------

(defn- tls-section [_ {:keys [operations idle]}]
  (let [best (fn [costs k] (some->> (map #(k (costs %)) ["JDK" "NETTY"]) (filter measured?) seq (apply min)))]
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
        [(cons "of heap and direct memory" (map (comp number idle) ["PARLEY" "JDK" "NETTY"]))]))))

;; ---- virtual threads ----------------------------------------------------------------------------

(defn- virtual-section [_ {:keys [parley jdk]}]
  (table ["of 1,000 virtual threads that echo lines, 100 busy" "Parley" "`Socket`" "ratio"]
    (for [[k label show] [[:rate "answers a second" number] [:cpu "processor time of an answer" nanos]
                          [:p50 "median time of an answer" nanos] [:p99 "99th percentile" nanos]]]
      [label (show (median (map k parley))) (show (median (map k jdk))) (spread (map ratio (map k parley) (map k jdk)))])))

;; ---- the first seconds --------------------------------------------------------------------------

(def ^:private directions [[:in "receive 55 KB, called from Clojure in a new JVM"] [:out "send 55 KB, called from Clojure in a new JVM"]])

(defn- fresh-section [_ figures]
  (table ["blocks a second" "Parley" "streams of a `Socket`" "ratio"]
    (for [[direction label] directions
          :let [{:keys [parley jdk]} (figures direction)]]
      [label (number (median parley)) (number (median jdk)) (spread (map ratio parley jdk))])))

;; ---- serve --------------------------------------------------------------------------------------

(defn- serve-section [_ {:keys [each]}]
  (table ["an idle connection under `serve`" "takes"]
    [["memory of the process" (str (number (:rss-kib each)) " KiB")]
     ["of that Java's heap" (str (number (:heap-kib each)) " KiB")]
     ["threads of the system" (number (:threads each))]]))

;; ---- at a glance --------------------------------------------------------------------------------
;; A row: the work, beside what, how it compares, and ratios, each above 1 where Parley does better.

(defn- better [word ratios]
  (let [x (median ratios)]
    (cond
      (nil? x) nil
      (< 0.97 (double x) 1.03) "the same"
      (>= (double x) 1) (format "**%.2f times** %s" (double x) word)
      :else (format "%.2f times %s" (double x) word))))

(defn- operation-glance [figures [work operation params other contenders k]]
  (let [by (by-round (filter #(and (= operation (:operation %)) (= params (:params %))) figures))]
    [work other
     (str/join ", "
       (for [[contender called] contenders
             :let [compared (better "as fast" (keep #(ratio 1 %) (versus-jdk by contender k)))]
             :when compared]
         (str (when (next contenders) (str called ": ")) compared)))]))

(def ^:private both [[:java "Java"] [:clojure "Clojure"]])

(defn- jmh-glance [figures]
  (map #(operation-glance figures %)
    [["read a character" "readChar" {:text "ascii"} "`BufferedReader`" both :cpu-ns]
     ["read a line of ASCII" "readLine" {:text "ascii"} "`BufferedReader`" both :cpu-ns]
     ["read a line with accents" "readLine" {:text "accents"} "`BufferedReader`" both :cpu-ns]
     ["write a line of ASCII" "writeLine" {:text "ascii"} "`BufferedWriter`" both :cpu-ns]
     ["write a line with accents" "writeLine" {:text "accents"} "`BufferedWriter`" both :cpu-ns]
     ["read 64 KiB" "blockIn" {} "streams of a `Socket`" [[:java "Java"]] :cpu-ns]
     ["write 64 KiB" "blockOut" {} "streams of a `Socket`" [[:java "Java"]] :cpu-ns]
     ["send a byte and wait for it" "pingPong" {} "streams of a `Socket`" both :wall-ns]
     ["check a set of 9,000 with 900 ready" "check" {:members "9000" :percentReady "10"} "`selectNow` with a consumer" both :cpu-ns]]))

(defn- status-glance [{:keys [again echo]}]
  [["status of the same 480 again, from Clojure" "from Java" (better "as fast" [(ratio (:list again) (:clojure-list again))])]
   ["echo to 9,000 clients on one thread, with a status set" "a bare `Selector` loop"
    (better "the requests a second" [(ratio (:wall (:set echo)) (:wall (:bare echo)))])]])

(defn- channels-glance [{:keys [idle rates]}]
  (let [{:keys [connections contenders]} (last rates)
        ratios (fn [what] (map first (:ratios (first (filter #(= what (:what %)) contenders)))))
        ours (ratios "elements and sink")
        memory (into {} (for [{:keys [what heap direct]} idle
                              :when (and (measured? heap) direct)]
                          [what (+ (double heap) (double direct))]))]
    [[(str "`elements` and `sink`, " (number connections) " connections") "a bare `Selector` loop without channels"
      (better "the events a second" ours)]
     ["…" "a bare `Selector` loop into channels"
      (better "the events a second" (keep identity (map ratio ours (ratios "Selector loop into channels"))))]
     ["…" "Netty into channels"
      (better "the events a second" (keep identity (map ratio ours (ratios "Netty NIO into channels"))))]
     ["memory of an idle accepted stream" "Netty's channel with its pipeline"
      (when-let [part (ratio (memory "stream") (memory "Netty's channel with its pipeline"))]
        (format (if (< part 1) "**%.2f** of it" "%.2f of it") part))]]))

(defn- connections-glance [{:keys [conversation evaluation]}]
  [["a connection: open, a line each way, close" "`ServerSocket`, a thread each"
    (better "as fast" [(ratio (:jdk conversation) (:parley conversation))])]
   ["a form sent to `repl-server`" "`clojure.core.server`" (better "as fast" [(ratio (:jdk evaluation) (:parley evaluation))])]])

(defn- tls-glance [{:keys [operations idle]}]
  (concat
    (for [{:keys [label costs]} operations]
      [(str "TLS: " label) "`SSLSocket`" (better "as fast" [(ratio (:wallNanos (costs "JDK")) (:wallNanos (costs "PARLEY")))])])
    [["TLS: memory of an idle connection" "`SSLSocket`"
      (when-let [part (ratio (idle "PARLEY") (idle "JDK"))]
        (format (if (< part 1) "**%.2f** of it" "%.2f of it") part))]]))

(defn- virtual-glance [{:keys [parley jdk]}]
  [["1,000 virtual threads echo lines" "reader and writer of a `Socket`"
    (better "the answers a second" (keep identity (map ratio (map :rate parley) (map :rate jdk))))]])

(defn- fresh-glance [figures]
  (for [[direction label] directions
        :let [{:keys [parley jdk]} (figures direction)]]
    [label "streams of a `Socket`" (better "the blocks a second" (map ratio parley jdk))]))

(def ^:private glances
  [["jmh" jmh-glance] ["fresh" fresh-glance] ["status" status-glance] ["channels" channels-glance] ["connections" connections-glance]
   ["virtual" virtual-glance]
   ["tls" tls-glance]])

(defn- at-a-glance [measured]
  (str "## At a glance\n\nParley beside what would be used instead; in bold what Parley does better. Details follow.\n\n"
    (table ["work" "beside" "Parley is, or does"] #{"beside" "Parley is, or does"}
      (for [[part glance] glances
            :let [{:keys [figures]} (measured part)]
            :when figures
            [work beside compared] (glance figures)]
        [work beside (if (str/blank? compared) "not measured" compared)]))))

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
`Selector` is kept, while the list is given anew each time.

No read of Parley blocks in the kernel, so that an interrupt or a deadline can end it and leave the stream usable. When nothing has come
yet, a read therefore takes two system calls more than that of a `Socket` without a timeout: one that finds nothing, and `epoll_wait`. This
is what a ping-pong pays.\n\n"
    single-operations]
   ["fresh" "The first seconds of a JVM"
    "Blocks in a new process for each contender and turn, counted for two seconds from the first one on: here a ratio
**above 1** is Parley's advantage. Medians of the turns, and the ratios of neighbouring turns.\n\n" fresh-section]
   ["status" "Status sets and lists" "By the clock, the lower quartile of the turns.\n\n" status-section]
   ["channels" "Many connections"
    "Clients live in a second process; at most 100 connections are active. The better quartile of the rounds. For memory, a
process for each contender holds connections that a second process opened: the used heap after collections, and direct memory, less
what was used with the first 100. A `stream` is registered with no selector before a thread waits for it.\n\n" channels-section]
   ["connections" "Conversations" "By the clock, the lower quartile of the turns; clients are plain sockets.\n\n" connections-section]
   ["virtual" "Virtual threads"
    "Clients in a second process, JDK 25; the processor time is that of the server's process. Medians of the turns, and the ratios of
neighbouring turns.\n\n" virtual-section]
   ["tls" "TLS"
    "Clients in this process of an `SSLServerSocket` in another: `SSLSocket`, and Netty's `SslHandler` with the JDK's engine, which works in
its event loop. By the clock and by the processor time of all threads of the client, the lower quartile of the turns; what they allocate. The
last three columns are Parley's ratios to the better of the others.

When no other stream is open, a connection of Parley's opens two selectors: one for the thread that waits, and one in reserve for the time
when the process is out of descriptors. They take 16 µs each, which short connections one after the other feel.\n\n" tls-section]
   ["serve" "Idle connections of serve" "2,000 clients of a second process, each served once.\n\n" serve-section]])

(defn- measured
  "Part -> its conditions and figures, of the parts that were measured."
  [directory]
  (into {}
    (for [[part] sections
          :let [file (io/file directory (str part ".edn"))]
          :when (.exists ^File file)]
      [part (edn/read-string (slurp file))])))

(defn write!
  "Writes the page and the plots of what `directory` holds. `(draw! file plot)` draws a plot, as bench.plot/write!."
  [^File directory draw!]
  (let [measured (measured directory)
        page {:directory directory
              :draw! draw!}]
    (spit (io/file (.getParentFile directory) "performance.md")
      (apply str introduction (at-a-glance measured)
        (for [[part title text section] sections
              :let [{:keys [conditions figures]} (measured part)]
              :when figures]
          (str "## " title "\n\n" text (stated conditions) (section page figures)))))))
