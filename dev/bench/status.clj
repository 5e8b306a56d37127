(ns bench.status
  "What socket-status costs, beside a bare java.nio Selector, C's poll and epoll (when gcc is there) and
  CLISP (when it is installed). Contenders take turns, and what counts is the lower quartile of the turns.
  Needs 20,000 descriptors and about two minutes."
  (:require
   [bench.echo :as echo]
   [clojure.java.io :as io]
   [clojure.java.shell :as shell]
   [clojure.string :as str]
   [parley.socket :as socket])
  (:import
   (java.io Closeable File)
   (java.net InetSocketAddress)
   (java.nio ByteBuffer)
   (java.nio.channels SelectableChannel SelectionKey Selector ServerSocketChannel SocketChannel)
   (java.nio.file Files)
   (java.nio.file.attribute FileAttribute)
   (java.time Duration)
   (java.util.function Consumer)
   (parley.net Direction Pollable SocketStatus SocketStream StatusSet StreamOptions)))

(set! *warn-on-reflection* true)

;; ---- measuring -----------------------------------------------------------------------------------

(def ^:dynamic *turns* "How many turns a contender takes." 31)

(defn- nanos-per-call [f calls]
  (let [calls (long calls)
        start (System/nanoTime)]
    (loop [i 0]
      (when (< i calls)
        (f)
        (recur (inc i))))
    (/ (double (- (System/nanoTime) start)) calls)))

(defn- lower-quartile
  "What a call costs when nobody else takes the processor: half of what is below the median."
  [xs]
  (nth (sort xs) (quot (count xs) 4)))

(defn- calls-in
  "How many calls of `f` take about so many milliseconds; calls it for as long as it takes to warm up."
  [f milliseconds]
  (let [end (+ (System/nanoTime) 400000000)]
    (loop [best Double/MAX_VALUE]
      (if (< (System/nanoTime) end)
        (recur (min best (double (nanos-per-call f 20))))
        (max 1 (long (/ (* 1e6 (double milliseconds)) best)))))))

