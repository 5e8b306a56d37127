(ns parley.async-test
  "Readiness as channels: on demand, cancelled without trace, with backpressure, and with errors that
  tell. ASY-n are the cases of the conformance list. The suite runs with core.async's go checking on."
  (:require
   [clojure.core.async :as a]
   [clojure.core.async.impl.protocols :as impl]
   [clojure.datafy :as datafy]
   [clojure.edn :as edn]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as prop]
   [parley.async :as pa]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.channels :refer [await-watches later long-enough taken watches]]
   [parley.testing.random :as random]
   [parley.testing.repl :refer [in-child-of-sources]])
  (:import
   (java.io IOException)
   (java.net StandardSocketOptions)
   (java.nio ByteBuffer)
   (java.nio.channels Pipe)
   (java.time Duration)
   (java.util Arrays)
   (java.util.concurrent.atomic AtomicLong)
   (parley.net Framing$FramingException SocketStream)
   (parley.testing Await Blocked Cpu Leaks Task Threads)))

(set! *warn-on-reflection* true)

;; ---- helpers ------------------------------------------------------------------------------------

(defn- with-pair*
  [f]
  (let [server (socket/socket-server 0 :interface "127.0.0.1" :backlog 50)]
    (try
      (with-open [client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :timeout 20)
                  accepted (socket/socket-accept server :timeout 20)]
        (f client accepted)
        (.abort client)
        (.abort accepted))
      (finally
        (socket/socket-server-close server)))))

