(ns parley.rawsock-test
  "parley.rawsock against real sockets: each function, what it does when misused, and that nothing
  stays open."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.rawsock :as raw]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [in-thread message-of]]
   [parley.testing.rawsock-handles :refer [errno loopback-server with-handles]])
  (:import
   (java.io InterruptedIOException)
   (java.net SocketTimeoutException)
   (java.nio.channels AsynchronousCloseException)
   (java.nio.file Files)
   (parley.posix Descriptor Handles Numbers PosixException ResolverException)
   (parley.testing Leaks TemporaryPaths)))

(set! *warn-on-reflection* true)

;; ---- helpers ------------------------------------------------------------------------------------

(defn- bytes-of ^bytes [^String text]
  (.getBytes text "UTF-8"))

(defn- text-of
  ([^bytes b n] (text-of b 0 n))
  ([^bytes b start end] (String. b (int start) (int (- (long end) (long start))) "UTF-8")))

(defn- until-waiting
  "Returns when the thread waits in the kernel, or is parked."
  [^Thread thread]
  (let [end (+ (System/nanoTime) 5000000000)]
    (while (and (< (System/nanoTime) end)
                (not-any? #(#{"poll" "parkNanos"} (.getMethodName ^StackTraceElement %)) (.getStackTrace thread)))
      (java.util.concurrent.locks.LockSupport/parkNanos 1000000))))

;; ---- addresses ----------------------------------------------------------------------------------

(deftest addresses-print-as-host-and-port-and-compare-by-content
  (is (= "127.0.0.1:80" (str (raw/make-sockaddr :inet "127.0.0.1" 80))))
  (is (= "#<sockaddr [::1]:80>" (pr-str (raw/make-sockaddr :inet6 "::1" 80))))
  (is (= "/tmp/x" (str (raw/make-sockaddr :unix "/tmp/x"))))
  (is (= (raw/make-sockaddr :inet "127.0.0.1" 80)
         (raw/make-sockaddr :inet [0 80 127 0 0 1 0 0 0 0 0 0 0 0])
         (raw/make-sockaddr :inet (byte-array [0 80 127 0 0 1 0 0 0 0 0 0 0 0]))))
  (is (= :inet (raw/sockaddr-family (raw/make-sockaddr :inet))))
  (is (= [0 80 127 0 0 1] (take 6 (raw/sockaddr-data (raw/make-sockaddr :inet "127.0.0.1" 80)))))
  (is (= ["::1" 80] ((juxt raw/sockaddr-host raw/sockaddr-port) (raw/make-sockaddr :inet6 "::1" 80))))
  (is (= "/tmp/x" (raw/sockaddr-path (raw/make-sockaddr :unix "/tmp/x"))))
  (is (= 20 (alength (raw/sockaddr-data (raw/make-sockaddr :inet 20)))))
  (is (= "0.0.0.0:7" (str (raw/make-sockaddr :inet nil 7)))))

(deftest addresses-that-cannot-be-are-refused-with-what-was-expected
  (is (= "make-sockaddr: the host is \"::1\" (String), expected an address of family :inet"
         (message-of #(raw/make-sockaddr :inet "::1" 80))))
  (is (str/includes? (message-of #(raw/make-sockaddr :inet "example.org" 80)) "in numbers"))
  (is (str/includes? (message-of #(raw/make-sockaddr :inet "127.0.0.1" 65536)) "65535"))
  (is (str/includes? (message-of #(raw/make-sockaddr :inet "127.0.0.1" 4294967296)) "65535"))
  (is (str/includes? (message-of #(raw/make-sockaddr :inet "127.0.0.1" -1)) "65535"))
  (is (str/includes? (message-of #(raw/make-sockaddr :inet "127.0.0.1" "80")) "port"))
  (is (str/includes? (message-of #(raw/make-sockaddr :inett [])) "did you mean :inet?"))
  (is (= "make-sockaddr: :index is \"lo\" (String), expected an integer from 0 to 2147483647"
         (message-of #(raw/make-sockaddr :packet {:index "lo"}))))
  (is (str/includes? (message-of #(raw/make-sockaddr :packet {:protocol 65536})) ":protocol is 65536"))
  (is (str/includes? (message-of #(raw/make-sockaddr :inet [1 2 300])) "sequence of bytes"))
  (is (str/includes? (message-of #(raw/make-sockaddr :unix (str/join (repeat 120 "x")))) "at most 107"))
  (is (str/includes? (message-of #(raw/sockaddr-family "x")) "expected a sockaddr")))

(deftest addresses-are-converted-between-text-bytes-and-numbers
  (is (= [127 0 0 1] (seq (raw/convert-address :inet "127.0.0.1"))))
  (is (= "127.0.0.1" (raw/convert-address :inet (byte-array [127 0 0 1]))))
  (is (= "127.0.0.1" (raw/convert-address :inet 0x7f000001)))
  (is (= "::1" (raw/convert-address :inet6 1)))
  (testing "of IPv4 in IPv6"
    (is (= "::ffff:1.2.3.4" (raw/convert-address :inet6 (raw/convert-address :inet6 "::ffff:1.2.3.4"))))
    (let [mapped (raw/make-sockaddr :inet6 "::ffff:1.2.3.4" 80)]
      (is (= [:inet6 "::ffff:1.2.3.4" 80]
             [(raw/sockaddr-family mapped) (raw/sockaddr-host mapped) (raw/sockaddr-port mapped)])))
    (is (str/includes? (message-of #(raw/convert-address :inet "::ffff:1.2.3.4")) "family :inet"))
    (is (str/includes? (message-of #(raw/make-sockaddr :inet6 "1.2.3.4" 80)) "family :inet6")))
  (is (= "2001:db8::5" (raw/convert-address :inet6 (raw/convert-address :inet6 "2001:db8::5"))))
  (is (str/includes? (message-of #(raw/convert-address :inet "::1")) "family :inet"))
  (is (str/includes? (message-of #(raw/convert-address :inet -1)) "convert-address"))
  (is (str/includes? (message-of #(raw/convert-address :unix "x")) ":inet or :inet6")))

(deftest byte-order-is-swapped-and-swapped-back
  (is (= 20480 (raw/htons 80)))
  (is (= 80 (raw/ntohs 20480)))
  (is (= 0x0100007f (raw/htonl 0x7f000001)))
  (is (= 0xffffffff (raw/ntohl 0xffffffff)))
  (is (str/includes? (message-of #(raw/htons 65536)) "16 bits"))
  (is (str/includes? (message-of #(raw/htonl -1)) "32 bits")))

;; ---- streams ------------------------------------------------------------------------------------

(deftest a-connection-is-made-used-and-closed
  (let [before (do (run! raw/sock-close (raw/socketpair :unix :stream)) (Leaks/snapshot))]
    (with-handles [[server address] (loopback-server)
                   client (raw/socket :inet :stream)]
      (is (nil? (raw/connect client address)))
      (let [[accepted peer] (raw/accept server)]
        (is (= peer (raw/getsockname client)))
        (is (= address (raw/getpeername client) (raw/getsockname accepted true)))
        (is (= 13 (raw/send accepted (bytes-of "dog bites man"))))
        (let [buffer (byte-array 64)]
          (is (= 13 (raw/recv client buffer :start 17 :end 30)))
          (is (= "dog bites man" (text-of buffer 17 30)))
          (is (= 3 (raw/send client (bytes-of "man bites dog") :start 10)))
          (is (= 2 (raw/recv accepted buffer :end 2 :peek true)))
          (is (= 3 (raw/recv accepted buffer {:waitall true :end 3})))
          (is (= "dog" (text-of buffer 3)))
          (is (= 0 (raw/sock-close accepted)))
          (is (= [0 0] [(raw/recv client buffer) (raw/recv client buffer)])))))
    (is (nil? (.assertBack before)))))

(deftest raw-2-a-closed-handle-is-refused-even-when-its-number-was-given-to-another
  (let [[made ^Descriptor other] (Numbers/pair)
        a (Handles/register ^Descriptor made)]
    (is (= 0 (raw/sock-close a)))
    (let [[ours theirs] (Numbers/pair)]
      (with-open [^Descriptor ours ours
                  ^Descriptor theirs theirs
                  ^Descriptor _other other]
        (is (= a (.number ours)))
        (doseq [f [#(raw/send a (byte-array 1)) #(raw/recv a (byte-array 1)) #(raw/sock-close a)
                   #(raw/getsockname a) #(raw/sock-write a (byte-array 1)) #(raw/socket-option a :type)]]
          (is (= :ebadf (errno f))))
        (is (= -2 (.read theirs (byte-array 1) 0 1)))))))

(deftest rst-1-a-reset-is-thrown-again-and-again
  (with-handles [[server address] (loopback-server)
                 client (raw/socket :inet :stream)]
    (raw/connect client address)
    (let [[accepted] (raw/accept server)]
      (raw/set-socket-option! accepted :so-linger 0)
      (raw/sock-close accepted))
    (dotimes [_ 5]
      (is (= :econnreset (errno #(raw/recv client (byte-array 4) :timeout 5)))))))

(deftest a-refused-connect-and-a-timeout-are-reported
  (let [address (with-handles [[_server address] (loopback-server)] address)]
    (with-handles [client (raw/socket :inet :stream)]
      (is (= :econnrefused (errno #(raw/connect client address :timeout 5))))))
  (with-handles [[server _] (loopback-server)]
    (is (thrown? SocketTimeoutException (raw/accept server :timeout 0)))
    (is (thrown? SocketTimeoutException (raw/accept server true :timeout 0.02)))))

(deftest raw-5-waiting-is-ended-by-close-and-by-interrupt
  (doseq [call [#(raw/recv % (byte-array 1)) #(raw/recvfrom % (byte-array 1))
                #(raw/recvmsg % {:iovec [(byte-array 1)]}) #(raw/sock-read % (byte-array 1))]]
    (with-handles [[a b] (raw/socketpair :unix :stream)]
      (let [[^Thread thread result] (in-thread #(call a))]
        (until-waiting thread)
        (.interrupt thread)
        (is (instance? InterruptedIOException (deref result 20000 :late))))
      (raw/send b (byte-array 1))
      (is (some? (call a)))
      (let [[thread result] (in-thread #(call a))]
        (until-waiting thread)
        (raw/sock-close a)
        (is (instance? AsynchronousCloseException (deref result 20000 :late)))))))

(deftest times-bound-the-wait-by-option-and-by-argument
  (with-handles [[a _b] (raw/socketpair :unix :stream)]
    (is (thrown? SocketTimeoutException (raw/recv a (byte-array 1) :timeout 0)))
    (raw/set-socket-option! a :so-rcvtimeo 0.1) ; a whole number of the kernel's ticks
    (is (= 0.1 (raw/socket-option a :so-rcvtimeo)))
    (let [start (System/nanoTime)]
      (is (thrown? SocketTimeoutException (raw/recv a (byte-array 1))))
      (is (<= 100000000 (- (System/nanoTime) start))))
    (is (str/includes? (message-of #(raw/recv a (byte-array 1) :timeout -1)) "the timeout is -1")))
  (testing "of accepts too"
    (with-handles [[server _address] (loopback-server)]
      (raw/set-socket-option! server :so-rcvtimeo 0.1)
      (let [[^Thread thread result] (in-thread #(raw/accept server))]
        (is (instance? SocketTimeoutException (deref result 20000 :late)))
        (.interrupt thread)))))

(deftest accept-on-a-socket-that-does-not-listen-fails-at-once
  (doseq [domain [:inet :unix]]
    (with-handles [alone (raw/socket domain :stream)]
      (is (= :einval (errno #(raw/accept alone :timeout 5)))))))

(deftest descriptors-that-came-as-control-data-are-handles
  (with-handles [[a b] (raw/socketpair :unix :stream)
                 [c d] (raw/socketpair :unix :stream)]
    (let [control (.array (doto (java.nio.ByteBuffer/allocate 24)
                            (.order (java.nio.ByteOrder/nativeOrder))
                            (.putLong 0 24) (.putInt 8 1) (.putInt 12 1) (.putInt 16 c) (.putInt 20 d)))]
      (raw/sendmsg a {:iovec [(byte-array 1)] :control control})
      (let [[_ message] (raw/recvmsg b {:iovec [(byte-array 1)] :control 64} :timeout 5)
            received (.order (java.nio.ByteBuffer/wrap (:control message)) (java.nio.ByteOrder/nativeOrder))
            [e f] [(.getInt received 16) (.getInt received 20)]]
        (raw/send e (bytes-of "x"))
        (is (= 1 (raw/recv d (byte-array 8) :timeout 5)))
        (doseq [handle [e f]]
          (is (= 0 (raw/sock-close handle)))
          (is (thrown? java.io.IOException (raw/send handle (byte-array 1)))))))))

(deftest urgent-data-is-read-apart
  (with-handles [[server address] (loopback-server)
                 client (raw/socket :inet :stream)]
    (raw/connect client address)
    (let [[accepted] (raw/accept server)
          buffer (byte-array 8)]
      (try
        (raw/send client (bytes-of "ab"))
        (raw/send client (bytes-of "!") :oob true)
        (is (= 1 (raw/recv accepted buffer :oob true :timeout 5)))
        (is (= "!" (text-of buffer 1)))
        (is (nil? (raw/sockatmark accepted)))
        (is (= 2 (raw/recv accepted buffer)))
        (is (true? (raw/sockatmark accepted)))
        (finally (raw/sock-close accepted))))))

(deftest a-unix-domain-server-is-reached-by-its-path
  (let [path (TemporaryPaths/fresh)
        address (raw/make-sockaddr :unix path)]
    (with-handles [server (raw/socket :unix :stream)]
      (raw/bind server address)
      (raw/sock-listen server)
      (with-handles [[client to] (raw/open-unix-socket (str path))
                     [accepted from] (raw/accept server)]
        (is (= address to (raw/getpeername client)))
        (is (= "" (raw/sockaddr-path from)))
        (raw/sock-write accepted (bytes-of "hi"))
        (is (= 2 (raw/sock-read client (byte-array 5))))))
    (is (= :econnrefused (errno #(raw/open-unix-socket path))))
    (Files/delete path)
    (is (= :enoent (errno #(raw/open-unix-socket (.toFile path)))))))

(deftest an-abstract-name-is-taken-by-every-function
  (doseq [rest-of-name [(str "parley-é-" (.pid (java.lang.ProcessHandle/current))) (apply str (repeat 107 "n"))]
          :let [name (str \u0000 rest-of-name)
                address (raw/make-sockaddr :unix name)]]
    (is (= (str "@" rest-of-name) (str address)))
    (with-handles [server (raw/socket :unix :stream)]
      (raw/bind server address)
      (raw/sock-listen server)
      (is (= address (raw/getsockname server)))
      (with-handles [[client to] (raw/open-unix-socket name)
                     [accepted _] (raw/accept server)]
        (is (= address to (raw/getpeername client)))
        (with-open [^java.io.Closeable s (stream/make-stream accepted)]
          (stream/write-line "hi" s)
          (stream/force-output s))
        (is (= 3 (raw/sock-read client (byte-array 5)))))
      (let [[s to] (raw/open-unix-socket-stream name)]
        (with-open [^java.io.Closeable s s]
          (is (= address to))
          (is (= [(str address) 0] (socket/socket-stream-peer s)))))))
  (doseq [[name most] [[(str \u0000 (apply str (repeat 108 "n"))) 108] [(apply str "/" (repeat 107 "n")) 107]]]
    (is (re-matches (re-pattern (str "make-sockaddr: the path [@/]n+ has \\d+ bytes, expected at most " most))
          (message-of #(raw/make-sockaddr :unix name)))))
  (is (= "(unnamed)" (str (raw/make-sockaddr :unix ""))))
  (is (= :einval (errno #(raw/open-unix-socket "")))))

(deftest buffers-in-a-vector-are-read-and-written-one-after-the-other
  (with-handles [[a b] (raw/socketpair :unix :stream)]
    (is (= 8 (raw/sock-write a (mapv bytes-of ["I" "love" "you"]))))
    (let [into-buffers [(byte-array 1) (byte-array 4) (byte-array 9)]]
      (is (= 8 (raw/sock-read b into-buffers)))
      (is (= "love" (text-of (second into-buffers) 4)))
      (is (= "you" (text-of (peek into-buffers) 3))))
    (is (= 4 (raw/sock-write a (mapv bytes-of ["I" "love" "you"]) :start 1 :end 2)))
    (is (= 4 (raw/sock-read b (byte-array 9))))
    (testing "an empty one is passed over, and not taken for the end"
      (is (thrown? SocketTimeoutException (raw/sock-read b [(byte-array 0) (byte-array 1)] :timeout 0)))
      (is (= 1 (raw/sock-write a [(byte-array 0) (byte-array 1)])))
      (is (= 1 (raw/sock-read b [(byte-array 0) (byte-array 1)]))))))

;; ---- datagrams and messages ---------------------------------------------------------------------

(deftest datagrams-keep-their-bounds-and-tell-their-sender
  (with-handles [a (raw/socket :inet :dgram)
                 b (raw/socket :inet :dgram)]
    (raw/bind a (raw/make-sockaddr :inet "127.0.0.1" 0))
    (raw/bind b (raw/make-sockaddr :inet "127.0.0.1" 0))
    (let [buffer (byte-array 256)
          to (raw/getsockname b)]
      (is (= 3 (raw/sendto a (bytes-of "one") to)))
      (is (= 2 (raw/sendto a (bytes-of "two") to :start 1)))
      (is (= [3 (raw/getsockname a)] (raw/recvfrom b buffer true :timeout 5)))
      (is (= [2 (raw/getsockname a)] (raw/recvfrom b buffer :start 4 :timeout 5)))
      (is (= "wo" (text-of buffer 4 6)))
      (raw/connect a to)
      (is (= 4 (raw/send a (bytes-of "four"))))
      (is (= 4 (raw/recv b buffer :timeout 5))))))

(deftest raw-4-a-truncated-message-is-flagged
  (with-handles [[a b] (raw/socketpair :unix :dgram)]
    (raw/send a (bytes-of "0123456789"))
    (let [[n message] (raw/recvmsg b {:iovec [(byte-array 2) (byte-array 2)]})]
      (is (= 4 n))
      (is (= #{:trunc} (:flags message))))
    (raw/send a (bytes-of "0123"))
    (is (= #{} (:flags (second (raw/recvmsg b {:iovec [(byte-array 4)]})))))))

(deftest messages-are-gathered-and-scattered
  (with-handles [a (raw/socket :inet :dgram)
                 b (raw/socket :inet :dgram)]
    (raw/bind b (raw/make-sockaddr :inet "127.0.0.1" 0))
    (let [words ["man" "bites" "dog"]
          iovec (mapv #(byte-array (count %)) words)]
      (is (= 11 (raw/sendmsg a {:addr (raw/getsockname b) :iovec (mapv bytes-of words)})))
      (let [[n message] (raw/recvmsg b {:iovec iovec :control 64} :timeout 5)]
        (is (= 11 n))
        (is (= words (map #(text-of % (alength ^bytes %)) (:iovec message))))
        (is (= :inet (raw/sockaddr-family (:addr message))))
        (is (zero? (alength ^bytes (:control message))))))))

;; ---- raw and packet sockets ---------------------------------------------------------------------

(deftest raw-1-raw-and-packet-sockets-need-a-privilege-and-say-which
  (doseq [[domain protocol] [[:inet :ipproto-icmp] [:packet :eth-p-all]]]
    (try
      (let [handle (raw/socket domain :raw protocol)]
        (is (= :raw (raw/socket-option handle :type)))
        (raw/sock-close handle))
      (catch PosixException e
        (is (= "EPERM" (.name e)))
        (is (str/includes? (.getMessage e) "CAP_NET_RAW"))))))

(deftest an-echo-request-is-answered-where-the-user-may-ask
  (if-let [handle (try (raw/socket :inet :raw "icmp") (catch PosixException _ nil))]
    (with-handles [icmp handle]
      (let [frame (byte-array (concat (repeat 14 0) [0x45 0 0 28 0 0 0 0 64 1 0 0 127 0 0 1 127 0 0 1]
                                      [8 0 0 0 0x12 0x34 0 1]))
            buffer (byte-array 100)]
        (raw/icmpcsum frame)
        (is (= 8 (raw/sendto icmp frame (raw/make-sockaddr :inet "127.0.0.1" 0) :start 34)))
        (is (= [28 "127.0.0.1"] (update (raw/recvfrom icmp buffer :timeout 5) 1 raw/sockaddr-host)))))
    (is (= :eperm (errno #(raw/socket :inet :raw "icmp"))))))

(deftest a-packet-socket-sees-frames-where-the-user-may
  (if-let [handle (try (raw/socket :packet :raw :eth-p-ip) (catch PosixException _ nil))]
    (with-handles [packets handle
                   a (raw/socket :inet :dgram)]
      (raw/bind packets (raw/make-sockaddr :packet {:protocol 0x0800 :index (raw/if-name-index "lo")}))
      (let [any (raw/make-sockaddr :inet "127.0.0.1" 0)
            frame (byte-array 2000)]
        (raw/bind a any)
        (loop [i 0
               deadline (+ (System/nanoTime) 10000000000)]
          (when (zero? (mod i 100)) ; other programs' frames may have left no room for one
            (raw/sendto a (bytes-of "a datagram to itself") (raw/getsockname a)))
          (let [[n from] (raw/recvfrom packets frame :timeout 5)
                ours (str/includes? (text-of frame n) "a datagram to itself")]
            (if (and (not ours) (neg? (- (System/nanoTime) deadline)))
              (recur (inc i) deadline)
              (do
                (is ours)
                (is (= :packet (raw/sockaddr-family from)))
                (let [stored (vec (take 2 (drop 24 frame)))]
                  (raw/ipcsum frame :end n)
                  (is (= stored (take 2 (drop 24 frame)))))))))))
    (is (= :eperm (errno #(raw/socket :packet :raw :eth-p-ip))))))

;; ---- options ------------------------------------------------------------------------------------

(deftest options-are-read-and-set-under-both-their-names
  (with-handles [s (raw/socket :inet :stream)]
    (is (= :stream (raw/socket-option s :type) (raw/socket-option s :so-type)))
    (is (nil? (raw/socket-option s :reuseaddr)))
    (is (true? (raw/set-socket-option! s :reuseaddr true)))
    (is (true? (raw/socket-option s :so-reuseaddr)))
    (is (nil? (raw/socket-option s :linger)))
    (is (= 3 (raw/set-socket-option! s :linger 3)))
    (is (= 3 (raw/socket-option s :so-linger)))
    (raw/set-socket-option! s :nodelay true :level :ipproto-tcp)
    (is (true? (raw/socket-option s :tcp-nodelay)))
    (is (= 0 (raw/socket-option s :rcvtimeo)))
    (raw/set-socket-option! s :sndtimeo 3/2)
    (is (= 1.5 (raw/socket-option s :sndtimeo)))
    (is (nil? (raw/socket-option s :error)))
    (is (= {:keepalive true} (raw/set-socket-option! s nil {:keepalive true})))
    (is (= true (:so-keepalive (raw/socket-option s nil))))
    (is (= :error (:ipv6-v6only (raw/socket-option s nil :level :all))))
    (is (= [1 0 0 0] (seq (raw/socket-option s 9 :level :sol-socket))))
    (raw/set-socket-option! s 2 (byte-array [33 0 0 0]) :level :ipproto-ip)
    (is (= 33 (raw/socket-option s :ip-ttl)))
    (is (str/includes? (message-of #(raw/socket-option s :nonsense)) "the option is :nonsense"))
    (is (str/includes? (message-of #(raw/socket-option s "x")) "a keyword, an integer or nil"))
    (is (str/includes? (message-of #(raw/set-socket-option! s :rcvbuf :big)) "so-rcvbuf"))
    (is (thrown? UnsupportedOperationException (raw/set-socket-option! s :sndlowat 2)))))

;; ---- names --------------------------------------------------------------------------------------

(deftest addresses-and-names-are-looked-up
  (let [[found] (raw/getaddrinfo :node "127.0.0.1" :service "80" :socktype :stream :numerichost true)]
    (is (= [:inet :stream 6] ((juxt :family :type :protocol) found)))
    (is (= "127.0.0.1:80" (str (:address found))))
    (is (= ["127.0.0.1" "80"] (raw/getnameinfo (:address found) :numerichost true :numericserv true))))
  (is (= "EAI_NONAME" (try (raw/getaddrinfo :node "x.invalid" :numerichost true)
                           (catch ResolverException e (.name e)))))
  (is (str/includes? (message-of #(raw/getaddrinfo :host "x")) "unknown option :host"))
  (is (= 6 (:proto (raw/protocol "tcp"))))
  (is (= "udp" (:name (raw/protocol 17))))
  (is (nil? (raw/protocol "no-such-protocol")))
  (is (some #(= "icmp" (:name %)) (raw/protocol)))
  (is (vector? (raw/network)))
  (is (nil? (raw/network "no-such-network"))))

(deftest interfaces-are-listed
  (let [index (raw/if-name-index "lo")]
    (is (= "lo" (raw/if-name-index index) (get (raw/if-name-index) index))))
  (is (some #(= "127.0.0.1" (some-> (:address %) raw/sockaddr-host))
            (raw/ifaddrs :flags-and [:up :loopback])))
  (is (empty? (raw/ifaddrs :flags-and [:loopback :broadcast])))
  (is (= (raw/ifaddrs :flags-or [:loopback]) (raw/ifaddrs :flags-and [:loopback])))
  (is (str/includes? (message-of #(raw/ifaddrs :flags-or [:nonsense])) "a flag is :nonsense")))

(deftest checksums-stand-in-the-frame
  (let [frame (byte-array (map unchecked-byte
                            (concat (repeat 14 0)
                                    [0x45 0 0 0x73 0 0 0x40 0 0x40 0x11 9 9 0xc0 0xa8 0 1 0xc0 0xa8 0 0xc7]
                                    (repeat 95 0))))]
    (is (= 0xb861 (raw/ipcsum frame)))
    (is (= [(unchecked-byte 0xb8) 0x61] (take 2 (drop 24 frame))))
    (is (= (raw/udpcsum frame) (raw/udpcsum frame)))
    (is (int? (raw/tcpcsum frame)))
    (is (str/includes? (message-of #(raw/tcpcsum frame :end 40)) "claims a length of 115"))
    (is (str/includes? (message-of #(raw/ipcsum frame :start 100)) "at least 34"))))

(deftest numbers-are-longs
  (let [[a b] (raw/socketpair :unix :stream)
        udp (raw/socket :inet :dgram)]
    (try
      (doseq [[what n] {"socketpair" a
                        "socket" udp
                        "send" (raw/send a (byte-array 3))
                        "recv" (raw/recv b (byte-array 1))
                        "recvfrom" (first (raw/recvfrom b (byte-array 1)))
                        "recvmsg" (first (raw/recvmsg b {:iovec [(byte-array 1)]}))
                        "sendmsg" (raw/sendmsg a {:iovec [(byte-array 1)]})
                        "sockaddr-port" (raw/sockaddr-port (raw/make-sockaddr :inet "127.0.0.1" 80))
                        "protocol" (:proto (raw/protocol "tcp"))
                        "getaddrinfo" (:protocol (first (raw/getaddrinfo :node "127.0.0.1" :socktype :stream)))
                        "socket-option" (raw/socket-option a :so-rcvbuf)
                        "socket-options" (first (socket/socket-options a :so-sndbuf))}]
        (is (instance? Long n) what))
      (finally
        (run! raw/sock-close [a b udp])))))
