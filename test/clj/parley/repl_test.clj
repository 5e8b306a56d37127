(ns parley.repl-test
  "repl-server with the evaluators that people run on it. Against those it must keep out:
  parley.repl-security-test and parley.repl-guards-test."
  (:require
   [clojure.core.server :as core-server]
   [clojure.datafy :as datafy]
   [clojure.edn :as edn]
   [clojure.pprint :as pprint]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [examples.repl :as example]
   [parley.repl :as repl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.repl :refer [answer await-that canary close connect read-until rebind rest-of send-text server session session-threads set-permissions temporary-directory]])
  (:import
   (java.io Closeable IOException PipedReader PipedWriter)
   (java.net ProtocolException UnknownHostException)
   (java.nio.file Files LinkOption NoSuchFileException)
   (java.time Duration)
   (parley.testing Await TemporaryPaths)))

(set! *warn-on-reflection* true)

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

(deftest a-session-reads-its-stream-from-the-next-line-on
  (with-open [^Closeable r (server :grace 0)
              s (session r)]
    ;; The guard has looked at the first line, and looks at no other.
    (doseq [[first-line line] [["1 " "of the stream"] ["2 " "again"]]]
      (send-text s (str first-line "(parley.stream/read-line (:stream parley.repl/*session*))\n" line "\n"))
      (is (str/includes? (read-until s (str (pr-str line) "\nuser=> ")) line)))))

(deftest the-first-prompt-comes-to-a-client-that-is-silent
  (with-open [^Closeable r (server)
              s (connect r)]
    (is (= "user=> " (read-until s "=> ")))))

(deftest the-first-prompt-of-a-unix-domain-server-does-not-wait
  (with-open [^Closeable r (server :path (TemporaryPaths/fresh) :grace 3600)
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
      (is (not= :still-on (deref client 20000 :still-on))))))

(deftest taps-reach-a-client-that-reads-though-another-does-not
  (with-open [^Closeable r (server :accept `core-server/io-prepl)
              deaf (connect r)
              reader (connect r)]
    (let [heard (promise)
          listen #(when (= ::last %) (deliver heard true))
          big (apply str (repeat 10000 "x"))
          lines (fn [] (repeatedly #(stream/read-line reader)))
          tap #(await-that "it is queued" (tap> %))]
      (doseq [s [deaf reader]]
        (send-text s ":ready\n")
        (stream/read-line s))
      (add-tap listen)
      (try
        (tap :first)
        (is (= "{:tag :tap, :val \":first\"}" (stream/read-line reader)))
        (dotimes [_ 1500] (tap big))
        (tap ::last)
        (is (true? (deref heard 30000 :blocked)))
        (is (str/includes? (stream/read-line reader) big))
        (finally
          (remove-tap listen)))
      (is (some #(str/includes? % "1501") (do (send-text reader "(+ 1 1500)\n") (lines))))
      (let [[writer] (filter #(= (str "parley-" (:name r) "-1-taps") (.getName ^Thread %)) (keys (Thread/getAllStackTraces)))]
        (stream/close deaf :abort true)
        (await-that "its thread has ended" (not (.isAlive ^Thread writer)))))))

(defn greet
  "An accept function."
  [& names]
  (println "hello" (str/join " " names)))

(deftest own-accept-functions-get-their-arguments-and-end-the-connection
  (doseq [accept [greet #'greet `greet]]
    (with-open [^Closeable r (server :accept accept :args ["you" "there"])
                s (connect r)]
      (is (= "hello you there\n" (rest-of s))))))

