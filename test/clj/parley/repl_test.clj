(ns parley.repl-test
  "repl-server with the evaluators that people run on it, and against those it must keep out."
  (:require
   [clojure.core.server :as core-server]
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [examples.repl :as example]
   [parley.impl.service :as service]
   [parley.repl :as repl]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io Closeable File IOException PipedReader PipedWriter)
   (java.net InetAddress InetSocketAddress Socket)
   (java.nio.file Files LinkOption Path)
   (java.nio.file.attribute FileAttribute PosixFilePermissions)
   (java.time Duration)
   (java.util.concurrent Callable)
   (parley.net SocketStream)
   (parley.testing Await Child Cpu Leaks UnixPaths)))

(set! *warn-on-reflection* true)

;; ---- helpers ------------------------------------------------------------------------------------

(def ^:private patience 10)

(defmacro ^:private await-that
  "Waits until the body is true."
  [fact & body]
  `(Await/until ~fact (reify Callable (call [_] (boolean (do ~@body))))))

(defn- server
  "A repl-server whose log is in an atom, under :lines."
  ^Closeable [& {:as options}]
  (let [lines (atom [])]
    (assoc (repl/repl-server (merge {:log #(swap! lines conj %)} options))
      :lines lines)))

(defn- close [s]
  (.close ^Closeable s))

(defn- connect ^SocketStream [{:keys [port path]}]
  (doto (if path
          (socket/socket-connect (.toPath (File. ^String path)) nil :timeout patience)
          (socket/socket-connect port "127.0.0.1" :timeout patience))
    (stream/set-read-timeout! patience)))

(defn- send-text [s text]
  (stream/write-string text s)
  (stream/force-output s)
  s)

(defn- read-until
  "What comes up to the end of `text`."
  [s ^String text]
  (let [got (StringBuilder.)
        ends? #(let [from (- (.length got) (.length text))]
                 (and (<= 0 from) (.contentEquals text (.subSequence got from (.length got)))))]
    (while (not (ends?))
      (.append got (char (stream/read-char s))))
    (str got)))

(defn- answer
  "Sends a form and gives what comes up to the next prompt."
  [s form]
  (send-text s (str form "\n"))
  (let [got (read-until s "=> ")]
    (subs got 0 (or (str/last-index-of got "\n") 0))))

(defn- session
  "A connection that has its first prompt."
  ^SocketStream [server]
  (doto (connect server)
    (read-until "user=> ")))

(defn- rest-of
  "Everything that comes until the end; a reset is an end, too."
  [s]
  (let [got (StringBuilder.)]
    (try
      (loop []
        (when-let [c (stream/read-char s nil nil)]
          (.append got (char c))
          (recur)))
      (catch java.net.SocketTimeoutException e
        (throw e))
      (catch IOException _
        nil))
    (str got)))

(defn- session-threads
  "The threads of the sessions that a server has now; virtual ones, too."
  [server]
  (mapv (fn [client] @(:thread client)) (service/clients (:service server))))

(defn- over? [threads]
  (not-any? (fn [^Thread t] (.isAlive t)) threads))

(defn- temporary-directory ^Path []
  (Files/createTempDirectory "parley-repl" (make-array FileAttribute 0)))

(defn- permissions [^Path path]
  (PosixFilePermissions/toString
    (Files/getPosixFilePermissions path (make-array LinkOption 0))))

(defn- set-permissions [^Path path text]
  (Files/setPosixFilePermissions path (PosixFilePermissions/fromString text)))

(defn- missing
  "Skips with a message, or fails where everything must be there."
  [what]
  (if (Boolean/getBoolean "parley.ci")
    (is false (str "missing on this machine: " what))
    (println "skipped: missing on this machine:" what)))

(defn- in-child
  "Evaluates code in a Java machine of its own and gives the machine."
  ^Child [code & options]
  (let [code (list 'do '(println "the machine is up") code)]
    (Child/java (into ["-XX:TieredStopAtLevel=1"] options) clojure.main (into-array String ["-e" (pr-str code)]))))

(def canary
  "What strangers try to change."
  (atom :alive))

(def ^:private kill "(reset! parley.repl-test/canary :dead)")

;; ---- evaluators ---------------------------------------------------------------------------------

(deftest clojures-own-repl-evaluates-prompts-and-quits
  (with-open [^Closeable r (server)
              s (session r)]
    (is (= "3" (answer s "(+ 1 2)")))
    (is (= "3" (answer s "*1")))
    (is (= "hello\nnil" (answer s "(println \"hello\")")))
    (is (= "\"Käse ☕ 𝄞\"" (answer s "(str \"Käse\" \" ☕ 𝄞\")")))
    (is (str/includes? (answer s "(/ 1 0)") "Divide by zero"))
    (send-text s ":repl/quit\n")
    (is (= "" (rest-of s)))))

(deftest a-form-is-evaluated-without-waiting-for-the-end-of-its-line
  (with-open [^Closeable r (server :accept `core-server/io-prepl)
              s (connect r)]
    (send-text s "(+ 40 2)")
    (is (str/includes? (stream/read-line s) ":val \"42\""))))

