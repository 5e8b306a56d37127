(ns parley.async-elements-test
  "Elements, connections and sinks as channels of core.async, and what they cost."
  (:require
   [clojure.core.async :as a]
   [clojure.edn :as edn]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as prop]
   [parley.async :as pa]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.async-pairs :refer [nothing-left-open reset-connection send-bytes send-text the-reactor-goes warmed-up with-pair]]
   [parley.testing.channels :refer [later long-enough taken watches]]
   [parley.testing.random :as random])
  (:import
   (java.io IOException)
   (java.nio ByteBuffer)
   (java.time Duration)
   (java.util Arrays)
   (java.util.concurrent.atomic AtomicLong)
   (parley.net Framing$FramingException SocketStream)
   (parley.testing Await Blocked Task Threads)))

(set! *warn-on-reflection* true)

(use-fixtures :once warmed-up the-reactor-goes)

(use-fixtures :each nothing-left-open)

;; ---- connections --------------------------------------------------------------------------------

(deftest connections-are-accepted-as-they-are-taken
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1" :backlog 50)]
    (let [conns (pa/connections server {:element-type :byte})
          waiting (later conns)]
      (with-open [c (socket/socket-connect (.port server) "127.0.0.1")
                  ^SocketStream s (taken waiting)]
        (is (= :unsigned-byte-8 (stream/stream-element-type s)))
        (is (= :character (stream/stream-element-type c))))
      (with-open [_ (socket/socket-connect (.port server) "127.0.0.1")]
        (is (socket/socket-wait server 5))
        (is (= 0 (watches)) "nobody takes: the backlog is the queue")
        (a/close! conns)
        (is (nil? (taken conns)))
        (with-open [s (socket/socket-accept server :timeout 5)]
          (is (stream/open-stream? s) "the server is open and has its client"))))))

