(ns parley.nrepl-security-test
  "nrepl-server against those it must keep out: REP-8, REP-9, REP-10, and of REP-12 what nREPL has of its
  own; the rest is shared with repl-server, see parley.repl-guards-test."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as properties]
   [parley.impl.bencode :as bencode]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.guard]
   [parley.impl.login]
   [parley.nrepl :as nrepl]
   [parley.stream :as stream]
   [parley.testing.nrepl :refer [await-that call canary close connect endpoints kill message raw rest-of send-bytes server values-of with-log-of-nrepl with-nrepl]]
   [parley.testing.random :as random]
   [parley.testing.repl :as testing-repl])
  (:import
   (java.io ByteArrayInputStream ByteArrayOutputStream IOException InputStream)
   (java.net SocketException)
   (java.util.concurrent.atomic AtomicLong)
   (parley.testing Child Leaks)))

(set! *warn-on-reflection* true)

(use-fixtures :once with-log-of-nrepl)

(def ^:private malformed
  {"no map" "i1e"
   "a list" "l2:op4:evale"
   "a text" "4:eval"
   "a length too long" "d2:op99999999999999999999:"
   "a length of 2 GB" "d2:op2147483647:"
   "a length just over the limit" "d2:op16777217:"
   "a negative length" "d2:op-5:"
   "no digits" "d2:opx"
   "an integer too long" (str "d2:opi" (apply str (repeat 300000 "9")) "e")
   "an integer with a letter" "d2:opi12x4e"
   "an integer of nothing" "d2:opie"
   "a sign in the middle" "d2:opi1-2e"
   "a key that is a number" "di1e2:ope"
   "a map that ends at a value" "d2:ope"
   "depth 300,000" (str "d2:op" (apply str (repeat 300000 "l")))
   "depth 300,000 of maps" (apply str (repeat 300000 "d1:a"))})

