(ns parley.descriptor-test
  "What reaches down to the descriptor: options, handles, streams over handles, pipes to commands,
  standard input, and all of them in one wait."
  (:require
   [clojure.core.async :as a]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as prop]
   [parley.async :as async]
   [parley.rawsock :as raw]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.random :as random]
   [parley.testing.raw-pair :refer [with-raw-pair]])
  (:import
   (java.io File InterruptedIOException)
   (java.net SocketTimeoutException)
   (java.nio.channels AsynchronousCloseException)
   (java.nio.file Files)
   (java.util.concurrent.locks LockSupport)
   (parley.posix Descriptor Sockets)
   (parley.testing Child Leaks TemporaryPaths)))

(set! *warn-on-reflection* true)

;; ---- helpers ------------------------------------------------------------------------------------

(defmacro ^:private with-connection
  "Binds the ends of a connection over loopback, and its server, for the body."
  [[client accepted server] & body]
  `(socket/with-open-stream [~server (socket/socket-server 0 :interface "127.0.0.1")
                             ~client (socket/socket-connect (socket/socket-server-port ~server) "127.0.0.1"
                                       :timeout 5)
                             ~accepted (socket/socket-accept ~server :timeout 5)]
     ~@body))

(defn- message-of [f]
  (try (f) nil
       (catch IllegalArgumentException e (.getMessage e))))

(defn- code-of [f]
  (try (f)
       (catch java.io.IOException e (socket/os-error-code e))))

(defn- eventually
  "What f returns as soon as that is true, within ten seconds."
  [f]
  (let [end (+ (System/nanoTime) 10000000000)]
    (loop []
      (or (f)
          (when (< (System/nanoTime) end)
            (LockSupport/parkNanos 1000000)
            (recur))))))

(defn- in-thread
  "Runs f in a daemon thread; the promise gets what it returns or throws."
  [f]
  (let [result (promise)
        thread (doto (Thread. ^Runnable (fn [] (deliver result (try (f) (catch Throwable e e)))))
                 (.setDaemon true)
                 (.start))]
    [thread result]))

(defn- until-blocked
  "Returns when the thread waits in the kernel, or is parked."
  [^Thread thread]
  (is (eventually #(some (fn [^StackTraceElement e] (#{"select" "poll" "parkNanos"} (.getMethodName e)))
                         (.getStackTrace thread)))))

;; ---- options ------------------------------------------------------------------------------------

(deftest options-answer-the-value-before-the-call
  (with-connection [client accepted server]
    (is (= [nil 1] (socket/socket-options client :so-linger 1 :so-rcvlowat)))
    (is (= [1 1] (socket/socket-options client :so-linger nil :so-rcvlowat)))
    (is (= [nil] (socket/socket-options client :so-linger)))
    (is (= [true] (socket/socket-options client :tcp-nodelay)))
    (is (= [:stream nil nil] (socket/socket-options accepted :so-type :so-error :so-acceptconn)))
    (is (= [true :stream] (socket/socket-options server :so-acceptconn :so-type)))
    (is (= [nil] (socket/socket-options server :so-keepalive true)))
    (is (= [true] (socket/socket-options server :so-keepalive)))))

(deftest options-of-raw-sockets-go-by-their-handles
  (with-raw-pair [a _b]
    (is (= [nil :stream] (socket/socket-options a :so-keepalive true :so-type)))
    (is (= [true] (socket/socket-options a :so-keepalive)))
    (is (= true (raw/socket-option a :keepalive)))))

(deftest options-are-checked-before-any-is-set
  (with-connection [client _accepted _server]
    (let [message (message-of #(socket/socket-options client :so-keepalive true :so-rcvlowatt))]
      (is (str/includes? message "the option is :so-rcvlowatt (Keyword), expected one of :ip-tos :ip-ttl"))
      (is (str/includes? message "did you mean :so-rcvlowat?")))
    (is (= [nil] (socket/socket-options client :so-keepalive)))
    (is (= [] (socket/socket-options client)))
    (is (str/includes? (message-of #(socket/socket-options client 1 :so-type)) "the option is 1"))
    (is (str/includes? (message-of #(socket/socket-options client :so-linger -1)) "so-linger"))
    (is (str/includes? (message-of #(socket/socket-options client :so-rcvtimeo -1)) ":so-rcvtimeo is -1 (Long), expected seconds"))
    (is (str/includes? (message-of #(socket/socket-options "x" :so-type)) "the socket is \"x\""))
    (is (thrown-with-msg? UnsupportedOperationException #"so-type: can be read but not set on Linux"
          (socket/socket-options client :so-type 1)))))

(deftest time-options-bound-reads-and-writes
  (with-connection [client accepted _server]
    (is (= [0] (socket/socket-options client :so-rcvtimeo 0.1)))
    (let [start (System/nanoTime)]
      (is (thrown? SocketTimeoutException (stream/read-char client)))
      (is (<= 100000000 (- (System/nanoTime) start) 5000000000)))
    (is (= [0.1] (socket/socket-options client :so-rcvtimeo nil)))
    (stream/write-line "in time" accepted)
    (stream/finish-output accepted)
    (is (= "in time" (stream/read-line client)))
    (is (= [0] (socket/socket-options client :so-sndtimeo 0.1)))
    (stream/set-stream-element-type! client :unsigned-byte-8)
    (is (thrown? SocketTimeoutException
          (stream/write-byte-sequence (byte-array 20000000) client)))))

(defn- times-out?
  "Whether f ends, by itself, with a SocketTimeoutException."
  [f]
  (let [[^Thread thread result] (in-thread f)
        outcome (deref result 20000 :late)]
    (.interrupt thread)
    (instance? SocketTimeoutException outcome)))

(deftest time-options-of-a-server-bound-its-accepts-and-the-streams-accepted
  (with-connection [_client _accepted server]
    (is (= [0] (socket/socket-options server :so-rcvtimeo 0.1)))
    (is (times-out? #(socket/socket-accept server)))
    (socket/with-open-stream [_other (socket/socket-connect (socket/socket-server-port server) "127.0.0.1"
                                       :timeout 5)
                              late (socket/socket-accept server :timeout 5)]
      (is (= [0.1] (socket/socket-options late :so-rcvtimeo)))
      (is (times-out? #(stream/read-char late))))))

(deftest time-options-of-a-handle-bound-a-stream-over-it
  (with-raw-pair [a _b]
    (socket/socket-options a :so-rcvtimeo 0.1)
    (socket/with-open-stream [s (stream/make-stream a)]
      (is (times-out? #(stream/read-char s))))))

(deftest rst-1-a-reset-told-by-an-option-or-to-a-handle-is-told-to-the-stream-too
  (doseq [ask [(fn [client _] (is (= [:econnreset] (socket/socket-options client :so-error))))
               (fn [_ handle] (is (= [:econnreset] (socket/socket-options handle :so-error))))
               (fn [_ handle] (dotimes [_ 3] (is (= :econnreset (code-of #(raw/recv handle (byte-array 1)))))))
               (fn [_ handle] (is (= :econnreset (code-of #(raw/recv handle (byte-array 1) :peek true)))))
               (fn [client _] (with-open [s (stream/make-stream client)]
                                (is (= :econnreset (code-of #(stream/read-char s))))))]]
    (with-connection [client accepted _server]
      (let [[handle] (socket/stream-handles client)]
        (socket/socket-options accepted :so-linger 0)
        (stream/close accepted)
        (is (some? (socket/socket-status [handle :input] 5)))
        (ask client handle)
        (is (= :error (socket/socket-status client 5)))
        (dotimes [_ 2]
          (is (= :econnreset (code-of #(stream/read-char client)))))
        (is (= :econnreset (socket/os-error-code (socket/stream-error client))))
        (is (= :econnreset (code-of #(raw/recv handle (byte-array 1)))))))))

(deftest rst-1-a-reset-told-to-the-stream-is-told-to-its-handle-too
  (with-connection [client accepted _server]
    (let [[handle] (socket/stream-handles client)]
      (socket/socket-options accepted :so-linger 0)
      (stream/close accepted)
      (is (= :econnreset (code-of #(stream/read-char client))))
      (is (= :econnreset (code-of #(raw/recv handle (byte-array 1))))))))

(deftest rst-1-a-reset-told-to-a-stream-over-a-handle-is-told-to-its-other-users-too
  (with-connection [client accepted _server]
    (let [[handle] (socket/stream-handles client)]
      (socket/with-open-stream [one (stream/make-stream handle)
                                other (stream/make-stream handle)]
        (socket/socket-options accepted :so-linger 0)
        (stream/close accepted)
        (doseq [f [#(stream/read-char one) #(stream/read-char other) #(raw/recv handle (byte-array 1))
                   #(stream/read-char client)]]
          (is (= :econnreset (code-of f))))))))

(deftest options-of-a-closed-stream-are-refused
  (with-connection [client _accepted _server]
    (stream/close client)
    (is (thrown? IllegalStateException (socket/socket-options client :so-type)))
    (is (thrown? IllegalStateException (socket/stream-handles client)))))

(deftest options-are-what-another-program-sees
  (with-connection [client _accepted _server]
    (socket/socket-options client :so-keepalive true :tcp-keepidle 1234 :ip-tos 16 :so-sndbuf 20000)
    (let [[_ port] (socket/socket-stream-local client)
          ss (Child/command (into-array String ["ss" "-tinoemH" "sport" "=" (str ":" port)]))]
      (with-open [ss ss]
        (let [seen (str (.line ss) (.line ss))]
          (is (re-find #"timer:\(keepalive,20min" seen))
          (is (re-find #"tb40000" seen)))))))

;; ---- handles ------------------------------------------------------------------------------------

(deftest handles-of-streams-and-servers
  (with-connection [client accepted server]
    (let [[in out] (socket/stream-handles client)]
      (is (= in out))
      (is (= 4 (raw/send in (.getBytes "raw\n"))))
      (is (= "raw" (stream/read-line accepted)))
      (is (= (socket/socket-stream-peer client) (socket/socket-stream-peer in)))
      (is (= (socket/socket-stream-local client true) (socket/socket-stream-local in true)))
      (is (str/includes? (message-of #(raw/sock-close in)) "close what it belongs to"))
      (stream/close client)
      (is (= :ebadf (code-of #(raw/send in (byte-array 1)))))
      (is (= 2 (count (socket/stream-handles server))))
      (is (nil? (second (socket/stream-handles server)))))))

(defn- reused
  "An open pair of descriptors, the first of which has this number; nil when the kernel gives another."
  [handle]
  (let [[^Descriptor ours ^Descriptor theirs :as pair] (Sockets/socketpair "unix" "stream" 0)]
    (if (= handle (.number ours))
      pair
      (do (.close ours) (.close theirs)))))

(deftest raw-2-the-handle-of-a-closed-stream-over-a-handle-is-refused
  (let [[handle [^Descriptor ours ^Descriptor theirs :as pair]]
        (first (filter second
                 (repeatedly 100
                   #(with-raw-pair [a _b]
                      (let [s (stream/make-stream a)
                            [handle] (socket/stream-handles s)]
                        (is (= 1 (raw/send handle (byte-array 1))))
                        (is (str/includes? (message-of (fn [] (raw/sock-close handle)))
                              "not made by the raw socket functions"))
                        (stream/close s)
                        [handle (reused handle)])))))]
    (is (some? pair) "in a hundred times, the kernel never gave a number again")
    (with-open [ours ours
                theirs theirs]
      (is (.isOpen ours))
      (is (= :ebadf (code-of #(raw/send handle (byte-array 1)))))
      (is (= :ebadf (code-of #(socket/socket-options handle :so-type))))
      (is (= -2 (.read theirs (byte-array 1) 0 1))))))

(deftest handles-of-nine-thousand-streams-come-quickly
  (let [servers (vec (repeatedly 3 #(socket/socket-server 0 :interface "127.0.0.1" :backlog 4096)))
        streams (vec (for [server servers
                           _ (range 3000)]
                       (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :timeout 5)))]
    (try
      (let [start (System/nanoTime)
            handles (into #{} (map (comp first socket/stream-handles)) streams)
            first-time (- (System/nanoTime) start)
            again (fn []
                    (let [start (System/nanoTime)]
                      (run! socket/stream-handles streams)
                      (- (System/nanoTime) start)))]
        (is (= 9000 (count handles)))
        (is (< first-time 20000000000) "a search through all descriptors for each takes minutes")
        (is (some #(< % first-time) (repeatedly 5 again)) "they are remembered"))
      (finally
        (run! stream/close streams)
        (run! socket/socket-server-close servers)))))

(deftest raw-sockets-are-asked-and-shut-by-their-handles
  (with-raw-pair [a b]
    (is (= ["" 0] (socket/socket-stream-peer a)))
    (is (= :output (socket/socket-status a 0)))
    (raw/send b (byte-array 1))
    (is (= [:io :input nil] [(socket/socket-status a 0)
                             (socket/socket-status [a :input] 0)
                             (socket/socket-status [b :input] 0)]))
    (raw/recv a (byte-array 1))
    (is (nil? (socket/socket-stream-shutdown b :output)))
    (is (= :append (socket/socket-status a)))
    (is (= :eof (socket/socket-status [a :input])))
    (is (= 0 (raw/recv a (byte-array 1))))))

(deftest a-raw-server-has-input-when-a-connection-waits
  (let [server (raw/socket :inet :stream)
        client (raw/socket :inet :stream)]
    (try
      (raw/bind server (raw/make-sockaddr :inet "127.0.0.1" 0))
      (raw/sock-listen server 1)
      (is (nil? (socket/socket-status server 0)))
      (raw/connect client (raw/getsockname server))
      (is (= :input (socket/socket-status server 5)))
      (let [[accepted] (raw/accept server)]
        (raw/set-socket-option! accepted :linger 0)
        (raw/sock-close accepted))
      (is (= :error (eventually #(#{:error} (socket/socket-status client 5)))))
      (is (= :error (socket/socket-status client 0)) "it stays so")
      (finally
        (run! raw/sock-close [server client])))))

;; ---- streams over handles -----------------------------------------------------------------------

(deftest a-stream-over-a-handle-does-what-a-socket-stream-does
  (with-raw-pair [a b]
    (socket/with-open-stream [x (stream/make-stream a)
                              y (stream/make-stream b {:element-type :bivalent :external-format :dos})]
      (is (= [:output :output] (socket/socket-status [x y])))
      (stream/write-line "one" x)
      (stream/write-string "two" x)
      (stream/finish-output x)
      (is (= :io (socket/socket-status y)))
      (is (= "one" (stream/read-line y)))
      (is (= 116 (stream/read-byte y)))
      (is (= \w (stream/peek-char y)))
      (is (= \w (stream/read-char y)))
      (stream/unread-char \w y)
      (is (= [\w \o nil] (repeatedly 3 #(stream/read-char-no-hang y))))
      (is (nil? (stream/read-byte-no-hang y)))
      (stream/write-line "back" y)
      (stream/finish-output y)
      (is (= "back" (stream/read-line x)))
      (is (not= [a a] (socket/stream-handles x)) "a duplicate")
      (socket/socket-stream-shutdown x :output)
      (is (= [false true] [(boolean (stream/output-stream? x)) (boolean (stream/input-stream? x))]))
      (is (= :append (socket/socket-status y)))
      (is (= :end (stream/read-line y false :end)))
      (stream/close x)
      (is (= 1 (raw/send b (byte-array 1))) "the original is open"))))

(deftest a-blocked-read-over-a-handle-is-ended-by-close-interrupt-and-time
  (with-raw-pair [a b]
    (let [s (stream/make-stream a)]
      (stream/set-read-timeout! s 0.05)
      (is (thrown? SocketTimeoutException (stream/read-char s)))
      (stream/set-read-timeout! s nil)
      (let [[^Thread thread result] (in-thread #(stream/read-char s))]
        (until-blocked thread)
        (.interrupt thread)
        (is (instance? InterruptedIOException (deref result 20000 :late))))
      (let [[thread result] (in-thread #(stream/read-char s))]
        (until-blocked thread)
        (raw/send b (.getBytes "x"))
        (is (= \x (deref result 20000 :late))))
      (let [[thread result] (in-thread #(stream/read-char s))]
        (until-blocked thread)
        (stream/close s)
        (is (instance? AsynchronousCloseException (deref result 20000 :late)))))))

(deftest a-reset-over-a-handle-stays-a-reset
  (let [server (raw/socket :inet :stream)
        client (raw/socket :inet :stream)]
    (try
      (raw/bind server (raw/make-sockaddr :inet "127.0.0.1" 0))
      (raw/sock-listen server 1)
      (raw/connect client (raw/getsockname server))
      (let [[accepted] (raw/accept server)]
        (socket/with-open-stream [s (stream/make-stream client)]
          (raw/set-socket-option! accepted :linger 0)
          (raw/sock-close accepted)
          (is (= :error (eventually #(#{:error} (socket/socket-status s 5)))))
          (dotimes [_ 3]
            (is (= :econnreset (code-of #(stream/read-char s)))))
          (is (= :error (socket/socket-status s 0)))))
      (finally
        (run! raw/sock-close [server client])))))

(deftest a-unix-domain-server-gives-a-stream
  (let [directory (TemporaryPaths/directory)
        path (.resolve directory "s")]
    (socket/with-open-stream [server (socket/socket-server path)]
      (let [[s address] (raw/open-unix-socket-stream path)]
        (socket/with-open-stream [s s
                                  accepted (socket/socket-accept server :timeout 5)]
          (is (= (str path) (str address)))
          (stream/write-line "hello" s)
          (stream/finish-output s)
          (is (= "hello" (stream/read-line accepted))))))
    (Files/delete directory)))

(deftest what-is-no-handle-is-refused
  (is (str/includes? (message-of #(stream/make-stream "x")) "the handle is \"x\""))
  (is (str/includes? (message-of #(stream/make-stream -1)) "the handle is -1"))
  (is (= :ebadf (code-of #(stream/make-stream 99999))))
  (is (str/includes? (message-of #(stream/make-stream 0 :timeout 5)) "unknown option :timeout"))
  (is (str/includes? (message-of #(stream/make-pipe-input-stream nil)) "the command is nil")))

;; ---- a model ------------------------------------------------------------------------------------

(def ^:private operation
  (gen/tuple (gen/elements [:raw-send :raw-recv :stream-write :stream-read :stream-status :raw-status])
             (gen/choose 1 300)))

(defn- counting ^bytes [from n]
  (byte-array (map unchecked-byte (range from (+ (long from) (long n))))))

(defn- taken
  "Whether n bytes of the array are what the model, [sent taken], has next; if so the model after that."
  [model side ^bytes array n most]
  (let [[sent done] (model side)]
    (when (and (= n (min (long most) (- (long sent) (long done))))
               (java.util.Arrays/equals (java.util.Arrays/copyOf array (int n)) (counting done n)))
      (update-in model [side 1] + n))))

(defn- step
  "Does an operation on the handle and the stream, and on the model; nil when they differ."
  [handle s model [op n]]
  (let [array (byte-array n)
        there? (fn [side] (apply > (model side)))]
    (case op
      :raw-send (when (= n (raw/send handle (counting (get-in model [:in 0]) n)))
                  (update-in model [:in 0] + n))
      :stream-write (do (stream/write-byte-sequence (counting (get-in model [:out 0]) n) s)
                        (stream/finish-output s)
                        (update-in model [:out 0] + n))
      :raw-recv (taken model :out array
                  (try (raw/recv handle array :timeout 0) (catch SocketTimeoutException _ 0)) n)
      :stream-read (taken model :in array (stream/read-byte-sequence array s :no-hang true) n)
      :stream-status (when (= (if (there? :in) :io :output) (socket/socket-status s 0))
                       model)
      :raw-status (when (= (if (there? :out) :input nil) (socket/socket-status [handle :input] 0))
                    model))))

(deftest random-programs-through-raw-calls-and-a-stream-agree-with-a-model
  (random/holds 300
    (prop/for-all [program (gen/vector operation 0 50)]
      (with-raw-pair [a b]
        (socket/with-open-stream [s (stream/make-stream b :element-type :unsigned-byte-8)]
          (boolean (reduce (fn [model operation]
                             (or (step a s model operation) (reduced nil)))
                           {:in [0 0] :out [0 0]}
                           program)))))))

;; ---- pipes --------------------------------------------------------------------------------------

(deftest a-command-is-read-line-by-line-and-its-status-kept
  (socket/with-open-stream [s (stream/make-pipe-input-stream "echo one; exit 2")]
    (is (= "one" (stream/read-line s)))
    (is (= 2 (stream/pipe-exit-status s 10))))
  (socket/with-open-stream [s (stream/make-pipe-io-stream "echo one; read x; echo $x; exit 3")]
    (is (= "one" (stream/read-line s)))
    (is (nil? (stream/read-char-no-hang s)))
    (is (= :output (socket/socket-status s 0)))
    (is (nil? (stream/pipe-exit-status s)))
    (stream/write-line "two" s)
    (stream/finish-output s)
    (is (= :input (socket/socket-status [s :input] 10)))
    (is (= "two" (stream/read-line s)))
    (is (= :end (stream/read-line s false :end)))
    (is (= 3 (stream/pipe-exit-status s 10)))
    (is (= :eof (socket/socket-status [s :input] 0)))))

(deftest a-pipe-has-the-sides-that-were-asked-for
  (socket/with-open-stream [in (stream/make-pipe-input-stream "true")
                            out (stream/make-pipe-output-stream "cat > /dev/null")]
    (is (= [true false] (map boolean [(stream/input-stream? in) (stream/output-stream? in)])))
    (is (= [false true] (map boolean [(stream/input-stream? out) (stream/output-stream? out)])))
    (is (= [true true] [(int? (first (socket/stream-handles in))) (nil? (second (socket/stream-handles in)))]))
    (is (= [true true] [(nil? (first (socket/stream-handles out))) (int? (second (socket/stream-handles out)))]))
    (is (= :output (socket/socket-status out)))
    (is (= :eof (socket/socket-status in)))))

(deftest closing-a-pipe-flushes-and-ends-a-command-that-reads
  (let [file (TemporaryPaths/fresh)
        s (stream/make-pipe-output-stream (str "cat > " file))]
    (stream/write-line "written" s)
    (stream/close s)
    (is (= 0 (stream/pipe-exit-status s 10)))
    (is (= "written\n" (Files/readString file)))
    (Files/delete file)))

(deftest output-can-be-ended-before-input
  (socket/with-open-stream [s (stream/make-pipe-io-stream "sort")]
    (stream/write-line "b" s)
    (stream/write-line "a" s)
    (socket/socket-stream-shutdown s :output)
    (is (= ["a" "b" :end] (repeatedly 3 #(stream/read-line s false :end))))
    (is (= :epipe (code-of #(stream/write-char \x s))))))

(deftest a-command-can-be-killed-and-one-that-nobody-reads-is-told
  (socket/with-open-stream [s (stream/make-pipe-input-stream "exec sleep 1000")]
    (is (nil? (stream/pipe-exit-status s)))
    (stream/pipe-kill s)
    (is (= 143 (stream/pipe-exit-status s 10)))
    (is (= :eof (socket/socket-status s))))
  (socket/with-open-stream [s (stream/make-pipe-output-stream "exit 0")]
    (stream/pipe-exit-status s 10)
    (stream/set-stream-element-type! s :unsigned-byte-8)
    (is (= :epipe (code-of #(do (stream/write-byte 1 s) (stream/finish-output s)))))
    (stream/close s :abort true)))

(deftest a-status-that-is-none-is-refused
  (with-connection [client _accepted _server]
    (is (str/includes? (message-of #(stream/pipe-exit-status client)) "is not a pipe to a command"))))

(deftest pipes-and-handles-leave-nothing-open
  (let [use (fn []
              (with-raw-pair [a b]
                (socket/with-open-stream [s (stream/make-stream a)
                                          p (stream/make-pipe-io-stream "cat")]
                  (stream/write-line "x" p)
                  (stream/finish-output p)
                  (is (= [:output :io] (eventually #(let [found (socket/socket-status [s p] 0)]
                                                      (when (= :io (peek found)) found)))))
                  (is (= "x" (stream/read-line p)))
                  (is (= [:output :output] (socket/socket-status [s b])))
                  (stream/close p)
                  (is (= 0 (stream/pipe-exit-status p 10))))))]
    (use)
    (let [before (Leaks/snapshotBut (into-array String ["process reaper"]))]
      (dotimes [_ 5] (use))
      (is (nil? (.assertBack before))))))

;; ---- everything in one wait ---------------------------------------------------------------------

(deftest streams-servers-pipes-and-raw-sockets-are-waited-for-together
  (with-connection [client _accepted server]
    (with-raw-pair [a b]
      (socket/with-open-stream [p (stream/make-pipe-io-stream "read x; echo $x; read x")]
        (let [members [[client :input] server [p :input] [a :input]]
              woken (fn [act]
                      (let [[thread result] (in-thread #(socket/socket-status members))]
                        (until-blocked thread)
                        (act)
                        (deref result 20000 :late)))]
          (is (= [nil nil nil nil] (socket/socket-status members 0)))
          (testing "a raw socket ends the wait"
            (is (= [nil nil nil :input] (woken #(raw/send b (byte-array 1)))))
            (raw/recv a (byte-array 1)))
          (testing "a pipe ends the wait"
            (is (= [nil nil :input nil] (woken #(do (stream/write-line "x" p) (stream/finish-output p)))))
            (stream/read-line p))
          (testing "a server ends the wait"
            (let [late (atom nil)]
              (is (= [nil true nil nil]
                     (woken #(reset! late (socket/socket-connect (socket/socket-server-port server)
                                            "127.0.0.1" :timeout 5)))))
              (stream/close (socket/socket-accept server :timeout 5))
              (stream/close @late)))
          (testing "time ends the wait"
            (is (= [nil nil nil nil] (socket/socket-status members 0.02)))))))))

(defn- nanoseconds-to-end
  "How long a wait for a raw socket goes on after that is closed; asserts that it ends as expected."
  [wait expected]
  (with-connection [client _accepted _server]
    (let [[a b] (raw/socketpair :unix :stream)
          [thread result] (in-thread #(wait a client))]
      (until-blocked thread)
      (let [start (System/nanoTime)]
        (raw/sock-close a)
        (is (expected (deref result 20000 :late)))
        (raw/sock-close b)
        (- (System/nanoTime) start)))))

(deftest raw-5-closing-a-raw-socket-ends-every-wait-for-it-at-once
  (doseq [[wait expected] [[(fn [a _] (socket/socket-status [a :input]))
                            #(instance? AsynchronousCloseException %)]
                           [(fn [a b] (socket/socket-status [[a :input] [b :input]]))
                            #(= [:error nil] %)]
                           [(fn [a b] (socket/with-open-stream [ss (socket/status-set [a :input] [b :input])]
                                        (vec (seq (socket/socket-status ss)))))
                            #(= :error (second (first %)))]]]
    (is (some #(< % 100000000) (repeatedly 20 #(nanoseconds-to-end wait expected)))
      "notified, not found out by looking now and then")))

(defn- ready-within
  "What parley.async/ready yields for a handle within five seconds."
  [x direction]
  (let [ready (async/ready x direction)]
    (try
      (first (a/alts!! [ready (a/timeout 5000)]))
      (finally (a/close! ready)))))

(defmacro ^:private is-status
  "Asserts the status of a handle, however it is looked for."
  [expected x direction]
  `(let [member# [~x ~direction]]
     (is (= ~expected (socket/socket-status member# 0)))
     (is (= ~expected (socket/socket-status member# 5)))
     (is (= [~expected] (socket/socket-status [member#] 5)))
     (is (= ~expected (ready-within ~x ~direction)))
     (socket/with-open-stream [ss# (socket/status-set member#)]
       (dotimes [_# 3]
         (is (= [[~x ~expected]] (seq (socket/socket-status ss# 5))))))))

(deftest what-the-kernel-reports-unasked-is-a-status
  (testing "the refusal of a datagram"
    (let [gone (raw/socket :inet :dgram)
          _ (raw/bind gone (raw/make-sockaddr :inet "127.0.0.1" 0))
          address (raw/getsockname gone)
          x (raw/socket :inet :dgram)]
      (raw/sock-close gone)
      (raw/connect x address)
      (raw/send x (byte-array 1))
      (is-status :input x :input)
      (is (= :econnrefused (code-of #(raw/recv x (byte-array 1) :timeout 5))))
      (raw/sock-close x)))
  (testing "a socket that was never connected"
    (doseq [domain [:inet :unix]
            :let [x (raw/socket domain :stream)]]
      (is-status :error x :input)
      (is-status :error x :io)
      (raw/sock-close x)))
  (testing "a refused connect, which the kernel reports once"
    (let [gone (raw/socket :inet :stream)
          _ (raw/bind gone (raw/make-sockaddr :inet "127.0.0.1" 0))
          address (raw/getsockname gone)
          x (raw/socket :inet :stream)]
      (is (= :econnrefused (code-of #(raw/connect x address :timeout 5))))
      (is-status :error x :io)
      (raw/sock-close gone)
      (raw/sock-close x)))
  (testing "a socket that listened and was shut down"
    (let [x (raw/socket :inet :stream)]
      (raw/bind x (raw/make-sockaddr :inet "127.0.0.1" 0))
      (raw/sock-listen x)
      (is (nil? (socket/socket-status x 0)))
      (socket/socket-stream-shutdown x :io)
      (is-status :error x :input)
      (raw/sock-close x)))
  (testing "the ends of pipes whose other end is closed"
    (socket/with-open-stream [p (stream/make-pipe-input-stream "exit 0")
                              q (stream/make-pipe-output-stream "exit 0")]
      (let [in (first (socket/stream-handles p))
            out (second (socket/stream-handles q))]
        ;; a command that still runs has the other end open
        (is (= [0 0] (mapv #(stream/pipe-exit-status % 60) [p q])))
        (is-status :eof in :input)
        (is-status :error in :output)
        (is-status :error out :output)))))

(deftest a-refused-socket-connects-once-more
  (with-connection [_client _accepted server]
    (let [gone (raw/socket :inet :stream)
          _ (raw/bind gone (raw/make-sockaddr :inet "127.0.0.1" 0))
          x (raw/socket :inet :stream)]
      (is (= :econnrefused (code-of #(raw/connect x (raw/getsockname gone) :timeout 5))))
      (is (= :error (socket/socket-status x 0)))
      (raw/connect x (raw/make-sockaddr :inet "127.0.0.1" (socket/socket-server-port server)) :timeout 5)
      (is (= :output (socket/socket-status x 0)))
      (raw/sock-close x)
      (raw/sock-close gone))))

(deftest a-handle-is-watched-any-number-of-times
  (with-raw-pair [x y]
    (let [watches (vec (repeatedly 3 #(async/ready x :input)))]
      (doseq [watch watches]
        (is (= :idle (first (a/alts!! [watch] :default :idle)))))
      (is (= :output (ready-within x :output)) "while the others are armed")
      (raw/send y (byte-array 1))
      (doseq [watch watches]
        (is (= :input (first (a/alts!! [watch (a/timeout 5000)])))))
      (is (= [:input :input :io] (socket/socket-status [[x :input] [x :input] x] 0))))))

(deftest a-check-of-a-stream-over-a-handle-leaves-its-input-to-the-other-users
  (doseq [[element text] [[:character "x"] [:character "\u00e9"] [:unsigned-byte-8 "x"]
                          [[:unsigned-byte 32] "wxyz"]]]
    (testing element
      (with-raw-pair [x y]
        (socket/with-open-stream [s (stream/make-stream x :element-type element)
                                  other (stream/make-stream x :element-type element)
                                  ss (socket/status-set [s :input] [x :input])]
          (let [members [[s :input] [x :input] [other :input] [(first (socket/stream-handles s)) :input]]
                bytes (.getBytes ^String text "UTF-8")]
            (is (= [nil nil nil nil] (socket/socket-status members 0)))
            (raw/send y bytes)
            (dotimes [_ 2]
              (is (= [:input :input :input :input] (socket/socket-status members 5)))
              (is (= {s :input x :input} (into {} (socket/socket-status ss 5)))))
            (is (= (count bytes) (raw/recv x (byte-array 8) :timeout 5)))
            (is (= [nil nil nil nil] (socket/socket-status members 0)) "the handle has taken it")))))))

(deftest the-number-of-a-closed-member-is-another-member-when-it-is-used-again
  (let [[x y] (raw/socketpair :unix :stream)]
    (socket/with-open-stream [ss (socket/status-set [x :input])]
      (raw/sock-close x)
      (raw/sock-close y)
      (let [[v w] (raw/socketpair :unix :stream)]
        (is (= #{x y} (set [v w])) "the numbers are given at once")
        (socket/status-set-add! ss v :input)
        (is (= 2 (count ss)))
        (raw/send w (byte-array 1))
        (is (= #{[v :input] [x :error]} (set (seq (socket/socket-status ss 5)))))
        (is (= [[v :input]] (seq (socket/socket-status ss 5))))
        (is (= 1 (count ss)))
        (raw/sock-close v)
        (raw/sock-close w)))))

(deftest an-empty-datagram-does-not-hide-the-next
  (let [[x y] (raw/socketpair :unix :dgram)]
    (socket/with-open-stream [s (stream/make-stream x)]
      (raw/send y (byte-array 0))
      (raw/send y (byte-array 0))
      (is (nil? (socket/socket-status [s :input] 0)))
      (raw/send y (byte-array 0))
      (raw/send y (.getBytes "a\n"))
      (is (= :input (socket/socket-status [s :input] 5)))
      (is (= "a" (stream/read-line s))))
    (raw/sock-close x)
    (raw/sock-close y)))

(deftest a-status-check-leaves-an-urgent-byte
  (doseq [look [#(socket/socket-status % 0) #(socket/socket-status [% :input] 0) #(socket/socket-status [% :output] 0)
                #(first (socket/socket-status [%] 0)) #(first (socket/socket-status [[% :output]] 0))]
          over [identity stream/make-stream]]
    (let [server (doto (raw/socket :inet :stream)
                   (raw/bind (raw/make-sockaddr :inet "127.0.0.1" 0))
                   (raw/sock-listen))
          x (doto (raw/socket :inet :stream) (raw/connect (raw/getsockname server) :timeout 5))
          [y] (raw/accept server :timeout 5)
          looked-at (over y)
          b (byte-array 1)]
      (raw/send x (byte-array [33]) :oob true)
      (is (= 1 (raw/recv y b :oob true :peek true :timeout 5)))
      (is (contains? #{:output nil} (look looked-at)))
      (is (= 1 (raw/recv y b :oob true :timeout 5)))
      (is (= 33 (aget b 0)))
      (when-not (= y looked-at)
        (stream/close looked-at))
      (run! raw/sock-close [x y server]))))

(deftest a-status-check-of-a-channel-leaves-an-urgent-byte
  (doseq [look [#(socket/socket-status % 0) #(socket/socket-status [% :input] 0) #(socket/socket-status [% :output] 0)
                #(first (socket/socket-status [%] 0)) #(first (socket/socket-status [[% :output]] 0)) stream/listen]]
    (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
      (let [x (doto (raw/socket :inet :stream)
                (raw/connect (raw/make-sockaddr :inet "127.0.0.1" (socket/socket-server-port server)) :timeout 5))
            b (byte-array 1)]
        (socket/with-open-stream [s (socket/socket-accept server :timeout 5)]
          (let [[y] (socket/stream-handles s)]
            (raw/send x (byte-array [33]) :oob true)
            (is (= 1 (raw/recv y b :oob true :peek true :timeout 5)))
            (is (contains? #{:output nil} (look s)))
            (is (= 1 (raw/recv y b :oob true :timeout 5)))
            (is (= 33 (aget b 0)))))
        (raw/sock-close x)))))

(deftest a-status-set-holds-descriptors-too
  (with-connection [client _accepted _server]
    (with-raw-pair [a b]
      (socket/with-open-stream [p (stream/make-pipe-io-stream "cat")
                                ss (socket/status-set [client :input] [p :input] [a :input])]
        (is (= 0 (socket/actionable (socket/socket-status ss 0))))
        (raw/send b (byte-array 1))
        (is (= [[a :input]] (seq (socket/socket-status ss 5))))
        (is (= :input (socket/status-of ss a)))
        (raw/recv a (byte-array 1))
        (stream/write-line "x" p)
        (stream/finish-output p)
        (is (= [[p :input]] (seq (socket/socket-status ss 10))))
        (is (= "x" (stream/read-line p)))
        (is (= 0 (socket/actionable (socket/socket-status ss 0))))
        (socket/status-set-remove! ss a)
        (is (= 2 (count ss)))))))

;; ---- standard input -----------------------------------------------------------------------------

(defn- child-clojure
  "A Java machine of its own that evaluates forms, after a shell prepared its standard input."
  ^Child [shell & forms]
  (let [java (str (System/getProperty "java.home") "/bin/java")
        path (str/join File/pathSeparator (Child/compiledPath))
        script (TemporaryPaths/fresh)]
    (Files/writeString script
      (str/join "\n" (map pr-str (list* '(require '[parley.socket :as socket] '[parley.stream :as stream])
                                        forms)))
      (make-array java.nio.file.OpenOption 0))
    (Child/command (into-array String ["sh" "-c" (str "java=\"$0\" path=\"$1\" script=\"$2\"; " shell)
                                       java (str path) (str script)]))))

(def ^:private run "\"$java\" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp \"$path\" clojure.main \"$script\"")

(def ^:private run-elsewhere
  ;; the JDK must have found out where it is before
  (str/replace run "clojure.main"
    (str "clojure.main -e '(.close (java.nio.channels.SocketChannel/open))'"
      " -e '(System/setProperty \"os.name\" \"Windows 11\")'")))

(def ^:private run-without-jars
  (str "path=$(echo \"$path\" | tr : '\\n' | grep -v 'jna\\|jnr' | paste -sd:); " run))

(defn- answer [^Child child]
  (read-string (.answer child "answer ")))

(deftest standard-input-is-a-pipe
  (with-open [child (child-clojure run
                      '(def in (stream/keyboard-input))
                      '(println "answer" (pr-str [(socket/socket-status in 0) (stream/read-char-no-hang in)
                                                  (identical? in (stream/keyboard-input))]))
                      '(println "answer" (pr-str [(socket/socket-status in) (stream/read-line in)]))
                      '(println "answer" (pr-str (stream/read-line in))))]
    (is (= [nil nil true] (answer child)))
    (.tell child "typed")
    (is (= [:input "typed"] (answer child)))
    (.tell child "more")
    (is (= "more" (answer child)))))

(deftest standard-input-is-a-file
  (with-open [child (child-clojure (str "printf 'a\\nb' > \"$script.in\"; " run " < \"$script.in\"; rm \"$script.in\"")
                      '(def in (stream/keyboard-input))
                      '(println "answer" (pr-str [(socket/socket-status in) (stream/read-line in)
                                                  (stream/read-line in) (socket/socket-status in)
                                                  (stream/read-line in false :end)])))]
    (is (= [:input "a" "b" :eof :end] (answer child)))))

(deftest standard-input-is-a-terminal-and-nothing-is-taken-before-it-is-asked-for
  (with-open [child (child-clojure (str "export java path script; exec script -qec '" run "' /dev/null")
                      '(def in (stream/keyboard-input))
                      '(println "answer" (pr-str (read-line)))
                      '(println "answer" (pr-str (socket/socket-status in 0)))
                      '(println "answer" (pr-str [(socket/socket-status in) (stream/read-line in)])))]
    (.tell child "for clojure")
    (is (= "for clojure" (answer child)))
    (is (nil? (answer child)))
    (.tell child "for parley")
    (is (= [:input "for parley"] (answer child)))))

;; ---- where there is no C library, or no privilege -----------------------------------------------

(deftest without-the-c-library-the-rest-works-and-these-say-what-is-missing
  (doseq [[shell reason] [[run-elsewhere "this is Windows 11"]
                          [(str/replace run "-cp" "-Dparley.posix=off -cp") "parley.posix is off"]
                          [run-without-jars "JNA or jnr-constants is missing"]]]
    (with-open [child (child-clojure shell
                        '(require '[parley.rawsock :as raw])
                        '(defn says [f] (try (f) (catch UnsupportedOperationException e (ex-message e))))
                        '(socket/with-open-stream
                           [server (socket/socket-server 0 :interface "127.0.0.1")
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1"
                                     :timeout 5)
                            accepted (socket/socket-accept server :timeout 5)
                            ss (socket/status-set [accepted :input] server)]
                           (stream/write-line "über" client)
                           (stream/finish-output client)
                           (println "answer"
                             (pr-str [(socket/socket-status [accepted :input] 5)
                                      (socket/socket-status [[accepted :input] client server] 5)
                                      (socket/actionable (socket/socket-status ss 5))
                                      (stream/read-line accepted)
                                      (do (socket/socket-stream-shutdown client :output)
                                        (socket/socket-status accepted))
                                      (socket/socket-stream-peer accepted true)]))
                           (println "answer"
                             (pr-str [(socket/socket-options client :so-linger 1 :so-keepalive :so-rcvtimeo 0.5)
                                      (socket/socket-options client :so-linger :so-rcvtimeo nil)
                                      (socket/socket-options server :so-rcvtimeo 1 :so-rcvtimeo)]))
                           (println "answer"
                             (pr-str (mapv says [#(socket/socket-options client :so-rcvlowat)
                                                 #(socket/stream-handles client)
                                                 #(stream/make-stream 1)
                                                 #(stream/make-pipe-input-stream "true")
                                                 #(stream/make-pipe-output-stream "cat")
                                                 #(stream/make-pipe-io-stream "cat")
                                                 #(stream/keyboard-input)
                                                 #(socket/socket-status 1 0)
                                                 #(raw/socket :inet :stream)
                                                 #(raw/socket :inet :raw :ipproto-icmp)
                                                 #(raw/socketpair :unix :stream)
                                                 #(raw/socket-option 3 :so-linger)
                                                 #(raw/set-socket-option! 3 :so-linger 1)
                                                 #(raw/recvmsg 3 {:iovec [(byte-array 1)]})
                                                 #(raw/sock-write 3 (byte-array 1))
                                                 #(raw/accept 3)
                                                 #(raw/sockatmark 3)
                                                 #(raw/protocol "tcp")
                                                 #(raw/network)
                                                 #(raw/ifaddrs :flags-or [:up])
                                                 #(raw/recv 3 (byte-array 1) :peek true)
                                                 #(raw/send 3 (byte-array 1) :oob true)
                                                 #(raw/make-sockaddr :unix "/tmp/x")
                                                 #(raw/make-sockaddr :inet [0 80 127 0 0 1])
                                                 #(raw/open-unix-socket-stream "/nowhere")
                                                 #(raw/recv 3 (byte-array 1))
                                                 #(raw/sock-close 3)
                                                 #(raw/getaddrinfo :node "127.0.0.1")
                                                 #(raw/if-name-index)
                                                 #(raw/make-sockaddr :inet "127.0.0.1" 80)
                                                 #(raw/open-unix-socket "/nowhere")])))))]
      (let [[status statuses actionable line end [host]] (answer child)]
        (is (= [:input [:input :output nil] 1 "über" :append "127.0.0.1"]
               [status statuses actionable line end host])))
      (is (= [[nil nil 0] [1 0.5] [0 1]] (answer child)))
      (doseq [message (answer child)]
        (is (string? message))
        (is (str/includes? (str message) (str "needs the C library of Linux or macOS, which cannot be used"
                                           " because ")))
        (is (str/includes? (str message) reason))))))

(deftest raw-1-without-the-privilege-the-error-says-how-to-get-it-and-the-rest-works
  (with-open [child (child-clojure (str "drop=; [ $(id -u) != 0 ] || drop='setpriv --bounding-set=-net_raw"
                                     " --inh-caps=-net_raw'; exec $drop " run)
                      '(require '[parley.rawsock :as raw])
                      '(println "answer"
                         (pr-str (vec (for [[domain protocol] [[:inet :ipproto-icmp] [:packet :eth-p-all]]]
                                        (try (raw/socket domain :raw protocol)
                                          (catch java.io.IOException e
                                            [(socket/os-error-code e) (ex-message e)]))))))
                      '(println "answer" (pr-str (count (raw/socketpair :unix :stream)))))]
    (let [found (answer child)]
      (is (= [:eperm :eperm] (map first found)))
      (is (every? #(re-find #"CAP_NET_RAW.*setcap" (second %)) found) (str found)))
    (is (= 2 (answer child)))))
