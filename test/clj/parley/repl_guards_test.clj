(ns parley.repl-guards-test
  "REP-12: each guard of an evaluating server is attacked twice, as it ships and with the guard taken out
  from within, so that it is known that the attack would succeed, and the test fail, without it. The ids
  are those of the threats."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.impl.admission]
   [parley.impl.client]
   [parley.impl.endpoint]
   [parley.impl.evaluating-server]
   [parley.impl.files]
   [parley.impl.guard]
   [parley.impl.journal]
   [parley.impl.login :as login]
   [parley.impl.session :as session]
   [parley.impl.text :as text]
   [parley.repl :as repl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.repl :refer [*guarded?* answer await-that canary close connect guarded-by holds-soon? in-child kill missing over? patience permissions reachable-directory read-until rest-of send-text server session session-threads set-permissions temporary-directory]])
  (:import
   (clojure.lang LineNumberingPushbackReader)
   (java.io Closeable IOException StringReader)
   (java.nio.file Files Path)
   (java.nio.file.attribute FileAttribute PosixFilePermissions)
   (java.time Duration)
   (parley.testing Await Child Cpu)))

(set! *warn-on-reflection* true)

(defn- refused?
  "Whether a function throws an IllegalArgumentException, having started nothing."
  [start]
  (try
    (close (start))
    false
    (catch IllegalArgumentException _
      true)))

