(ns parley.rawsock-random-test
  "Misuse of parley.rawsock, arguments at random, and programs compared with a model."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is]]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as prop]
   [parley.rawsock :as raw]
   [parley.testing.calls :refer [message-of]]
   [parley.testing.random :as random]
   [parley.testing.rawsock-handles :refer [errno loopback-server with-handles]])
  (:import
   (java.net SocketTimeoutException)
   (java.nio.file Files Path)
   (java.util Arrays)))

(set! *warn-on-reflection* true)

;; ---- misuse -------------------------------------------------------------------------------------

(deftest misuse-throws-before-anything-is-done
  (with-handles [[a b] (raw/socketpair :unix :stream)]
    (doseq [[expected f] [["the handle is :x" #(raw/recv :x (byte-array 1))]
                          ["the handle is -1" #(raw/send -1 (byte-array 1))]
                          ["the handle is nil" #(raw/sock-close nil)]
                          ["the buffer is \"text\"" #(raw/send a "text")]
                          ["the buffer is nil" #(raw/recv a nil)]
                          [":start is 2 (Long) and :end 5 (Long), expected 0 <= :start <= :end <= 4"
                           #(raw/recv a (byte-array 4) :start 2 :end 5)]
                          [":start is -1" #(raw/send a (byte-array 4) :start -1)]
                          [":start is 3 (Long) and :end 2" #(raw/send a (byte-array 4) :start 3 :end 2)]
                          ["unknown option :strat" #(raw/send a (byte-array 4) :strat 3)]
                          [":peek is 1" #(raw/recv a (byte-array 4) :peek 1)]
                          ["peek and waitall" #(raw/recv a (byte-array 4) :peek true :waitall true)]
                          ["sendmsg: the message is nil" #(raw/sendmsg a nil)]
                          ["recvmsg: the message is [" #(raw/recvmsg a [(byte-array 1)])]
                          [":flags-or is :up" #(raw/ifaddrs :flags-or :up)]
                          ["protocol: the protocol is 99999999999" #(raw/protocol 99999999999)]
                          ["the address is \"x\"" #(raw/bind a "x")]
                          ["the domain is \"inet\"" #(raw/socket "inet" :stream)]
                          ["the type is :streem" #(raw/socket :inet :streem)]
                          ["the protocol is :nonsense" #(raw/socket :inet :raw :nonsense)]
                          ["a name that (protocol) lists" #(raw/socket :inet :raw "nonsense")]
                          ["the backlog is -1" #(raw/sock-listen a -1)]
                          [":control is -5" #(raw/recvmsg a {:iovec [] :control -5})]
                          ["unknown option :iov" #(raw/recvmsg a {:iov []})]
                          ["was not made by the raw socket functions" #(raw/sock-close 0)]]]
      (is (str/includes? (str (message-of f)) expected)))
    (is (thrown? SocketTimeoutException (raw/recv b (byte-array 1) :timeout 0)) "nothing was sent")
    (is (= :ebadf (errno #(raw/recv 99999 (byte-array 1)))))))

;; ---- arguments at random ------------------------------------------------------------------------

(def ^:private garbage
  (gen/elements [nil :x "x" -1 1.5 2147483648 9223372036854775807 -9223372036854775808 [] {} 1000000]))

(defn- mostly [usual]
  (gen/frequency [[6 usual] [1 garbage]]))

(def ^:private any-handle
  (mostly (gen/elements [:stream :other :datagram :server :closed :foreign :file])))

(def ^:private any-buffer
  (mostly (gen/fmap byte-array (gen/vector (gen/fmap unchecked-byte gen/small-integer) 0 70))))

(def ^:private any-number
  (mostly (gen/choose -3 80)))

(defn- nowhere
  "An address of the family, of any size, at which nobody is: an unbound port of nobody's, or a name in no
  directory."
  [family bytes]
  (raw/make-sockaddr family
    (byte-array (case family
                  :unix (cons 0 (rest bytes))
                  (map (constantly 0) bytes)))))

(def ^:private any-address
  (mostly (gen/fmap (fn [[family bytes]] (nowhere family (map unchecked-byte bytes)))
            (gen/tuple (gen/elements [:inet :inet6 :unix :unspec :packet])
              (gen/vector gen/small-integer 0 126)))))

(def ^:private any-options
  ;; the time is always there: without it a call may wait for ever, as it should
  (gen/fmap (fn [[more timeout]] (assoc more :timeout timeout))
    (gen/tuple (gen/map (gen/elements [:start :end :peek :oob :waitall :eor :control :nonsense])
                 (gen/one-of [any-number gen/boolean])
                 {:max-elements 3})
      (gen/frequency [[8 (gen/return 0)] [1 (gen/elements [-1 "x" [0 -1] ##NaN])]]))))

(def ^:private any-option
  (mostly (gen/one-of [(gen/elements [:so-linger :so-rcvbuf :sndbuf :so-rcvtimeo :so-type :tcp-keepcnt :ip-ttl :error
                                      :ipv6-v6only])
                       (gen/choose 0 100)])))

(def ^:private any-call
  (gen/one-of
    [(gen/tuple (gen/return #'raw/recv) any-handle any-buffer any-options)
     (gen/tuple (gen/return #'raw/recvfrom) any-handle any-buffer any-options)
     (gen/tuple (gen/return #'raw/recvmsg) any-handle
       (mostly (gen/hash-map :iovec (mostly (gen/vector any-buffer 0 4)) :control any-number)) any-options)
     (gen/tuple (gen/return #'raw/send) any-handle any-buffer any-options)
     (gen/tuple (gen/return #'raw/sendto) any-handle any-buffer any-address any-options)
     (gen/tuple (gen/return #'raw/sendmsg) any-handle
       (mostly (gen/hash-map :iovec (mostly (gen/vector any-buffer 0 4)) :addr any-address :control any-buffer))
       any-options)
     (gen/tuple (gen/return #'raw/sock-read) any-handle (gen/one-of [any-buffer (gen/vector any-buffer 0 4)])
       any-options)
     (gen/tuple (gen/return #'raw/sock-write) any-handle (gen/one-of [any-buffer (gen/vector any-buffer 0 4)])
       any-options)
     (gen/tuple (gen/return #'raw/bind) any-handle any-address)
     (gen/tuple (gen/return #'raw/connect) any-handle any-address (gen/return :timeout) (gen/return 0))
     (gen/tuple (gen/return #'raw/accept) any-handle any-address (gen/return :timeout) (gen/return 0))
     (gen/tuple (gen/return #'raw/sock-listen) (mostly (gen/return :server)) any-number)
     (gen/tuple (gen/return #'raw/getsockname) any-handle)
     (gen/tuple (gen/return #'raw/getpeername) any-handle)
     (gen/tuple (gen/return #'raw/sockatmark) any-handle)
     (gen/tuple (gen/return #'raw/sock-close) (mostly (gen/elements [:closed :foreign :file])))
     (gen/tuple (gen/return #'raw/socket-option) any-handle any-option (gen/elements [:size :level :nonsense])
       any-number)
     (gen/tuple (gen/return #'raw/set-socket-option!) any-handle any-option (gen/one-of [any-number any-buffer]))
     (gen/tuple (gen/return #'raw/socket) any-option any-option any-number)
     (gen/tuple (gen/return #'raw/make-sockaddr) any-option any-buffer)
     (gen/tuple (gen/return #'raw/convert-address) (mostly (gen/elements [:inet :inet6])) any-buffer)
     (gen/tuple (gen/elements [#'raw/htons #'raw/htonl #'raw/ntohs #'raw/ntohl]) any-number)
     (gen/tuple (gen/elements [#'raw/ipcsum #'raw/icmpcsum #'raw/tcpcsum #'raw/udpcsum]) any-buffer
       (gen/map (gen/elements [:start :end]) any-number))
     (gen/tuple (gen/return #'raw/if-name-index) any-number)
     (gen/tuple (gen/return #'raw/open-unix-socket) garbage)]))

(defn- a-file
  "The number of a file that this process has open, whose handle is nobody's business."
  []
  (with-open [numbers (Files/list (Path/of "/proc/self/fd" (make-array String 0)))]
    (some (fn [^Path number]
            (when (str/ends-with? (str (try (Files/readSymbolicLink number) (catch java.io.IOException _ nil)))
                    ".jar")
              (parse-long (str (.getFileName number)))))
      (iterator-seq (.iterator numbers)))))

(defn- told-clearly?
  "Whether a call returns, or fails as misuse or as the system does, saying how."
  [f args]
  (try
    (when-let [made (when (= #'raw/socket f) (apply f args))]
      (raw/sock-close made))
    (when-not (= #'raw/socket f)
      (let [result (apply f args)]
        (when (= #'raw/accept f)
          (raw/sock-close (first result)))))
    true
    (catch Exception e
      (and (or (instance? IllegalArgumentException e) (instance? java.io.IOException e)
             (instance? UnsupportedOperationException e))
        (not (instance? clojure.lang.ArityException e))
        (< 8 (count (str (ex-message e))))))))

(deftest raw-3-random-arguments-to-any-function-are-refused-clearly
  (with-open [pair (.bind (java.nio.channels.ServerSocketChannel/open)
                     (java.net.InetSocketAddress. "127.0.0.1" 0))
              foreign (java.nio.channels.SocketChannel/open (.getLocalAddress pair))]
    (with-handles [[a b] (raw/socketpair :unix :stream)
                   [closed _unused] (raw/socketpair :unix :stream)
                   datagram (raw/socket :inet :dgram)
                   [server _] (loopback-server)]
      (raw/sock-close closed)
      (let [handles {:stream a :other b :datagram datagram :server server :closed closed
                     :foreign (.number (parley.posix.ChannelDescriptor/find foreign)) :file (a-file)}]
        (random/holds 4000
          (prop/for-all [[f handle & args] any-call]
            (boolean (told-clearly? f (cons (get handles handle handle) args)))))
        (is (every? int? (vals handles)))
        (is (.isOpen foreign))
        (is (= :ebadf (errno #(raw/sock-close closed))))))))

;; ---- a model ------------------------------------------------------------------------------------

(def ^:private operation
  (gen/one-of [(gen/tuple (gen/return :send) (gen/choose 0 200) (gen/choose 0 1))
               (gen/tuple (gen/return :recv) (gen/choose 1 300) (gen/choose 0 1))
               (gen/tuple (gen/return :peek) (gen/choose 1 300) (gen/choose 0 1))
               (gen/tuple (gen/return :writev) (gen/choose 0 100) (gen/choose 0 1))
               (gen/tuple (gen/return :readv) (gen/choose 1 100) (gen/choose 0 1))]))

(defn- counting ^bytes [from n]
  (byte-array (map unchecked-byte (range from (+ (long from) (long n))))))

(defn- step
  "Does an operation on the pair and on the model, {:sent n :read n} for each direction; nil when they
  differ."
  [pair model [op n side]]
  (let [out (nth pair side)
        in (nth pair (- 1 (long side)))
        {:keys [sent taken]} (model side)
        there (- (long sent) (long taken))
        expected (min there (long n))
        got (fn [^bytes b k] (and (= expected k)
                                  (Arrays/equals (Arrays/copyOf b (int k)) (counting taken k))))
        poll (fn [f] (try (f) (catch SocketTimeoutException _ 0)))]
    (case op
      :send (when (= n (raw/send out (counting sent n)))
              (update-in model [side :sent] + n))
      :writev (when (= (* 2 (long n)) (raw/sock-write out [(counting sent n) (counting (+ (long sent) (long n)) n)]))
                (update-in model [side :sent] + (* 2 (long n))))
      :recv (let [b (byte-array n)]
              (when (got b (poll #(raw/recv in b :timeout 0)))
                (update-in model [side :taken] + expected)))
      :peek (let [b (byte-array n)]
              (when (got b (poll #(raw/recv in b :peek true :timeout 0)))
                model))
      :readv (let [b (byte-array n)
                   k (poll #(raw/sock-read in [b (byte-array 0)] :timeout 0))]
               (when (got b k)
                 (update-in model [side :taken] + expected))))))

(deftest random-programs-over-a-socketpair-agree-with-a-model
  (random/holds 600
    (prop/for-all [program (gen/vector operation 0 60)]
      (with-handles [pair (raw/socketpair :unix :stream)]
        (boolean (reduce (fn [model operation]
                           (or (step pair model operation) (reduced nil)))
                         [{:sent 0 :taken 0} {:sent 0 :taken 0}]
                         program))))))
