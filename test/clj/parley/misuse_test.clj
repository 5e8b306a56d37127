(ns parley.misuse-test
  "Every mistake that a caller can make deserves an error that says what was called, what was wrong with
  which argument, and what was expected: one table of mistakes with the words asserted, and every function
  called with everything that it does not take."
  (:require
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.async]
   [parley.http]
   [parley.nrepl]
   [parley.rawsock :as raw]
   [parley.repl]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io File IOException)
   (java.net BindException ConnectException UnknownHostException)
   (java.nio.file Files NoSuchFileException)
   (java.time Duration)
   (parley.net SocketServer SocketStream)
   (parley.posix PosixException)
   (parley.testing Leaks TemporaryPaths)))

(set! *warn-on-reflection* true)

(def ^:dynamic ^:private *server* nil)
(def ^:dynamic ^:private *client* nil)
(def ^:dynamic ^:private *peer* nil)

(defn- connected
  "Calls `f` with a server and a connection to it."
  [f]
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1" :backlog 64)
                            client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            peer (socket/socket-accept server :timeout 5)]
    (doseq [s [client peer]]
      (stream/set-read-timeout! s 0.01)
      (stream/set-write-timeout! s 1))
    (binding [*server* server
              *client* client
              *peer* peer]
      (f))))

(use-fixtures :each
  (fn [test]
    (connected #(stream/close (stream/make-stream *client*))) ; opens what is kept
    (let [before (Leaks/snapshot)]
      (connected test)
      (.assertBack before))))

(defn- thrown [f]
  (try
    (f)
    nil
    (catch Throwable e
      e)))

(defmacro ^:private says
  "Checks the class and the message (a regular expression for all of it) of what the expression throws."
  [class message expr]
  `(let [e# (thrown (fn [] ~expr))]
     (is (instance? ~class e#))
     (is (re-matches ~message (str (some-> e# ex-message))))))

;; ---- addresses ----------------------------------------------------------------------------------

(deftest c-1-c-2-a-port-that-is-none
  (doseq [[port shown] {70000 "70000 \\(Long\\)"
                        -1 "-1 \\(Long\\)"
                        80.5 "80.5 \\(Double\\)"
                        "http" "\"http\" \\(String\\)"
                        \☺ "\\\\☺ \\(Character\\)"}
          [op f] {"socket-connect" #(socket/socket-connect % "no-such-host.invalid")
                  "socket-server" socket/socket-server}]
    (says IllegalArgumentException
      (re-pattern (str op ": the port is " shown
                    ", expected a port from 0 to 65535, a Path, a File, .*, or a map of :host and :port, or of :path"))
      (f port))))

(deftest c-3-port-zero-is-for-servers
  (says ConnectException
    #"socket-connect: 127.0.0.1:0: Connection refused: port 0 is for servers, which get a free port; connect to the port that the server has got"
    (socket/socket-connect 0 "127.0.0.1")))

(deftest c-4-to-c-7-a-host-that-is-none
  (doseq [[host part]
          {"" "the host is missing, expected a name or an address; for this machine give \"localhost\""
           "1.2.3" "the host \"1.2.3\" is read in different ways .*, expected four decimal numbers from 0 to 255, such as .*"
           "0177.0.0.1" "the host \"0177.0.0.1\" is read in different ways .*"
           "2130706433" "the host \"2130706433\" is read in different ways .*"
           "http://x:80/" "the host \"http://x:80/\" is a URL or has a port in it, .*pass the port as the port argument"
           "x:80" "the host \"x:80\" is a URL or has a port in it, .*"
           "a b" "the host \"a b\" has a space or a control character in it, .*"
           "a\nb" "the host \"a\\\\u000ab\" has a space or a control character in it, .*"
           "a\u0000b" "the host \"a\\\\u0000b\" has a space or a control character in it, .*"}]
    (testing host
      (says IllegalArgumentException (re-pattern (str "socket-connect: " part)) (socket/socket-connect 80 host))
      (says IllegalArgumentException (re-pattern (str "socket-server: " part))
        (socket/socket-server 0 :interface host))))
  (says IllegalArgumentException #"socket-connect: the host is 5 \(Long\), expected a string with a name or an address, .*"
    (socket/socket-connect 80 5)))

(deftest c-8-a-host-that-is-unknown
  (let [e (thrown #(socket/socket-connect 80 "no-such-host.invalid" :timeout 20))]
    (is (instance? UnknownHostException e))
    (is (re-find #"^socket-connect: no address for \"no-such-host.invalid\": " (str (ex-message e))))))

(deftest c-10-a-port-without-a-listener
  (let [gone (socket/socket-server 0 :interface "127.0.0.1")
        port (socket/socket-server-port gone)]
    (socket/socket-server-close gone)
    (says ConnectException
      (re-pattern (str "socket-connect: 127.0.0.1:" port ": [^:]+: nothing is listening there; "
                    "check the address, or start the server"))
      (socket/socket-connect port "127.0.0.1"))))

(deftest c-12-an-address-in-use
  (let [port (socket/socket-server-port *server*)]
    (says BindException
      (re-pattern (str "socket-server: 127.0.0.1:" port ": [^:;]+; choose another port, or 0 for a free one"))
      (socket/socket-server port :interface "127.0.0.1"))))

(deftest c-15-c-16-a-path-that-cannot-be
  (let [directory (TemporaryPaths/directory)
        file (.resolve directory "file")]
    (try
      (let [long-path (.toPath (File. (str "/tmp/" (apply str (repeat 120 "x")))))]
        (doseq [[op f] {"socket-server" socket/socket-server
                        "socket-connect" socket/socket-connect}]
          (says IOException (re-pattern (str op ": .*xxx.*125 bytes.*allows 107.*")) (f long-path))))
      (spit (.toFile file) "precious")
      (says BindException (re-pattern (str "socket-server: .*" file ": Address already in use: the file is no socket; it was left alone; choose another path")) (socket/socket-server file))
      (is (= "precious" (slurp (.toFile file))))
      (says IOException #"socket-server: /none/at/all: No such file or directory: there is no directory /none/at; make it, or .*" (socket/socket-server (.toPath (File. "/none/at/all"))))
      (finally
        (Files/deleteIfExists file)
        (Files/delete directory)))))

;; ---- times, options -----------------------------------------------------------------------------

(deftest c-17-a-timeout-that-is-none
  (doseq [timeout [-1 -1/2 -0.5 Double/NaN "5" :soon [1] [1 -1] (Duration/ofSeconds -1)]
          [op f] {"socket-wait" #(socket/socket-wait *server* %)
                  "socket-status" #(socket/socket-status *client* %)
                  "socket-accept" #(socket/socket-accept *server* :timeout %)
                  "socket-connect" #(socket/socket-connect 80 "127.0.0.1" :timeout %)
                  "set-read-timeout!" #(stream/set-read-timeout! *client* %)
                  "set-write-deadline!" #(stream/set-write-deadline! *client* %)}]
    (testing [op timeout]
      (says IllegalArgumentException
        (re-pattern (str op ": the timeout is .*, expected nil \\(wait for ever\\), 0 \\(poll\\), seconds as .*"))
        (f timeout)))))

(deftest c-24-an-option-that-is-none
  (doseq [[opts part] {[:keepalive true] "unknown option :keepalive .*, expected one of :buffered .*:timeout.*"
                       [:time-out 1] "unknown option :time-out .*, expected one of .*; did you mean :timeout\\?"
                       [:format :utf-8] "unknown option :format .*; did you mean :external-format\\?"
                       [:element-type :byt] "the element type is :byt .*, expected one of .*; did you mean :byte\\?"
                       [:element-type :octet] "the element type is :octet .*, expected one of .*:bivalent.*"
                       [:external-format "utf8x"] "this JDK has no charset \"utf8x\" .*, expected one of .*"
                       [:external-format "ü ü"] "the charset is \"ü ü\" .*, expected the name of one, such as :utf-8"
                       [:external-format 8] "the external format is 8 \\(Long\\), expected a charset, .*"
                       [:external-format {:newline :dos}] "unknown option :newline .*, expected one of .*"
                       [:buffered :sometimes] ":buffered is :sometimes .*, expected one of .*"
                       [:line-limit 0] ":line-limit is 0 .*, expected a positive number of characters"
                       [:line-limit nil] ":line-limit is nil, expected a positive number of characters"
                       [:close-timeout -1] ":close-timeout is -1 .*"
                       [:timeout] "the option :timeout has no value, expected keys and values"
                       [5 5] "unknown option 5 .*, expected one of .*"}]
    (testing opts
      (says IllegalArgumentException (re-pattern (str "socket-accept: " part)) (apply socket/socket-accept *server* opts))
      (says IllegalArgumentException (re-pattern (str "socket-connect: " part))
        (apply socket/socket-connect 80 "127.0.0.1" opts))))
  (doseq [[opts part] {[:keepalive true] "unknown option :keepalive .*, expected one of :backlog :interface :mode :so-reuseport"
                       [:backlog -5] ":backlog is -5 .*, expected a positive number of connections"
                       [:backlog 0] ":backlog is 0 .*"
                       [:mode 384] ":mode is 384 .*, expected permissions as ls shows them, such as \"rw-------\""
                       [:interface 7] ":interface is 7 .*, expected nil, a host name or address, :loopback, or an open socket stream over TCP"}]
    (says IllegalArgumentException (re-pattern (str "socket-server: " part)) (apply socket/socket-server 0 opts)))
  (says IllegalArgumentException #"socket-server: the mode is \"rwx\", expected nine letters .*"
    (socket/socket-server (.toPath (File. "/tmp/never-made")) :mode "rwx"))
  (is (not (.exists (File. "/tmp/never-made")))))

(deftest a-mistake-is-told-with-its-cure
  (doseq [[message f]
          {"socket-server: the port is :port .*, expected a port or another endpoint before any options: .*"
           #(socket/socket-server :port 7007)
           "socket-server: unknown option \"127.0.0.1\" .*; options are keywords and values, or one map, at the end"
           #(socket/socket-server 0 "127.0.0.1")
           "socket-server: unknown option :host .*; did you mean :interface\\?" #(socket/socket-server 0 :host "127.0.0.1")
           "repl-server: unknown option :host .*; did you mean :interface\\?" #(parley.repl/repl-server :host "127.0.0.1")
           "repl-server: unknown option :socket .*; did you mean :path\\?" #(parley.repl/repl-server :socket "x")
           "repl-server: unknown option 5555 .*; options are keywords and values, .*" #(parley.repl/repl-server 5555)
           "repl-server: :token is a Long, expected a string of 16 to 256 characters .*" #(parley.repl/repl-server :token 5)
           "repl-server: :enabled-in is the function clojure.core/inc: .*, expected a function of no arguments, or nil"
           #(parley.repl/repl-server :enabled-in inc)
           "nrepl-server: unknown option :host .*; did you mean :bind\\?" #(parley.nrepl/nrepl-server :host "localhost")
           "nrepl-server: unknown option :path .*; did you mean :socket\\?" #(parley.nrepl/nrepl-server :path "x")
           "connect: unknown option :path .*; did you mean :socket\\?" #(parley.nrepl/connect :path "x")
           "connect: no endpoint is given, or more than one, expected exactly one of .*" #(parley.repl/connect)
           "socket-options: the option is :SO-LINGER .*; did you mean :so-linger\\?" #(socket/socket-options *client* :SO-LINGER)
           "set-stream-external-format!: this JDK has no charset :latin-1 .*; did you mean :latin1\\?"
           #(stream/set-stream-external-format! *client* :latin-1)
           "make-stream: the direction is :in .*; did you mean :input\\?" #(stream/make-stream *client* :direction :in)
           "make-stream: unknown option :timeout .*; did you mean :close-timeout or :read-timeout or :write-timeout\\?"
           #(stream/make-stream *client* :timeout 5)
           "write-char: the character is #<socket-stream .*, expected a character; the value comes first, then the stream"
           #(stream/write-char *client* \x)
           "socket-status: the argument is \\[#<.*\\] \\(ArrayList\\), expected .*, a non-empty vector, list or seq of those, .*"
           #(socket/socket-status (doto (java.util.ArrayList.) (.add *client*)) 0)
           "socket-status: element 0 is \\(#<.*, expected a stream, .*, alone or in a vector \\[object direction\\]"
           #(socket/socket-status [(list *client* :input)] 0)
           "read-line: the stream is an object \\(LineNumberingPushbackReader\\), expected a socket stream, .*"
           #(stream/read-line (clojure.lang.LineNumberingPushbackReader. (java.io.StringReader. "")))
           "open-stream\\?: the stream is #<status-set of 0, 0 actionable>, expected a socket stream, .*"
           #(socket/with-open-stream [ss (socket/status-set)]
              (stream/open-stream? ss))
           "status-set-add!: the object is .*; the direction is the argument after it"
           #(socket/with-open-stream [ss (socket/status-set)]
              (socket/status-set-add! ss [*client* :input]))
           "with-open-stream: the name is \\[a b\\] .*, expected a symbol, the name of what is closed"
           #(try
              (macroexpand '(parley.socket/with-open-stream [[a b] 5] a))
              (catch Exception e
                (throw (or (ex-cause e) e))))
           "wget-text: a header's name is :accept .*, expected a string such as \"Accept\""
           #(parley.http/wget-text "127.0.0.1" "/" "/none/such" 1 :headers {:accept "x"})}]
    (says IllegalArgumentException (re-pattern message) (f))))

;; ---- streams ------------------------------------------------------------------------------------

(defn- by-this-thread
  "As a pattern: a moment ago."
  []
  (str (java.util.regex.Pattern/quote (.getName (Thread/currentThread))) " \\d+ m?s ago"))

(deftest c-18-a-closed-stream-or-server
  (stream/close *client*)
  (socket/socket-server-close *server*)
  (doseq [[op f] {"read-char" #(stream/read-char *client*)
                  "read-line" #(stream/read-line *client*)
                  "write-string" #(stream/write-string "x" *client*)
                  "finish-output" #(stream/finish-output *client*)
                  "socket-status" #(socket/socket-status *client* 0)
                  "socket-stream-shutdown" #(socket/socket-stream-shutdown *client* :io)
                  "socket-options" #(socket/socket-options *client* :so-keepalive)
                  "stream-handles" #(socket/stream-handles *client*)}]
    (says IllegalStateException
      (re-pattern (str op ": #<socket-stream .* -> .* closed> is closed, by the thread " (by-this-thread) "; close it after its last use, or make another"))
      (f)))
  (doseq [[op f] {"socket-accept" #(socket/socket-accept *server*)
                  "socket-wait" #(socket/socket-wait *server* 0)}]
    (says IllegalStateException
      (re-pattern (str op ": #<socket-server .* closed> is closed, by the thread " (by-this-thread) "; close it after its last use, or make another"))
      (f))))

(deftest c-19-writing-after-output-was-shut
  (socket/socket-stream-shutdown *client* :output)
  (says IOException
    #"write-char: Broken pipe: the output side of #<.*> was shut down by this side; reading is still possible"
    (stream/write-char \x *client*)))

(deftest c-20-c-21-bytes-that-are-no-text
  (let [bytes! (fn [& all]
                 (stream/set-stream-element-type! *peer* :byte)
                 (stream/write-byte-sequence (byte-array (map unchecked-byte all)) *peer*)
                 (stream/finish-output *peer*))]
    (stream/set-read-timeout! *client* 10)
    (bytes! 0x61 0xFF 0xFE 0x62)
    (is (= \a (stream/read-char *client*)))
    (says IOException #"read-char: the byte FF at offset 1 of the stream .* no character in UTF-8; .*" (stream/read-char *client*))
    (bytes! 0xE2 0x82)
    (stream/close *peer*)
    (let [texts (doall (take 6 (repeatedly #(let [e (thrown (fn [] (stream/read-char *client*)))]
                                              (str (some-> e ex-message))))))]
      (is (some #(re-find #"(?i)e2.*82" %) texts)))))

(deftest c-22-a-line-without-an-end
  (socket/with-open-stream [client (socket/socket-connect (socket/socket-server-port *server*) "127.0.0.1"
                                                          :line-limit 100)
                            peer (socket/socket-accept *server* :timeout 5)]
    (stream/write-string (apply str (repeat 200 "x")) peer)
    (stream/finish-output peer)
    (says IOException #"read-line: no line end within 100 characters, the limit of this stream; raise the line limit .*" (stream/read-line client))))

(deftest c-23-what-is-neither-stream-nor-server
  (doseq [[x shown] {nil "nil"
                     "x" "\"x\" \\(String\\)"
                     2.5 "2.5 \\(Double\\)"
                     :kw ":kw \\(Keyword\\)"
                     (java.net.Socket.) ".*Socket\\[unconnected\\].* \\(Socket\\)"}]
    (says IllegalArgumentException
      (re-pattern (str "socket-status: element 3 is " shown ", expected a stream, a server, .*"))
      (socket/socket-status [*client* *server* *peer* x] 0))
    (says IllegalArgumentException (re-pattern (str "socket-status: the argument is " shown ", expected a stream, .*"))
      (socket/socket-status x 0))
    (says IllegalArgumentException (re-pattern (str "socket-accept: the server is " shown ", expected a socket server, .*"))
      (socket/socket-accept x))
    (says IllegalArgumentException (re-pattern (str "read-line: the stream is " shown ", expected a socket stream, .*"))
      (stream/read-line x))
    (says IllegalArgumentException (re-pattern (str "close: the stream is " (if (instance? java.net.Socket x) "" shown) ".*"))
      (stream/close (if (instance? java.net.Socket x) 'socket x)))))

(deftest what-is-sequential-is-a-list-for-socket-status
  (doseq [list-of [vector list #(map identity %&) #(eduction (map identity) %&)]]
    (is (= [:output :output] (socket/socket-status (list-of *client* *peer*) 0))))
  (doseq [empty-list [[] () (eduction (map identity) [])]]
    (says IllegalArgumentException #"socket-status: the argument is .*, expected a stream, .*"
      (socket/socket-status empty-list 0))))

(deftest with-open-stream-refuses-what-it-cannot-close-before-the-body
  (let [ran (atom false)]
    (doseq [x [5 "x" :kw []]]
      (says IllegalArgumentException
        #"with-open-stream: the value is .*, expected a stream, a server, or another java.lang.AutoCloseable"
        (socket/with-open-stream [s *peer*
                                  y x]
          (reset! ran [s y]))))
    (is (false? @ran))
    (is (false? (stream/open-stream? *peer*)) "what was bound before it is closed")
    (is (= 1 (socket/with-open-stream [s nil]
               (is (nil? s))
               1)))))

(deftest os-error-code-wants-an-exception
  (doseq [x ["x" 5 :econnreset]]
    (says IllegalArgumentException #"os-error-code: the exception is .*, expected a Throwable, or nil"
      (socket/os-error-code x))))

;; ---- everything ---------------------------------------------------------------------------------

(def ^:private wrong
  [nil -1 "x" :kw [] {} 'sym 2.5 \a (Object.) (java.net.Socket.) (byte-array 2) 999999])

(def ^:private left-out
  "What takes anything, or would run a command or wait for one, or does not answer on this thread."
  '#{make-pipe-input-stream make-pipe-output-stream make-pipe-io-stream keyboard-input pipe-kill close make-stream
     sock-close repl-server nrepl-server})

(defn- fitting
  "A value for a parameter of that name."
  [of parameter status-set]
  (case (name parameter)
    "server" *server*
    "ss" status-set
    ("array" "sequence" "bytes" "buffer") (byte-array 3)
    "chars" (char-array 3)
    ("seconds" "microseconds" "protocol" "protocol-designator") 0
    "port" (if (= of 'parley.http) 1 (socket/socket-server-port *server*))
    "host" "127.0.0.1"
    "c" \a
    ("string" "text" "message") "s"
    "direction" :input
    "domain" :inet
    "type" (if (= of 'parley.rawsock) :stream [:unsigned-byte 16])
    "page" "/"
    "file" "/none/such"
    "path" "/none/such"
    ("socket" "handle") (first (socket/stream-handles *client*))
    *client*))

(defn- helpful?
  "Whether a mistake was told as it should be: the message begins with the function, and says what was
  expected unless the operating system or the other end had the last word."
  [of function ^Throwable e]
  (let [text (str (ex-message e))]
    (and (or (.startsWith text (str function ": "))
             (.startsWith text (str function "("))
             (and (= of 'parley.rawsock) (instance? PosixException e))
             (instance? NoSuchFileException e)
             (instance? clojure.lang.ExceptionInfo e)) ; nREPL's callers expect one, about a key file
         (or (instance? IOException e)
             (instance? UnsupportedOperationException e)
             (boolean (re-find #"expected|known are|at least|refus|there is no such file" text)))
         (not (re-find #"#object|@[0-9a-f]{6,}\b(?!.* \(Object\))" text)))))

(defn- waits-for-ever?
  "Whether this is no mistake."
  [function parameter x]
  (or (and (= 'seconds parameter) (nil? x))
      (contains? '#{recv recvfrom recvmsg sock-read accept} function)
      (and (= 'socket-accept function) (= 'opts parameter) (contains? #{nil {}} x))
      (and (= :timeout parameter) (or (nil? x) (and (number? x) (pos? x))))))

(defn- outcome
  "What calling `f` on a thread of its own throws, nil when it returns, ::late when it does neither."
  [f]
  (let [result (promise)
        thread (doto (Thread. ^Runnable #(deliver result (thrown f)))
                 (.setDaemon true)
                 (.start))
        e (deref result 20000 ::late)]
    (.interrupt thread)
    e))

(defn- close-made [function made]
  (cond
    (= 'socket function) (raw/sock-close made)
    (= 'socketpair function) (run! raw/sock-close made)
    (vector? made) (run! #(close-made function %) made)
    (instance? SocketStream made) (when-not (identical? made *client*) (.abort ^SocketStream made))
    (instance? SocketServer made) (when-not (identical? made *server*) (.close ^SocketServer made))))

(def ^:private trailing
  "Options that no function takes."
  [[5] [nil nil] ["x"] [:no-such 1] [{:no-such 1}] [:timeout] [:timeout "x"]])

(defn- calls
  "Every function with one thing that it does not take in each place, and each of its options with each:
  [namespace function what-is-called thunk]."
  [status-set]
  (for [of '[parley.socket parley.stream parley.async parley.rawsock parley.http parley.repl parley.nrepl]
        [n v] (sort-by key (ns-publics of))
        :when (and (fn? @v) (not (:macro (meta v))) (not (left-out n)))
        arguments (:arglists (meta v))
        :let [options (:keys (first (filter map? arguments)))
              more? (some #{'&} arguments)
              parameters (vec (take-while #(not= '& %) (remove map? arguments)))
              fit (mapv #(fitting of % status-set) parameters)]
        arguments (concat
                    (for [place (range (count parameters))
                          x wrong
                          :when (not (waits-for-ever? n (parameters place) x))]
                      (assoc fit place x))
                    (when (and more? (not (waits-for-ever? n nil nil)))
                      (map #(into fit %) trailing))
                    (for [option options
                          x wrong
                          :when (not (waits-for-ever? n (keyword (name option)) x))]
                      (conj fit (keyword (name option)) x)))]
    [of n (list* n arguments) #(close-made n (apply @v arguments))]))

(deftest each-function-names-itself-and-what-it-expects
  (socket/with-open-stream [status-set (socket/status-set [*client* :input])]
    (let [all (calls status-set)]
      (is (< 3000 (count all)))
      (socket/socket-options *server* :so-rcvtimeo 0.01)
      (is (= []
             (for [[of function call f] all
                   :let [e (outcome (bound-fn* f))]
                   :when (not (or (nil? e) (and (instance? Throwable e) (helpful? of function e))))]
               [call (if (instance? Throwable e) [(class e) (ex-message e)] e)])))
      (stream/close *client* :abort true))))

;; ---- faults -------------------------------------------------------------------------------------

(defn- fitting-calls
  "Every function with what it takes: [namespace function what-is-called thunk]."
  [status-set]
  (for [of '[parley.socket parley.stream]
        [n v] (sort-by key (ns-publics of))
        :when (and (fn? @v) (not (:macro (meta v))) (not (left-out n)))
        arguments (:arglists (meta v))
        :let [parameters (vec (take-while (complement '#{&}) arguments))]
        :when (not-any? '#{server port} parameters)]
    [of n (list* n parameters)
     (fn []
       (let [made (apply @v (mapv #(fitting of % status-set) parameters))]
         (doseq [each (if (vector? made) made [made])
                 :when (and (instance? java.io.Closeable each)
                            (not-any? #(identical? each %) [*client* *server* status-set]))]
           (.close ^java.io.Closeable each))))]))

(deftest every-function-of-a-closed-stream-returns-or-names-what-is-closed
  (socket/with-open-stream [status-set (socket/status-set [*server* :input])]
    (stream/close *client*)
    (let [all (fitting-calls status-set)]
      (is (< 80 (count all)))
      (is (= []
             (for [[of function call f] all
                   :let [e (outcome (bound-fn* f))]
                   :when (not (or (nil? e)
                                  (and (instance? IllegalStateException e) (re-find #"closed" (ex-message e)))
                                  (and (instance? Throwable e) (helpful? of function e))))]
               [call e]))))))

(deftest an-error-of-the-callers-code-leaves-a-status-set-usable
  (doseq [error [(StackOverflowError. "on purpose") (OutOfMemoryError. "on purpose")]]
    (socket/with-open-stream [status-set (socket/status-set [*client* :output])]
      (socket/socket-status status-set 5)
      (is (identical? error (thrown #(reduce (fn [_ _] (throw error)) nil status-set))))
      (is (identical? error (thrown #(run! (fn [_] (throw error)) status-set))))
      (is (= [[*client* :output]] (seq (socket/socket-status status-set 5)))))))