(defmacro ^:private with-pair
  "Runs the body with two ends of a connection."
  [[a b] & body]
  `(with-pair* (fn [~(vary-meta a assoc :tag `SocketStream) ~(vary-meta b assoc :tag `SocketStream)]
                 ~@body)))

(defn- send-text [s text]
  (stream/write-string text s)
  (stream/finish-output s))

(defn- send-bytes [^SocketStream s ^bytes bytes]
  (doto (.outputStream s)
    (.write bytes)
    (.flush)))

(defn- reset-connection [^SocketStream s]
  (.setOption (.channel s) StandardSocketOptions/SO_LINGER (Integer/valueOf 0))
  (.abort s))

(defn- nothing-left-open
  [f]
  (let [before (Leaks/snapshot)]
    (f)
    (is (nil? (.assertBack before)))))

(defn- the-reactor-goes
  [f]
  (f)
  (Await/until "the reactor has gone"
    #(not-any? (fn [^Thread t] (= "parley-reactor" (.getName t))) (keys (Thread/getAllStackTraces)))))

(defn- warmed-up
  [f]
  (with-pair [x y] (send-text x "a\n") (stream/read-line y))
  (f))

(use-fixtures :once warmed-up the-reactor-goes)
(use-fixtures :each nothing-left-open)

(deftest go-checking-is-on
  (is (Boolean/getBoolean "clojure.core.async.go-checking")))

;; ---- ready, readiness ---------------------------------------------------------------------------

(deftest ready-yields-one-status-and-closes
  (with-pair [x y]
    (let [r (pa/ready y :input)
          waiting (later r)]
      (is (= :nothing (taken waiting 20)))
      (send-text x "hello\n")
      (is (= :input (taken waiting)))
      (is (nil? (taken r)))
      (is (impl/closed? r)))
    (is (= :output (taken (pa/ready x :output))))
    (is (= :io (taken (pa/ready y))))
    (stream/close x)
    (is (= "hello" (stream/read-line y)))
    (is (= :eof (taken (pa/ready y :input))))
    (is (= :append (taken (pa/ready y :io))))))

(deftest ready-of-a-server-is-true-when-a-client-waits
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [waiting (later (pa/ready server :input))]
      (with-open [_ (socket/socket-connect (.port server) "127.0.0.1")]
        (is (true? (taken waiting)))))))

(deftest ready-of-a-foreign-channel-and-its-end
  (let [pipe (Pipe/open)
        source (doto (.source pipe) (.configureBlocking false))]
    (with-open [sink (.sink pipe)]
      (let [first-waits (later (pa/ready source :input))
            second-waits (later (pa/ready source :input))]
        (.write sink (ByteBuffer/wrap (byte-array 1)))
        (is (= :input (taken first-waits)))
        (is (= :input (taken second-waits))))
      (.read source (ByteBuffer/allocate 8))
      (let [waiting (later (pa/ready source :input))]
        (is (= :nothing (taken waiting 20)))
        (.close source)
        (is (= :closed (taken waiting)) "closed by its owner, who tells nobody"))
      (await-watches 0))))

(deftest ready-sees-what-another-thread-leaves-in-the-buffer
  (with-pair [x y]
    (let [r (pa/readiness y :input)
          waiting (later r)]
      (send-text x "one\ntwo\n")
      (is (= :input (taken waiting)))
      (is (= "one" (stream/read-line y)))
      (is (= :input (taken r)) "the socket is silent, the buffer is not")
      (is (= "two" (stream/read-line y)))
      (is (= :nothing (taken r 20))))))

(deftest readiness-is-looked-for-on-demand-and-ends-with-the-input
  (with-pair [x y]
    (let [r (pa/readiness y :input)]
      (is (= 0 (watches)) "nobody takes, nothing is watched")
      (send-text x "hello")
      (is (= [:input :input] [(taken r) (taken r)]) "told again while unread")
      (stream/close x)
      (dotimes [_ 5] (stream/read-char y))
      (is (= :eof (taken r)))
      (is (nil? (taken r)))
      (is (nil? (pa/channel-error r))))))

(deftest readiness-tells-a-reset
  (with-pair [x y]
    (let [r (pa/readiness y :input)
          waiting (later r)]
      (reset-connection x)
      (is (= :error (taken waiting)))
      (is (nil? (taken r)))
      (is (socket/stream-error y)))))

(deftest asy-1-alts!-that-loses-leaves-no-interest-and-eats-no-byte
  (with-pair [x y]
    (let [lines (pa/elements y :line)
          r (pa/ready y :input)
          [_ port] (a/alts!! [lines r (a/timeout 30)])]
      (is (not (#{lines r} port)))
      (await-watches 0)
      (testing "and inside a go block"
        (is (= :timed-out
               (taken (a/go (let [t (a/timeout 30)
                                  [_ port] (a/alts! [lines r t])]
                              (when (= port t) :timed-out))))))
        (await-watches 0))
      (send-text x "hello\nworld\n")
      (is (= "hello" (stream/read-line y)))
      (is (= "world" (taken lines)))
      (is (= :nothing (taken r 20))))))

(deftest asy-1-a-connection-is-accepted-only-by-the-choice-whose-event-it-is
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1" :backlog 8)]
    (let [conns (pa/connections server)
          other (a/chan 1)]
      (with-open [_ (socket/socket-connect (.port server) "127.0.0.1")]
        (Await/until "the client waits" #(socket/socket-wait server 0))
        (a/>!! other :chosen)
        (is (= [:chosen other] (a/alts!! [other conns] :priority true)))
        (is (true? (socket/socket-wait server 0)) "it still waits")
        (with-open [^SocketStream accepted (taken conns)]
          (is (.isOpen accepted)))))))

(deftest asy-2-of-ten-waiters-all-are-woken-one-gets-the-byte-the-rest-wait-again
  (with-pair [x y]
    (stream/set-stream-element-type! y :byte)
    (let [waiting (mapv (fn [_] (later (pa/ready y :input))) (range 10))]
      (await-watches 10)
      (send-bytes x (byte-array [65]))
      (is (every? #{:input} (mapv taken waiting)))
      (let [got (mapv (fn [_] (stream/read-byte-no-hang y)) (range 10))]
        (is (= [65] (remove nil? got))))
      (let [again (mapv (fn [_] (pa/ready y :input)) (range 10))
            waiting (mapv later again)]
        (is (every? #{:nothing} (mapv #(taken % 5) waiting)))
        (run! a/close! again)
        (is (every? #{:closed} (mapv taken waiting)))))
    (testing "elements: each line goes to one of those who wait"
      (let [chans (mapv (fn [_] (pa/elements y :line)) (range 10))
            results (a/chan 10)]
        (run! (fn [ch] (a/take! ch #(a/put! results (or % :closed)))) chans)
        (dotimes [i 10]
          (send-text x (str "line " i "\n")))
        (is (= (set (map #(str "line " %) (range 10)))
               (set (repeatedly 10 #(taken results)))))))))

(deftest asy-3-whoever-waits-when-the-stream-is-closed-is-told
  (dotimes [i 100]
    (with-pair [_ y]
      (let [chans [(pa/ready y :input) (pa/readiness y :input) (pa/elements y :line)]
            before (mapv later chans)
            closer (.start Threads/PLATFORM "closer"
                     (fn []
                       (when (odd? i) (Thread/yield))
                       (.abort y)))
            during (mapv later chans)]
        (.await ^Task closer)
        (is (every? #{:closed} (mapv taken (concat before during (mapv later chans)))))
        (is (every? nil? (map pa/channel-error chans))))))
  (await-watches 0))

(deftest asy-4-go-blocks-that-block-do-not-hold-up-the-others
  (with-pair [x y]
    (let [pairs (atom [])
          server (socket/socket-server 0 :interface "127.0.0.1" :backlog 50)]
      (try
        (dotimes [_ 8]
          (let [c (socket/socket-connect (.port server) "127.0.0.1")]
            (swap! pairs conj [c (socket/socket-accept server)])))
        (let [gates (mapv (fn [[_ s]] (pa/ready s :output)) @pairs)
              ;; each is resumed by the crew, and then blocks its thread
              blocked (mapv (fn [gate [_ s]] (a/go (a/<! gate) (stream/read-line s))) gates @pairs)
              lines (pa/elements y :line)
              other (a/go (a/<! lines))]
          (send-text x "on they go\n")
          (is (= "on they go" (taken other)))
          (doseq [[c] @pairs] (send-text c "now\n"))
          (is (every? #{"now"} (mapv taken blocked))))
        (finally
          (doseq [[c s] @pairs] (stream/close c) (stream/close s))
          (socket/socket-server-close server))))))

(deftest asy-4-takers-that-block-in-their-callback-hold-nobody-up
  (let [release (promise)
        released (atom 0)]
    (with-pair [x y]
      (with-pair [u v]
        (let [chans (repeatedly 8 #(pa/ready y :input))]
          (doseq [ch chans]
            (a/take! ch (fn [_] (deref release long-enough nil) (swap! released inc))))
          (send-text x "hello\n")
          (let [other (later (pa/elements v :line))]
            (send-text u "still served\n")
            (is (= "still served" (taken other))))
          (deliver release true)
          (Await/until "all are released" #(= 8 @released)))))))

(deftest asy-5-closing-the-stream-closes-its-channels-and-ends-their-go-blocks
  (with-pair [_ y]
    (let [chans [(pa/readiness y :input) (pa/elements y :line) (pa/ready y :input)]
          loops (mapv (fn [ch] (a/go-loop [n 0] (if (a/<! ch) (recur (inc n)) [:ended n]))) chans)
          snk (pa/sink y :line)]
      (.abort y)
      (is (every? #{[:ended 0]} (mapv taken loops)))
      (is (false? (a/>!! snk "too late")))
      (is (nil? (pa/channel-error snk)))
      (await-watches 0))))

(deftest closing-a-channel-deregisters-and-leaves-the-stream-open
  (with-pair [x y]
    (let [chans [(pa/ready y :input) (pa/readiness y :input) (pa/elements y :edn)]
          waiting (mapv later chans)]
      (is (= 3 (watches)))
      (run! a/close! chans)
      (run! a/close! chans)
      (is (= 0 (watches)))
      (is (every? #{:closed} (mapv taken waiting)))
      (send-text x "hello\n")
      (is (= "hello" (stream/read-line y))))))

(deftest polling-registers-nothing
  (with-pair [x y]
    (let [lines (pa/elements y :line)]
      (is (nil? (a/poll! lines)))
      (is (= 0 (watches)))
      (send-text x "hello\n")
      (Await/until "the line is there" #(= :input (socket/socket-status [y :input] 0)))
      (is (= "hello" (a/poll! lines))))))

(deftest a-consumer-that-waits-costs-no-processor-time
  (with-pair [x y]
    (send-text x "half a line")
    (let [waiting (later (pa/elements y :line))
          other (later (pa/readiness y :output))]
      (is (= :output (taken other)))
      (Cpu/assertIdle)
      (send-text x " and the rest\n")
      (is (= "half a line and the rest" (taken waiting))))))

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

(deftest any-splitting-of-lines-gives-the-same-lines
  (same-however-split gen-line :line
    #(.getBytes (str % (one-of ["\n" "\r\n"] %)) "UTF-8")
    identity))

(deftest any-splitting-of-frames-gives-the-same-frames
  (same-however-split gen/bytes :frame
    (fn [^bytes b] (concat (.array (.putInt (ByteBuffer/allocate 4) (alength b))) b))
    vec))

(deftest any-splitting-of-forms-gives-the-same-forms
  (same-however-split gen-form :edn
    #(.getBytes (str (pr-str %) (one-of [" " "\n" " ; comment (\n" " #_ gone "] %)) "UTF-8")
    identity))

(deftest any-splitting-of-chunks-gives-the-same-bytes
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
               (and same (pos? now)))))
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

(deftest a-sink-tells-why-it-closed
  (with-pair [x y]
    (let [snk (pa/sink x :line)]
      (reset-connection y)
      (is (= :closed (taken (a/go-loop [] (if (a/>! snk "into the void") (recur) :closed)))))
      (is (instance? IOException (pa/channel-error snk))))))

(deftest a-sink-closes-its-stream-when-told-so
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

;; ---- with what core.async has -------------------------------------------------------------------

(deftest channels-work-with-pipes-mixes-and-transducers-of-core-async
  (with-pair [x y]
    (let [upper (a/chan 1 (map str/upper-case))
          lines (pa/elements y :line)
          snk (pa/sink y {:as :line
                          :when-closed :shutdown})]
      (a/pipe lines upper)
      (a/pipe upper snk)
      (let [back (pa/elements x :line)]
        (send-text x "one\ntwo\n")
        (is (= ["ONE" "TWO"] [(taken back) (taken back)]))
        (socket/socket-stream-shutdown x :output)
        (is (nil? (taken back)) "the end goes all the way round")))))

;; ---- mistakes -----------------------------------------------------------------------------------

(deftest mistakes-are-told-at-once
  (with-pair [x _]
    (is (thrown-with-msg? IllegalArgumentException #"^ready: the object is nil, expected" (pa/ready nil :input)))
    (is (thrown-with-msg? IllegalArgumentException #"^ready: the direction is :in .*:input" (pa/ready x :in)))
    (is (thrown-with-msg? IllegalArgumentException #"^elements: :as is :lines .*:line" (pa/elements x :lines)))
    (is (thrown-with-msg? IllegalArgumentException #"^elements: unknown option :size" (pa/elements x :size 3)))
    (is (thrown-with-msg? IllegalArgumentException #"^elements: :max-size is 0" (pa/elements x :max-size 0)))
    (is (thrown-with-msg? IllegalArgumentException #"^connections: the server is" (pa/connections x)))
    (is (thrown-with-msg? IllegalArgumentException #"^connections: unknown option :timeout"
          (with-open [server (socket/socket-server 0)] (pa/connections server :timeout 1))))
    (is (thrown-with-msg? IllegalArgumentException #"^channel-error: the channel is" (pa/channel-error (a/chan))))
    (let [snk (pa/sink x :line)]
      (is (thrown-with-msg? IllegalArgumentException #"^sink: the value is 1 .*a string" (a/>!! snk 1)))
      (is (thrown-with-msg? IllegalArgumentException #"^sink: the line has an end of line inside" (a/>!! snk "a\nb")))
      (is (thrown? IllegalArgumentException (a/put! snk nil))))
    (is (thrown-with-msg? IllegalArgumentException #"^sink: the value is a frame of 6 bytes, expected at most 5"
          (a/>!! (pa/sink x {:as :frame
                             :max-size 5}) (byte-array 6))))
    (is (thrown-with-msg? IllegalArgumentException #"^sink: the value is a frame of 256 bytes, expected at most 255,"
          (a/>!! (pa/sink x {:as :frame
                             :length-bytes 1}) (byte-array 256))))
    (is (thrown-with-msg? IllegalArgumentException #"^elements: :max-size is 0" (pa/elements x :line {:max-size 0}))
      "the value of :as alone, and a map of the others")
    (is (thrown-with-msg? IllegalArgumentException #"^sink: the option :as has no value" (pa/sink x :as)))
    (.abort x)
    (is (thrown-with-msg? IllegalStateException #"^elements: .* is closed" (pa/elements x :line)))
    (is (thrown-with-msg? IllegalStateException #"^ready: .* is closed" (pa/ready x :input)))))

(deftest a-sink-of-forms-refuses-what-elements-could-not-read
  (with-pair [x y]
    (let [snk (pa/sink x :edn)
          nested (fn [n] (nth (iterate list 1) n))]
      (doseq [value [(Object.) inc #'inc #"re" (byte-array 1) (symbol "a b") (symbol "a] [b") (symbol "") (keyword "")
                     "\ud800" {:a [(atom 1)]} (nested 600) (nested 100000)]]
        (is (thrown-with-msg? IllegalArgumentException #"^sink: the value (is|has) " (a/>!! snk value))))
      (is (nil? (pa/channel-error snk)))
      (let [forms (pa/elements y {:as :edn
                                  :readers {'my/tag (fn [v] [:my v])}})]
        (doseq [[value back] {(tagged-literal 'my/tag 5) [:my 5]
                              #inst "2020-01-01" #inst "2020-01-01"
                              (nested 500) (nested 500)
                              ::pa/nil ::pa/nil}]
          (is (true? (a/>!! snk value)))
          (is (= back (taken forms))))))))

(deftest channels-show-what-they-are
  (with-pair [x _]
    (is (re-find #"^#<elements of #<socket-stream .* open>>$" (pr-str (pa/elements x :line))))
    (is (re-find #"^#<sink to #<socket-stream .* open>>$" (pr-str (pa/sink x :line))))
    (is (= :intake (:kind (datafy/datafy (pa/ready x :input)))))))

(deftest channels-made-before-a-reload-stay-what-they-are
  ;; In a process of its own, since a reload changes what later tests of this process would use.
  (with-open [child (in-child-of-sources
                      '(do
                         (doseq [libspec '[[clojure.core.async :as a] [parley.stream :as stream]
                                           [parley.socket :as socket] [parley.async :as pa]]]
                           (require libspec)
                           (println "loaded" libspec)) ; each is slow on a busy machine
                         (with-open [server (socket/socket-server 0 :interface "127.0.0.1")
                                     client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1"
                                              :timeout 20)
                                     accepted (socket/socket-accept server :timeout 20)]
                           (let [lines (pa/elements accepted {:as :line
                                                              :max-size 3})]
                             (require 'parley.impl.async 'parley.async :reload)
                             (println "before" (pa/channel-error lines))
                             (stream/write-line "too long" client)
                             (stream/force-output client)
                             (println "taken" (a/alt!! lines ([line] (pr-str line))
                                                (a/timeout 20000) :nothing))
                             (println "after" (class (pa/channel-error lines)))))
                         (shutdown-agents)))]
    (is (= "nil" (.answer child "before")))
    (is (= "nil" (.answer child "taken")))
    (is (= "parley.net.Framing$FramingException" (.answer child "after")))))