(deftest rep-8-malformed-messages-end-their-connection-and-harm-no-other
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server options)
                  other (connect r)]
        (doseq [[what text] malformed]
          (testing what
            (with-open [s (raw r)]
              (try (send-bytes s (.getBytes ^String text))
                   (catch IOException _ nil)) ; it may be closed already
              (is (= 0 (rest-of s))))))
        (is (= [3] (values-of other "(+ 1 2)")))
        (await-that "only the other is left" (= 1 (count @(:open-transports r))))
        (is (some #(str/includes? % "bencode") @(:lines r)))))))

(deftest rep-8-what-came-before-a-malformed-message-is-answered
  (with-nrepl
    (with-open [r (server)
                s (raw r)]
      (send-bytes s (.getBytes "d2:op8:describe2:id1:1e"))
      (is (= (int \d) (stream/read-byte s)))
      (send-bytes s (.getBytes "d-1:"))
      (is (pos? (long (rest-of s)))))))

(defn- passed
  "What the checkpoint lets pass of some bytes, and what it says, read by pieces of a size."
  [^bytes bytes size limits]
  (let [problem (atom nil)
        in (bencode/input-stream (ByteArrayInputStream. bytes) limits #(reset! problem %))
        out (ByteArrayOutputStream.)
        piece (byte-array size)]
    (try
      (loop []
        (let [n (.read ^InputStream in piece)]
          (when (pos? n)
            (.write out piece 0 n)
            (recur))))
      (catch SocketException _
        nil))
    [(String. (.toByteArray out) "ISO-8859-1") @problem]))

(defn- encoded
  "Bencode of strings, integers, lists and maps."
  [x]
  (cond
    (string? x) (str (count x) ":" x)
    (integer? x) (str "i" x "e")
    (sequential? x) (str "l" (str/join (map encoded x)) "e")
    (map? x) (str "d" (str/join (mapcat (fn [[k v]] [(encoded k) (encoded v)]) x)) "e")))

(def ^:private text-of-bytes
  (gen/fmap #(apply str (map char %)) (gen/vector (gen/choose 0 255))))

(def ^:private messages
  (gen/scale #(min 12 (quot % 4))
    (gen/vector
      (gen/map text-of-bytes
        (gen/recursive-gen (fn [inner] (gen/one-of [(gen/vector inner) (gen/map text-of-bytes inner)]))
          (gen/one-of [text-of-bytes gen/large-integer]))))))

(deftest rep-8-well-formed-messages-pass-unchanged-however-they-are-cut
  (random/holds 200
    (properties/for-all [all messages
                         size (gen/choose 1 40)]
      (let [text (str/join (map encoded all))]
        (= [text nil] (passed (.getBytes text "ISO-8859-1") size bencode/limits))))))

(deftest rep-8-the-checkpoint-decides-the-same-however-the-bytes-are-cut
  (random/holds 200
    (properties/for-all [all messages
                         noise text-of-bytes
                         size (gen/choose 1 40)]
      (let [bytes (.getBytes (str (str/join (map encoded all)) noise "x") "ISO-8859-1")]
        (= (passed bytes 1 bencode/limits) (passed bytes size bencode/limits))))))

(deftest rep-8-limits-are-where-they-are-said-to-be
  (let [limits {:max-message 100
                :max-depth 3
                :max-digits 4
                :max-elements 30
                :max-key 15}
        says (fn [text] (second (passed (.getBytes ^String text) 7 limits)))]
    (is (nil? (says (str "d1:a92:" (apply str (repeat 92 "x")) "e"))))
    (is (re-find #"more than 100 bytes" (says "d1:a101:")))
    (is (re-find #"more than 100 bytes" (says (str "d1:al" (apply str (repeat 28 "i11e")) "ee"))))
    (is (nil? (says (str "d1:al" (apply str (repeat 28 "i1e")) "ee"))))
    (is (re-find #"more than 30 values and keys" (says (str "d1:al" (apply str (repeat 29 "i1e")) "ee"))))
    (is (nil? (says "d5:aaaaai1ee")))
    (is (re-find #"a key of more than 15 bytes" (says "d16:")))
    (is (nil? (says "d1:alleee")))
    (is (re-find #"more than 3 lists" (says "d1:allleeee")))
    (is (nil? (says "d1:ai-1234ee")))
    (is (re-find #"more than 4 digits" (says "d1:ai12345ee")))))

(deftest rep-8-only-whole-messages-pass-and-only-what-has-come-takes-room
  (let [budget (AtomicLong. 20000)
        limits (assoc bencode/limits :budget budget)
        text "d1:ai1ee"]
    (is (= [(str text text) nil] (passed (.getBytes (str text text "d2:op16000000:" (str/join (repeat 9000 "x")))) 7 limits)))
    (is (< 9000 (- 20000 (.get budget)) 9100) "what is cut off by the end is held until the stream is closed"))
  (let [budget (AtomicLong. 20000)
        limits (assoc bencode/limits :budget budget)
        in (fn [n] (bencode/input-stream
                     (ByteArrayInputStream. (.getBytes (str "d1:a1000000:" (str/join (repeat n "x"))))) limits (fn [_])))
        read-it (fn [^InputStream in] (try (.read in) (catch SocketException e (ex-message e))))]
    (with-open [first-one ^InputStream (in 15000)
                second-one ^InputStream (in 15000)]
      (is (= -1 (read-it first-one)))
      (is (re-find #":max-buffered" (str (read-it second-one)))))
    (is (= 20000 (.get budget)) "all is given back"))
  (let [budget (AtomicLong. 20000)
        left-at-refusal (volatile! nil)]
    (with-open [in ^InputStream (bencode/input-stream
                                  (ByteArrayInputStream. (.getBytes (str "d1:a9000:" (str/join (repeat 9000 "x")) "x")))
                                  (assoc bencode/limits :budget budget)
                                  (fn [_] (vreset! left-at-refusal (.get budget))))]
      (is (thrown? SocketException (.readAllBytes in)))
      (is (= 20000 @left-at-refusal) "others have the room while the connection is drained"))))

(deftest rep-8-clients-share-one-budget
  (with-nrepl
    (with-open [r (server :max-buffered 100000)
                other (connect r)
                hoarder (raw r)
                late (raw r)]
      (send-bytes hoarder (.getBytes (str "d1:a1000000:" (str/join (repeat 80000 "x")))))
      (is (= [3] (values-of other "(+ 1 2)")))
      (try (send-bytes late (.getBytes (str "d1:a1000000:" (str/join (repeat 80000 "x")))))
           (catch IOException _ nil))
      (await-that "one of them was closed" (some #(str/includes? % ":max-buffered") @(:lines r)))
      (close hoarder)
      (close late)
      (is (= [3] (values-of other "(+ 1 2)"))))))

(deftest rep-8-announced-lengths-and-endless-lists-fill-no-memory
  (with-nrepl
    (with-open [child (testing-repl/in-child '(do
                                                (require 'parley.nrepl)
                                                (println "port" (:port ((resolve 'parley.nrepl/nrepl-server) :log nil)))
                                                @(promise))
                        "-Xmx256m" "-XX:TieredStopAtLevel=1")]
      (let [r {:port (parse-long (.answer ^Child child "port"))}
            silent (vec (repeatedly 30 #(doto (raw r) (send-bytes (.getBytes "d1:a16000000:")))))]
        (try
          (with-open [endless (raw r)]
            (try (send-bytes endless (.getBytes (str "d1:al" (str/join (repeat 8000000 "0:")))))
                 (catch IOException _ nil)) ; it is closed at its 65,537th element
            (is (= 0 (rest-of endless))))
          (with-open [honest (connect r)]
            (is (= [true] (values-of honest (pr-str '(let [r (Runtime/getRuntime)]
                                                       (.gc r)
                                                       (< (- (.totalMemory r) (.freeMemory r)) 100000000)))))))
          (finally
            (run! close silent)))))))

(deftest rep-9-strangers-get-nothing-and-nothing-of-theirs-is-evaluated
  (with-nrepl
    (let [form (str "d4:code" (count kill) ":" kill "2:op4:evale")]
      (doseq [[who head] {"GET" "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
                          "POST" "POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n"
                          "OPTIONS" "OPTIONS / HTTP/1.1\r\n\r\n"
                          "DELETE" "DELETE / HTTP/1.1\r\n\r\n"
                          "TLS" "\u0016\u0003\u0001\u0002\u0000"
                          "SSH" "SSH-2.0-OpenSSH_9.2\r\n"}]
        (testing who
          (reset! canary :alive)
          (with-open [r (server)
                      s (raw r)]
            (send-bytes s (.getBytes (str head form)))
            (is (= 0 (rest-of s)))
            (is (= :alive @canary))
            (is (= 1 (count (filter #(str/includes? % "where the d of a message was expected") @(:lines r)))))))))))

(deftest rep-9-strangers-of-a-text-transport-fare-no-better
  (with-nrepl
    (reset! canary :alive)
    (with-open [r (server :transport-fn @(requiring-resolve 'nrepl.transport/tty) :grace 3600)
                s (raw r)]
      (send-bytes s (.getBytes (str "POST / HTTP/1.1\r\nHost: x\r\n\r\n" kill "\n")))
      (is (= 0 (rest-of s)))
      (is (= :alive @canary))
      (is (some #(str/includes? % "an HTTP request") @(:lines r))))))

(deftest rep-10-silent-connections-are-capped-have-no-thread-and-are-dropped
  (with-nrepl
    (with-open [r (server :login-timeout 1)]
      (let [before (count (Thread/getAllStackTraces))
            silent (doall (repeatedly 500 #(raw r)))]
        (is (<= (count (Thread/getAllStackTraces)) (+ before 5)))
        (is (every? #(= 0 (rest-of %)) silent))
        (run! #(stream/close % :abort true) silent)
        (with-open [t (connect r)]
          (is (= [3] (values-of t "(+ 1 2)"))))))))

(deftest rep-12-t6-silent-clients-do-not-lock-the-owner-out
  (with-nrepl
    (with-open [r (server :login-timeout nil :max-unauthenticated 2)
                oldest (raw r)
                _younger (raw r)
                owner (connect r)]
      (is (= [3] (values-of owner "(+ 1 2)")))
      (is (= 0 (rest-of oldest))))))

(deftest rep-12-t8-no-error-ends-the-acceptor
  (with-nrepl
    (with-open [r (server)]
      (doseq [error [(StackOverflowError. "a test") (OutOfMemoryError. "a test")]]
        (let [met (promise)
              peer endpoint/peer]
          (with-redefs [endpoint/peer (fn [& args]
                                        (if (deliver met true)
                                          (throw error)
                                          (apply peer args)))]
            (with-open [s (raw r)]
              (is (= 0 (rest-of s)))
              (is (realized? met)))
            (with-open [t (connect r)]
              (is (= [3] (values-of t "(+ 1 2)"))))))))))

(deftest rep-12-t1-an-address-that-others-reach-is-refused
  (with-nrepl
    (is (thrown-with-msg? IllegalArgumentException #"^nrepl-server: :(bind|interface) is \"0\.0\.0\.0\" .*, which other machines can reach"
          (nrepl/nrepl-server :bind "0.0.0.0")))
    (is (thrown-with-msg? IllegalArgumentException #"^nrepl-server: :(bind|interface) is \"0\.0\.0\.0\" .*, which other machines can reach"
          (nrepl/nrepl-server :bind "0.0.0.0" :allow-remote true)))
    (with-open [r (server :bind "0.0.0.0" :allow-remote true :token "a-token-of-this-test")
                t (nrepl/connect :port (:port r) :token "a-token-of-this-test")]
      (is (= [3] (values-of t "(+ 1 2)"))))))

(deftest rep-12-t6-one-connection-too-many-is-closed
  (with-nrepl
    (with-open [r (server :max-connections 1)
                t (connect r)]
      (is (= [3] (values-of t "(+ 1 2)")))
      (with-open [s (raw r)]
        (is (= 0 (rest-of s)))))))

(deftest rep-12-t8-and-f1-nothing-is-left-of-servers-and-clients
  (with-nrepl
    (let [once (fn []
                 (doseq [options (endpoints)]
                   (with-open [r (server options)
                               t (connect r)]
                     (message t {:op "describe"}))))]
      (once)
      (let [before (Leaks/snapshotBut (into-array String ["clojure-agent" "nREPL"]))]
        (dotimes [_ 10] (once))
        (is (nil? (.assertBack before)))))))

;; ---- REP-12, with the guard and without ---------------------------------------------------------

(defmacro ^:private guarded-by
  [absence & attack]
  `(with-nrepl
     (testing-repl/guarded-by ~absence ~@attack)))

(defn- answered?
  "Whether a server answers a message with more than its end."
  [options text]
  (with-open [r (server options)
              s (raw r)]
    (send-bytes s (.getBytes ^String text))
    (try
      (boolean (stream/read-byte s nil nil))
      (catch SocketException _
        false))))

(deftest rep-12-t7-messages-are-of-a-size
  (guarded-by [bencode/input-stream (fn [in _ _] in)]
    (answered? {:max-message 1000} (str "d2:op8:describe1:x2000:" (apply str (repeat 2000 "x")) "e"))))

(deftest rep-12-t7-messages-are-of-a-depth
  (guarded-by [bencode/input-stream (fn [in _ _] in)]
    (answered? {:max-depth 3} "d2:op8:describe1:xlllleeeee")))

(deftest rep-12-t7-integers-have-so-many-digits
  (guarded-by [bencode/input-stream (fn [in _ _] in)]
    (answered? {:max-digits 10} "d2:op8:describe1:xi12345678901ee")))

(defn- what-nrepl-throws
  "The class of what nREPL's own reader throws at some bytes, behind the checkpoint."
  [^String text]
  (try
    (call 'nrepl.bencode/read-bencode
      (java.io.PushbackInputStream.
        (bencode/input-stream (ByteArrayInputStream. (.getBytes text)) bencode/limits (fn [_]))))
    nil
    (catch Throwable e
      (class e))))

(deftest rep-12-t7-a-strangers-word-is-not-taken-for-memory-or-depth
  (guarded-by [bencode/input-stream (fn [in _ _] in)]
    (= StackOverflowError (what-nrepl-throws (malformed "depth 300,000"))))
  (guarded-by [bencode/input-stream (fn [in _ _] in)]
    (= OutOfMemoryError (what-nrepl-throws (malformed "a length of 2 GB")))))

(deftest rep-12-t3-strangers-of-a-text-transport
  (guarded-by [parley.impl.guard/watcher (constantly (constantly :clean))]
    (reset! canary :alive)
    (with-open [r (server :transport-fn @(requiring-resolve 'nrepl.transport/tty))
                s (raw r)]
      (send-bytes s (.getBytes (str "SSH-2.0-OpenSSH\r\n" kill "\n")))
      (let [reader (future (rest-of s))
            dead? #(= :dead @canary)]
        (await-that "it is closed, or harmed" (or (dead?) (realized? reader)))
        (dead?)))))

(deftest rep-12-t1-the-interface
  (guarded-by [endpoint/check-interface (constantly nil)]
    (try
      (close (server :bind "0.0.0.0"))
      true
      (catch IllegalArgumentException _
        false))))

(deftest rep-12-t5-a-token
  (guarded-by [parley.impl.login/judge (constantly (constantly {:verdict :admit}))]
    (with-open [r (server :token "a-token-of-this-test" :login-timeout 0.5)
                s (raw r)]
      (send-bytes s (.getBytes "guess\nd2:op8:describee"))
      (pos? (long (or (stream/read-byte s nil nil) -1))))))
