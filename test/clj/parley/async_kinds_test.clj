(ns parley.async-kinds-test
  "The channels of parley.async over what is no socket stream of our own: pipes to commands, standard input,
  and raw handles; and all of them in one choice. ASY-n are the cases of the conformance list."
  (:require
   [clojure.core.async :as a]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.async :as pa]
   [parley.rawsock :as raw]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.channels :refer [await-watches later long-enough taken]]
   [parley.testing.raw-pair :refer [with-raw-pair]])
  (:import
   (java.nio.file Files)
   (java.util.function Supplier)
   (parley.net SocketStream)
   (parley.testing Child FullStack FullStack$Operation TemporaryPaths)))

(set! *warn-on-reflection* true)

;; ---- helpers ------------------------------------------------------------------------------------

(defn- nothing-is-watched-afterwards [f]
  (f)
  (await-watches 0))

(use-fixtures :each nothing-is-watched-afterwards)

(defn- write-raw [handle text]
  (let [bytes (.getBytes ^String text "UTF-8")]
    (is (= (alength bytes) (raw/sock-write handle bytes)))))

;; ---- pipes to commands --------------------------------------------------------------------------

(deftest asy-5-ready-and-readiness-of-a-pipe-from-a-command-to-its-end
  (with-open [gate (stream/make-pipe-io-stream "read x; echo $x; read y")]
    (let [waiting (later (pa/ready gate :input))
          statuses (pa/readiness gate :input)]
      (is (= :output (taken (pa/ready gate :output))))
      (is (= :nothing (taken waiting 30)))
      (stream/write-line "go" gate)
      (stream/finish-output gate)
      (is (= :input (taken waiting)))
      (is (= [:input :input] [(taken statuses) (taken statuses)]) "told again while it is unread")
      (is (= "go" (stream/read-line gate)))
      (let [waiting (later statuses)]
        (is (= :nothing (taken waiting 30)))
        (socket/socket-stream-shutdown gate :output)
        (is (= :eof (taken waiting))))
      (is (nil? (taken statuses))))))