(deftest parleys-own-repl-reports-an-interrupt-in-one-line
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

(deftest each-client-has-a-thread-of-its-own-with-a-name
  (doseq [[kind virtual?] {:platform false
                           :virtual (<= 24 (.feature (Runtime/version)))}]
    (with-open [^Closeable r (server :threads kind :name "app")
                _ (session r)
                _ (session r)]
      (let [threads (session-threads r)]
        (is (= #{"parley-app-1" "parley-app-2"} (set (map #(.getName ^Thread %) threads))))
        (is (every? #(.isDaemon ^Thread %) threads))
        (is (every? #(= virtual? (str/starts-with? (str %) "VirtualThread")) threads))))))

;; ---- connecting -------------------------------------------------------------------------------

(deftest connect-logs-in-by-a-challenge-and-files-tell-it-where-and-with-what
  (let [directory (temporary-directory)
        port-file (.resolve directory "port")
        token-file (.resolve directory "token")]
    (doseq [options [{} {:path (TemporaryPaths/fresh)}]]
      (with-open [^Closeable r (server (merge options {:port-file port-file
                                                       :token-file (str token-file)}))]
        (is (= (merge (select-keys r (if (:path r) [:path] [:host :port]))
                 {:pid (.pid (java.lang.ProcessHandle/current))})
              (edn/read-string (slurp (str port-file)))))
        (with-open [s (repl/connect :port-file port-file :token-file token-file)]
          (is (= "3" (do (read-until s "user=> ") (answer s "(+ 1 2)")))))
        (is (thrown-with-msg? ProtocolException #"^connect: .*its token differs; the token was not sent$"
              (repl/connect :port-file port-file :token "another-token-than-its")))
        (is (some #(str/includes? % "a wrong proof of the token") @(:lines r))))
      (is (empty? (.list (.toFile directory)))))))

(deftest connect-takes-a-port-a-path-and-no-token
  (let [path (TemporaryPaths/fresh)]
    (with-open [^Closeable by-port (server)
                ^Closeable _by-path (server :path path)]
      (doseq [options [{:port (:port by-port)} {:path path} {:path (str path)}]]
        (with-open [s (repl/connect options)]
          (is (= "user=> " (read-until s "=> ")))))
      (is (thrown-with-msg? ProtocolException #"does not ask for the token as a server of this library does"
            (repl/connect :path path :token "a-token-of-this-test"))))))

(deftest connect-names-what-it-cannot-use
  (let [file (.resolve (temporary-directory) "port")]
    (doseq [[text options message]
            [["" {} "connect: no endpoint is given, or more than one"]
             ["" {:port 1
                  :path "x"} "connect: no endpoint is given, or more than one"]
             ["5555x" {:port-file file} "connect: :port-file"]
             ["#=(+ 1 2)" {:port-file file} "connect: :port-file"]
             ["{:port 5555 :host 5}" {:port-file file} "connect: :port-file"]
             [(apply str (repeat 5000 "1")) {:port-file file} "connect: :port-file"]
             ["short" {:port 1
                       :token-file file} "connect: :token has a wrong length"]
             ["" {:port 1
                  :token "short"} "connect: :token has a wrong length"]
             ["" {:port 1
                  :token "a-token-of-this-test"
                  :token-file file} "connect: both :token and :token-file"]
             ["" {:prot 1} "connect: unknown option :prot"]]]
      (spit (str file) text)
      (set-permissions file "rw-------")
      (let [e (is (thrown? IllegalArgumentException (repl/connect options)))]
        (is (str/starts-with? (str (some-> e ex-message)) message))))))

(deftest a-port-file-is-not-taken-from-a-server-that-lives
  (let [file (.resolve (temporary-directory) "port")
        port-in-file #(:port (edn/read-string (slurp (str file))))]
    (with-open [^Closeable first-one (server :port-file file)]
      (is (thrown-with-msg? IllegalArgumentException #"^repl-server: :port-file .* is that of a running server"
            (server :port-file file)))
      (is (= (:port first-one) (port-in-file))))
    (testing "one that is left behind is replaced"
      (spit (str file) (pr-str {:host "127.0.0.1"
                                :port (with-open [r (server)] (:port r))
                                :pid (.pid (java.lang.ProcessHandle/current))}))
      (with-open [^Closeable later (server :port-file file)]
        (is (= (:port later) (port-in-file)))))
    (testing "one that another has replaced meanwhile is not deleted"
      (let [r (server :port-file file)]
        (spit (str file) "5555")
        (close r)
        (is (= "5555" (slurp (str file))))))))

(deftest connect-believes-only-files-of-its-own-user
  (let [directory (temporary-directory)
        file (.resolve directory "file")
        refused (fn [options]
                  (str (ex-message (is (thrown? IllegalArgumentException (repl/connect options))))))]
    (spit (str file) "5555")
    (doseq [[mode options] [["rw-rw-r--" {:port-file file}]
                            ["rw-r--rw-" {:port-file file}]
                            ["rw-r-----" {:port 1
                                          :token-file file}]
                            ["rw----r--" {:port 1
                                          :token-file file}]]]
      (set-permissions file mode)
      (is (str/includes? (refused options) (str "is " mode ": it is open to others"))))
    (set-permissions file "rw-------")
    (set-permissions directory "rwxrwxrwx")
    (doseq [options [{:port-file file} {:port 1
                                        :token-file file}]]
      (is (str/includes? (refused options) "is rwxrwxrwx: it is open to others")))
    (doseq [options [{:port-file (.resolve directory "new")} {:token-file (.resolve directory "new")}]]
      (is (thrown-with-msg? IllegalArgumentException #"^repl-server: .* is rwxrwxrwx: it is open to others"
            (server options)) "nor does a server make them there"))
    (when (= "root" (System/getProperty "user.name"))
      (set-permissions directory "rwx------")
      (Files/setAttribute file "unix:uid" (int 65534) (make-array LinkOption 0))
      (is (re-find #"belongs to (nobody|65534)" (refused {:port-file file}))))))

(deftest printing-has-limits-that-bindings-take-away
  (with-open [^Closeable r (server)
              s (session r)]
    (is (= "[100000 256]" (answer s "[*print-length* *print-level*]")))
    (is (= "nil" (answer s "(set! *print-length* nil)"))))
  (with-open [^Closeable r (server :bindings {#'*print-length* nil
                                              #'*print-level* 3})
              s (session r)]
    (is (= "[nil 3]" (answer s "[*print-length* *print-level*]")))
    (is (= "[[[#]]]" (answer s "[[[[[1]]]]]")))))

(deftest printing-for-a-client-that-does-not-read-waits
  (with-open [^Closeable r (server :bindings {#'*print-length* nil})
              s (session r)]
    (send-text s "(let [x (apply str (repeat 4000 \\x))] (doseq [i (range)] (reset! parley.testing.repl/canary i) (println x)))\n")
    (let [seen (volatile! nil)]
      (await-that "it has stopped, all buffers being full"
        (Await/pass (Duration/ofMillis 200))
        (and (= @seen (vreset! seen @canary)) (int? @seen)))
      (is (< 10 (long @seen) 100000)))))

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

(deftest an-interrupt-of-what-prints-is-shown-where-it-printed
  (with-open [^Closeable r (server)
              s (session r)]
    (send-text s "(run! println (range))\n")
    (read-until s "\n1\n")
    (is (true? (repl/interrupt r "1")))
    (read-until s "Execution error (InterruptedException) at user/eval")
    (is (re-find #"\(.*\)[.]\nthe evaluation was interrupted\nuser=> " (read-until s "=> ")))))

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

(def ^:private evaluators
  [`core-server/repl `core-server/io-prepl `repl/repl])

(defn- value-line
  "Sends the rest of a form whose value is a number. Returns that number as text, or the line that came
  in its place."
  [s form]
  (send-text s (str form "\n"))
  (let [line (stream/read-line s)]
    (or (second (re-matches #"(?:user=> )*(\d+)" line))
        (second (re-find #"^\{:tag :ret, :val \"(\d+)\"" line))
        line)))

(deftest an-interrupt-of-an-idle-session-interrupts-nothing
  (doseq [accept evaluators]
    (testing accept
      (with-open [^Closeable r (server :accept accept)
                  s (connect r)]
        (is (= "1" (value-line s "1")))
        (await-that "the session waits for a form" (false? (repl/interrupt r "1")))
        (is (= "2" (value-line s "2")))
        (send-text s "(+ 1\n")
        (await-that "it waits for the rest of the form" (false? (repl/interrupt r "1")))
        (is (= "3" (value-line s "2)")))))))

(deftest an-interrupt-that-comes-late-leaves-the-next-form-alone
  (doseq [accept evaluators]
    (testing accept
      (with-open [^Closeable r (server :accept accept)
                  s (connect r)]
        (is (= [] (for [n (range 300)
                        :let [n (str n)
                              got (value-line s n)
                              interrupted? (repl/interrupt r "1")]
                        :when (not (and (= n got) (boolean? interrupted?)))]
                    [n got interrupted?])))))))

(deftest an-interrupt-that-returns-true-ends-an-evaluation-of-a-prepl
  (with-open [^Closeable r (server :accept `core-server/io-prepl)
              s (connect r)]
    (dotimes [n 50]
      (is (= (str n) (value-line s n))) ; its reply is not over yet when the first interrupt comes
      (send-text s "(do (read-line) (read-line) (read-line))\n")
      (await-that "it is interrupted" (repl/interrupt r "1"))
      (let [line (stream/read-line s)]
        (is (str/includes? line ":exception true")))
      (is (= "7" (value-line s "(+ 3 4)"))))))

(defn- greeter
  "An accept function that has a prompt of its own."
  []
  (dotimes [_ 2]
    (println "name?")
    (println "hello" (read-line))))

(deftest an-interrupt-does-not-end-a-session-at-its-own-prompt-or-reply
  (with-open [^Closeable r (server :accept greeter)
              s (connect r)]
    (doseq [name ["you" "there"]]
      (is (= "name?" (stream/read-line s)))
      (await-that "it waits for the name" (false? (repl/interrupt r "1")))
      (send-text s (str name "\n"))
      (is (= (str "hello " name) (stream/read-line s)))))
  (testing "a reply that nobody reads yet"
    (with-open [^Closeable r (server :accept `core-server/io-prepl :path (TemporaryPaths/fresh))
                s (connect r)]
      (send-text s "(apply str (repeat 1000000 \\x))\n")
      (is (= \{ (stream/read-char s)))
      (Await/pass (Duration/ofMillis 50)) ; the buffers are full
      (is (false? (repl/interrupt r "1")))
      (is (< 1000000 (count (stream/read-line s))))
      (is (= "7" (value-line s "(+ 3 4)"))))))

;; ---- misuse -------------------------------------------------------------------------------------

(deftest a-wrong-option-is-named-before-anything-is-opened
  (doseq [[options message]
          {{:port 70000} ":port is 70000"
           {:port "5555"} ":port is \"5555\""
           {:accept "f"} ":accept is \"f\""
           {:accept 'unqualified} ":accept is unqualified"
           {:accept 'no.such.namespace/repl} ":accept is no.such.namespace/repl, which does not exist"
           {:accept 'clojure.core/no-such-function} ":accept is clojure.core/no-such-function, which does not exist"
           {:log :stderr} ":log is :stderr"
           {:audit {}} ":audit is {}"
           {:enabled-in :dev} ":enabled-in is :dev"
           {:args 1} ":args is 1"
           {:drain -1} ":drain is -1"
           {:grace :soon} ":grace is :soon"
           {:max-connections 0} ":max-connections is 0"
           {:max-per-address -1} ":max-per-address is -1"
           {:threads :green} ":threads is :green"
           {:token "short"} ":token has a wrong length"
           {:token "a-token-of-this-test"
            :token-file "/x"} "both :token and :token-file"
           {:bindings {:a 1}} ":bindings is {:a 1}"
           {:bindings {#'rebind 1}} ":bindings has #'parley.testing.repl/rebind, which is not dynamic"
           {:port-file "/nowhere/port"} ":port-file /nowhere/port is in a directory that does not exist"
           {:token-file "/nowhere/token"} ":token-file /nowhere/token is in a directory that does not exist"
           {:log 5} ":log is 5"
           {:name 5} ":name is 5"
           {:path 5} ":path is 5"
           {:interface 5} ":interface is 5"
           {:adress "x"} "unknown option :adress"}]
    (let [e (is (thrown? IllegalArgumentException (repl/repl-server options)))]
      (is (str/starts-with? (str (some-> e ex-message)) (str "repl-server: " message))))))

(deftest an-interface-that-is-no-host-is-refused-as-a-server-socket-refuses-it
  (doseq [[interface message] {"two words" #"has a space or a control character in it"
                               "x\u0000y" #"has a space or a control character in it"
                               "http://x/" #"is a URL or has a port in it"}]
    (is (thrown-with-msg? IllegalArgumentException message (repl/repl-server {:interface interface}))))
  (is (thrown-with-msg? UnknownHostException #"^repl-server: no address for \"no-such-host.invalid\""
        (repl/repl-server {:interface "no-such-host.invalid"}))))

(deftest an-accept-function-that-no-longer-exists-is-logged
  (let [accept `passing]
    (intern 'parley.repl-test 'passing (fn []))
    (with-open [^Closeable r (server :accept accept)]
      (ns-unmap 'parley.repl-test 'passing)
      (with-open [s (connect r)]
        (is (= "" (rest-of s))))
      (await-that "the log says so"
        (some #(str/includes? % (str ":accept is " accept ", which does not exist")) @(:lines r))))))

(deftest nothing-that-prints-a-server-prints-its-token
  (with-open [^Closeable r (repl/repl-server {:log nil
                                              :interface "localhost"
                                              :token "a-token-of-this-test"})]
    (doseq [print [pr-str #(binding [*print-dup* true] (pr-str %)) str
                   #(with-out-str (pprint/pprint %))
                   #(with-out-str (pprint/with-pprint-dispatch pprint/code-dispatch (pprint/pprint %)))
                   #(with-out-str (pprint/pprint {:in [%]}))
                   #(pr-str (datafy/datafy %))
                   #(pr-str (ex-info "x" {:server %}))]]
      (is (not (str/includes? (print r) "a-token"))))
    (is (= "a-token-of-this-test" (:token r)))
    (is (= "localhost" (:host r)) "as it was given")))

(deftest what-the-server-closed-itself-is-no-lost-connection
  (let [events (atom [])]
    (with-open [^Closeable r (server :max-line 100 :audit #(swap! events conj (:event %)))
                s (session r)]
      (send-text s (apply str (repeat 200 "x")))
      (rest-of s)
      (await-that "the session ends" (some #{:disconnect} @events)))
    (is (= [:connect :disconnect :stop] @events))))

(deftest connect-names-the-file-that-is-missing
  (doseq [options [{:port-file "/nowhere/port"} {:port 1
                                                 :token-file "/nowhere/token"}]]
    (let [e (is (thrown? NoSuchFileException (repl/connect options)))]
      (is (re-find #"connect: :(port|token)-file does not exist; start the server" (ex-message e))))))

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
    (is (= :closed (deref running 20000 :goes-on)))
    (is (str/includes? (str said) "Waiting for a connection on \"127.0.0.1\""))
    (is (= 2 (count (re-seq #"Connection: \"127\.0\.0\.1 \(localhost\)\"" (str said)))))))