(defn- evaluates?
  "Whether a stream's text has the canary killed; sends `text` and reads to the end, or until it happens."
  [s text]
  (reset! canary :alive)
  (try
    (send-text s text)
    (catch IOException _ nil)) ; closed in the midst of it
  (let [reader (future (rest-of s))
        dead? #(= :dead @canary)]
    (await-that "it is closed, or harmed" (or (dead?) (realized? reader)))
    (dead?)))

(def ^:private token "a-token-of-this-test")

;; ---- who can connect ----------------------------------------------------------------------------

(deftest rep-12-t1-the-interface
  (guarded-by [parley.impl.endpoint/check-interface (constantly nil)]
    (not (refused? #(server :interface "0.0.0.0")))))

(deftest rep-12-t2-and-t10-the-directory-is-ones-own
  (doseq [mode ["rwxr-xr-x" "rwx--x---" "rwxrwxrwx"]]
    (testing mode
      (let [directory (temporary-directory)]
        (set-permissions directory mode)
        (guarded-by [parley.impl.endpoint/check-directory (constantly nil)]
          (not (refused? #(server :path (.resolve directory "s")))))))))

(deftest rep-12-t10-a-socket-directly-in-the-directory-of-everybody
  (let [path (Path/of "/tmp" (into-array [(str "parley-guards-" (.pid (java.lang.ProcessHandle/current)))]))]
    (guarded-by [parley.impl.endpoint/check-directory (constantly nil)]
      (not (refused? #(server :path path))))))

(deftest rep-12-t2-a-new-directory-is-made-for-its-owner
  (guarded-by [parley.impl.endpoint/make-directory
               (fn [directory]
                 (Files/createDirectories directory
                   (into-array FileAttribute
                     [(PosixFilePermissions/asFileAttribute (PosixFilePermissions/fromString "rwxr-xr-x"))])))
               parley.impl.endpoint/check-directory (constantly nil)]
    (let [directory (.resolve (temporary-directory) "new")]
      (with-open [^Closeable _ (server :path (.resolve directory "s"))]
        (not= "rwx------" (permissions directory))))))

(def ^:private become-nobody
  ["setpriv" "--reuid=65534" "--regid=65534" "--clear-groups" "/usr/bin/python3" "-c"])

(def ^:private others?
  "Whether this test can become another user."
  (and (= "root" (System/getProperty "user.name"))
       (.canExecute (io/file "/usr/bin/setpriv"))
       (.canExecute (io/file "/usr/bin/python3"))))

(defn- as-nobody ^Child [program & arguments]
  (Child/command (into-array String (concat become-nobody [program] (map str arguments)))))

(def ^:private read-something
  (str "import socket,sys\n"
    "s=socket.socket(socket.AF_UNIX)\n"
    "s.settimeout(10)\n"
    "try:\n  s.connect(sys.argv[1])\n  print('got',len(s.recv(100)))\n"
    "except OSError as e:\n  print('got 0')\n"))

(deftest rep-12-t2-the-peers-user
  (if-not others?
    (missing "root, setpriv and python3")
    (guarded-by [parley.impl.evaluating-server/other-user (constantly nil)]
      (let [directory (reachable-directory)
            path (.resolve directory "s")]
        (with-open [^Closeable _ (server :path path)]
          (set-permissions directory "rwxr-xr-x")
          (set-permissions path "rwxrwxrwx")
          (with-open [child (as-nobody read-something path)]
            (not= "got 0" (.line child))))))))

(deftest rep-12-t3-a-page-in-a-browser
  (guarded-by [parley.impl.guard/watcher (constantly (constantly :clean))]
    (with-open [^Closeable r (server)
                s (connect r)]
      (evaluates? s (str "POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n" kill "\n"))))
  (testing "is answered"
    (guarded-by [parley.impl.guard/watcher (constantly (constantly :clean))]
      (with-open [^Closeable r (server)
                  s (connect r)]
        (send-text s "GET / HTTP/1.1\r\n\r\n")
        (socket/socket-stream-shutdown s :output)
        (not= "" (rest-of s))))))

(deftest rep-12-t3-a-prompt-does-not-come-before-the-first-bytes-are-looked-at
  (guarded-by [parley.impl.admission/for-lines (constantly {:gate nil
                                                            :late :admit})
               parley.impl.session/streams (let [streams session/streams]
                                             (fn [& args] (assoc (apply streams args) 2 (constantly true))))]
    (with-open [^Closeable r (server :grace 3600)
                s (connect r)]
      (some? (socket/socket-status [s :input] 0.3)))))

(deftest rep-12-t5-the-token
  (guarded-by [parley.impl.login/judge (constantly (constantly {:verdict :admit}))]
    (with-open [^Closeable r (server :token token)
                s (connect r)]
      (evaluates? s (str (str/join "\n" ["x" "y" "z" kill]) "\n")))))

(deftest rep-12-t5-every-comparison-takes-the-same-time
  (testing "since it is the one of MessageDigest"
    (doseq [given ["another-token-than-that" (str "parley-hmac-1 " (login/new-token) "\nparley-hmac-1 guessed")]]
      (guarded-by [parley.impl.login/same-token? (constantly true)]
        (with-open [^Closeable r (server :token token)
                    s (connect r)]
          (evaluates? s (str given "\n\n\n" kill "\n")))))))

(deftest rep-12-t5-three-tries
  (guarded-by [parley.impl.admission/tries 1000]
    (with-open [^Closeable r (server :token token)
                s (connect r)]
      (evaluates? s (str (str/join (repeat 100 "guess\n")) token "\n" kill "\n")))))

(deftest rep-12-t5-a-login-line-is-short
  (guarded-by [parley.impl.login/longest-line 100000]
    (with-open [^Closeable r (server :token token)
                s (connect r)]
      (evaluates? s (str (str/join (repeat 10000 "x")) "\n" token "\n" kill "\n")))))

(deftest rep-12-t5-a-login-is-in-time
  (guarded-by [parley.impl.evaluating-server/late (constantly :admit)]
    (with-open [^Closeable r (server :token token :login-timeout 0.2)
                s (connect r)]
      (holds-soon? *guarded?* #(some? (socket/socket-status [s :input] 0)))
      (evaluates? s (str token "\n" kill "\n")))))

(deftest rep-12-t5-a-token-file-is-ones-own
  (guarded-by [parley.impl.files/owner-only (make-array FileAttribute 0)
               parley.impl.files/write-one (fn [_ [_ file text]] (spit (str file) text))]
    (let [file (.resolve (temporary-directory) "token")]
      (with-open [^Closeable _ (server :token-file file)]
        (not= "rw-------" (permissions file))))))

(deftest rep-12-t18-nothing-is-said-before-the-login
  (guarded-by [parley.impl.admission/for-lines (constantly {:gate nil
                                                            :late :admit})]
    (with-open [^Closeable r (server :token token)
                s (connect r)]
      (some? (socket/socket-status [s :input] 0.3)))))

;; ---- the client's side: T12 ---------------------------------------------------------------------

(defn- with-impostor
  "Calls f with the port of a server that answers each line with one of `answers`; what it was sent."
  [answers f]
  (with-open [^Closeable impostor (socket/socket-server 0 :interface "127.0.0.1")]
    (let [sent (future
                 (with-open [^Closeable s (socket/socket-accept impostor :timeout 10)]
                   (stream/set-read-timeout! s 10)
                   (loop [sent ""
                          answers answers]
                     (let [line (try
                                  (stream/read-line s nil nil)
                                  (catch IOException _ nil))] ; it had heard enough
                       (when (and line (seq answers))
                         (stream/write-line (first answers) s)
                         (stream/force-output s))
                       (if line
                         (recur (str sent line "\n") (rest answers))
                         sent)))))]
      (f (socket/socket-server-port impostor))
      (deref sent 20000 :hangs))))

(defn- told-to-an-impostor
  "What who has taken a server's port is sent, code included."
  []
  (with-impostor [(str "parley-hmac-1 " (login/new-token)) (str "parley-hmac-1 " (login/new-token))]
    (fn [port]
      (try
        (with-open [s (repl/connect :port port :token token)]
          (send-text s "(the-code)\n"))
        (catch IOException _
          nil)))))

(deftest rep-12-t12-an-impostor-does-not-learn-the-token
  (guarded-by [parley.impl.login/prove (fn [^bytes token ask] (ask (String. token)) nil)]
    (str/includes? (told-to-an-impostor) token)))

(deftest rep-12-t12-an-impostor-is-not-sent-code
  (guarded-by [parley.impl.login/prove (fn [_ ask] (ask "x") (ask "y") nil)]
    (str/includes? (told-to-an-impostor) "(the-code)")))

(deftest rep-12-t12-a-port-file-left-behind-leads-nowhere
  (guarded-by [parley.impl.client/check-alive (constantly nil)]
    (with-open [^Closeable anybody (socket/socket-server 0 :interface "127.0.0.1")]
      (let [file (.resolve (temporary-directory) "port")
            gone (.start (ProcessBuilder. ^"[Ljava.lang.String;" (into-array String ["true"])))]
        (.waitFor gone)
        (spit (str file) (pr-str {:host "127.0.0.1"
                                  :port (socket/socket-server-port anybody)
                                  :pid (.pid gone)}))
        (set-permissions file "rw-------")
        (try
          (close (repl/connect :port-file file))
          (catch java.net.ConnectException e
            (is (str/includes? (ex-message e) "which has ended"))))
        (true? (socket/socket-wait anybody 0.2))))))

(def ^:private be-a-server
  (str "import socket,sys\n"
    "s=socket.socket(socket.AF_UNIX)\n"
    "s.bind(sys.argv[1])\n"
    "s.listen()\n"
    "print('listening',flush=True)\n"
    "c,_=s.accept()\n"
    "c.settimeout(10)\n"
    "try:\n  got=c.recv(100)\nexcept ConnectionResetError:\n  got=b''\n"
    "print('got',len(got),flush=True)\n"))

(deftest rep-12-t12-a-server-at-a-path-is-ones-own
  (if-not others?
    (missing "root, setpriv and python3")
    (guarded-by [parley.impl.endpoint/check-server (constantly nil)]
      (let [directory (reachable-directory)
            path (.resolve directory "s")]
        (set-permissions directory "rwxrwxrwx")
        (with-open [child (as-nobody be-a-server path)]
          (is (= "listening" (.line child)))
          (try
            (with-open [s (repl/connect :path path :timeout 2 :token token)]
              (is (some? s)))
            (catch SecurityException e
              (is (str/includes? (ex-message e) "belongs to nobody, not to root: nothing was sent to it")))
            (catch IOException _ ; it does not answer
              nil))
          (not= "got 0" (.line child)))))))

;; ---- how much -----------------------------------------------------------------------------------

(deftest rep-12-t6-connections
  (doseq [[what options] {"in all" {:max-connections 1}
                          "of an address" {:max-per-address 1}}]
    (testing what
      (guarded-by [parley.impl.evaluating-server/over-limit (constantly nil)]
        (with-open [^Closeable r (server options)
                    other (session r)
                    s (do (answer other "1") (connect r))]
          (evaluates? s (str kill "\n:repl/quit\n")))))))

(deftest rep-12-t6-unauthenticated-connections
  (guarded-by [parley.impl.evaluating-server/over-limit (constantly nil)]
    (with-open [^Closeable r (server :token token :max-unauthenticated 1)
                silent (connect r)
                _ (connect r)]
      (nil? (socket/socket-status [silent :input] 1)))))

(deftest rep-12-t6-no-thread-before-the-login
  (guarded-by [parley.impl.admission/for-lines (constantly {:gate nil
                                                            :late :admit})]
    (with-open [^Closeable r (server :token token)
                _ (connect r)
                _ (connect r)]
      (holds-soon? (not *guarded?*) #(some? (seq (session-threads r)))))))

(deftest rep-12-t6-idle-sessions
  (doseq [[seconds harm] {0.2 false
                          nil true}]
    (with-open [^Closeable r (server :idle-timeout seconds)
                _ (session r)]
      (is (= harm (not (holds-soon? (not harm) #(empty? (session-threads r)))))))))

(deftest rep-12-t7-lines
  (guarded-by [parley.impl.text/reader (let [reader text/reader]
                                         (fn [s options] (reader s (assoc options :max-line Long/MAX_VALUE))))]
    (with-open [^Closeable r (server :max-line 1000)
                s (session r)]
      (evaluates? s (str (str/join (repeat 2000 " ")) kill "\n")))))

(def ^:private scarcity
  "For a machine of its own, that serves until it is told to end: a repl-server, or a loop that answers each
  client with a prompt, tries again when accepting fails if `again?` is true, and else ends."
  '(do
     (require '[parley.repl :as repl] '[parley.socket :as socket] '[parley.stream :as stream])
     (parley.testing.Classes/load parley.net.SocketStream (into-array ["parley.net"]))
     (let [listener (when (some? again?) (socket/socket-server 0 :interface "127.0.0.1"))
           prompt (fn [s]
                    (stream/write-string "user=> " s)
                    (stream/finish-output s))
           accept (fn []
                    (if-let [s (try
                                 (.acceptNow listener parley.net.StreamOptions/DEFAULT)
                                 (catch java.io.IOException e
                                   (when-not again? (throw e))))]
                      (prompt s)
                      (Thread/onSpinWait)))]
       (println "port" (if listener (socket/socket-server-port listener) (:port (repl/repl-server {:log nil}))))
       (when listener
         (future (while true (accept))))
       (read-line)
       (System/exit 0))))

(defn- all-live
  "Checks that each session evaluates, again and again and after a wait."
  [sessions]
  (dotimes [n 3]
    (doseq [s sessions]
      (send-text s (str "(+ 1000 " n ")\n")))
    (is (= (repeat (count sessions) (str (+ 1000 n) "\nuser=> "))
          (map #(read-until % "user=> ") sessions)))))

(defn- after-scarcity
  "[whether it burns a processor while there are no descriptors, whether it serves after]"
  [again? burns? serves?]
  (with-open [child (in-child (list 'do (list 'def 'again? again?) scarcity))]
    (let [r {:port (parse-long (.answer child "port"))}]
      (close (session r)) ; has it load and open what it needs
      (let [sessions (when (nil? again?)
                       (doall (repeatedly 45 #(session r))))
            _ (.leaveDescriptors child 5)
            clients (doall (repeatedly 40 #(connect r)))
            _ (all-live sessions)
            before (Cpu/ticks (.pid child))
            burns? (holds-soon? burns? #(< 60 (- (Cpu/ticks (.pid child)) before)))]
        (all-live sessions)
        (run! #(stream/close % :abort true) (concat sessions clients))
        (.limitDescriptors child 4096)
        [burns? (with-open [s (doto (connect r) (stream/set-read-timeout! (if serves? patience 1)))]
                  (try
                    (some? (read-until s "user=> "))
                    (catch IOException _ false)))]))))

(deftest rep-12-t8-a-session-that-cannot-read-is-logged
  (guarded-by [parley.impl.evaluating-server/own-failure? (constantly false)]
    (with-redefs [text/reader (fn [_ {:keys [ended]}]
                                (ended (IOException. "Too many open files"))
                                [(LineNumberingPushbackReader. (StringReader. "")) (constantly true)])]
      (with-open [^Closeable r (server)
                  s (connect r)]
        (rest-of s)
        (not-any? #(str/ends-with? % "session 1: reading failed, closed: java.io.IOException: Too many open files")
          @(:lines r))))))

(deftest rep-12-t8-descriptors
  (is (= [false true] (after-scarcity nil false true)))
  (testing "a server that does not rest burns a processor"
    (is (= [true true] (after-scarcity true true true))))
  (testing "one whose acceptor ends, as of Clojure's own server, does not serve again"
    (is (= [false false] (after-scarcity false false false)))))

;; ---- sessions -----------------------------------------------------------------------------------

(deftest rep-12-t14-where-it-is-not-wanted
  (guarded-by [parley.impl.endpoint/check-enabled (constantly nil)]
    (try
      (close (server :enabled-in (constantly false)))
      true
      (catch IllegalStateException e
        (is (= "repl-server: :enabled-in returned false for this process; no server was started"
              (ex-message e)))
        false))))

(deftest rep-12-t15-what-has-no-end-is-cut
  (guarded-by [parley.impl.text/print-limits (constantly {})]
    (with-open [^Closeable r (server)
                s (session r)]
      (send-text s "(range)\n")
      (loop [word (StringBuilder.)]
        (let [c (char (stream/read-char s))]
          (if (contains? #{\space \)} c)
            (case (str word)
              "..." false
              "100001" true
              (recur (StringBuilder.)))
            (recur (.append word c))))))))

(deftest rep-12-t15-what-is-too-deep-is-cut
  (guarded-by [parley.impl.text/print-limits (constantly {})]
    (with-open [^Closeable r (server)
                s (session r)]
      (send-text s "(nth (iterate vector :deep) 1000)\n")
      (str/includes? (read-until s "\n") ":deep"))))

(deftest rep-12-t15-closing-ends-evaluations
  (guarded-by [parley.impl.evaluating-server/close (fn [{:keys [listener]}] (close listener))]
    (let [r (server :drain 0)
          s (session r)]
      (send-text s "(do (println :on) (Thread/sleep 2500))\n")
      (read-until s ":on\n")
      (let [threads (session-threads r)]
        (close r)
        (stream/close s :abort true)
        (not (Await/holds (Duration/ofSeconds 1) #(over? threads)))))))

(deftest rep-12-t15-an-interrupt-reaches-the-evaluation
  (guarded-by [parley.impl.evaluating-server/interrupt (constantly nil)]
    (with-open [^Closeable r (server :drain 0)
                s (session r)]
      (send-text s "(do (println :on) (Thread/sleep 60000))\n")
      (read-until s ":on\n")
      (repl/interrupt r "1")
      (nil? (socket/socket-status [s :input] 1)))))

(deftest rep-12-t16-output-is-of-its-session
  (let [elsewhere (java.io.StringWriter.)]
    (doseq [[bindings harm] {nil false
                             {#'*out* elsewhere} true}]
      (with-open [^Closeable r (server :bindings bindings)
                  s (connect r)]
        (send-text s "(println :mine)\n:repl/quit\n")
        (is (= harm (not (str/includes? (rest-of s) ":mine"))))))
    (is (str/includes? (str elsewhere) ":mine"))))

(deftest rep-12-t17-log-lines-are-not-forged
  (guarded-by [parley.impl.journal/peer-text str]
    (with-open [^Closeable r (server :audit (fn [_] (throw (ex-info "x\nparley repl: all is well" {}))))
                _ (session r)]
      (some #(str/includes? % "\n") @(:lines r)))))

(deftest rep-12-t21-the-audit
  (guarded-by [parley.impl.journal/event (constantly nil)]
    (let [events (atom [])]
      (with-open [^Closeable r (server :audit #(swap! events conj %))]
        (close (session r)))
      (not= [:connect :disconnect :stop] (map :event @events)))))