(deftest elements-of-a-pipe-end-with-the-command
  (with-open [in (stream/make-pipe-input-stream "echo one; echo two; printf three")]
    (let [lines (pa/elements in :line)]
      (is (= ["one" "two" "three" nil] (vec (repeatedly 4 #(taken lines)))))
      (is (nil? (pa/channel-error lines))))))

(deftest a-sink-to-a-pipe-and-elements-from-it
  (with-open [io (stream/make-pipe-io-stream "tr a-z A-Z")]
    (let [snk (pa/sink io {:as :line
                           :when-closed :shutdown})
          lines (pa/elements io :line)
          words (mapv #(str "word " %) (range 500))
          producer (a/onto-chan! snk words)]
      (is (= (mapv str/upper-case words) (vec (repeatedly 500 #(taken lines)))))
      (is (nil? (taken producer)))
      (is (nil? (taken lines)) "the shutdown went through the command"))))

(deftest a-command-that-does-not-read-blocks-the-sink-and-nothing-else
  (with-open [out (stream/make-pipe-output-stream "read x; sleep 60 <&-")
              echo (stream/make-pipe-io-stream "cat")]
    (let [snk (pa/sink out)
          chunk (byte-array 65536 (byte 10))
          accepted (loop [n 0]
                     (if (= :nothing (let [t (a/timeout 300)
                                           [_ port] (a/alts!! [[snk chunk] t] :priority true)]
                                       (when (= t port) :nothing)))
                       n
                       (recur (inc n))))]
      (is (< accepted 64) "what the pipe holds")
      (is (nil? (a/offer! snk chunk)))
      (stream/write-line "still served" echo)
      (stream/finish-output echo)
      (is (= "still served" (taken (pa/elements echo :line))))
      (a/close! snk)
      (stream/pipe-kill out :force true)
      (stream/close out :abort true))))

(deftest a-sink-reports-that-the-command-has-ended
  (with-open [out (stream/make-pipe-output-stream "exit 3")]
    (is (= 3 (stream/pipe-exit-status out 20)))
    (let [snk (pa/sink out :line)]
      (is (false? (a/>!! snk "nobody reads")))
      (is (= :epipe (socket/os-error-code (pa/channel-error snk)))))
    (stream/close out :abort true)))

(deftest asy-5-closing-a-pipe-closes-its-channels
  (let [in (stream/make-pipe-input-stream "sleep 60")
        waiting (mapv later [(pa/ready in :input) (pa/readiness in :input) (pa/elements in)])]
    (await-watches 3)
    (stream/pipe-kill in :force true)
    (stream/close in :abort true)
    (doseq [each waiting]
      (is (#{:closed :eof} (taken each))))))

;; ---- standard input -----------------------------------------------------------------------------

(defn- child-clojure
  "A Java machine of its own that evaluates forms and answers on its standard output."
  ^Child [& forms]
  (let [script (TemporaryPaths/fresh)]
    (Files/writeString script
      (str/join "\n" (map pr-str (list* '(require '[clojure.core.async :as a] '[parley.async :as pa]
                                                  '[parley.stream :as stream])
                                        '(defn answer [x] (println "answer" (pr-str x)) (flush))
                                        '(defn within [ch millis]
                                           (let [[v port] (a/alts!! [ch (a/timeout millis)] :priority true)]
                                             (if (= port ch) v :nothing)))
                                        forms)))
      (make-array java.nio.file.OpenOption 0))
    (Child/clojure [] (into-array String [(str script)]))))

(defn- answer [^Child child]
  (read-string (.answer child "answer ")))

(deftest ^:nightly the-channels-of-standard-input
  (with-open [child (child-clojure
                      '(def in (stream/keyboard-input))
                      '(def r (pa/readiness in :input))
                      '(answer (within (pa/ready in :input) 50))
                      '(answer (within r 20000))
                      '(answer (within r 20000))
                      '(def lines (pa/elements in :line))
                      '(answer (within lines 20000))
                      '(def waiting (a/go (let [[v port] (a/alts! [lines (a/timeout 50)])] [v (= port lines)])))
                      '(answer (within waiting 20000))
                      '(answer (within lines 20000))
                      '(answer (stream/read-line in)))]
    (is (= :nothing (answer child)))
    (.tell child "typed")
    (is (= [:input :input "typed"] [(answer child) (answer child) (answer child)]))
    (is (= [nil false] (answer child)) "the branch that lost has eaten nothing")
    (.tell child "more")
    (is (= "more" (answer child)))
    (.tell child "and more")
    (is (= "and more" (answer child)))))

;; ---- raw handles --------------------------------------------------------------------------------

(deftest ready-and-readiness-of-raw-handles
  (with-raw-pair [x y]
    (is (= :output (taken (pa/ready x :output))))
    (let [r (pa/readiness y :input)
          waiting (later r)]
      (is (= :nothing (taken waiting 30)))
      (write-raw x "abc")
      (is (= :input (taken waiting)))
      (is (= :input (taken r)) "told again while it is unread")
      (is (= 3 (raw/sock-read y (byte-array 10))))
      (let [waiting (later r)]
        (is (= :nothing (taken waiting 30)))
        (a/close! r)
        (is (= :closed (taken waiting)))))))

(deftest asy-1-a-choice-that-loses-on-a-raw-handle-leaves-no-interest-and-eats-no-byte
  (with-raw-pair [x y]
    (let [t (a/timeout 30)
          [_ port] (a/alts!! [(pa/ready y :input) (pa/readiness y :io) t])]
      (is (not= :closed port)))
    (await-watches 0)
    (write-raw x "whole")
    (is (= 5 (raw/sock-read y (byte-array 10))))))

(deftest elements-and-a-sink-over-raw-handles
  (with-raw-pair [x y]
    (with-open [sx (stream/make-stream x)
                sy (stream/make-stream y)]
      (let [snk (pa/sink sx :edn)
            forms (pa/elements sy :edn)]
        (doseq [form [{:a [1 2]} "text" ::pa/nil]]
          (is (true? (a/>!! snk form)))
          (is (= form (taken forms))))
        (is (thrown-with-msg? IllegalArgumentException #"^elements: the stream is .*make-stream|^elements: the stream is"
              (pa/elements y)))))))

(deftest asy-3-closing-a-raw-handle-while-a-choice-waits-ends-it
  (dotimes [i 4]
    (let [[x y] (raw/socketpair :unix :stream)
          chans [(pa/ready y :input) (pa/readiness y :input)]
          waiting (mapv later chans)]
      (when (odd? i) (Thread/yield))
      (raw/sock-close y)
      (doseq [each waiting]
        (is (#{:closed :error} (taken each))))
      (raw/sock-close x))))

;; ---- all of them --------------------------------------------------------------------------------

(deftest a-choice-over-a-mix-of-kinds-and-a-timeout
  (with-raw-pair [x y]
    (with-open [server (socket/socket-server 0 :interface "127.0.0.1" :backlog 5)
                client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :timeout 20)
                accepted (socket/socket-accept server :timeout 20)
                pipe (stream/make-pipe-io-stream "cat")]
      (let [ports {:server (pa/connections server)
                   :socket (pa/elements accepted :line)
                   :pipe (pa/elements pipe :line)
                   :raw (pa/readiness y :input)
                   :plain (a/chan)}
            names (into {} (map (fn [[k v]] [v k])) ports)
            choose (fn [millis]
                     (let [t (a/timeout millis)
                           [value port] (a/alts!! (conj (vec (vals ports)) t))]
                       [(if (= port t) :timeout (names port)) value]))
            say (fn [s text] (stream/write-line text s) (stream/finish-output s))]
        (dotimes [i 10]
          (is (= [:timeout nil] (choose 10)))
          (let [result (a/thread (choose long-enough))]
            (say client (str "socket " i))
            (is (= [:socket (str "socket " i)] (taken result))))
          (let [result (a/thread (choose long-enough))]
            (say pipe (str "pipe " i))
            (is (= [:pipe (str "pipe " i)] (taken result))))
          (let [result (a/thread (choose long-enough))]
            (write-raw x "r")
            (is (= [:raw :input] (taken result)))
            (is (= 1 (raw/sock-read y (byte-array 4)))))
          (let [result (a/thread (choose long-enough))]
            (a/>!! (:plain ports) i)
            (is (= [:plain i] (taken result))))
          (with-open [_ (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :timeout 20)]
            (let [[what s] (choose long-enough)]
              (is (= :server what))
              (.close ^SocketStream s))))
        (testing "and what waits on them goes with the choice"
          (await-watches 0))))))

;; ---- faults -------------------------------------------------------------------------------------

(deftest after-a-full-stack-a-channel-can-be-used-or-ends-with-the-error
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            accepted (socket/socket-accept server :timeout 20)
                            waiting (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
    (stream/write-string (apply str (repeat 50 "line\n")) client)
    (stream/finish-output client)
    (is (stream/open-stream? waiting))
    (doseq [[what make attempt expected]
            [["ready" #(pa/ready accepted :input) a/poll! :input]
             ["readiness" #(pa/readiness accepted :input) a/poll! :input]
             ["elements" #(pa/elements accepted :line) a/poll! "line"]
             ["sink" #(pa/sink client :line) #(a/offer! % "more") true]]]
      (testing what
        (let [ch (volatile! (make))]
          (attempt @ch)
          (FullStack/probe what
            (reify FullStack$Operation
              (run [_]
                (when (= what "ready")
                  (vreset! ch (make)))
                (attempt @ch)))
            (reify Supplier
              (get [_] nil)))
          (when (= what "ready")
            (vreset! ch (make)))
          (let [result (taken (a/thread {:value (if (= what "sink") (a/>!! @ch "last") (taken @ch))}))]
            (is (or (= {:value expected} result)
                    (and (contains? #{{:value nil} {:value false}} result)
                         (instance? StackOverflowError (pa/channel-error @ch))))
              (str "in another thread, which a lock that was not freed would keep out: " result)))
          (a/close! @ch))))))
