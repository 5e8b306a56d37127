(ns parley.async-test
  "Readiness as channels: on demand, cancelled without trace, with backpressure, and with errors that
  tell. ASY-n are the cases of the conformance list. The suite runs with core.async's go checking on."
  (:require
   [clojure.core.async :as a]
   [clojure.core.async.impl.protocols :as impl]
   [clojure.datafy :as datafy]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.async :as pa]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.async-pairs :refer [nothing-left-open reset-connection send-bytes send-text the-reactor-goes warmed-up with-pair]]
   [parley.testing.channels :refer [await-watches later long-enough taken watches]]
   [parley.testing.repl :refer [in-child]])
  (:import
   (java.nio ByteBuffer)
   (java.nio.channels Pipe)
   (parley.net SocketStream)
   (parley.testing Await Cpu Task Threads)))

(set! *warn-on-reflection* true)

;; ---- helpers ------------------------------------------------------------------------------------

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

(deftest readiness-reports-a-reset
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

(deftest asy-3-a-taker-that-waits-when-the-stream-is-closed-is-notified
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

(deftest asy-4-takers-that-block-in-their-callback-hold-no-other-up
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

(deftest mistakes-throw-at-once
  (with-pair [x _]
    (is (thrown-with-msg? IllegalArgumentException #"^ready: the object is nil, expected" (pa/ready nil :input)))
    (is (thrown-with-msg? IllegalArgumentException #"^ready: the direction is :in .*:input" (pa/ready x :in)))
    (is (thrown-with-msg? IllegalArgumentException #"^elements: :as is :lines .*:line" (pa/elements x :lines)))
    (is (thrown-with-msg? IllegalArgumentException #"^elements: unknown option :size" (pa/elements x :size 3)))
    (is (thrown-with-msg? IllegalArgumentException #"^ready: the direction is :foo .*expected one of :input :io :output$"
          (pa/ready x :foo)))
    (is (thrown-with-msg? IllegalArgumentException #"^elements: :max-size is 0" (pa/elements x :max-size 0)))
    (is (thrown-with-msg? IllegalArgumentException #"^elements: :length-bytes is 3" (pa/elements x :length-bytes 3)))
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
  (with-open [child (in-child
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
