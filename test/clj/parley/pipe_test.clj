(ns parley.pipe-test
  "Pipes to commands, standard input, all in one wait; what works without the C library or a privilege."
  (:require
   [clojure.core.async :as a]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.async :as async]
   [parley.rawsock :as raw]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [in-thread message-of]]
   [parley.testing.descriptors :refer [code-of eventually taken until-blocked with-connection]]
   [parley.testing.raw-pair :refer [with-raw-pair]])
  (:import
   (java.io File)
   (java.nio.channels AsynchronousCloseException)
   (java.nio.file Files)
   (parley.posix Descriptor Handles Numbers)
   (parley.testing Child Leaks TemporaryPaths)))

(set! *warn-on-reflection* true)

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

(deftest a-command-can-be-killed-and-one-without-a-reader-notices
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
  (let [[made ^Descriptor y] (Numbers/pair)
        x (Handles/register ^Descriptor made)]
    (socket/with-open-stream [ss (socket/status-set [x :input])]
      (raw/sock-close x)
      (.close y)
      (let [[next-made ^Descriptor w] (Numbers/pair)
            v (Handles/register ^Descriptor next-made)]
        (is (= x v))
        (socket/status-set-add! ss v :input)
        (is (= 2 (count ss)))
        (.write w (byte-array 1) 0 1)
        (is (= #{[v :input] [x :error]} (set (seq (socket/socket-status ss 5)))))
        (is (= [[v :input]] (seq (socket/socket-status ss 5))))
        (is (= 1 (count ss)))
        (raw/sock-close v)
        (.close w)))))

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

(def ^:private run
  (str "\"$java\" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC " (Child/archive)
    " -cp \"$path\" clojure.main \"$script\""))

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
  (let [in (str "\"$script." (apply str (repeat 150 "x")) "\"")]
    (with-open [child (child-clojure (str "printf 'a\\nb' > " in "; " run " < " in "; rm " in)
                        '(def in (stream/keyboard-input))
                        '(println "answer" (pr-str [(socket/socket-status in) (stream/read-line in)
                                                    (stream/read-line in) (socket/socket-status in)
                                                    (stream/read-line in false :end)]))
                        '(println "answer" (pr-str (try (socket/stream-handles 0)
                                                        (catch IllegalArgumentException e (ex-message e))))))]
      (is (= [:input "a" "b" :eof :end] (answer child)))
      (is (re-find #"^stream-handles: the handle 0 is /.*\.x{150}, expected a socket, a pipe or a terminal" (answer child))))))

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

(deftest raw-1-without-the-privilege-the-error-names-the-cure-and-the-rest-works
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
