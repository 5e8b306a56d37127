(ns parley.socket-test
  "Servers, connections, accessors and bad input, as a user of parley.socket sees them."
  (:require
   [clojure.datafy :refer [datafy]]
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [failure leaves-nothing]])
  (:import
   (java.io File)
   (java.net UnixDomainSocketAddress)
   (java.nio.channels ServerSocketChannel SocketChannel)
   (java.nio.file Files LinkOption Path)
   (java.nio.file.attribute PosixFilePermissions)
   (java.time Duration)
   (parley.net SocketStream)
   (parley.testing Blocked Child TemporaryPaths)))

(set! *warn-on-reflection* true)

(def ^:private patience 5)

(defn- loopback [& opts]
  (apply socket/socket-server 0 :interface "127.0.0.1" opts))

(defn- call-each-once
  "Has the JDK and Clojure open what they keep for their lifetime."
  []
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server))
                            peer (socket/socket-accept server :timeout patience)]
    (socket/socket-stream-peer client)
    (socket/socket-status [server client peer] 0)))

(use-fixtures :each
  (leaves-nothing call-each-once))

(defn- temporary-directory ^Path []
  (TemporaryPaths/directory))

(defmacro ^:private with-path
  "Binds a path in a fresh directory, which is deleted afterwards."
  [[path] & body]
  `(let [directory# (temporary-directory)
         ~path (.resolve directory# "socket")]
     (try
       ~@body
       (finally
         (run! io/delete-file (reverse (file-seq (.toFile directory#))))))))

(defmacro ^:private throwing
  "Checks the class, the code and a part of the message of what the expression throws."
  [class code part expr]
  `(let [e# (failure (fn [] ~expr))]
     (is (instance? ~class e#))
     (is (= ~code (some-> e# socket/os-error-code)))
     (is (str/includes? (str (some-> e# ex-message)) ~part))))

;; ---- servers ------------------------------------------------------------------------------------

(deftest a-server-listens-on-all-ipv4-interfaces-by-default
  (socket/with-open-stream [server (socket/socket-server)]
    (is (= "0.0.0.0" (socket/socket-server-host server)))
    (is (< 0 (socket/socket-server-port server) 65536)))
  (socket/with-open-stream [server (socket/socket-server nil)]
    (is (= "0.0.0.0" (socket/socket-server-host server)))))

(deftest an-interface-is-a-name-an-address-or-a-stream
  (doseq [interface ["127.0.0.1" "localhost" "127.0.0.2"]]
    (socket/with-open-stream [server (socket/socket-server 0 :interface interface)]
      (is (str/starts-with? (socket/socket-server-host server) "127.0.0."))))
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            other (socket/socket-server 0 {:interface client})]
    (is (= "127.0.0.1" (socket/socket-server-host other)))
    (stream/close client)
    (is (thrown-with-msg? IllegalStateException #"^socket-server: :interface is .* closed" (socket/socket-server 0 :interface client)))
    (is (thrown-with-msg? IllegalArgumentException #"^socket-server: :mode is .* besides the port 0" (socket/socket-server 0 :mode "rw-------")))))

(deftest an-interface-is-no-unix-domain-stream
  (let [[a b] (stream/stream-pair)]
    (socket/with-open-stream [a a
                              b b]
      (is (thrown-with-msg? IllegalArgumentException
            #"^socket-server: :interface is #<socket-stream .*, expected nil, .*, or an open socket stream over TCP$"
            (socket/socket-server 0 :interface a))))))

(deftest a-java-machine-without-ipv6-says-so
  (let [code '(do
                (require '[parley.http :as http] '[parley.repl :as repl] '[parley.socket :as socket])
                (doseq [f [#(socket/socket-server 0 :interface "::1") #(socket/socket-connect 1 "::1") #(repl/repl-server :interface "::1")
                           #(http/wget-text "::1" "/" "/tmp/never-made" 1)]]
                  (println (try (f) (catch java.io.IOException e (str (ex-message e) " " (socket/os-error-code e))))))
                (System/exit 0))]
    (with-open [child (Child/clojure ["-Djava.net.preferIPv4Stack=true"] (into-array String ["-e" (pr-str code)]))]
      (doseq [op ["socket-server" "socket-connect" "repl-server" "wget-text"]]
        (is (= "::1: this Java machine has no IPv6; use an address of IPv4, or leave out -Djava.net.preferIPv4Stack=true if it is set :eafnosupport"
              (.answer child (str op ":"))))))))

(deftest host-and-port-of-a-server-answer-after-close
  (let [server (loopback)
        port (socket/socket-server-port server)]
    (is (nil? (socket/socket-server-close server)))
    (is (nil? (socket/socket-server-close server)))
    (is (= ["127.0.0.1" port] [(socket/socket-server-host server) (socket/socket-server-port server)]))))

(deftest the-port-can-be-bound-again-when-close-returns
  (let [first-one (loopback)
        port (socket/socket-server-port first-one)]
    (socket/with-open-stream [client (socket/socket-connect port "127.0.0.1")
                              peer (socket/socket-accept first-one)]
      (socket/socket-server-close first-one)
      (dotimes [_ 10]
        (socket/socket-server-close (socket/socket-server port :interface "127.0.0.1")))
      (is (= :output (socket/socket-status client 0) (socket/socket-status peer 0))))))

(deftest waiting-for-a-connection-times-out-or-returns-true
  (socket/with-open-stream [server (loopback)]
    (is (nil? (socket/socket-wait server 0)))
    (is (nil? (socket/socket-wait server 0 1000)))
    (is (nil? (socket/socket-wait server 0.01)))
    (is (nil? (socket/socket-status server 0)))
    (socket/with-open-stream [_ (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
      (is (true? (socket/socket-wait server)))
      (is (true? (socket/socket-status server 0))))))

(deftest a-backlog-of-connections-is-accepted-in-order
  (socket/with-open-stream [server (loopback :backlog 8)]
    (let [port (socket/socket-server-port server)
          clients (vec (repeatedly 5 #(socket/socket-connect port "127.0.0.1")))
          peers (vec (repeatedly 5 #(socket/socket-accept server :timeout patience)))]
      (is (= (map #(socket/socket-stream-local % true) clients)
             (map #(socket/socket-stream-peer % true) peers)))
      (run! stream/close (concat clients peers)))))

(deftest accept-times-out
  (socket/with-open-stream [server (loopback)]
    (is (= [nil nil nil] [(socket/socket-wait server 0 1N) (socket/socket-wait server 1/100 1) (socket/socket-wait server 0N nil)]))
    (doseq [timeout [0 1/100 0.01 [0 10000] (Duration/ofMillis 10)]]
      (throwing java.net.SocketTimeoutException :etimedout "socket-accept"
                (socket/socket-accept server :timeout timeout)))
    (socket/with-open-stream [_ (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
      (is (= true (socket/socket-wait server nil 5)) "nil waits for ever, whatever the microseconds, as in CLISP"))))

(deftest a-bound-channel-and-a-connected-one-are-adopted
  (let [channel (.bind (ServerSocketChannel/open) (java.net.InetSocketAddress. "127.0.0.1" 0))]
    (socket/with-open-stream [server (socket/socket-server channel)
                              client (socket/socket-stream (SocketChannel/open (.getLocalAddress channel))
                                                           :element-type :byte)
                              peer (socket/socket-accept server :element-type :byte :timeout patience)]
      (stream/write-byte 7 client)
      (stream/force-output client)
      (is (= 7 (stream/read-byte peer)))
      (is (thrown-with-msg? IllegalArgumentException #"socket-server: :backlog is given besides a channel"
            (socket/socket-server channel :backlog 5))))))

(deftest a-server-takes-any-integer-and-a-host-without-a-port
  (doseq [port [0N (biginteger 0) {:host "127.0.0.1"} {:host "127.0.0.1" :port nil}]]
    (socket/with-open-stream [server (socket/socket-server port)]
      (is (pos? (socket/socket-server-port server)))
      (is (= (if (map? port) "127.0.0.1" "0.0.0.0") (socket/socket-server-host server)))))
  (doseq [port [65536N -1N {:port nil} {}]]
    (is (thrown? IllegalArgumentException (socket/socket-server port)))))

;; ---- Unix-domain --------------------------------------------------------------------------------

(deftest a-path-makes-a-unix-domain-server-of-its-owner-only
  (with-path [path]
    (doseq [address [path (UnixDomainSocketAddress/of ^Path path)]]
      (socket/with-open-stream [server (socket/socket-server address)
                                client (socket/socket-connect address nil :timeout patience)
                                peer (socket/socket-accept server :timeout patience)]
        (is (= "rw-------"
               (PosixFilePermissions/toString (Files/getPosixFilePermissions path (make-array LinkOption 0)))))
        (is (= [(str path) 0] [(socket/socket-server-host server) (socket/socket-server-port server)]))
        (is (= [(str path) 0] (socket/socket-stream-peer client)))
        (is (= (str path) (socket/socket-stream-host client)))
        (stream/write-line "hello" peer)
        (stream/force-output peer)
        (is (= "hello" (stream/read-line client))))
      (is (not (.exists (.toFile ^Path path)))))))

(deftest a-dead-servers-file-is-replaced-and-nothing-else-is
  (with-path [path]
    (let [dead (.bind (ServerSocketChannel/open java.net.StandardProtocolFamily/UNIX)
                      (UnixDomainSocketAddress/of ^Path path))]
      (.close dead)
      (is (.exists (.toFile ^Path path))))
    (socket/with-open-stream [server (socket/socket-server path :mode "rw-rw----")]
      (throwing java.net.BindException :eaddrinuse (str path) (socket/socket-server path))
      (socket/with-open-stream [_ (socket/socket-connect path)]
        (is (true? (socket/socket-wait server patience)))))
    (spit (.toFile ^Path path) "precious")
    (throwing java.net.BindException :eaddrinuse "no socket" (socket/socket-server path))
    (is (= "precious" (slurp (.toFile ^Path path))))))

(deftest options-are-taken-back-when-the-system-refuses-a-later-one
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [all [:so-keepalive :so-rcvbuf :so-linger :tcp-nodelay :so-rcvtimeo]
          before (apply socket/socket-options server all)
          refused (try
                    (socket/socket-options server :so-keepalive true :so-rcvbuf 20000 :so-linger 3 :tcp-nodelay true
                      :so-rcvtimeo 2 :ip-ttl 300)
                    (catch java.io.IOException e e))]
      (is (= :einval (socket/os-error-code refused)))
      (is (= before (apply socket/socket-options server all))))))

(deftest a-path-may-have-all-bytes-that-the-system-takes
  (let [directory (TemporaryPaths/directory)]
    (try
      (doseq [n [106 107]]
        (let [room (- n 1 (count (str directory)))
              path (.resolve directory ^String (apply str (repeat room "p")))]
          (socket/with-open-stream [server (socket/socket-server path)
                                    client (socket/socket-connect path)
                                    peer (socket/socket-accept server :timeout 5)]
            (is (= n (count (socket/socket-server-host server)) (count (socket/socket-stream-host client))))
            (throwing java.net.BindException :eaddrinuse "a server accepts" (socket/socket-server path))
            (stream/write-line "x" client)
            (stream/force-output client)
            (is (= "x" (stream/read-line peer))))
          (is (not (Files/exists path (make-array LinkOption 0))))))
      (finally
        (Files/delete directory)))))

(deftest a-path-too-long-or-in-no-directory-is-an-error
  (let [long-path (.toPath (File. (str "/tmp/" (apply str (repeat 120 "x")))))]
    (throwing java.io.IOException :enametoolong "allows 107" (socket/socket-server long-path))
    (throwing java.io.IOException :enametoolong "allows 107" (socket/socket-connect long-path)))
  (let [nowhere (.toPath (File. "/no-such-directory/socket"))]
    (throwing java.io.IOException :enoent "/no-such-directory" (socket/socket-server nowhere))
    (throwing java.io.IOException :enoent "/no-such-directory/socket" (socket/socket-connect nowhere))))

;; ---- connections --------------------------------------------------------------------------------

(deftest accessors-return-what-was-given-and-what-the-system-reports
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server) "localhost")
                            peer (socket/socket-accept server :timeout patience)]
    (let [port (socket/socket-server-port server)
          [_ client-port] (socket/socket-stream-local client)]
      (is (= ["localhost" port] [(socket/socket-stream-host client) (socket/socket-stream-port client)]))
      (is (= ["127.0.0.1" port] [(socket/socket-stream-host peer) (socket/socket-stream-port peer)]))
      (is (= ["127.0.0.1 (localhost)" port] (socket/socket-stream-peer client)))
      (is (= ["127.0.0.1" port] (socket/socket-stream-peer client true)))
      (is (= ["127.0.0.1" client-port] (socket/socket-stream-peer peer true)))
      (is (= ["127.0.0.1" port] (socket/socket-stream-local peer true))))))

(deftest shutting-down-output-is-the-end-for-the-other-side
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            peer (socket/socket-accept server :timeout patience)]
    (stream/write-string "last words" client)
    (is (nil? (socket/socket-stream-shutdown client :output)))
    (is (nil? (socket/socket-stream-shutdown client :output)))
    (is (= ["last words" true] (stream/read-line-values peer)))
    (is (= :append (socket/socket-status peer patience)))
    (is (= :end (stream/read-char peer nil :end)))
    (is (= [true false] [(stream/input-stream? client) (stream/output-stream? client)]))
    (throwing java.io.IOException :epipe "shut down" (stream/write-char \x client))
    (stream/write-line "answer" peer)
    (stream/force-output peer)
    (is (= "answer" (stream/read-line client)))))

(deftest shutting-down-input-is-the-end-for-this-side
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            peer (socket/socket-accept server :timeout patience)]
    (socket/socket-stream-shutdown client :input)
    (is (= :end (stream/read-line client nil :end)))
    (is (= [false true] [(stream/input-stream? client) (stream/output-stream? client)]))
    (is (= [:append :eof :output]
           (map #(socket/socket-status [client %] 0) [:io :input :output])))
    (socket/socket-stream-shutdown client :output)
    (is (= [:eof :eof nil] (map #(socket/socket-status [client %] 0) [:io :input :output])))
    (is (true? (stream/open-stream? client)))
    (is (= :end (stream/read-line peer nil :end)))))

(deftest with-open-stream-closes-in-reverse-order-and-aborts-on-a-throw
  (let [closed (atom [])
        closing (fn [x]
                  (reify java.io.Closeable
                    (close [_] (swap! closed conj x))))]
    (is (= 3 (socket/with-open-stream [a (closing :a)
                                       b (closing :b)]
               (is (some? a))
               (is (some? b))
               3)))
    (is (= [:b :a] @closed)))
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
    (let [thrown (failure #(socket/with-open-stream [peer (socket/socket-accept server :timeout patience)]
                             (stream/write-string "never flushed" peer)
                             (throw (ex-info "body" {}))))]
      (is (= "body" (ex-message thrown)))
      (is (= :end (stream/read-line client nil :end))))))

(deftest objects-show-their-state
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
    (is (re-matches #"#<socket-server 127.0.0.1:\d+>" (pr-str server)))
    (is (re-matches #"#<socket-stream 127.0.0.1:\d+ -> 127.0.0.1:\d+ open>" (pr-str client)))
    (is (= {:kind :socket-stream
            :open? true
            :element-type :character}
           (select-keys (datafy client) [:kind :open? :element-type])))
    (is (= {:kind :socket-server
            :host "127.0.0.1"
            :open? true}
           (select-keys (datafy server) [:kind :host :open?])))
    (stream/close client)
    (is (str/ends-with? (pr-str client) "closed>"))))

;; ---- from another thread ------------------------------------------------------------------------

(defn- blocked
  "Starts `f` on a thread, waits until it waits inside the library, and returns [thread promise-of-outcome]."
  [f]
  (let [outcome (promise)
        thread (doto (Thread. ^Runnable #(deliver outcome (failure f)))
                 (.setDaemon true)
                 (.start))]
    (Blocked/in thread "await")
    [thread outcome]))

(deftest a-close-ends-whoever-is-blocked
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            peer (socket/socket-accept server)]
    (let [[_ reading] (blocked #(stream/read-line client))]
      (stream/close client)
      (is (instance? java.nio.channels.AsynchronousCloseException (deref reading 20000 :late))))
    (let [[_ accepting] (blocked #(socket/socket-accept server))
          [_ checking] (blocked #(socket/socket-status server))]
      (socket/socket-server-close server)
      (is (instance? java.nio.channels.AsynchronousCloseException (deref accepting 20000 :late)))
      (is (instance? java.nio.channels.AsynchronousCloseException (deref checking 20000 :late))))
    (is (= :append (socket/socket-status peer 2)))))

(deftest an-interrupt-ends-a-blocked-read-and-loses-nothing
  (socket/with-open-stream [server (loopback)
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            peer (socket/socket-accept server)]
    (stream/write-string "half a li" peer)
    (stream/force-output peer)
    (let [flag (promise)
          [^Thread thread reading] (blocked #(try
                                               (stream/read-line client)
                                               (finally
                                                 (deliver flag (.isInterrupted (Thread/currentThread))))))]
      (.interrupt thread)
      (is (instance? java.io.InterruptedIOException (deref reading 20000 :late)))
      (is (true? (deref flag 20000 :late))))
    (stream/write-line "ne" peer)
    (stream/force-output peer)
    (is (= "half a line" (stream/read-line client)))))

;; ---- bad input ----------------------------------------------------------------------------------

(deftest a-bad-port-throws-before-anything-is-opened
  (doseq [port [70000 -1 65536 80.5 "http" :http \☺]]
    (throwing IllegalArgumentException nil "socket-connect: the port is" (socket/socket-connect port))
    (throwing IllegalArgumentException nil "socket-server: the port is" (socket/socket-server port)))
  (throwing java.net.ConnectException :econnrefused "127.0.0.1" (socket/socket-connect 0 "127.0.0.1")))

(deftest a-bad-host-throws-before-a-look-up
  (doseq [[host part] {"" "the host is missing"
                       "1.2.3" "read in different ways"
                       "0177.0.0.1" "read in different ways"
                       "2130706433" "read in different ways"
                       "http://x:80/" "a URL"
                       "x:80" "has a port in it"
                       "a b" "a space"
                       "a\nb" "\\u000a"
                       "a\u0000b" "\\u0000"
                       "no-such-host.invalid" "no-such-host.invalid"}]
    (let [e (failure #(socket/socket-connect 80 host :timeout patience))]
      (is (str/includes? (ex-message e) part))
      (is (str/starts-with? (ex-message e) "socket-connect: "))))
  (throwing IllegalArgumentException nil "the host is" (socket/socket-connect 80 :timeout 5))
  (throwing java.net.UnknownHostException :eai-noname "no address for"
            (socket/socket-connect 80 "no-such-host.invalid")))

(deftest a-refused-connection-names-the-address
  (let [server (loopback)
        port (socket/socket-server-port server)]
    (socket/socket-server-close server)
    (doseq [timeout [nil 30]]
      (throwing java.net.ConnectException :econnrefused (str "127.0.0.1:" port)
                (socket/socket-connect port "127.0.0.1" :timeout timeout)))
    (let [s (try (socket/socket-connect port "127.0.0.1" :timeout 0)
                 (catch java.net.ConnectException e e))]
      (when (instance? SocketStream s)
        (is (= :error (socket/socket-status s patience)))
        (is (= :econnrefused (socket/os-error-code (socket/stream-error s))))
        (stream/close s)))))

(deftest an-address-in-use-is-an-error
  (socket/with-open-stream [server (loopback)]
    (throwing java.net.BindException :eaddrinuse (str "127.0.0.1:" (socket/socket-server-port server))
              (socket/socket-server (socket/socket-server-port server) :interface "127.0.0.1"))))

(deftest a-bad-timeout-throws-before-any-waiting
  (socket/with-open-stream [server (loopback)]
    (doseq [timeout [-1 -1/2 -0.5 Double/NaN "5" :soon [1] [1 -1] [-1 0] (Duration/ofSeconds -1)]]
      (testing timeout
        (throwing IllegalArgumentException nil "socket-wait: the timeout is" (socket/socket-wait server timeout))
        (throwing IllegalArgumentException nil "the timeout is" (socket/socket-status server timeout))
        (throwing IllegalArgumentException nil "socket-accept: the timeout is"
                  (socket/socket-accept server :timeout timeout))))))

(deftest huge-timeouts-do-not-overflow
  (socket/with-open-stream [server (loopback)
                            _ (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
    (doseq [timeout [Long/MAX_VALUE 1e300 Double/POSITIVE_INFINITY 1000000000000000000000N
                     [Long/MAX_VALUE Long/MAX_VALUE] (Duration/ofSeconds Long/MAX_VALUE)]]
      (is (true? (socket/socket-wait server timeout))))))

(deftest an-unknown-option-names-itself-and-the-known-ones
  (throwing IllegalArgumentException nil "unknown option :keepalive" (loopback :keepalive true))
  (throwing IllegalArgumentException nil ":backlog is -5" (loopback :backlog -5))
  (throwing IllegalArgumentException nil ":mode is" (loopback :mode 384))
  (socket/with-open-stream [server (loopback)]
    (doseq [[opts part] {[:keepalive true] ":element-type"
                         [:element-type :octet] "the element type is :octet"
                         [:external-format "utf8x"] "utf8x"
                         [:external-format {:charset :utf-8
                                            :newline :dos}] ":line-terminator"
                         [:buffered :sometimes] ":buffered"
                         [:line-limit 0] ":line-limit"
                         [:timeout] "no value"}]
      (let [e (failure #(apply socket/socket-accept server opts))]
        (is (instance? IllegalArgumentException e))
        (is (str/starts-with? (str (some-> e ex-message)) "socket-accept: "))
        (is (str/includes? (str (some-> e ex-message)) part))))))

(deftest a-closed-object-is-named-as-closed
  (let [server (loopback)
        client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
    (is (true? (stream/close client)))
    (is (true? (stream/close client)))
    (socket/socket-server-close server)
    (doseq [f [#(stream/read-char client) #(stream/write-char \x client) #(socket/socket-status client 0)
               #(socket/socket-status [client server] 0) #(socket/socket-stream-shutdown client :io)
               #(socket/socket-accept server) #(socket/socket-wait server 0) #(socket/socket-status server 0)]]
      (throwing IllegalStateException nil "is closed" (f)))
    (throwing IllegalStateException nil "socket-wait: " (socket/socket-wait server 0))
    (is (= [false false false] [(stream/open-stream? client) (stream/input-stream? client)
                                (stream/output-stream? client)]))))

(deftest something-else-than-a-stream-or-server-is-named
  (doseq [f [#(socket/socket-accept nil) #(socket/socket-wait 5) #(socket/socket-server-host "x")
             #(socket/socket-stream-peer nil) #(socket/socket-stream-shutdown (Object.) :io)
             #(stream/read-line nil) #(stream/write-string "x" 7) #(stream/close nil)
             #(socket/stream-error 1) #(socket/socket-stream nil) #(socket/status-of nil nil)]]
    (let [e (failure f)]
      (is (instance? IllegalArgumentException e))
      (is (re-find #"expected " (ex-message e))))))

(deftest os-error-codes-are-keywords-or-nil
  (is (nil? (socket/os-error-code (java.io.EOFException.))))
  (is (nil? (socket/os-error-code nil)))
  (is (= :econnreset (socket/os-error-code (java.net.SocketException. "Connection reset"))))
  (is (= :econnreset (socket/os-error-code (ex-info "x" {} (java.net.SocketException. "Connection reset"))))))

(deftest a-server-queues-clients-by-default
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [clients (doall (repeatedly 100 #(socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :timeout 10)))]
      (is (every? stream/open-stream? clients) "connected before any accept")
      (run! #(stream/close % :abort true) clients))))

(deftest socket-options-are-all-or-nothing
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")
              client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")]
    (doseq [[more part] {[:so-rcvbuf "x"] ":so-rcvbuf is \"x\" \\(String\\), expected an integer from 0 to 2147483647"
                         [:so-rcvbuf -1] ":so-rcvbuf is -1 .*"
                         [:so-linger true] ":so-linger is true \\(Boolean\\), expected nil or seconds, an integer from 0 to 2147483647"
                         [:tcp-nodelay 1] ":tcp-nodelay is 1 \\(Long\\), expected one of nil false true"
                         [:so-rcvtimeo -1] ":so-rcvtimeo is -1 \\(Long\\), expected seconds as a non-negative number, a Duration, or nil for no limit"
                         [:so-fooo 1] "the option is :so-fooo \\(Keyword\\), expected one of :ip-tos .*"
                         [:keepalive true] "the option is :keepalive .*; did you mean :so-keepalive\\?"
                         [5] "the option is 5 \\(Long\\), expected .*"}]
      (testing more
        (is (thrown-with-msg? IllegalArgumentException (re-pattern (str "^socket-options: " part "$"))
              (apply socket/socket-options client :so-keepalive true more)))
        (is (= [nil] (socket/socket-options client :so-keepalive)))))
    (is (thrown? UnsupportedOperationException (socket/socket-options client :so-keepalive true :so-type 1)))
    (is (= [nil] (socket/socket-options client :so-keepalive)))
    (is (= [nil nil] (socket/socket-options client :so-keepalive true :so-linger 1)))
    (is (= [true 1] (socket/socket-options client :so-keepalive :so-linger)))))
