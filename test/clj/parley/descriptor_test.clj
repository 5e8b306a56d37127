(ns parley.descriptor-test
  "What reaches down to the descriptor: options, handles, streams over handles, pipes to commands,
  standard input, and all of them in one wait."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is]]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as prop]
   [parley.rawsock :as raw]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [in-thread message-of]]
   [parley.testing.descriptors :refer [code-of counting eventually taken until-blocked with-connection]]
   [parley.testing.random :as random]
   [parley.testing.raw-pair :refer [with-raw-pair]])
  (:import
   (java.io InterruptedIOException)
   (java.net SocketTimeoutException)
   (java.nio.channels AsynchronousCloseException)
   (java.nio.file Files)
   (parley.posix Descriptor Sockets)
   (parley.testing Child TemporaryPaths)))

(set! *warn-on-reflection* true)

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

(deftest rst-1-a-reset-that-an-option-or-a-handle-met-is-reported-to-the-stream-too
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

(deftest rst-1-a-reset-that-the-stream-met-is-reported-to-its-handle-too
  (with-connection [client accepted _server]
    (let [[handle] (socket/stream-handles client)]
      (socket/socket-options accepted :so-linger 0)
      (stream/close accepted)
      (is (= :econnreset (code-of #(stream/read-char client))))
      (is (= :econnreset (code-of #(raw/recv handle (byte-array 1))))))))

(deftest rst-1-a-reset-that-a-stream-over-a-handle-met-is-reported-to-other-users-too
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

(deftest a-unix-domain-server-makes-a-stream
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
