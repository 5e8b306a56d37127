(ns parley.call-options-test
  "The options of one call: every function that reads takes :timeout and :eof in place of eof-error?, every
  function that writes takes :timeout."
  (:require
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io InterruptedIOException)
   (java.net SocketTimeoutException)
   (java.time Duration)
   (parley.net SocketStream)
   (parley.testing Leaks)))

(set! *warn-on-reflection* true)

(def ^:dynamic ^:private *client* nil)
(def ^:dynamic ^:private *peer* nil)

(def ^:private patience 20)

(defn- with-pair [f]
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1"
                                                          :element-type :bivalent)
                            peer (socket/socket-accept server :timeout patience :element-type :bivalent)]
    (stream/set-read-timeout! client patience)
    (stream/set-write-timeout! client patience)
    (binding [*client* client
              *peer* peer]
      (f))
    (stream/close client :abort true)))

(def ^:private two-bytes [:unsigned-byte 16])

(def ^:private eof-readers
  "Functions that take eof-error? and eof-value: [name call], called with the arguments from there on."
  {"read-char" #(apply stream/read-char *client* %)
   "peek-char" #(apply stream/peek-char *client* %)
   "peek-char \\a" #(apply stream/peek-char \a *client* %)
   "peek-char true" #(apply stream/peek-char true *client* %)
   "read-line" #(apply stream/read-line *client* %)
   "read-byte" #(apply stream/read-byte *client* %)
   "read-integer" #(apply stream/read-integer *client* two-bytes %)
   "read-integer :big" #(apply stream/read-integer *client* two-bytes :big %)
   "read-float" #(apply stream/read-float *client* :double-float %)
   "read-float :big" #(apply stream/read-float *client* :double-float :big %)})

(def ^:private eof-pollers
  {"read-char-no-hang" #(apply stream/read-char-no-hang *client* %)
   "read-byte-no-hang" #(apply stream/read-byte-no-hang *client* %)})

(def ^:private fillers
  {"read-char-sequence" #(apply stream/read-char-sequence (char-array 3) *client* %)
   "read-byte-sequence" #(apply stream/read-byte-sequence (byte-array 3) *client* %)})

(defn- takes?
  "Returns false for an eof-error? where the endianness stands that comes before it."
  [label args]
  (or (not (#{"read-integer" "read-float"} label))
      (let [[x] args]
        (or (empty? args) (keyword? x) (map? x)))))

(defn- function-of [label]
  (re-find #"^[^ ]+" label))

(defn- thrown [f]
  (try
    (f)
    nil
    (catch Throwable e
      e)))

(defn- background
  "Calls f on a thread of its own and returns a promise of its value."
  [f]
  (let [result (promise)]
    (.start (Thread. ^Runnable (bound-fn* #(deliver result (f)))))
    result))

(use-fixtures :each
  (fn [test]
    (with-pair #(thrown (fn [] (stream/read-char *client* :timeout 0.001)))) ; has the JDK open what it keeps
    (let [before (Leaks/snapshot)]
      (with-pair test)
      (.assertBack before))))

(deftest a-timeout-bounds-this-read-only
  (doseq [[label read] (merge eof-readers fillers {"read-line-values" #(apply stream/read-line-values *client* %)})
          timeout [0 0.01 1/100 [0 10000] (Duration/ofMillis 10)]
          args [[:timeout timeout] [{:timeout timeout}]]]
    (testing [label args]
      (let [e (thrown #(read args))]
        (is (instance? SocketTimeoutException e))
        (is (re-find (re-pattern (str "^" (function-of label) ": ")) (str (some-> ^Throwable e ex-message)))))
      (is (= (Duration/ofSeconds patience) (.timeout (.in ^SocketStream *client*)))))))

(deftest nil-waits-for-ever-in-place-of-the-streams-own-timeout
  (stream/set-read-timeout! *client* 0.001)
  (let [line (background #(stream/read-line *client* :timeout nil))]
    (is (= ::waits (deref line 100 ::waits)))
    (stream/write-line "x" *peer*)
    (stream/force-output *peer*)
    (is (= "x" (deref line 10000 ::late)))))

(deftest eof-is-the-value-at-the-end
  (stream/close *peer*)
  (doseq [[label read] (merge eof-readers eof-pollers)
          [args value] {[:eof :end] :end
                        [:timeout 5 :eof nil] nil
                        [:eof nil :timeout nil] nil
                        [{:eof :end}] :end
                        [{:eof :end :timeout 5}] :end
                        [:timeout 5 {:eof :end}] :end
                        [nil] nil
                        [false :end] :end
                        [false :end :timeout 5] :end}
          :when (takes? label args)]
    (testing [label args]
      (is (= value (read args)))))
  (is (= [:end true] (stream/read-line-values *client* :timeout 5 :eof :end)))
  (doseq [[label read] (merge eof-readers eof-pollers)
          args [[] [true] [true :end] [:timeout 5] [{}]]
          :when (takes? label args)]
    (testing [label args]
      (is (instance? java.io.EOFException (thrown #(read args)))))))

(deftest what-was-read-is-returned-with-options-too
  (doseq [_ (range 9)]
    (stream/write-string "ab\n" *peer*))
  (stream/force-output *peer*)
  (is (= "ab" (stream/read-line *client* :timeout 5)))
  (is (= ["ab" nil] (stream/read-line-values *client* :timeout 5 :eof nil)))
  (is (= \a (stream/peek-char *client* :timeout 5)))
  (is (= \b (stream/peek-char \b *client* :timeout 5 :eof nil)))
  (is (= \b (stream/read-char *client* {:timeout 5})))
  (is (= \newline (stream/read-char-no-hang *client* :eof nil)))
  (is (= 97 (stream/read-byte *client* :timeout 5)))
  (is (= 98 (stream/read-byte-no-hang *client* :timeout 5)))
  (is (= 0x0a61 (stream/read-integer *client* two-bytes :big :timeout 5)))
  (is (= 0x0a62 (stream/read-integer *client* two-bytes :timeout 5)))
  (is (= 3 (stream/read-char-sequence (char-array 3) *client* :timeout 5)))
  (is (= 2 (stream/read-byte-sequence (byte-array 3) *client* :timeout 5 :start 1 :end 2))))

(defn- writers
  "Calls of every function that writes, with arguments at the end."
  [s]
  {"write-char" #(apply stream/write-char \x s %)
   "write-string" #(apply stream/write-string "x" s %)
   "write-line" #(apply stream/write-line "x" s %)
   "terpri" #(apply stream/terpri s %)
   "fresh-line" #(apply stream/fresh-line s %)
   "write-char-sequence" #(apply stream/write-char-sequence [\x] s %)
   "write-byte" #(apply stream/write-byte 5 s %)
   "write-integer" #(apply stream/write-integer 5 s two-bytes :little %)
   "write-float" #(apply stream/write-float 5 s :single-float :big %)
   "write-byte-sequence" #(apply stream/write-byte-sequence (byte-array 1) s %)
   "write-byte-sequence-values" #(apply stream/write-byte-sequence-values (byte-array 1) s %)
   "finish-output" #(apply stream/finish-output s %)
   "force-output" #(apply stream/force-output s %)})

(deftest every-write-takes-a-timeout
  (doseq [[label write] (writers *client*)
          args [[:timeout 5] [{:timeout 5}] [:timeout nil] [nil]]]
    (testing [label args]
      (is (nil? (thrown #(write args))))))
  (doseq [[label write] (writers *client*)
          [args part] {[:timeout "5"] ": the timeout is \"5\""
                       [5] ": unknown option 5 \\(Long\\), expected one of .*:timeout"
                       [:tiemout 5] ": unknown option :tiemout .* did you mean :timeout\\?"}]
    (testing [label args]
      (is (re-find (re-pattern (str "^" label part)) (str (some-> (thrown #(write args)) ex-message)))))))

(deftest a-write-without-a-reader-times-out
  (let [e (thrown #(stream/write-byte-sequence (byte-array 20000000) *client* :timeout 0.05))]
    (is (instance? SocketTimeoutException e))
    (is (pos? (.bytesTransferred ^InterruptedIOException e)))
    (is (= (Duration/ofSeconds patience) (.timeout (.out ^SocketStream *client*))))))

(deftest calls-of-several-threads-leave-the-streams-own-timeout
  (let [readers (doall (for [i (range 8)]
                         (background (fn []
                                       (instance? SocketTimeoutException
                                                  (thrown #(stream/read-line *client* :timeout (/ (inc (long i)) 50))))))))]
    (is (every? true? (map #(deref % 10000 ::late) readers)))
    (is (= (Duration/ofSeconds patience) (.timeout (.in ^SocketStream *client*))))))

(deftest the-wait-for-another-call-is-interrupted
  (let [holder (background #(stream/read-line *client* :timeout patience))
        entered (promise)
        waiter (promise)
        client *client*
        thread (doto (Thread. (fn []
                                (deliver entered true)
                                (deliver waiter [(thrown #(stream/read-line client :timeout nil))
                                                 (Thread/interrupted)])))
                 (.start))]
    @entered
    (.interrupt thread)
    (let [[e flag] (deref waiter 10000 nil)]
      (is (instance? InterruptedIOException e))
      (is (true? flag)))
    (stream/write-line "x" *peer*)
    (stream/force-output *peer*)
    (is (= "x" (deref holder 10000 ::late)))))

(deftest what-is-no-eof-error-and-no-option
  (doseq [[args part] {[5] "eof-error\\? is 5 \\(Long\\), expected true, false or nil, or in its place options such as :timeout 5 :eof nil"
                       ["x" nil] "eof-error\\? is \"x\" \\(String\\), expected .*"
                       [:eof] "the option :eof has no value, expected keys and values"
                       [:tiemout 5] "unknown option :tiemout \\(Keyword\\), expected one of :eof :timeout; did you mean :timeout\\?"
                       [{:eof-value 5}] "unknown option :eof-value .*"
                       [nil nil :eof 5] "unknown option :eof \\(Keyword\\), expected one of :timeout"
                       [:timeout -1] "the timeout is -1 \\(Long\\), .*"}
          [label read] (dissoc (merge eof-readers eof-pollers) "read-integer" "read-float")]
    (testing [label args]
      (let [e (thrown #(read args))]
        (is (instance? IllegalArgumentException e))
        (is (re-matches (re-pattern (str (function-of label) ": " part)) (str (some-> e ex-message))))))))

(deftest a-timeout-of-one-call-leaves-calls-of-other-threads-alone
  (let [client *client*
        waits (promise)
        got (promise)
        reader (doto (Thread. ^Runnable (fn []
                                          (deliver waits true)
                                          (deliver got (stream/read-char client :timeout patience))))
                 (.start))]
    @waits
    (is (instance? SocketTimeoutException (thrown #(stream/read-char *client* :timeout 0.05))))
    (is (= patience (stream/read-timeout *client*)))
    (stream/write-char \a *peer*)
    (stream/force-output *peer*)
    (is (= \a (deref got 20000 ::late)))
    (.join reader 20000)))
