(ns parley.repl-security-test
  "repl-server against those it must keep out: REP-9, REP-10 and, of REP-12, what ships by default.
  That these tests would notice a guard's absence is shown in parley.repl-guards-test."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.journal :as journal]
   [parley.repl :as repl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.repl :refer [answer await-that canary close connect in-child kill missing over? patience permissions reachable-directory read-until rest-of send-text server session session-threads set-permissions temporary-directory]])
  (:import
   (java.io Closeable File IOException)
   (java.net InetAddress InetSocketAddress Socket)
   (java.nio.file Files LinkOption)
   (java.time Duration)
   (parley.net Server SocketServer)
   (parley.testing Await Child Cpu)))

(set! *warn-on-reflection* true)

(def ^:private strangers
  {"GET" (str "GET /" kill " HTTP/1.1\r\nHost: localhost\r\n\r\n" kill "\n")
   "POST" (str "POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n" kill "\n")
   "OPTIONS" (str "OPTIONS * HTTP/1.1\r\nOrigin: http://evil.example\r\n\r\n" kill "\n")
   "HTTP/2" (str "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" kill "\n")
   "any method" (str "BREW /pot HTTP/1.1\r\nhost: localhost\r\n" kill "\n")
   "any method, without a host" (str "BREW /" kill " HTTP/1.1\r\n\r\n" kill "\n")
   "a method in small letters" (str "brew /pot HTTP/1.1\r\nhost: localhost\r\n\r\n" kill "\n")
   "a whole address" (str "brew http://localhost/ HTTP/1.1\r\n\r\n" kill "\n")
   "after blank lines" (str "\r\n\n\r\nGET / HTTP/1.1\r\n\r\n" kill "\n")
   "TLS" (str "\u0016\u0003\u0001\u0002\u0000" kill "\n")
   "SSH" (str "SSH-2.0-OpenSSH_9.2\r\n" kill "\n")})

