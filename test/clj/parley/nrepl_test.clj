(ns parley.nrepl-test
  "nrepl-server with nREPL's own client, and against those it must keep out. nREPL is the one of Debian's
  package libnrepl-clojure, or any that is on the class path."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [clojure.test.check :as check]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as properties]
   [parley.impl.bencode :as bencode]
   [parley.nrepl :as nrepl]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (clojure.lang ExceptionInfo)
   (java.io ByteArrayInputStream ByteArrayOutputStream Closeable File IOException InputStream)
   (java.net ServerSocket SocketException)
   (java.nio.file Path)
   (java.time Duration)
   (java.util.concurrent Callable)
   (parley.net SocketStream)
   (parley.testing Await Child Leaks UnixPaths)))

(set! *warn-on-reflection* true)

;; ---- helpers ------------------------------------------------------------------------------------

(def ^:private nrepl?
  (try
    (require 'nrepl.core 'nrepl.server 'nrepl.transport 'nrepl.ack)
    true
    (catch java.io.FileNotFoundException _
      false)))

(defmacro ^:private with-nrepl
  "Runs the body when nREPL is there; else skips with a message, or fails where everything must be there."
  [& body]
  `(cond
     nrepl? (do ~@body)
     (Boolean/getBoolean "parley.ci") (is false "missing on this machine: nREPL (libnrepl-clojure)")
     :else (println "skipped: missing on this machine: nREPL (libnrepl-clojure)")))

(defmacro ^:private await-that [fact & body]
  `(Await/until ~fact (reify Callable (call [_] (boolean (do ~@body))))))

(defn- call
  "Calls a function of nREPL's."
  [symbol & args]
  (apply (requiring-resolve symbol) args))