(deftest the-first-prompt-comes-to-a-client-that-is-silent
  (with-open [^Closeable r (server)
              s (connect r)]
    (is (= "user=> " (read-until s "=> ")))))

(deftest the-first-prompt-of-a-unix-domain-server-does-not-wait
  (with-open [^Closeable r (server :path (UnixPaths/fresh) :grace 3600)
              s (connect r)]
    (is (= "user=> " (read-until s "=> ")))
    (is (= "3" (answer s "(+ 1 2)")))))

(deftest io-prepl-speaks-to-clojures-own-client
  (with-open [^Closeable r (server :accept 'clojure.core.server/io-prepl)
              in (PipedReader.)
              code (PipedWriter. in)]
    (let [said (atom [])
          client (future
                   (core-server/remote-prepl "127.0.0.1" (:port r) in #(swap! said conj %)))]
      (.write code "(do (println :out) (+ 1 2))\n(/ 1 0)\n")
      (.flush code)
      (await-that "three answers came" (= 3 (count @said)))
      (let [[out value error] @said]
        (is (= {:tag :out
                :val ":out\n"} out))
        (is (= {:tag :ret
                :val 3
                :ns "user"} (select-keys value [:tag :val :ns])))
        (is (= {:tag :ret
                :exception true} (select-keys error [:tag :exception]))))
      (.write code ":repl/quit\n")
      (.close code)
      (is (not= :still-on (deref client 5000 :still-on))))))

(defn greet
  "An accept function."
  [& names]
  (println "hello" (str/join " " names)))

(deftest own-accept-functions-get-their-arguments-and-end-the-connection
  (doseq [accept [greet #'greet `greet]]
    (with-open [^Closeable r (server :accept accept :args ["you" "there"])
                s (connect r)]
      (is (= "hello you there\n" (rest-of s))))))

(deftest parleys-own-repl-says-briefly-that-it-was-interrupted
  (with-open [^Closeable r (server :accept `repl/repl)
              s (session r)]
    (send-text s "(do (println :sleeping) (Thread/sleep 60000))\n")
    (read-until s ":sleeping\n")
    (is (true? (repl/interrupt r "1")))
    (is (= "Interrupted\nuser=> " (read-until s "=> ")))
    (is (= "3" (answer s "(+ 1 2)")))))

(deftest a-session-knows-itself-and-the-others
  (with-open [^Closeable r (server)
              a (session r)
              b (session r)]
    (is (= "\"1\"" (answer a "(:id parley.repl/*session*)")))
    (is (= "\"2\"" (answer b "(:client clojure.core.server/*session*)")))
    (is (= "[\"1\" \"2\"]" (answer b "(mapv :id (parley.repl/sessions))")))
    (is (= ["1" "2"] (map :id (repl/sessions r))))))

(deftest bindings-are-each-sessions-own
  (with-open [^Closeable r (server :bindings {#'*print-length* 3})
              s (session r)]
    (is (= "(0 1 2 ...)" (answer s "(range)")))))

;; ---- interrupts ---------------------------------------------------------------------------------

(deftest an-interrupted-evaluation-leaves-the-connection-usable
  (doseq [[what form ready] [["sleeping" "(do (println :on) (Thread/sleep 60000))" ":on\n"]
                             ["printing" "(do (println :on) (run! println (range)))" ":on\n"]
                             ["reading" "(do (println :on) (read-line) (read-line) (read-line))" ":on\n"]
                             ["waiting" "(do (println :on) @(promise))" ":on\n"]]]
    (testing what
      (with-open [^Closeable r (server)
                  s (session r)]
        (send-text s (str form "\n"))
        (read-until s ready)
        (is (true? (repl/interrupt r "1")))
        (read-until s "user=> ")
        (is (= "3" (answer s "(+ 1 2)")))
        (is (= "4" (answer s "(+ 2 2)")))))))

(deftest one-session-interrupts-another
  (with-open [^Closeable r (server)
              a (session r)
              b (session r)]
    (send-text a "(do (println :on) (Thread/sleep 60000))\n")
    (read-until a ":on\n")
    (is (= "true" (answer b "(parley.repl/interrupt \"1\")")))
    (is (str/includes? (read-until a "user=> ") "InterruptedException"))
    (is (= "nil" (answer b "(parley.repl/interrupt \"77\")")))
    (is (= "3" (answer a "(+ 1 2)")))
    (is (= "5" (answer b "(+ 2 3)")))))

(deftest an-idle-session-survives-an-interrupt
  (with-open [^Closeable r (server)
              s (session r)]
    (is (true? (repl/interrupt r "1")))
    (read-until s "user=> ")
    (is (= "3" (answer s "(+ 1 2)")))))

;; ---- REP ----------------------------------------------------------------------------------------

(deftest rep-1-servers-and-sessions-outlive-a-reload-of-the-library
  (with-open [child (in-child
                      '(do
                         (require '[parley.repl :as repl] '[parley.socket :as socket] '[parley.stream :as stream])
                         (let [server (repl/repl-server {:port 0 :log nil})
                               s (doto (socket/socket-connect (:port server) "127.0.0.1")
                                   (stream/set-read-timeout! 10))
                               ask (fn [form]
                                     (stream/write-line form s)
                                     (stream/force-output s)
                                     (stream/read-line s))]
                           (println "before" (ask "(+ 1 2)"))
                           (require 'parley.repl 'parley.socket 'parley.stream :reload-all)
                           (println "after" (ask "(+ 3 4)") (.isOpen s) (count (repl/sessions server)))
                           (with-open [t (socket/socket-connect (:port server) "127.0.0.1")]
                             (stream/write-line "(+ 5 6)" t)
                             (stream/force-output t)
                             (println "new" (stream/read-line t)))
                           (println "status" (socket/socket-status s 0))
                           (.close server)
                           (println "closed" (stream/read-line s nil :end) (count (repl/sessions server)))
                           (println "reactors" (count (filter #(= "parley-reactor" (.getName %))
                                                        (keys (Thread/getAllStackTraces)))))
                           (shutdown-agents))))]
    (is (= "user=> 3" (.answer child "before")))
    (is (= "user=> 7 true 1" (.answer child "after")))
    (is (= "user=> 11" (.answer child "new")))
    (is (contains? #{":io" ":output"} (.answer child "status")))
    (is (str/ends-with? (.answer child "closed") " 0"))
    (is (contains? #{"0" "1"} (.answer child "reactors")))))

(defn generation
  "What the server under test serves."
  []
  (println "old"))

(deftest rep-2-a-new-definition-serves-the-next-client
  (let [old generation]
    (with-open [^Closeable by-var (server :accept #'generation)
                ^Closeable by-name (server :accept `generation)]
      (try
        (doseq [r [by-var by-name]]
          (is (= "old\n" (with-open [s (connect r)] (rest-of s)))))
        (alter-var-root #'generation (constantly #(println "new")))
        (doseq [r [by-var by-name]]
          (is (= "new\n" (with-open [s (connect r)] (rest-of s)))))
        (finally
          (alter-var-root #'generation (constantly old)))))))

(defn- rebind [{:keys [port path]}]
  (let [again (server :port (or port 0) :path path)]
    (with-open [^Closeable _ again
                s (session again)]
      (is (= "3" (answer s "(+ 1 2)"))))))

(deftest rep-3-a-session-stops-its-own-server
  (doseq [options [{} {:path (UnixPaths/fresh)}]]
    (with-open [^Closeable r (server options)
                s (session r)
                other (session r)]
      (is (= 2 (count (session-threads r))))
      (is (= "nil" (str/replace (do (send-text s "(.close (:server parley.repl/*session*))\n")
                                    (rest-of s)) #"\nuser=> $" "")))
      (is (= "" (rest-of other)))
      (await-that "no session is left" (empty? (session-threads r)))
      (rebind r))))

(deftest rep-3-stopping-twice-and-at-once-is-stopping
  (doseq [options [{} {:path (UnixPaths/fresh)}]]
    (let [r (server options)
          all (doall (repeatedly 8 #(future (close r))))]
      (run! #(is (nil? (deref % 5000 :hangs))) all)
      (close r)
      (is (not (some-> ^String (:path r) File. .exists)))
      (rebind r))))

(deftest rep-3-stopping-while-clients-arrive-leaves-nothing
  (dotimes [_ 20]
    (let [r (server)
          clients (doall (repeatedly 4 #(future (try (with-open [s (connect r)] (rest-of s))
                                                     (catch IOException e e)))))]
      (close r)
      (run! #(is (not= :hangs (deref % 5000 :hangs))) clients)
      (is (empty? (repl/sessions r)))
      (with-open [again (socket/socket-server (:port r) :interface "127.0.0.1")]
        (is (= (:port r) (socket/socket-server-port again)))))))

(defn- start-and-stop [n]
  (let [port (with-open [r (server)] (:port r))
        path (UnixPaths/fresh)]
    (dotimes [i n]
      (doseq [r [(server :port port) (server :path path)]]
        (with-open [s (connect r)]
          (send-text s "(+ 1 2)\n")
          (is (= "user=> 3\n" (read-until s "\n")) (str "cycle " i))
          (close r)
          (is (= "user=> " (rest-of s))))))))

(deftest a-port-and-a-path-serve-100-servers-one-after-the-other
  (start-and-stop 5) ; has the JDK open what it keeps
  (let [before (Leaks/snapshotBut (into-array String ["parley-reactor"]))]
    (start-and-stop 100)
    (is (nil? (.assertBack before)))))

(deftest ^:nightly a-port-and-a-path-serve-1000-servers-one-after-the-other
  (start-and-stop 1000))

(deftest rep-4-printing-for-a-client-that-vanished-ends
  (doseq [form ["(range)" "(run! prn (range))" "(while true (println :x))"]]
    (with-open [^Closeable r (server)]
      (let [s (session r)]
        (send-text s (str form "\n"))
        (stream/read-char s)
        (let [threads (session-threads r)]
          (is (= 1 (count threads)))
          (stream/close s :abort true)
          (is (Await/holds (Duration/ofSeconds 2) #(over? threads)) form)
          (is (empty? (repl/sessions r))))))))

(deftest rep-5-a-form-that-the-end-cuts-is-not-evaluated
  (reset! canary :alive)
  (with-open [^Closeable r (server)
              s (session r)]
    (send-text s (subs kill 0 (dec (count kill))))
    (socket/socket-stream-shutdown s :output)
    (is (str/includes? (rest-of s) "EOF"))
    (is (= :alive @canary))))

(deftest rep-6-sessions-do-not-cross
  (with-open [^Closeable r (server)
              a (session r)
              b (session r)]
    (is (= "1" (answer a "1")))
    (is (= "2" (answer b "2")))
    (is (= "1" (answer a "*1")))
    (is (str/includes? (answer b "(throw (ex-info \"mine\" {}))") "mine"))
    (is (= "nil" (answer a "*e")))
    (send-text a "(ns a.of.its.own)\n")
    (read-until a "a.of.its.own=> ")
    (is (= "user" (answer b "(ns-name *ns*)")))
    (send-text a "(def done (clojure.core/future (dotimes [i 200] (println \"from-a\" i)) :done))\n")
    (let [at-b (atom [])]
      (dotimes [i 50]
        (swap! at-b conj (answer b (str "(do (println \"from-b\") " i ")"))))
      (is (= (map #(str "from-b\n" %) (range 50)) @at-b)))
    (send-text a "(do @done (println \"end\"))\n")
    (let [at-a (read-until a "end\n")]
      (is (= 200 (count (re-seq #"from-a" at-a))))
      (is (not (str/includes? at-a "from-b"))))))

(deftest rep-7-clients-of-a-closed-server-learn-it-at-once
  (with-open [^Closeable r (server)
              reading (session r)
              evaluating (session r)]
    (send-text evaluating "(do (println :on) (Thread/sleep 60000))\n")
    (read-until evaluating ":on\n")
    (let [ended (future (rest-of reading))
          began (System/nanoTime)]
      (close r)
      (is (= "" (deref ended 500 :reads-on)))
      (is (< (- (System/nanoTime) began) 3000000000))
      (is (not (str/includes? (rest-of evaluating) "nil")))
      (is (thrown? IOException
            (dotimes [_ 1000]
              (send-text reading "(+ 1 2)\n")))))))

(def ^:private strangers
  {"GET" (str "GET /" kill " HTTP/1.1\r\nHost: localhost\r\n\r\n" kill "\n")
   "POST" (str "POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n" kill "\n")
   "OPTIONS" (str "OPTIONS * HTTP/1.1\r\nOrigin: http://evil.example\r\n\r\n" kill "\n")
   "HTTP/2" (str "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" kill "\n")
   "any method" (str "BREW /pot HTTP/1.1\r\nhost: localhost\r\n" kill "\n")
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
          (when-not (= "any method" who) ; its first line is a line of a REPL
            (is (= "" got)))
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

(deftest rep-10-silent-connections-are-capped-and-dropped-where-a-token-is-wanted
  (with-open [^Closeable r (server :token "a-token-of-this-test" :login-timeout 0.5)]
    (let [before (Thread/activeCount)
          silent (doall (repeatedly 500 #(connect r)))
          began (System/nanoTime)]
      (is (<= (Thread/activeCount) (+ 2 before)))
      (doseq [s silent]
        (is (= "" (rest-of s)))
        (stream/close s :abort true))
      (is (< (- (System/nanoTime) began) 5000000000))
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

(def ^:private define-types
  "For a machine of its own: defines types in sessions, 50 and then 1,000, and tells how much metaspace was
  in use after each."
  '(do
     (require '[parley.repl :as repl] '[parley.socket :as socket] '[parley.stream :as stream])
     (let [server (repl/repl-server {:log nil})
           code "(do (eval '(deftype Passing [a b c])) (.getSimpleName (resolve 'Passing)))\n:repl/quit\n"
           define (fn [n]
                    (dotimes [_ n]
                      (with-open [s (socket/socket-connect (:port server) "127.0.0.1")]
                        (stream/write-string code s)
                        (stream/finish-output s)
                        (while (stream/read-line s nil nil))))
                    (dotimes [_ 3] (System/gc))
                    (->> (java.lang.management.ManagementFactory/getMemoryPoolMXBeans)
                         (filter #(= "Metaspace" (.getName %)))
                         (map #(.getUsed (.getUsage %)))
                         (reduce +)))]
       (println "before" (define 50))
       (println "between" (define 500))
       (println "after" (define 500))
       (.close server)
       (shutdown-agents))))

(deftest ^:nightly rep-11-classes-of-closed-sessions-are-unloaded
  ;; Clojure keeps what it compiled behind soft references, which live for minutes in a heap that is not full.
  (with-open [child (in-child define-types "-XX:SoftRefLRUPolicyMSPerMB=0")]
    (let [before (parse-long (.answer child "before"))
          between (parse-long (.answer child "between"))
          after (parse-long (.answer child "after"))]
      (is (< between (+ before 2000000)))
      (is (< after (+ before 2000000))))))

;; ---- REP-12: what ships by default ----------------------------------------------------------------

(deftest rep-12-t1-an-interface-that-others-reach-is-refused
  (doseq [interface ["0.0.0.0" "::" "192.0.2.1"]]
    (let [e (is (thrown? IllegalArgumentException (repl/repl-server {:interface interface})))]
      (is (= (str "repl-server: refusing to offer code evaluation on " (pr-str interface) " (String), which other "
               "machines can reach; :interface is not a loopback address, expected \"127.0.0.1\", a Unix-domain "
               "socket (:path), or :allow-remote true together with :token if everyone who can reach this "
               "machine may run code as this user")
            (ex-message e)))))
  (with-open [^Closeable r (server :interface "0.0.0.0" :allow-remote true)
              s (session r)]
    (is (= "3" (answer s "(+ 1 2)")))
    (is (re-find #"0\.0\.0\.0:\d+ WITHOUT A TOKEN: everyone who can reach" (first @(:lines r)))))
  (with-open [^Closeable r (server)]
    (is (.isLoopbackAddress (InetAddress/getByName (:host r))))
    (is (re-find #"127\.0\.0\.1:\d+ without a token: every user of this machine" (first @(:lines r))))))

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
    (let [directory (temporary-directory)
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
              _ (session r)]
    (with-open [c (connect r)]
      (is (= "" (rest-of c))))
    (stream/close a)
    (await-that "a place is free" (= 1 (count (repl/sessions r))))
    (with-open [c (session r)]
      (is (= "3" (answer c "(+ 1 2)"))))))

(deftest rep-12-t6-one-connection-of-an-address-too-many-is-closed
  (with-open [^Closeable r (server :max-per-address 1 :interface "127.0.0.1")
              a (session r)
              same (connect r)
              other (Socket.)]
    (is (= "" (rest-of same)))
    (.bind other (InetSocketAddress. "127.0.0.2" 0))
    (.setSoTimeout other 10000)
    (.connect other (InetSocketAddress. "127.0.0.1" (int (:port r))))
    (is (= (int \u) (.read (.getInputStream other))))
    (is (= "3" (answer a "(+ 1 2)")))))

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

(deftest rep-12-t7-nesting-too-deep-harms-nobody-else
  (with-open [^Closeable r (server)
              other (session r)
              s (session r)]
    (send-text s (str (apply str (repeat 300000 "(")) "\n"))
    (is (read-until s "StackOverflow"))
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
            clients (doall (repeatedly 40 #(connect r)))
            _ (Await/pass (Duration/ofSeconds 1)) ; the machine compiles what it does for the first time
            cpu (Cpu/ticks (.pid child))]
        (Await/pass (Duration/ofSeconds 3))
        (is (< (- (Cpu/ticks (.pid child)) cpu) 15) "ticks of 10 ms in 3 s")
        (run! #(stream/close % :abort true) clients)
        (.limitDescriptors child 4096)
        (with-open [s (session r)]
          (is (= "3" (answer s "(+ 1 2)"))))
        (.tell child "count")
        (let [lines (log-lines child)
              seconds (inc (quot (- (System/nanoTime) began) 1000000000))]
          (is (<= 1 lines seconds)))))))

(deftest rep-12-t10-a-directory-that-others-write-to-is-refused
  (let [directory (temporary-directory)
        path (.resolve directory "s")]
    (doseq [mode ["rwxrwxr-x" "rwx---rwx"]]
      (set-permissions directory mode)
      (let [e (is (thrown? IllegalArgumentException (server :path path)))]
        (is (str/includes? (ex-message e) (str "is " mode ": others could replace the socket"))))
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
      (is (Await/holds (Duration/ofSeconds 2) #(over? threads))))))

(deftest rep-12-t17-what-peers-say-cannot-forge-a-log-line
  (with-open [^Closeable r (server :audit (fn [_] (throw (ex-info "audit\nparley: forged" {}))))
              s (session r)]
    (is (= "3" (answer s "(+ 1 2)")) "a failing audit hook harms nobody")
    (let [line (first (filter #(str/includes? % ":audit failed") @(:lines r)))]
      (is (some? line))
      (is (not (str/includes? (str line) "\n"))))))

(deftest rep-12-t21-an-audit-tells-who-came-and-went
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

;; ---- misuse -------------------------------------------------------------------------------------

(deftest a-wrong-option-is-named-before-anything-is-opened
  (doseq [[options message]
          {{:port 70000} ":port is 70000"
           {:port "5555"} ":port is \"5555\""
           {:accept "f"} ":accept is \"f\""
           {:accept 'unqualified} ":accept is unqualified"
           {:args 1} ":args is 1"
           {:drain -1} ":drain is -1"
           {:grace :soon} ":grace is :soon"
           {:max-connections 0} ":max-connections is 0"
           {:max-per-address -1} ":max-per-address is -1"
           {:threads :green} ":threads is :green"
           {:token "short"} ":token is not fit"
           {:token "a-token-of-this-test"
            :token-file "/x"} "both :token and :token-file"
           {:bindings {:a 1}} ":bindings is {:a 1}"
           {:log 5} ":log is 5"
           {:path 5} ":path is 5"
           {:interface 5} ":interface is 5"
           {:adress "x"} "unknown option :adress"}]
    (let [e (is (thrown? IllegalArgumentException (repl/repl-server options)))]
      (is (str/starts-with? (str (some-> e ex-message)) (str "repl-server: " message))))))

(deftest sessions-and-interrupt-want-a-server
  (is (thrown-with-msg? IllegalArgumentException #"^sessions: the server is nil" (repl/sessions)))
  (is (thrown-with-msg? IllegalArgumentException #"^interrupt: the server is nil" (repl/interrupt "1"))))

;; ---- the chapter's example ------------------------------------------------------------------------

(deftest the-chapters-example-evaluates-for-one-client-after-the-other
  (let [server (socket/socket-server 0 :interface "127.0.0.1")
        said (java.io.StringWriter.)
        running (future (binding [*out* said]
                          (try (example/repl-server server)
                               (catch IOException _ :closed)
                               (catch IllegalStateException _ :closed))))
        r {:port (socket/socket-server-port server)}]
    (dotimes [i 2]
      (with-open [s (connect r)]
        (is (= "3\n" (do (send-text s "(+ 1 2)\n") (read-until s "\n"))) (str "client " i))
        (is (= "x\n" (do (send-text s "(str \"x\") \n") (read-until s "\n"))))))
    (socket/socket-server-close server)
    (is (= :closed (deref running 5000 :goes-on)))
    (is (str/includes? (str said) "Waiting for a connection on \"127.0.0.1\""))
    (is (= 2 (count (re-seq #"Connection: \"127\.0\.0\.1 \(localhost\)\"" (str said)))))))