(deftest closing-the-server-closes-connections
  (let [server (socket/socket-server 0 :interface "127.0.0.1")
        conns (pa/connections server)
        waiting (later conns)]
    (socket/socket-server-close server)
    (is (= :closed (taken waiting)))
    (is (nil? (pa/channel-error conns)))
    (is (thrown-with-msg? IllegalStateException #"^connections: .*closed" (pa/connections server)))))

;; ---- elements -----------------------------------------------------------------------------------

(deftest elements-of-each-kind
  (with-pair [x y]
    (let [chunks (pa/elements y)]
      (send-bytes x (byte-array [1 2 3]))
      (is (= [1 2 3] (vec (taken chunks)))))
    (let [lines (pa/elements y :as :line)]
      (send-text x "unix\ndos\r\nmac\rempty:\n\nsnowman \u2603\n")
      (is (= ["unix" "dos" "mac" "empty:" "" "snowman \u2603"]
             (vec (repeatedly 6 #(taken lines))))))
    (let [frames (pa/elements y {:as :frame :length-bytes 2 :endianness :little})]
      (send-bytes x (byte-array [3 0 7 8 9 0 0 1 0 5]))
      (is (= [[7 8 9] [] [5]] (vec (repeatedly 3 #(vec (taken frames)))))))
    (let [forms (pa/elements y {:as :edn :readers {'double #(* 2 %)}})]
      (send-text x "{:a [1 \"x ) y\"]} ; comment )\n#_(ignored) #{:s} \\( nil #double 21 ^:m [] last")
      (is (= [{:a [1 "x ) y"]} #{:s} \( ::pa/nil 42 []] (vec (repeatedly 6 #(taken forms)))))
      (is (= :nothing (taken forms 20)) "a symbol may go on")
      (stream/close x)
      (is (= ['last nil] [(taken forms) (taken forms)]))
      (is (nil? (pa/channel-error forms))))))

(deftest the-last-line-needs-no-end-and-other-elements-do
  (with-pair [x y]
    (send-text x "unfinished")
    (stream/close x)
    (let [lines (pa/elements y :line)]
      (is (= ["unfinished" nil] [(taken lines) (taken lines)]))
      (is (nil? (pa/channel-error lines)))))
  (doseq [[as text] {:frame "\u0000\u0000\u0000\u0005abc"
                     :edn "(1 2"}]
    (with-pair [x y]
      (send-text x text)
      (stream/close x)
      (let [ch (pa/elements y as)]
        (is (nil? (taken ch)))
        (is (instance? Framing$FramingException (pa/channel-error ch)))
        (is (re-find #"ended within a f(rame|orm)" (ex-message (pa/channel-error ch))))
        (is (= text (stream/read-line y)) "the bytes are still in the stream")))))

(deftest elements-that-are-too-long-or-malformed-close-the-channel-with-the-cause-and-stay-readable
  (doseq [[opts text pattern] [[{:as :line
                                 :max-size 5} "123456\n" #"a line of .* expected at most 5"]
                               [{:as :frame
                                 :length-bytes 1
                                 :max-size 5} "\u0006abcdef" #"a frame announces 6 bytes"]
                               [{:as :edn
                                 :max-size 5} "[1 2 3]" #"a form of .* expected at most 5"]
                               [{:as :edn} "[1 2)" #"a form is malformed"]
                               [{:as :edn} ")" #"a form is malformed"]
                               [{:as :edn} "#unknown 1 " #"a form is malformed: No reader function"]
                               [{:as :edn} "#=(System/exit 1) " #"a form is malformed"]
                               [{:as :edn} (apply str (repeat 2000 "[")) #"nested deeper than"]]]
    (with-pair [x y]
      (with-pair [u v]
        (let [ch (pa/elements y opts)
              waiting (later ch)
              others (pa/elements v :line)]
          (send-text x text)
          (is (= :closed (taken waiting)))
          (is (re-find pattern (str (ex-message (pa/channel-error ch)))))
          (stream/close x)
          (is (= (str/trim-newline text) (stream/read-line y)))
          (send-text u "the rest goes on\n")
          (is (= "the rest goes on" (taken others))))))))

(deftest a-line-of-what-is-no-text-is-a-malformed-element
  (with-pair [x y]
    (let [lines (pa/elements y :line)
          waiting (later lines)]
      (send-bytes x (byte-array [97 -1 98 10]))
      (is (= :closed (taken waiting)))
      (is (instance? Framing$FramingException (pa/channel-error lines)))
      (is (re-find #"^elements: a line is malformed: at offset 1 " (ex-message (pa/channel-error lines))))
      (is (= [97 -1 98 10] (vec (taken (pa/elements y)))) "nothing was consumed"))))

(deftest the-maximum-size-of-a-line-is-in-bytes-whatever-the-charset-and-the-splitting
  (doseq [split? [true false]
          [charset width] {:utf-8 1
                           :utf-16be 2}
          n [4 5 6 10 11]
          :let [line (apply str (repeat n "a"))]]
    (testing [split? charset n]
      (with-pair [x y]
        (doseq [s [x y]]
          (stream/set-stream-external-format! s charset))
        (let [lines (pa/elements y {:as :line
                                    :max-size 10})
              waiting (later lines)]
          (send-text x line)
          (when split?
            (a/poll! lines))
          (send-text x "\n")
          (if (<= (* width n) 10)
            (is (= line (taken waiting)))
            (do
              (is (= :closed (taken waiting)))
              (is (instance? Framing$FramingException (pa/channel-error lines)))
              (is (re-find #"^elements: a line of .* expected at most 10" (ex-message (pa/channel-error lines))))
              (is (= line (stream/read-line y)) "nothing was consumed"))))))))

(deftest elements-may-have-exactly-the-maximum-size
  (with-pair [x y]
    (send-text x "12345\n")
    (is (= "12345" (taken (pa/elements y {:as :line
                                          :max-size 5}))))
    (send-text x "[1 2] ")
    (is (= [1 2] (taken (pa/elements y {:as :edn
                                        :max-size 5}))))
    (is (= " " (str (stream/read-char y))))
    (send-bytes x (byte-array [2 1 2]))
    (is (= [1 2] (vec (taken (pa/elements y {:as :frame
                                             :length-bytes 1
                                             :max-size 2})))))))

(deftest what-a-cancelled-elements-had-read-is-still-in-the-stream
  (with-pair [x y]
    (let [forms (pa/elements y :edn)
          waiting (later forms)]
      (send-text x "[1 2] {:half")
      (is (= [1 2] (taken waiting)))
      (let [waiting (later forms)]
        (is (= :nothing (taken waiting 20)))
        (a/close! forms)
        (is (= :closed (taken waiting))))
      (send-text x " 1}\nnext\n")
      (is (= {:half 1} (edn/read-string (stream/read-line y))))
      (is (= "next" (taken (pa/elements y :line)))))))

;; ---- any splitting gives the same elements ------------------------------------------------------

(def ^:private gen-line
  (gen/fmap #(str/replace % #"[\r\n]" "") gen/string))

(def ^:private gen-form
  (gen/such-that #(= % (try (edn/read-string (pr-str %)) (catch Exception _ ::bad)))
    (gen/recursive-gen
      (fn [inner] (gen/one-of [(gen/vector inner 0 3)
                               (gen/map gen/keyword inner {:max-elements 3})
                               (gen/set gen/large-integer {:max-elements 3})]))
      (gen/one-of [gen/large-integer gen/string gen/keyword gen/symbol gen/boolean gen/char-alphanumeric
                   gen/ratio]))
    100))

(defn- pieces
  [^bytes bytes cuts]
  (let [points (distinct (sort (concat [0 (alength bytes)] (map #(mod % (inc (alength bytes))) cuts))))]
    (map (fn [[from to]] (Arrays/copyOfRange bytes (int from) (int to))) (partition 2 1 points))))

(defn- arrived
  "What comes of bytes that arrive in pieces, each looked at before the next is sent; on
  loopback it is there by then."
  [opts pieces]
  (let [result (volatile! nil)]
    (with-pair [x y]
      (let [ch (pa/elements y opts)
            early (reduce (fn [found piece]
                            (send-bytes x piece)
                            (into found (take-while some? (repeatedly #(a/poll! ch)))))
                    [] pieces)]
        (stream/close x)
        (vreset! result [(into early (take-while some? (repeatedly #(taken ch)))) (pa/channel-error ch)])))
    @result))

(defn- one-of
  "A choice among options that depends on x only."
  [options x]
  (nth options (mod (hash x) (count options))))

(defn- same-however-split
  [gen-element opts encode normal]
  (random/holds 60
    (prop/for-all [elements (gen/vector gen-element 0 6)
                   cuts (gen/vector gen/nat 0 8)]
      (let [bytes (byte-array (mapcat encode elements))
            [found error] (arrived opts (pieces bytes cuts))]
        (and (nil? error) (= (map normal elements) (map normal found)))))))

(deftest any-splitting-of-lines-makes-the-same-lines
  (same-however-split gen-line :line
    #(.getBytes (str % (one-of ["\n" "\r\n"] %)) "UTF-8")
    identity))

(deftest any-splitting-of-frames-makes-the-same-frames
  (same-however-split gen/bytes :frame
    (fn [^bytes b] (concat (.array (.putInt (ByteBuffer/allocate 4) (alength b))) b))
    vec))

(deftest any-splitting-of-forms-makes-the-same-forms
  (same-however-split gen-form :edn
    #(.getBytes (str (pr-str %) (one-of [" " "\n" " ; comment (\n" " #_ gone "] %)) "UTF-8")
    identity))

(deftest any-splitting-of-chunks-makes-the-same-bytes
  (random/holds 40
    (prop/for-all [bytes (gen/fmap byte-array (gen/vector gen/byte 1 300))
                   cuts (gen/vector gen/nat 0 8)]
      (let [[found error] (arrived {:max-size 7} (pieces bytes cuts))]
        (and (nil? error)
             (every? #(<= 1 (alength ^bytes %) 7) found)
             (= (vec bytes) (vec (mapcat vec found))))))))

(deftest what-a-sink-writes-elements-reads
  (random/holds 40
    (prop/for-all [forms (gen/vector gen-form 0 8)
                   lines (gen/vector gen-line 0 8)
                   frames (gen/vector gen/bytes 0 8)]
      (let [back (volatile! nil)]
        (with-pair [x y]
          (vreset! back
            (for [[as values] [[:line lines] [:frame frames] [:edn forms]]
                  :let [snk (pa/sink x as)
                        ch (pa/elements y as)
                        _ (run! #(a/>!! snk %) values)]]
              (vec (repeatedly (count values) #(taken ch)))))
          (vswap! back vec))
        (let [[lines-back frames-back forms-back] @back]
          (= [forms lines (map vec frames)]
             [forms-back lines-back (map vec frames-back)]))))))

;; ---- backpressure -------------------------------------------------------------------------------

(def ^:private hundred-mb (* 100 1024 1024))

(defn- used-heap []
  (System/gc)
  (let [r (Runtime/getRuntime)]
    (- (.totalMemory r) (.freeMemory r))))

(deftest bp-8-a-consumer-that-stops-taking-stops-the-sender-and-the-heap-stays-flat
  (with-pair [x y]
    (let [chunk (byte-array (* 64 1024) (byte 7))
          sent (AtomicLong.)
          heap (used-heap)
          sender (.start Threads/PLATFORM "sender"
                   (fn []
                     (let [out (.outputStream x)]
                       (dotimes [_ (/ hundred-mb (alength chunk))]
                         (.write out chunk)
                         (.addAndGet sent (alength chunk)))
                       (.close out))))
          chunks (pa/elements y)]
      (is (pos? (alength ^bytes (taken chunks))))
      (Blocked/in ^Task sender "StreamOutput")
      (let [stuck (.get sent)]
        (is (< stuck (/ hundred-mb 2)) "only what the kernel's buffers hold")
        (is (< (- (used-heap) heap) (* 8 1024 1024)))
        (is (= :nothing (taken (a/timeout long-enough) 100)))
        (is (= stuck (.get sent)) "nothing reads while nobody takes"))
      (loop [total 0 most 0]
        (if-let [^bytes b (taken chunks)]
          (recur (+ total (alength b)) (max most (alength b)))
          (do (is (< (- hundred-mb (* 64 1024)) total))
              (is (<= most 65536)))))
      (.await ^Task sender)
      (is (< (- (used-heap) heap) (* 8 1024 1024))))))

(deftest a-slow-peer-blocks-the-sink-and-not-the-reactor
  (with-pair [x y]
    (with-pair [u v]
      (let [frame (byte-array (* 64 1024) (byte 9))
            n (/ hundred-mb (alength frame))
            snk (pa/sink x :frame)
            accepted (AtomicLong.)
            heap (used-heap)
            producer (a/go-loop [i 0]
                       (if (and (< i n) (a/>! snk frame))
                         (do (.incrementAndGet accepted)
                             (recur (inc i)))
                         i))]
        (Await/until "the sink is stuck"
          (let [last (volatile! -1)]
            #(let [now (.get accepted)
                   same (= now @last)]
               (vreset! last now)
               (Await/pass (Duration/ofMillis 50))
               (and same (pos? now) (nil? (socket/socket-status [x :output] 1/2))))))
        (let [stuck (.get accepted)]
          (is (< (* stuck (alength frame)) (* 16 1024 1024)))
          (is (< (- (used-heap) heap) (* 8 1024 1024)))
          (is (nil? (a/offer! snk frame)))
          (is (= :nothing (let [t (a/timeout 30)
                                [_ port] (a/alts!! [[snk frame] t])]
                            (when (= t port) :nothing)))
            "the branch that lost is not written")
          (send-text u "others go on\n")
          (is (= "others go on" (taken (pa/elements v :line))))
          (let [frames (pa/elements y :frame)]
            (dotimes [_ n]
              (when-not (Arrays/equals frame ^bytes (taken frames))
                (is false "a frame was torn")))
            (is (= n (taken producer)))
            (is (= :nothing (taken frames 20)) "no frame more than were accepted")))))))

(deftest puts-that-wait-when-a-sink-is-closed-are-refused-and-what-was-accepted-is-written
  (with-pair [x y]
    (let [snk (pa/sink x {:as :frame
                          :max-size (* 32 1024 1024)
                          :when-closed :shutdown})
          big (byte-array (* 24 1024 1024) (byte 1))
          waiting (a/promise-chan)]
      (is (true? (a/>!! snk big)))
      (a/put! snk (byte-array 3) #(a/put! waiting [:put %]))
      (is (= :nothing (taken waiting 20)))
      (a/close! snk)
      (is (= [:put false] (taken waiting)))
      (is (false? (a/>!! snk (byte-array 1))))
      (let [frames (pa/elements y {:as :frame
                                   :max-size (* 32 1024 1024)})]
        (is (Arrays/equals big ^bytes (taken frames)))
        (is (nil? (taken frames)))
        (is (nil? (pa/channel-error frames)) "the output was shut down behind the whole frame"))
      (is (stream/open-stream? x))
      (is (not (stream/output-stream? x))))))

(deftest a-sink-reports-why-it-closed
  (with-pair [x y]
    (let [snk (pa/sink x :line)]
      (reset-connection y)
      (is (= :closed (taken (a/go-loop [] (if (a/>! snk "into the void") (recur) :closed)))))
      (is (instance? IOException (pa/channel-error snk))))))

(deftest a-sink-closes-its-stream-on-request
  (with-pair [x y]
    (let [snk (pa/sink x {:as :line
                          :when-closed :close})]
      (is (true? (a/>!! snk "bye")))
      (a/close! snk)
      (is (= ["bye" nil] [(stream/read-line y) (stream/read-line y nil nil)]))
      (Await/until "the stream is closed" #(not (stream/open-stream? x))))))

(deftest many-producers-share-a-sink
  (with-pair [x y]
    (let [snk (pa/sink x :line)
          producers (mapv (fn [i] (a/go (dotimes [j 50] (a/>! snk (str i " " j))))) (range 20))
          lines (pa/elements y :line)
          found (vec (repeatedly 1000 #(taken lines)))]
      (run! taken producers)
      (is (= (set (for [i (range 20) j (range 50)] (str i " " j))) (set found)))
      (doseq [i (range 20)]
        (is (= (range 50) (map #(parse-long (second (str/split % #" ")))
                            (filter #(str/starts-with? % (str i " ")) found))))))))