(defn- server
  "An nrepl-server whose log is in an atom, under :lines."
  ^Closeable [& {:as options}]
  (let [lines (atom [])]
    (assoc (nrepl/nrepl-server (merge {:log #(swap! lines conj %)} options))
      :lines lines)))

(defn- close [s]
  (.close ^Closeable s))

(defn- endpoints
  "The options of a server on TCP, and of one on a path."
  []
  [{} {:socket (str (UnixPaths/fresh))}])

(defn- path-of [server]
  (:socket server))

(defn- connect
  "A transport of nREPL's client."
  ^Closeable [server]
  (if-let [path (path-of server)]
    (call 'nrepl.core/connect :socket path)
    (call 'nrepl.core/connect :port (:port server) :host "127.0.0.1")))

(defn- raw
  "A connection that can send anything."
  ^SocketStream [server]
  (doto (if-let [path (path-of server)]
          (socket/socket-connect (Path/of path (make-array String 0)) nil :element-type :bivalent)
          (socket/socket-connect (:port server) "127.0.0.1" :element-type :bivalent))
    (stream/set-read-timeout! 10)))

(defn- send-bytes [s ^bytes bytes]
  (stream/write-byte-sequence bytes s)
  (stream/finish-output s))

(defn- rest-of
  "How many bytes come until the end; a reset is an end, too."
  [s]
  (try
    (loop [n 0]
      (if (stream/read-byte s nil nil)
        (recur (inc n))
        n))
    (catch java.net.SocketTimeoutException e
      (throw e))
    (catch IOException _
      0)))

(defn- message [transport m]
  (doall (call 'nrepl.core/message (call 'nrepl.core/client transport 10000) m)))

(defn- values-of [transport code]
  (call 'nrepl.core/response-values (message transport {:op "eval"
                                                        :code code})))

(def canary
  "What strangers try to change."
  (atom :alive))

(def ^:private kill "(reset! parley.nrepl-test/canary :dead)")

;; ---- in place of nREPL's own ------------------------------------------------------------------------

(deftest clients-evaluate-over-tcp-and-over-a-path
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server options)
                  t (connect r)]
        (is (= [3] (values-of t "(+ 1 2)")))
        (is (= [:a :b] (values-of t ":a :b")))
        (is (= ["Käse ☕ 𝄞"] (values-of t "(str \"Käse ☕ 𝄞\")")))
        (is (= "hello\n" (:out (call 'nrepl.core/combine-responses
                                 (message t {:op "eval"
                                             :code "(println \"hello\")"})))))
        (is (contains? (:ops (call 'nrepl.core/combine-responses (message t {:op "describe"}))) :load-file))))))

(deftest the-server-map-is-of-the-shape-of-nrepls-own
  (with-nrepl
    (with-open [own ^Closeable (call 'nrepl.server/start-server)
                r (nrepl/nrepl-server {:log nil})]
      (is (every? (set (keys r)) (keys own)))
      (is (= (:transport own) (:transport r)))
      (is (= (:port r) (.getLocalPort ^ServerSocket (:server-socket r))))
      (is (= (str "nrepl://localhost:" (:port r))
            (str (call 'nrepl.socket/as-nrepl-uri (:server-socket r) "nrepl")))))
    (let [path (str (UnixPaths/fresh))]
      (with-open [r (server :socket path)]
        (is (nil? (:port r)))
        (is (= (str "nrepl+unix:" path) (str (call 'nrepl.socket/as-nrepl-uri (:server-socket r) "nrepl"))))))))

(deftest nrepls-own-stop-server-stops-it
  (with-nrepl
    (doseq [options (endpoints)]
      (let [r (server options)]
        (with-open [t (connect r)]
          (is (= [3] (values-of t "(+ 1 2)")))
          (call 'nrepl.server/stop-server r)
          (is (thrown? Exception (values-of t "1")))) ; nREPL's own client throws what it happens to
        (is (empty? @(:open-transports r)))
        (close (server (if-let [path (path-of r)] {:socket path} {:port (:port r)})))))))

(deftest a-port-and-a-path-together-are-refused-as-nrepl-does
  (with-nrepl
    (let [e (is (thrown-with-msg? ExceptionInfo #"Cannot listen on both port and filesystem socket"
                  (nrepl/nrepl-server :port 1234 :socket "nope")))]
      (is (= :nrepl.server/invalid-start-request (:nrepl/kind (ex-data e)))))))

(deftest sessions-keep-what-is-theirs
  (with-nrepl
    (with-open [r (server)
                t (connect r)]
      (let [client (call 'nrepl.core/client t 10000)
            a (call 'nrepl.core/client-session client)
            b (call 'nrepl.core/client-session client)
            evaluate (fn [session code]
                       (call 'nrepl.core/response-values
                         (doall (call 'nrepl.core/message session {:op "eval"
                                                                   :code code}))))]
        (is (= [1] (evaluate a "1")))
        (is (= [2] (evaluate b "2")))
        (is (= [1] (evaluate a "*1")))
        (is (= [2] (evaluate b "*1")))))))

(deftest a-session-outlives-its-connection
  (with-nrepl
    (with-open [r (server)
                first-one (connect r)]
      (let [id (:new-session (first (message first-one {:op "clone"})))]
        (message first-one {:op "eval"
                            :session id
                            :code "(+ 40 2)"})
        (close first-one)
        (with-open [again (connect r)]
          (is (= [42] (call 'nrepl.core/response-values
                        (message again {:op "eval"
                                        :session id
                                        :code "*1"})))))))))

(deftest an-evaluation-is-interrupted-and-its-session-goes-on
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server options)
                  t (connect r)]
        (let [client (call 'nrepl.core/client t 10000)
              message (fn [m] (doall (call 'nrepl.core/message client m)))
              id (:new-session (first (message {:op "clone"})))
              running (call 'nrepl.core/message client {:op "eval"
                                                        :session id
                                                        :code "(do (println :on) (Thread/sleep 60000))"})]
          (is (= ":on\n" (:out (first running))))
          (message {:op "interrupt"
                    :session id})
          (is (some #(contains? (set (:status %)) "interrupted") running))
          (is (= [3] (call 'nrepl.core/response-values (message {:op "eval"
                                                                 :session id
                                                                 :code "(+ 1 2)"})))))))))

(deftest files-load-and-input-is-asked-for
  (with-nrepl
    (with-open [r (server)
                t (connect r)]
      (let [loaded (call 'nrepl.core/combine-responses
                     (message t {:op "load-file"
                                 :file "(ns parley.loaded-here)\n\n(defn three [] 3)"
                                 :file-path "parley/loaded_here.clj"
                                 :file-name "loaded_here.clj"}))]
        (is (= ["#'parley.loaded-here/three"] (:value loaded)))
        (is (= [3] (values-of t "(parley.loaded-here/three)")))
        (is (= [3] (values-of t "(:line (meta #'parley.loaded-here/three))")))))))

(defn shout
  "Middleware that evaluates in capitals."
  [handler]
  (fn [{:keys [op transport]
        :as m}]
    (if (= "shout" op)
      (call 'nrepl.transport/send transport
        (call 'nrepl.misc/response-for m {:status :done
                                          :said (str/upper-case (:text m))}))
      (handler m))))

(deftest big-values-pass-both-ways
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server (assoc options :handler (shout nil)))
                  t (connect r)]
        (let [text (apply str (repeat 5000000 \x))]
          (is (= (str/upper-case text) (:said (first (message t {:op "shout"
                                                                 :text text}))))))))))

(deftest a-hundred-clients-at-once-are-served
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server options)]
        (let [transports (doall (repeatedly 100 #(connect r)))
              answers (doall (map-indexed (fn [i t]
                                            (future (values-of t (str "(+ 1 " i ")"))))
                               transports))]
          (is (= (map #(vector (inc %)) (range 100)) (map #(deref % 30000 :hangs) answers)))
          (run! close transports)
          (await-that "all transports are closed" (empty? @(:open-transports r))))))))

(deftest handlers-and-middleware-are-ones-own
  (with-nrepl
    (call 'nrepl.middleware/set-descriptor! #'shout {:requires #{}
                                                     :expects #{}
                                                     :handles {"shout" {:doc ""}}})
    (with-open [r (server :handler (call 'nrepl.server/default-handler #'shout))
                t (connect r)]
      (is (= "HELLO" (:said (first (message t {:op "shout"
                                               :text "hello"})))))
      (is (= [3] (values-of t "(+ 1 2)"))))))

(deftest other-transports-and-greetings-work
  (with-nrepl
    (with-open [r (server :transport-fn @(requiring-resolve 'nrepl.transport/tty)
                    :greeting-fn @(requiring-resolve 'nrepl.transport/tty-greeting))
                s (raw r)]
      (let [read-until (fn [text]
                         (loop [got ""]
                           (if (str/ends-with? got text)
                             got
                             (recur (str got (stream/read-char s))))))]
        (is (str/includes? (read-until "user=> ") "nREPL"))
        (send-bytes s (.getBytes "(+ 1 2)\n"))
        (is (str/includes? (read-until "user=> ") "3"))))
    (with-open [r (server :transport-fn (requiring-resolve 'nrepl.transport/edn))
                t ^Closeable (call 'nrepl.core/connect :port (:port r) :host "127.0.0.1"
                               :transport-fn @(requiring-resolve 'nrepl.transport/edn))]
      (is (= [3] (values-of t "(+ 1 2)"))))))

(deftest another-server-is-told-the-port
  (with-nrepl
    (call 'nrepl.ack/reset-ack-port!)
    (with-open [told (server :handler (call 'nrepl.ack/handle-ack (call 'nrepl.server/default-handler)))
                r (server :ack-port (:port told))]
      (is (= (:port r) (call 'nrepl.ack/wait-for-ack 10000))))))

(deftest without-nrepl-the-error-says-how-to-bring-it
  (let [paths (str/split (System/getProperty "surefire.test.class.path" (System/getProperty "java.class.path"))
                (re-pattern File/pathSeparator))
        without (str/join File/pathSeparator (remove #(re-find #"nrepl[^/]*\.jar$" %) paths))
        code '(do
                (println "the machine is up")
                (require 'parley.nrepl)
                (println "error" (try
                                   ((resolve 'parley.nrepl/nrepl-server))
                                   (catch IllegalStateException e (ex-message e))))
                (shutdown-agents))]
    (with-open [child (Child/command
                        (into-array String [(str (System/getProperty "java.home") "/bin/java") "-cp" without
                                            "clojure.main" "-e" (pr-str code)]))]
      (is (str/starts-with? (.answer child "error")
            "nrepl-server: nREPL is not on the class path; add nrepl/nrepl to the dependencies")))))

;; ---- REP ----------------------------------------------------------------------------------------

(deftest rep-3-a-server-is-stopped-by-an-evaluation-of-its-own
  (with-nrepl
    (doseq [options (endpoints)]
      (let [r (server options)
            stopped (promise)]
        (with-redefs [canary (atom #(do (close r) (deliver stopped true)))]
          (with-open [t (connect r)]
            (call 'nrepl.transport/send t {"op" "eval"
                                           "code" "(@parley.nrepl-test/canary)"})
            (is (true? (deref stopped 10000 :hangs)))))
        (close (server (if-let [path (path-of r)] {:socket path} {:port (:port r)})))))))

(deftest rep-3-stopping-again-and-at-once-is-stopping
  (with-nrepl
    (doseq [options (endpoints)]
      (let [r (server options)
            all (doall (repeatedly 8 #(future (close r))))]
        (run! #(is (nil? (deref % 5000 :hangs))) all)
        (close r)))))

(defn- start-and-stop [n]
  (let [port (with-open [r (server)] (:port r))
        path (str (UnixPaths/fresh))
        handler (call 'nrepl.server/default-handler)]
    (dotimes [_ n]
      (doseq [options [{:port port} {:socket path}]]
        (with-open [r (server (assoc options :handler handler))
                    t (connect r)]
          (is (= "describe" (-> (message t {:op "describe"}) first :ops :describe (do "describe"))))
          (close r)
          (is (not (.exists (File. path)))))))))

(deftest a-port-and-a-path-serve-100-servers-one-after-the-other
  (with-nrepl
    (start-and-stop 100)))

(deftest ^:nightly a-port-and-a-path-serve-1000-servers-one-after-the-other
  (with-nrepl
    (start-and-stop 1000)))

(deftest rep-7-transports-of-a-closed-server-fail-at-once
  (with-nrepl
    (doseq [options (endpoints)]
      (let [r (server options)]
        (with-open [t (connect r)]
          (is (= [3] (values-of t "(+ 1 2)")))
          (let [receiving (future (try (call 'nrepl.transport/recv t 10000)
                                       (catch SocketException _ :failed)))]
            (close r)
            (is (= :failed (deref receiving 2000 :hangs)))
            (is (thrown? Exception
                  (dotimes [_ 1000]
                    (call 'nrepl.transport/send t {"op" "describe"}))))))))))

(def ^:private malformed
  {"no map" "i1e"
   "a list" "l2:op4:evale"
   "a text" "4:eval"
   "a length too long" "d2:op99999999999999999999:"
   "a length of 2 GB" "d2:op2147483647:"
   "a length just over the limit" "d2:op16777217:"
   "a negative length" "d2:op-5:"
   "no digits" "d2:opx"
   "an integer too long" (str "d2:opi" (apply str (repeat 300000 "9")) "e")
   "an integer with a letter" "d2:opi12x4e"
   "an integer of nothing" "d2:opie"
   "a sign in the middle" "d2:opi1-2e"
   "a key that is a number" "di1e2:ope"
   "a map that ends at a value" "d2:ope"
   "depth 300,000" (str "d2:op" (apply str (repeat 300000 "l")))
   "depth 300,000 of maps" (apply str (repeat 300000 "d1:a"))})

(deftest rep-8-malformed-messages-end-their-connection-and-harm-nobody
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server options)
                  other (connect r)]
        (doseq [[what text] malformed]
          (testing what
            (with-open [s (raw r)]
              (try (send-bytes s (.getBytes ^String text))
                   (catch IOException _ nil)) ; it may be closed already
              (is (= 0 (rest-of s))))))
        (is (= [3] (values-of other "(+ 1 2)")))
        (await-that "only the other is left" (= 1 (count @(:open-transports r))))
        (is (some #(str/includes? % "bencode") @(:lines r)))))))

(deftest rep-8-what-came-before-a-malformed-message-is-answered
  (with-nrepl
    (with-open [r (server)
                s (raw r)]
      (send-bytes s (.getBytes "d2:op8:describe2:id1:1e"))
      (is (= (int \d) (stream/read-byte s)))
      (send-bytes s (.getBytes "d-1:"))
      (is (pos? (long (rest-of s)))))))

(defn- passed
  "What the checkpoint lets pass of some bytes, and what it says, read by pieces of a size."
  [^bytes bytes size limits]
  (let [problem (atom nil)
        in (bencode/input-stream (ByteArrayInputStream. bytes) limits #(reset! problem %))
        out (ByteArrayOutputStream.)
        piece (byte-array size)]
    (try
      (loop []
        (let [n (.read ^InputStream in piece)]
          (when (pos? n)
            (.write out piece 0 n)
            (recur))))
      (catch SocketException _
        nil))
    [(String. (.toByteArray out) "ISO-8859-1") @problem]))

(defn- encoded
  "Bencode of strings, integers, lists and maps."
  [x]
  (cond
    (string? x) (str (count x) ":" x)
    (integer? x) (str "i" x "e")
    (sequential? x) (str "l" (str/join (map encoded x)) "e")
    (map? x) (str "d" (str/join (mapcat (fn [[k v]] [(encoded k) (encoded v)]) x)) "e")))

(def ^:private text-of-bytes
  (gen/fmap #(apply str (map char %)) (gen/vector (gen/choose 0 255))))

(def ^:private messages
  (gen/scale #(min 12 (quot % 4))
    (gen/vector
      (gen/map text-of-bytes
        (gen/recursive-gen (fn [inner] (gen/one-of [(gen/vector inner) (gen/map text-of-bytes inner)]))
          (gen/one-of [text-of-bytes gen/large-integer]))))))

(defn- holds? [property]
  (let [result (check/quick-check 200 property)]
    (is (:pass? result) (pr-str (select-keys result [:seed :shrunk])))))

(deftest rep-8-well-formed-messages-pass-unchanged-however-they-are-cut
  (holds?
    (properties/for-all [all messages
                         size (gen/choose 1 40)]
      (let [text (str/join (map encoded all))]
        (= [text nil] (passed (.getBytes text "ISO-8859-1") size bencode/limits))))))

(deftest rep-8-the-checkpoint-says-the-same-however-the-bytes-are-cut
  (holds?
    (properties/for-all [all messages
                         noise text-of-bytes
                         size (gen/choose 1 40)]
      (let [bytes (.getBytes (str (str/join (map encoded all)) noise "x") "ISO-8859-1")]
        (= (passed bytes 1 bencode/limits) (passed bytes size bencode/limits))))))

(deftest rep-8-limits-are-where-they-are-said-to-be
  (let [limits {:max-message 100
                :max-depth 3
                :max-digits 4}
        says (fn [text] (second (passed (.getBytes ^String text) 7 limits)))]
    (is (nil? (says (str "d1:a92:" (apply str (repeat 92 "x")) "e"))))
    (is (re-find #"more than 100 bytes" (says "d1:a101:")))
    (is (re-find #"more than 100 bytes" (says (str "d1:al" (apply str (repeat 40 "i1e")) "ee"))))
    (is (nil? (says "d1:alleee")))
    (is (re-find #"more than 3 lists" (says "d1:allleeee")))
    (is (nil? (says "d1:ai-1234ee")))
    (is (re-find #"more than 4 digits" (says "d1:ai12345ee")))))

(deftest rep-9-strangers-get-nothing-and-nothing-of-theirs-is-evaluated
  (with-nrepl
    (let [form (str "d4:code" (count kill) ":" kill "2:op4:evale")]
      (doseq [[who head] {"GET" "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
                          "POST" "POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n"
                          "OPTIONS" "OPTIONS / HTTP/1.1\r\n\r\n"
                          "DELETE" "DELETE / HTTP/1.1\r\n\r\n"
                          "TLS" "\u0016\u0003\u0001\u0002\u0000"
                          "SSH" "SSH-2.0-OpenSSH_9.2\r\n"}]
        (testing who
          (reset! canary :alive)
          (with-open [r (server)
                      s (raw r)]
            (send-bytes s (.getBytes (str head form)))
            (is (= 0 (rest-of s)))
            (is (= :alive @canary))
            (is (= 1 (count (filter #(str/includes? % "where the d of a message was expected") @(:lines r)))))))))))

(deftest rep-9-strangers-of-a-text-transport-fare-no-better
  (with-nrepl
    (reset! canary :alive)
    (with-open [r (server :transport-fn @(requiring-resolve 'nrepl.transport/tty) :grace 3600)
                s (raw r)]
      (send-bytes s (.getBytes (str "POST / HTTP/1.1\r\nHost: x\r\n\r\n" kill "\n")))
      (is (= 0 (rest-of s)))
      (is (= :alive @canary))
      (is (some #(str/includes? % "an HTTP request") @(:lines r))))))

(deftest rep-10-silent-connections-are-capped-have-no-thread-and-are-dropped
  (with-nrepl
    (with-open [r (server :login-timeout 1)]
      (let [before (count (Thread/getAllStackTraces))
            silent (doall (repeatedly 500 #(raw r)))]
        (is (<= (count (Thread/getAllStackTraces)) (+ before 5)))
        (is (every? #(= 0 (rest-of %)) silent))
        (run! #(stream/close % :abort true) silent)
        (with-open [t (connect r)]
          (is (= [3] (values-of t "(+ 1 2)"))))))))

(deftest rep-12-t1-an-address-that-others-reach-is-refused
  (with-nrepl
    (is (thrown-with-msg? IllegalArgumentException #"^nrepl-server: refusing to offer code evaluation on \"0\.0\.0\.0\""
          (nrepl/nrepl-server :bind "0.0.0.0")))
    (with-open [r (server :bind "0.0.0.0" :allow-remote true)
                t (connect r)]
      (is (= [3] (values-of t "(+ 1 2)")))
      (is (str/includes? (first @(:lines r)) "WITHOUT A TOKEN")))))

(deftest rep-12-t6-one-connection-too-many-is-closed
  (with-nrepl
    (with-open [r (server :max-connections 1)
                t (connect r)]
      (is (= [3] (values-of t "(+ 1 2)")))
      (with-open [s (raw r)]
        (is (= 0 (rest-of s)))))))

(deftest rep-12-t8-and-f1-nothing-is-left-of-servers-and-clients
  (with-nrepl
    (let [once (fn []
                 (doseq [options (endpoints)]
                   (with-open [r (server options)
                               t (connect r)]
                     (message t {:op "describe"}))))]
      (once)
      (let [before (Leaks/snapshotBut (into-array String ["parley-reactor" "clojure-agent" "nREPL"]))]
        (dotimes [_ 10] (once))
        (is (nil? (.assertBack before)))))))

(deftest a-wrong-option-is-named-before-anything-is-opened
  (with-nrepl
    (doseq [[options message] {{:port 70000} ":port is 70000"
                               {:handler 5} ":handler is 5"
                               {:transport-fn "x"} ":transport-fn is \"x\""
                               {:max-depth 0} ":max-depth is 0"
                               {:wire :morse} ":wire is :morse"
                               {:tls? true} "unknown option :tls?"}]
      (let [e (is (thrown? IllegalArgumentException (nrepl/nrepl-server options)))]
        (is (str/starts-with? (str (some-> e ex-message)) (str "nrepl-server: " message)))))))

(deftest unix-files-go-with-their-server-and-dead-ones-are-replaced
  (with-nrepl
    (let [path (str (UnixPaths/fresh))]
      (with-open [_ (server :socket path)]
        (is (.exists (File. path)))
        (is (= :eaddrinuse (socket/os-error-code (is (thrown? IOException (server :socket path)))))))
      (is (not (.exists (File. path))))
      ;; as a process that was killed leaves it
      (.close (doto (java.nio.channels.ServerSocketChannel/open java.net.StandardProtocolFamily/UNIX)
                (.bind (java.net.UnixDomainSocketAddress/of path))))
      (is (.exists (File. path)))
      (with-open [r (server :socket path)
                  t (connect r)]
        (is (= [3] (values-of t "(+ 1 2)"))))
      (is (Await/holds (Duration/ofSeconds 2) #(not (.exists (File. path))))))))