(defn- try-strangers [options read-first]
  (doseq [[who text] strangers]
    (testing who
      (reset! canary :alive)
      (with-open [^Closeable r (server options)
                  s (connect r)]
        (when read-first
          (read-until s read-first))
        (doseq [c text] ; as slowly as it likes
          (try (send-text s (str c))
               (catch IOException _ nil)))
        (let [got (rest-of s)]
          (is (= "" (str/replace got "user=> " "")) "the prompts of blank lines at most")
          (is (= :alive @canary))
          (is (= 1 (count (filter #(str/includes? % "nothing of it was evaluated") @(:lines r))))))))))

(deftest rep-9-strangers-get-nothing-and-nothing-of-theirs-is-evaluated
  (try-strangers {:grace 3600} nil))

(deftest rep-9-strangers-that-wait-for-the-prompt-fare-no-better
  (try-strangers {:grace 0} "user=> "))

(deftest rep-9-strangers-get-nothing-where-a-token-is-wanted
  (doseq [[who text] strangers]
    (testing who
      (reset! canary :alive)
      (with-open [^Closeable r (server :token "a-token-of-this-test")
                  s (connect r)]
        (send-text s text)
        (is (= "" (rest-of s)))
        (is (= :alive @canary))))))

(deftest rep-9-one-warning-a-second-is-enough
  (with-open [^Closeable r (server)]
    (dotimes [_ 20]
      (with-open [s (connect r)]
        (send-text s "GET / HTTP/1.0\r\n\r\n")
        (rest-of s)))
    (is (<= (count (filter #(str/includes? % "an HTTP request") @(:lines r))) 4))))

(deftest code-that-speaks-of-http-is-evaluated-all-the-same
  (with-open [^Closeable r (server)
              s (session r)]
    (is (= "\"GET\"" (answer s "(name 'GET)")))
    (is (= "\"POST / HTTP/1.0\"" (answer s "\"POST / HTTP/1.0\"")))
    (is (= "27" (answer s "(count \"GET / HTTP/1.0\n\nHost: here\n\")")))))

(deftest lines-that-look-like-headers-are-evaluated-wherever-they-stand
  (with-open [^Closeable r (server)
              s (session r)]
    (is (= "\"\\nhost: localhost\\nport: 8080\"" (answer s "\"\nhost: localhost\nport: 8080\"")))
    (is (= "\"\\n\\nGET / HTTP/1.1\\n\"" (answer s "\"\n\nGET / HTTP/1.1\n\""))))
  (with-open [^Closeable r (server)
              s (session r)]
    (is (str/includes? (answer s "{:a 1}\nOrigin: here") "{:a 1}")))
  (with-open [^Closeable r (server)
              s (session r)]
    (is (= "#object" (subs (answer s "inc / 1") 0 7)) "a line that may be a request's is read when it ends")))

(deftest a-form-that-may-begin-a-request-waits-for-no-more-than-its-line
  (with-open [^Closeable r (server :accept 'clojure.core.server/io-prepl)
              s (connect r)]
    (send-text s "*ns* (+ 40 2)\n")
    (is (str/includes? (read-until s "42") "42"))))

(deftest rep-10-silent-connections-are-capped-and-dropped-where-a-token-is-wanted
  (with-open [^Closeable r (server :token "a-token-of-this-test" :login-timeout 0.5)]
    (let [before (Thread/activeCount)
          silent (doall (repeatedly 500 #(connect r)))]
      (is (<= (Thread/activeCount) (+ 2 before)))
      (doseq [s silent]
        (is (= "" (rest-of s)))
        (stream/close s :abort true))
      (with-open [s (connect r)]
        (send-text s "a-token-of-this-test\n(+ 1 2)\n")
        (is (= "user=> 3\n" (read-until s "\n")))))))

(deftest rep-10-silent-connections-are-capped-without-a-token
  (with-open [^Closeable r (server)]
    (let [silent (doall (repeatedly 500 #(connect r)))]
      (await-that "as many as may are in" (= 64 (count (repl/sessions r))))
      (run! #(stream/close % :abort true) silent)
      (await-that "they are gone" (empty? (repl/sessions r)))
      (with-open [s (session r)]
        (is (= "3" (answer s "(+ 1 2)")))))))

;; ---- REP-12: what ships by default ----------------------------------------------------------------

(deftest rep-12-t1-an-interface-that-others-reach-is-refused
  (doseq [interface ["0.0.0.0" "::" "192.0.2.1"]]
    (let [e (is (thrown? IllegalArgumentException (repl/repl-server {:interface interface})))]
      (is (= (str "repl-server: :interface is " (pr-str interface) " (String), which other machines can reach, expected "
               "\"127.0.0.1\" or a Unix-domain socket (:path); to let other machines run code as this user, give "
               ":allow-remote true, and with it :token or :token-file for all who know the token, or :tls with "
               ":client-auth :need for all who have a certificate of its :ca")
            (ex-message e)))))
  (is (thrown-with-msg? IllegalArgumentException #"^repl-server: :interface is \"0\.0\.0\.0\" .*, which other machines can reach"
        (repl/repl-server {:interface "0.0.0.0"
                           :allow-remote true}))
    "without a token")
  (with-open [^Closeable r (server :interface "0.0.0.0" :allow-remote true :token "a-token-of-this-test")
              s (connect r)]
    (send-text s "a-token-of-this-test\n")
    (read-until s "user=> ")
    (is (= "3" (answer s "(+ 1 2)")))
    (is (re-find #"0\.0\.0\.0:\d+; a client needs the token" (first @(:lines r)))))
  (with-open [^Closeable r (server)]
    (is (.isLoopbackAddress (InetAddress/getByName (:host r))))
    (is (re-find #"127\.0\.0\.1:\d+ without a token: any local user can run code" (first @(:lines r))))))

(deftest rep-12-t2-a-socket-is-its-owners-alone
  (let [directory (.resolve (temporary-directory) "new/er")]
    (with-open [^Closeable r (server :path (str directory "/s"))]
      (is (= "rwx------" (permissions directory)))
      (is (= "rw-------" (permissions (.toPath (File. ^String (:path r)))))))))

(def ^:private as-nobody
  ["setpriv" "--reuid=65534" "--regid=65534" "--clear-groups" "/usr/bin/python3" "-c"
   (str "import socket,sys\n"
     "s=socket.socket(socket.AF_UNIX)\n"
     "s.settimeout(10)\n"
     "s.connect(sys.argv[1])\n"
     "print('connected')\n"
     "try:\n  got=s.recv(100)\nexcept ConnectionResetError:\n  got=b''\n"
     "print('got',len(got))\n")])

(deftest rep-12-t2-another-user-is-refused-even-where-the-file-lets-it-in
  (if-not (and (= "root" (System/getProperty "user.name")) (.canExecute (io/file "/usr/bin/setpriv"))
            (.canExecute (io/file "/usr/bin/python3")))
    (missing "root, setpriv and python3")
    (let [directory (reachable-directory)
          path (.resolve directory "s")]
      (with-open [^Closeable r (server :path path)]
        (set-permissions directory "rwxr-xr-x")
        (set-permissions path "rwxrwxrwx")
        (with-open [child (Child/command (into-array String (conj as-nobody (str path))))]
          (is (= "connected" (.line child)))
          (is (= "got 0" (.line child))))
        (is (some #(str/includes? % "user nobody: the server belongs to root") @(:lines r)))
        (with-open [s (session r)]
          (is (= "3" (answer s "(+ 1 2)"))))))))

(deftest rep-12-t5-a-token-lets-in-and-nothing-is-said-before
  (with-open [^Closeable r (server :token "a-token-of-this-test")
              s (connect r)]
    (send-text s "wrong\nwrong again\n")
    (is (nil? (socket/socket-status [s :input] 0.3)))
    (send-text s "a-token-of-this-test\r\n")
    (is (= "user=> " (read-until s "=> ")))
    (is (= "3" (answer s "(+ 1 2)")))))

(deftest rep-12-t5-the-third-wrong-token-is-the-last
  (with-open [^Closeable r (server :token "a-token-of-this-test")
              s (connect r)]
    (send-text s (str "wrong\nA-token-of-this-test\na-token-of-this-test-\na-token-of-this-test\n" kill "\n"))
    (is (= "" (rest-of s)))
    (is (some #(str/includes? % "3 wrong tokens") @(:lines r)))))

(deftest rep-12-t5-a-login-line-is-short-and-in-time
  (with-open [^Closeable r (server :token "a-token-of-this-test" :login-timeout 0.3)
              long-line (connect r)
              late (connect r)]
    (send-text long-line (apply str (repeat 300 "x")))
    (is (= "" (rest-of long-line)))
    (send-text late "a-token-of")
    (is (= "" (rest-of late)))))

(deftest rep-12-t5-a-token-file-is-the-owners-and-goes-with-the-server
  (let [file (.resolve (temporary-directory) "token")]
    (spit (str file) "left over")
    (with-open [^Closeable r (server :token-file (str file))
                s (connect r)]
      (is (= "rw-------" (permissions file)))
      (let [token (str/trim (slurp (str file)))]
        (is (re-matches #"[\w-]{43}" token))
        (is (not (str/includes? (str (pr-str r) @(:lines r)) token)))
        (send-text s (str token "\n(+ 1 2)\n"))
        (is (= "user=> 3\n" (read-until s "\n")))
        (close r)
        (is (not (Files/exists file (make-array LinkOption 0))))))))

(deftest rep-12-t6-one-connection-too-many-is-closed
  (with-open [^Closeable r (server :max-connections 2)
              a (session r)
              b (session r)]
    (doseq [s [a b]]
      (is (= "1" (answer s "1"))))
    (with-open [c (connect r)]
      (is (= "" (rest-of c))))
    (stream/close a)
    (await-that "a place is free" (= 1 (count (repl/sessions r))))
    (with-open [c (session r)]
      (is (= "3" (answer c "(+ 1 2)"))))))

(deftest rep-12-t6-one-connection-of-an-address-too-many-is-closed
  (with-open [^Closeable r (server :max-per-address 1 :interface "127.0.0.1")
              a (session r)
              same (do (answer a "1") (connect r))
              other (Socket.)]
    (is (= "" (rest-of same)))
    (.bind other (InetSocketAddress. "127.0.0.2" 0))
    (.setSoTimeout other 10000)
    (.connect other (InetSocketAddress. "127.0.0.1" (int (:port r))))
    (is (= (int \u) (.read (.getInputStream other))))
    (is (= "3" (answer a "(+ 1 2)")))))

(deftest rep-12-t6-silent-clients-do-not-lock-the-owner-out
  (testing "where a token is wanted"
    (with-open [^Closeable r (server :token "a-token-of-this-test" :max-unauthenticated 2 :login-timeout nil)
                oldest (connect r)
                trying (connect r)]
      (send-text trying "a-guess\n")
      (await-that "both are there" (= 2 (count (.connections ^Server @(:server (:service r))))))
      (with-open [owner (connect r)]
        (is (= "" (rest-of oldest)))
        (send-text owner "a-token-of-this-test\n")
        (read-until owner "user=> ")
        (is (= "3" (answer owner "(+ 1 2)"))))
      (is (nil? (socket/socket-status [trying :input] 0)) "the one that was silent longest had to go")))
  (testing "where none is wanted"
    (with-open [^Closeable r (server :max-connections 2)
                busy (session r)
                silent (session r)]
      (is (= "1" (answer busy "1")))
      (with-open [owner (session r)]
        (is (= "" (rest-of silent)))
        (is (= "3" (answer owner "(+ 1 2)"))))
      (is (= "2" (answer busy "2"))))))

(deftest rep-12-t8-no-error-ends-the-acceptor
  (with-open [^Closeable r (server)]
    (doseq [error [(StackOverflowError. "a test") (OutOfMemoryError. "a test") (NoClassDefFoundError. "a test")
                   (RuntimeException. "a test")]]
      (let [met (promise)
            peer endpoint/peer]
        (with-redefs [endpoint/peer (fn [& args]
                                      (if (deliver met true)
                                        (throw error)
                                        (apply peer args)))]
          (with-open [s (connect r)]
            (is (true? (deref met (* 1000 patience) :hangs)))
            (is (= "" (rest-of s))))
          (with-open [s (session r)]
            (is (= "3" (answer s "(+ 1 2)")))))))
    (is (some #(str/includes? % "cannot accept now") @(:lines r)))))

(deftest rep-12-t5-an-editor-learns-that-a-token-is-wanted
  (with-open [^Closeable r (server :token "a-token-of-this-test" :login-timeout nil)
              s (connect r)]
    (send-text s "d2:op8:describee")
    (is (= "" (rest-of s)))
    (is (some #(str/includes? % "it speaks bencode, as editors do, and this server wants its token first") @(:lines r))))
  (testing "a token may look like that"
    (with-open [^Closeable r (server :token "d2:op8:describee")
                s (connect r)]
      (send-text s "d2:op8:describee\n")
      (is (= "user=> " (read-until s "=> "))))))

(deftest rep-12-t6-an-idle-session-is-closed-and-a-busy-one-is-not
  (with-open [^Closeable r (server :idle-timeout 0.3)
              s (session r)]
    (is (= ":slept" (answer s "(do (Thread/sleep 600) :slept)")))
    (is (= "" (rest-of s)))
    (is (some #(str/includes? % ":idle-timeout") @(:lines r)))))

(deftest rep-12-t7-a-line-too-long-ends-its-session-only
  (with-open [^Closeable r (server :max-line 1000)
              other (session r)
              s (session r)]
    (is (= "990" (answer s (str "(count \"" (apply str (repeat 990 "x")) "\")"))))
    (try (send-text s (apply str (repeat 2000 "x")))
         (catch IOException _ nil))
    (is (= "" (rest-of s)))
    (is (some #(str/includes? % ":max-line") @(:lines r)))
    (is (= "3" (answer other "(+ 1 2)")))))

(deftest rep-12-t7-nesting-too-deep-harms-no-other
  (with-open [^Closeable r (server)
              other (session r)
              s (session r)]
    (send-text s (str (apply str (repeat 300000 "(")) "\n"))
    (is (str/includes? (read-until s "StackOverflow") "StackOverflow"))
    (is (= "3" (answer other "(+ 1 2)")))))

(defn- log-lines [^Child child]
  (loop [n 0]
    (let [line (.line child)]
      (cond
        (= "counted" line) n
        (str/includes? line "cannot accept now") (recur (inc n))
        :else (recur n)))))

(deftest rep-12-t8-a-server-out-of-descriptors-rests-and-serves-on
  (with-open [child (in-child
                      '(do
                         (require '[parley.repl :as repl])
                         (println "it has loaded the server")
                         (parley.testing.Classes/load parley.net.SocketStream (into-array ["parley.net"]))
                         (let [server (repl/repl-server {:log println})]
                           (println "port" (:port server))
                           (loop []
                             (when (= "count" (read-line))
                               (println "counted")
                               (recur))))
                         (System/exit 0)))]
    (let [r {:port (parse-long (.answer child "port"))}]
      (with-open [s (session r)] ; has it load and open what it needs
        (is (= "3" (answer s "(+ 1 2)"))))
      (.leaveDescriptors child 5)
      (let [began (System/nanoTime)
            clients (doall (repeatedly 40 #(connect r)))]
        (Await/pass (Duration/ofSeconds 1))
        (Cpu/assertIdle (.pid child))
        (run! #(stream/close % :abort true) clients)
        (.limitDescriptors child 4096)
        (with-open [s (session r)]
          (is (= "3" (answer s "(+ 1 2)"))))
        (.tell child "count")
        (let [lines (log-lines child)
              seconds (inc (quot (- (System/nanoTime) began) 1000000000))]
          (is (<= 1 lines seconds)))))))

(deftest rep-12-t9-the-library-reads-no-data-with-what-evaluates-or-makes-objects
  (let [found (for [root ["clj-src" "java-src"]
                    ^File file (file-seq (io/file root))
                    :when (re-find #"\.(clj|java)$" (.getName file))]
                [(str file) (re-seq #"ObjectInputStream|(?<!edn/)read-string|load-string|load-reader|XMLDecoder"
                              (slurp file))])]
    (is (< 50 (count found)))
    (is (empty? (filter second found)))))

(deftest rep-12-t12-files-go-with-the-java-machine-too
  (let [directory (temporary-directory)
        files (mapv #(str (.resolve directory ^String %)) ["port" "token"])]
    (with-open [child (in-child
                        `(do
                           (require 'parley.repl)
                           ((resolve 'parley.repl/repl-server) {:port-file ~(files 0)
                                                                :token-file ~(files 1)})
                           (println "files" (count (.list (java.io.File. ~(str directory)))))
                           ;; Clients that come at the same time would meet half of what is loaded later.
                           (println "loaded" (every? find-ns ['clojure.repl 'clojure.pprint 'clojure.java.javadoc]))
                           (System/exit 0)))]
      (is (= "2" (.answer child "files")))
      (is (= "true" (.answer child "loaded")))
      (is (= 0 (.exitCode child)))
      (is (empty? (.list (.toFile directory)))))))

(deftest rep-12-t12-a-shutdown-hook-may-close-servers
  (let [directory (temporary-directory)]
    (with-open [child (in-child
                        `(do
                           (require 'parley.repl)
                           (let [servers# (vec (for [i# (range 8)]
                                                 ((resolve 'parley.repl/repl-server)
                                                  {:log nil
                                                   :port-file (str ~(str directory) "/port" i#)
                                                   :token-file (str ~(str directory) "/token" i#)})))]
                             (.addShutdownHook (Runtime/getRuntime)
                               (Thread. (fn []
                                          (try
                                            (run! (fn [s#] (.close s#)) servers#)
                                            (println "closed all")
                                            (catch Throwable e#
                                              (println "closed" e#)))))))
                           (System/exit 0)))]
      (is (= "all" (.answer child "closed")))
      (is (= 0 (.exitCode child)))
      (is (empty? (.list (.toFile directory)))))))

(deftest rep-12-t10-a-directory-that-others-write-to-is-refused
  (let [directory (temporary-directory)
        path (.resolve directory "s")]
    (doseq [mode ["rwxrwxr-x" "rwx---rwx"]]
      (set-permissions directory mode)
      (let [e (is (thrown? IllegalArgumentException (server :path path)))]
        (is (str/includes? (ex-message e) (str "is " mode ": it is open to others"))))
      (is (not (Files/exists path (make-array LinkOption 0)))))
    (is (thrown? IllegalArgumentException (server :path "/tmp/parley-repl-test-socket")))))

(deftest rep-12-t14-nothing-starts-by-itself
  (with-open [child (in-child
                      '(do
                         (doseq [n '[parley.repl parley.http parley.nrepl]]
                           (require n))
                         (println "threads" (filter #(re-find #"parley" %)
                                              (map #(.getName %) (keys (Thread/getAllStackTraces)))))
                         (shutdown-agents)))]
    (is (= "()" (.answer child "threads")))
    (is (= 0 (.exitCode child)))))

(deftest rep-12-t15-closing-waits-for-evaluations-and-then-ends-them
  (with-open [^Closeable r (server :drain 5)
              short-one (session r)]
    (send-text short-one "(do (println :on) (Thread/sleep 300) :done)\n")
    (read-until short-one ":on\n")
    (close r)
    (is (= ":done\nuser=> " (rest-of short-one))))
  (with-open [^Closeable r (server :drain 0.2)
              long-one (session r)]
    (send-text long-one "(do (println :on) (Thread/sleep 60000) :done)\n")
    (read-until long-one ":on\n")
    (let [threads (session-threads r)]
      (is (= 1 (count threads)))
      (close r)
      (is (not (str/includes? (rest-of long-one) ":done")))
      (is (Await/holds (Duration/ofSeconds patience) #(over? threads))))))

(deftest rep-12-t17-text-of-peers-is-escaped-and-short
  (is (= "a\\u000ab\\u001b[31m\\u0000\\u0085" (journal/peer-text "a\nb\u001b[31m\u0000\u0085")))
  (is (= 200 (count (journal/peer-text (str/join (repeat 5000 "x"))))))
  (is (= 200 (count (journal/peer-text (str/join (repeat 5000 "\n")))))))

(deftest rep-12-t19-what-a-session-starts-inherits-no-socket
  (with-open [^Closeable r (server)
              s (session r)]
    (let [held (answer s "(print (:out ((requiring-resolve 'clojure.java.shell/sh) \"ls\" \"-l\" \"/proc/self/fd\")))")]
      (is (str/includes? held "pipe:"))
      (is (not (str/includes? held "socket:"))))))

(deftest rep-12-t17-what-peers-say-cannot-forge-a-log-line
  (with-open [^Closeable r (server :audit (fn [_] (throw (ex-info "audit\nparley: forged" {}))))
              s (session r)]
    (is (= "3" (answer s "(+ 1 2)")) "a failing audit hook harms nobody")
    (let [line (first (filter #(str/includes? % ":audit failed") @(:lines r)))]
      (is (some? line))
      (is (not (str/includes? (str line) "\n"))))))

(deftest rep-12-t21-the-audit-of-a-closed-server-ends-with-its-stop
  (let [events (atom [])
        leaves (promise)
        go-on (promise)
        r (server :audit (fn [{:keys [event]}]
                           (when (= :disconnect event)
                             (deliver leaves true)
                             (deref go-on (* 1000 patience) nil))
                           (swap! events conj event)))]
    (close (session r))
    (is (true? (deref leaves (* 1000 patience) nil)))
    (let [closing (future (close r))]
      (await-that "the endpoint is free, and a session has not quite ended"
        (not (.isOpen (.channel ^SocketServer (:listener (:service r))))))
      (deliver go-on true)
      (deref closing (* 1000 patience) nil))
    (is (= [:connect :disconnect :stop] @events))))

(deftest rep-12-t21-an-audit-lists-the-clients-that-came-and-went
  (let [events (atom [])]
    (with-open [^Closeable r (server :token "a-token-of-this-test" :audit #(swap! events conj %))]
      (with-open [s (connect r)]
        (send-text s "a-token-of-this-test\n:repl/quit\n")
        (rest-of s))
      (await-that "the first is gone" (= 2 (count @events)))
      (with-open [s (connect r)]
        (send-text s "no\nno\nno\n")
        (rest-of s))
      (with-open [s (connect r)]
        (send-text s "POST / HTTP/1.1\r\n")
        (rest-of s))
      (await-that "all is told" (= 4 (count @events))))
    (is (= [:connect :disconnect :login-failed :guarded :stop] (map :event @events)))
    (is (= ["1" "1" "2" "3" nil] (map :session @events)))
    (is (every? #(= "127.0.0.1" (:address %)) (butlast @events)))
    (is (not (str/includes? (pr-str @events) "a-token-of-this-test")))))
