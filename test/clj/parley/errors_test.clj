(ns parley.errors-test
  "What programs and people learn from exceptions: the message that a REPL shows, and error-info."
  (:require
   [clojure.core.async :as async]
   [clojure.datafy :refer [datafy]]
   [clojure.main :as main]
   [clojure.test :refer [deftest is testing]]
   [parley.async :as pa]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io InterruptedIOException)
   (java.time Duration)
   (parley.net SocketServer)
   (parley.net.wait Deadline)
   (parley.testing Family TemporaryPaths)))

(set! *warn-on-reflection* true)

(defn- thrown [f]
  (try
    (f)
    nil
    (catch Throwable e
      e)))

(defn- reset-first!
  "Resets a connection that the server has in its queue."
  [^SocketServer server]
  (socket/socket-wait server 5)
  (with-open [peer (.accept (.channel server))]
    (.setOption peer java.net.StandardSocketOptions/SO_LINGER ^Object (Integer/valueOf 0))))

(defn- failures
  "Calls `f` with a name, an exception and the facts expected of it, for failures of every kind."
  [f]
  (let [port (Family/freePort)]
    (f "refused" (thrown #(socket/socket-connect port "127.0.0.1"))
      {:op "socket-connect"
       :code :econnrefused
       :remote ["127.0.0.1" port]}))
  (let [path (TemporaryPaths/fresh)]
    (f "no file" (thrown #(socket/socket-connect path))
      {:op "socket-connect"
       :code :enoent
       :remote [(str path) 0]}))
  (f "unknown host" (thrown #(socket/socket-connect 80 "no-such-host.invalid"))
    {:op "socket-connect"
     :remote ["no-such-host.invalid" 0]})
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [e (thrown #(socket/socket-server (socket/socket-server-port server) :interface "127.0.0.1"))]
      (is (nil? (:remote (socket/error-info e))))
      (f "in use" e
        {:op "socket-server"
         :code :eaddrinuse
         :local ["127.0.0.1" (socket/socket-server-port server)]}))
    (f "no client" (thrown #(socket/socket-accept server :timeout 0))
      {:op "socket-accept"
       :code :etimedout
       :local ["127.0.0.1" (socket/socket-server-port server)]})
    (let [s (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
          ends {:local (socket/socket-stream-local s true)
                :remote (socket/socket-stream-peer s true)}]
      (stream/set-stream-external-format! s :us-ascii)
      (f "no bytes for a character" (thrown #(stream/write-char \é s)) (assoc ends :op "write-char"))
      (f "nor in a line" (thrown #(stream/write-line "é" s)) (assoc ends :op "write-line"))
      (stream/set-read-timeout! s 0.001)
      (f "timed out" (thrown #(stream/read-line s))
        (assoc ends :op "read-line" :code :etimedout))
      (.interrupt (Thread/currentThread))
      (let [e (thrown #(stream/read-char s))]
        (Thread/interrupted)
        (is (instance? InterruptedIOException e))
        (f "interrupted" e (assoc ends :op "read-char" :code :eintr)))
      (reset-first! server)
      (socket/socket-status [s :input] 5)
      (stream/set-read-timeout! s nil)
      (f "reset" (thrown #(stream/read-line s)) (assoc ends :op "read-line" :code :econnreset))
      (f "reset again" (thrown #(stream/read-char s)) (assoc ends :op "read-char" :code :econnreset))
      (stream/close s :abort true)
      (f "closed" (thrown #(stream/read-char s)) (assoc ends :op "read-char")))))

(defn- failures-of-input
  "Calls `f` as `failures` does, for input that is not what the reader expects."
  [f]
  (doseq [[what text read op] [["bad bytes" "é" stream/read-char "read-char"]
                               ["bad bytes in a line" "é\n" stream/read-line "read-line"]
                               ["no end of a line" "too long" stream/read-line "read-line"]
                               ["a bad form" "} " #(first (stream/forms %)) "forms"]
                               ["the end" "" stream/read-char "read-char"]]]
    (let [[a b] (stream/stream-pair :line-limit 5)]
      (socket/with-open-stream [a a
                                b b]
        (stream/write-string text b)
        (stream/force-output b)
        (when-not (= "no end of a line" what)
          (socket/socket-stream-shutdown b :output))
        (stream/set-stream-external-format! a :us-ascii)
        (f what (thrown #(read a)) {:op op
                                    :local (socket/socket-stream-local a true)
                                    :remote (socket/socket-stream-peer a true)})))))

(deftest a-repl-shows-the-message-of-the-library
  (failures
    (fn [what e _]
      (testing what
        (let [shown (main/ex-str (main/ex-triage (Throwable->map e)))]
          (is (.contains ^String shown ^String (ex-message e)))
          (is (nil? (ex-cause e))))))))

(deftest error-info-has-what-failed-and-where
  (let [check (fn [what e facts]
                (testing what
                  (let [info (socket/error-info e)]
                    (is (= facts (select-keys info (keys facts))))
                    (is (= (:code info) (socket/os-error-code e)))
                    (is (= info (socket/error-info (ex-info "wrapped" {} e))))
                    (is (= info (:data (datafy e)) (select-keys (datafy e) (keys info))))
                    (is (.startsWith ^String (ex-message e) (str (:op info) ": "))))))]
    (failures check)
    (failures-of-input check)))

(deftest error-info-of-other-exceptions-is-nil
  (is (nil? (socket/error-info nil)))
  (let [e (java.io.IOException. "Connection refused")]
    (is (nil? (socket/error-info e)))
    (is (= (Throwable->map e) (datafy e)))))

(deftest a-write-that-fails-reports-how-much-was-sent
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")
                            s (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            peer (socket/socket-accept server)]
    (stream/set-stream-element-type! s :byte)
    (stream/set-write-timeout! s 0.05)
    (let [^InterruptedIOException e (thrown #(stream/write-byte-sequence (byte-array 100000000) s))]
      (is (stream/open-stream? peer))
      (is (= :etimedout (:code (socket/error-info e))))
      (is (pos? (.bytesTransferred e)))
      (is (= (.bytesTransferred e) (:bytes-done (socket/error-info e)))))
    (stream/close s :abort true)))

(deftest a-read-in-vain-names-the-output-that-the-peer-was-not-sent
  (let [[a b] (stream/stream-pair :element-type :bivalent)
        read-in-vain #(ex-message (thrown (fn [] (stream/read-line a :timeout 0))))
        hint #"again; (1 byte that was written is|2 bytes that were written are) still buffered: finish-output sends the peer what it may wait for$"]
    (socket/with-open-stream [_ a
                              _ b]
      (is (re-find #"again$" (read-in-vain)))
      (stream/write-byte 1 a)
      (is (= "1 byte that was written is" (second (re-find hint (read-in-vain)))))
      (stream/write-byte 1 a)
      (is (= "2 bytes that were written are" (second (re-find hint (read-in-vain)))))
      (.interrupt (Thread/currentThread))
      (let [e (thrown #(stream/read-char a))]
        (Thread/interrupted)
        (is (re-find hint (ex-message e))))
      (stream/finish-output a)
      (is (re-find #"again$" (read-in-vain))))))

(deftest a-timeout-names-its-limit
  (doseq [[timeout shown] {(Duration/ofSeconds 30) "30 s"
                           (Duration/ofMillis 100) "0.1 s"
                           (Duration/ofDays 7) "604800 s"}]
    (is (= shown (.shown (Deadline/in timeout)))))
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [[s peer] (stream/stream-pair :element-type :bivalent) ; a Unix-domain socket that is full stays full
          flood #(stream/write-byte-sequence (byte-array 10000000) s)
          read-by (fn [seconds] (stream/set-read-deadline! s seconds) #(stream/read-char s))
          write-by (fn [seconds] (stream/set-write-deadline! s seconds) flood)
          call-after (fn [f] #(do (f) (stream/read-char s)))]
      (doseq [[expected make] [["socket-accept: timed out at once (timeout 0) waiting for a connection to #<socket-server 127"
                                (constantly #(socket/socket-accept server :timeout 0))]
                               ["socket-accept: timed out after 0.05 s waiting for a connection to #<socket-server 127"
                                (constantly #(socket/socket-accept server :timeout 1/20))]
                               ["read-line: timed out after 0.03 s waiting for input from #<socket-stream "
                                (constantly #(stream/read-line s :timeout 0.03))]
                               ["read-line: timed out at once (timeout 0) waiting for input from #<socket-stream "
                                (constantly #(stream/read-line s :timeout 0))]
                               ["read-char: timed out after 0.02 s waiting for input from #<socket-stream "
                                (constantly (call-after #(stream/set-read-timeout! s 0.02)))]
                               ["read-char: timed out at the deadline of 0.01 s that set-read-deadline! set, waiting for input from #<"
                                #(read-by 0.01)]
                               ["read-char: timed out after 0.02 s waiting for input" #(read-by 60)]
                               ["write-byte-sequence: timed out at the deadline of 0.05 s that set-write-deadline! set, waiting for output to #<"
                                #(write-by 0.05)]
                               ["write-byte-sequence: timed out after 0.04 s waiting for output to #<"
                                #(do (stream/set-write-timeout! s 0.04) (write-by nil))]
                               ["close: timed out after 0.06 s waiting for room for output to #<"
                                #(do (stream/set-close-timeout! s 0.06)
                                     (stream/write-byte 1 s)
                                     (fn [] (stream/close s)))]]
              :let [message (str (ex-message (thrown (make))))]]
        (is (= expected (subs message 0 (min (count expected) (count message))))))
      (stream/close s :abort true)
      (stream/close peer :abort true))))

(deftest a-close-that-cannot-flush-names-itself-and-the-stream
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [s (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
      (reset-first! server)
      (socket/socket-status [s :input] 5)
      (stream/write-string "lost" s)
      (let [e (thrown #(stream/close s))]
        (is (re-matches #"close: [^:]+: 4 bytes written to #<socket-stream .* closed> are lost"
              (ex-message e)))
        (is (#{:econnreset :epipe} (socket/os-error-code e)))
        (is (= (socket/socket-stream-peer s true) (:remote (socket/error-info e))))))))

(deftest clojure-programs-read-the-names-of-clojure
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")
                            s (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            peer (socket/socket-accept server)]
    (testing "of functions and element types"
      (stream/set-stream-element-type! s [:unsigned-byte 16])
      (is (= (str "read-line: the element type of " (pr-str s) " is [:unsigned-byte 16], expected one with"
               " characters; switch with set-stream-element-type! to :character or :bivalent")
            (ex-message (thrown #(stream/read-line s)))))
      (stream/set-stream-element-type! s :character))
    (testing "also through clojure.core"
      (stream/set-read-timeout! s 0.001)
      (let [root (last (take-while some? (iterate ex-cause (thrown #(read (stream/socket-reader s))))))]
        (is (re-find #"^read-[a-z-]+: timed out" (ex-message root)))))
    (testing "also of what fails on another thread"
      (stream/set-read-timeout! s nil)
      (stream/write-line "too long" peer)
      (stream/force-output peer)
      (let [lines (pa/elements s {:as :line :max-size 2})]
        (is (nil? (first (async/alts!! [lines (async/timeout 5000)]))))
        (is (.startsWith ^String (ex-message (pa/channel-error lines)) "elements: a line "))))))

(deftest java-methods-called-from-clojure-keep-their-names
  (let [elsewhere (create-ns 'a-program-of-a-user)
        mistake (binding [*ns* elsewhere]
                  (eval '(clojure.core/fn [] (parley.net.SocketStream/connect "127.0.0.1" (clojure.core/int -1) parley.net.StreamOptions/DEFAULT))))]
    (is (= "SocketStream.connect: the port is -1, expected 0 to 65535 (0: the system chooses, for a server only)"
          (ex-message (thrown mistake))))))