(defn versus
  "The nanoseconds (lower quartile) of a call of each of the functions in a map; they take turns."
  [contenders]
  (let [names (keys contenders)
        calls (into {} (for [k names]
                         [k (calls-in (contenders k) 4)]))
        turns (for [_ (range *turns*)
                    k names]
                [k (nanos-per-call (contenders k) (calls k))])]
    (update-vals (group-by first (doall turns)) #(lower-quartile (map second %)))))

;; ---- a population --------------------------------------------------------------------------------

(defn- connections
  "n pairs of connected non-blocking channels over the loopback."
  [n]
  (with-open [listener (doto (ServerSocketChannel/open)
                         (.bind (InetSocketAddress. "127.0.0.1" 0) 100))]
    (let [address (.getLocalAddress listener)]
      (mapv (fn [_]
              (let [ours (SocketChannel/open address)
                    theirs (.accept listener)]
                (.configureBlocking ours false)
                [ours theirs]))
        (range n)))))

(defn- stream-of ^SocketStream [channel]
  (SocketStream/adopt channel StreamOptions/DEFAULT))

(defn- bare ^Selector [channels]
  (let [selector (Selector/open)]
    (doseq [^SelectableChannel c channels]
      (.register c selector SelectionKey/OP_READ))
    selector))

(def ^:private ignore
  (reify Consumer
    (accept [_ _])))

(defn- set-of ^StatusSet [streams]
  (let [core (StatusSet.)]
    (doseq [^Pollable s streams]
      (.add core s Direction/INPUT))
    core))

(defn- say! [^SocketChannel theirs]
  (.write theirs (ByteBuffer/wrap (.getBytes "x"))))

(defn- close-all! [pairs streams]
  (doseq [^SocketStream s streams]
    (.abort s))
  (doseq [pair pairs
          ^Closeable c pair]
    (.close c)))

;; ---- contenders outside --------------------------------------------------------------------------

(defn- installed? [program]
  (zero? (long (:exit (shell/sh "sh" "-c" (str "command -v " program))))))

(defn- compile-c
  "The compiled poll.c, or nil without a compiler."
  []
  (when (installed? "gcc")
    (let [directory (Files/createTempDirectory "parley-bench" (make-array FileAttribute 0))
          program (str (.resolve directory "poll"))
          {:keys [exit err]} (shell/sh "gcc" "-O2" "-o" program (str (io/file "dev" "bench" "poll.c")))]
      (run! #(.deleteOnExit ^File %) [(.toFile directory) (io/file program)]) ; the last of them first
      (if (zero? (long exit))
        program
        (throw (ex-info (str "gcc: " err) {}))))))

(defn- in-c
  "{:c-poll ns :c-epoll ns} of a population, or nil."
  [program n ready]
  (when program
    (let [{:keys [exit out err]} (shell/sh "sh" "-c" (str "ulimit -n 20000; exec " program " " n " " ready))]
      (if (zero? (long exit))
        (zipmap [:c-poll :c-epoll] (map parse-double (str/split (str/trim out) #" ")))
        (throw (ex-info (str "poll.c: " err) {:members n}))))))

(defn- in-clisp
  "Nanoseconds that CLISP takes for a list of 480, or nil."
  []
  (when (installed? "clisp")
    (let [{:keys [exit out err]} (shell/sh "clisp" "-q" "-norc" "-C" (str (io/file "dev" "bench" "status.lisp")))]
      (if (zero? (long exit))
        (parse-double (str/trim out))
        (throw (ex-info (str "clisp: " out err) {}))))))

;; ---- figures -------------------------------------------------------------------------------------

(defn- drain! [^SocketStream s]
  (while (<= 0 (.readCharNoHang (.in s)))))

(defn- check-population
  "Costs of one check of the first n members of which some are ready."
  [c pairs streams n ready]
  (let [pairs (subvec pairs 0 n)
        streams (subvec streams 0 n)
        selector (bare (map first pairs))
        core (set-of streams)
        view (apply socket/status-set (map #(vector % :input) streams))
        say-all! #(run! (comp say! second) (take ready pairs))]
    (try
      (say-all!)
      (while (< (.actionable (.check core Duration/ZERO)) (long ready)))
      (say-all!) ; the check has taken the first bytes into the streams' buffers
      (while (< (.selectNow selector ignore) (min 1000 (long ready))))
      (merge
        (versus {:bare #(.selectNow selector ignore)
                 :set #(.check core Duration/ZERO)
                 :clojure-set #(socket/socket-status view 0)})
        (in-c c n ready)
        {:members n
         :ready ready})
      (finally
        (.close selector)
        (.close core)
        (.close ^Closeable view)
        (run! drain! (take ready streams))))))

(defn- growth
  "Rows of 1 to 9,000 members with 0, 1 and 10 % of them ready, and one of 9,000 with one ready."
  [c]
  (let [pairs (connections 9000)
        streams (mapv (comp stream-of first) pairs)]
    (try
      (doall
        (for [[percent n ready] (concat
                                  (for [percent [0 1 10]
                                        n [1 10 100 1000 9000]
                                        :let [ready (quot (* (long n) (long percent)) 100)]
                                        :when (or (zero? (long percent)) (pos? ready))]
                                    [percent n ready])
                                  [[nil 9000 1]])]
          (assoc (check-population c pairs streams n ready) :percent percent)))
      (finally
        (close-all! pairs streams)))))

(defn- lists []
  (let [pairs (connections 480)
        channels (mapv first pairs)
        streams (mapv stream-of channels)
        inputs (mapv #(vector % :input) streams)
        objects (into-array Pollable streams)
        turned (into-array Pollable (rseq streams))
        directions (into-array Direction (repeat 480 Direction/INPUT))
        turn (volatile! false)
        other #(vswap! turn not)
        turned-inputs (vec (rseq inputs))]
    (try
      (versus {:bare-anew #(with-open [selector (bare channels)]
                             (.selectNow selector ignore))
               :list-anew #(SocketStatus/of (if (other) objects turned) directions Duration/ZERO)
               :clojure-list-anew #(socket/socket-status (if (other) inputs turned-inputs) 0)})
      (finally
        (close-all! pairs streams)))))

(defn- repeated-lists []
  (let [pairs (connections 480)
        streams (mapv (comp stream-of first) pairs)
        inputs (mapv #(vector % :input) streams)
        objects (into-array Pollable streams)
        directions (into-array Direction (repeat 480 Direction/INPUT))]
    (try
      ;; Each for itself: a thread has one list that stays registered.
      (merge
        (versus {:list #(SocketStatus/of objects directions Duration/ZERO)})
        (versus {:clojure-list #(socket/socket-status inputs 0)})
        {:clisp (in-clisp)})
      (finally
        (close-all! pairs streams)))))

(defn- singles []
  (let [[[ours _] :as pairs] (connections 1)
        s (stream-of ours)
        selector (bare [ours])]
    (try
      (versus {:bare #(.selectNow selector ignore)
               :input #(.status s Direction/INPUT Duration/ZERO)
               :io #(.status s Direction/IO Duration/ZERO)
               :clojure-io #(socket/socket-status s 0)})
      (finally
        (.close selector)
        (close-all! pairs [s])))))

(defn- used-heap []
  (dotimes [_ 4]
    (System/gc))
  (let [r (Runtime/getRuntime)]
    (- (.totalMemory r) (.freeMemory r))))

(defn- heap-per-stream
  "Bytes that an idle stream in a set takes beyond a channel with a key."
  []
  (let [n 8000
        pairs (connections n)
        selector (bare (map first pairs))
        _ (.selectNow selector ignore)
        before (long (used-heap))
        _ (.close selector)
        streams (object-array (map (comp stream-of first) pairs))
        core (set-of streams)]
    (.check core Duration/ZERO)
    (let [after (long (used-heap))]
      (.close core)
      (close-all! pairs streams)
      (/ (double (- after before)) n))))

;; ---- everything ----------------------------------------------------------------------------------

(defn run
  "Returns :single, :anew and :again (lists of 480), :rows (sets, by members), :heap and :echo; the costs are
  nanoseconds of a call. `turns` is how many each contender takes."
  [{:keys [turns]} progress]
  (binding [*turns* turns]
    (let [c (compile-c)
          step (fn [what f] (progress (str "status: " what)) (f))]
      {:single (step "one stream" singles)
       :heap (step "heap" heap-per-stream)
       :anew (step "new lists" lists)
       :again (step "the same list" repeated-lists)
       :rows (vec (step "sets" #(growth c)))
       :echo (step "echo to 9,000 clients" echo/run)})))
