(ns parley.nrepl-test
  "nrepl-server with nREPL's own client. Against those it must keep out: parley.nrepl-security-test."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is use-fixtures]]
   [parley.impl.nrepl-socket :as nrepl-socket]
   [parley.impl.text :as text]
   [parley.nrepl :as nrepl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.nrepl :refer [await-that call canary close connect endpoints message path-of raw rest-of send-bytes server values-of with-log-of-nrepl with-nrepl]])
  (:import
   (clojure.lang ExceptionInfo)
   (java.io BufferedOutputStream Closeable File IOException OutputStream)
   (java.net ConnectException ServerSocket Socket SocketException StandardSocketOptions URI)
   (java.nio.channels SocketChannel)
   (java.nio.file Files LinkOption)
   (java.time Duration)
   (java.util.concurrent Callable)
   (parley.testing Await Blocked Child Race$Rounds TemporaryPaths Threads)))

(set! *warn-on-reflection* true)

(use-fixtures :once with-log-of-nrepl)

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

(defn- uri-of
  "Returns the URI that nREPL's command line prints. From version 1.4, or so, its function takes the whole
  server map."
  ^URI [server]
  (let [with-map? (some #(map? (first %)) (:arglists (meta (requiring-resolve 'nrepl.socket/as-nrepl-uri))))]
    (call 'nrepl.socket/as-nrepl-uri (if with-map? server (:server-socket server)) "nrepl")))

(deftest the-server-map-is-of-the-shape-of-nrepls-own
  (with-nrepl
    (with-open [own ^Closeable (call 'nrepl.server/start-server)
                r (nrepl/nrepl-server {:log nil})]
      (is (every? (set (keys r)) (keys own)))
      (is (= (:transport own) (:transport r)))
      (is (= (:port r) (.getLocalPort ^ServerSocket (:server-socket r))))
      (is (contains? #{"localhost" "127.0.0.1"} (.getHost (uri-of r))))
      (is (= (:port r) (.getPort (uri-of r)))))
    (let [path (str (TemporaryPaths/fresh))]
      (with-open [r (server :socket path)]
        (is (nil? (:port r)))
        (is (= (str "nrepl+unix:" path) (str (uri-of r))))))))

(deftest the-server-map-is-nrepls-own-record-which-code-hints
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server options)]
        (is (= "nrepl.server.Server" (.getName (class r))))
        (is (= (select-keys options [:socket]) (into {} (filter val) (select-keys r [:socket]))))))))

(deftest a-port-file-is-what-editors-look-for
  (with-nrepl
    (let [file (File/createTempFile "nrepl" "port")]
      (with-open [r (server :port-file file)
                  t (nrepl/connect :port-file (str file))]
        (is (= (str (:port r)) (slurp file)))
        (is (= [3] (values-of t "(+ 1 2)"))))
      (is (not (.exists file)))
      (with-open [_ (server :port-file file :socket (str (TemporaryPaths/fresh)))
                  t (nrepl/connect :port-file file)]
        (is (= [3] (values-of t "(+ 1 2)"))))
      (is (not (.exists file))))))

(deftest a-token-is-for-who-connects-with-parley
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server (assoc options :token "a-token-of-this-test"))
                  t (nrepl/connect (merge {:token "a-token-of-this-test"}
                                          (if (:socket r) {:socket (:socket r)} {:port (:port r)})))]
        (is (= [3] (values-of t "(+ 1 2)")))
        (is (str/includes? (first @(:lines r)) "a client needs the token"))
        (with-open [other (raw r)]
          (send-bytes other (.getBytes "a-token-of-this-tesT\na-token-of-this-test\nd2:op8:describee"))
          (is (= (int \d) (stream/read-byte other))))
        (with-open [other (raw r)]
          (send-bytes other (.getBytes "d2:op8:describee\n\n\n"))
          (is (= 0 (rest-of other))))))))

(deftest sessions-print-as-nrepls-own-do-and-take-bindings
  (with-nrepl
    (with-open [r (server)
                t (connect r)]
      (is (= [[nil nil]] (values-of t "[*print-length* *print-level*]"))))
    (with-open [r (server :bindings {#'*print-length* 3})
                t (connect r)]
      (is (= ["(0 1 2 ...)"] (map :value (filter :value (message t {:op "eval"
                                                                    :code "(range)"}))))))))

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

(deftest a-server-whose-port-cannot-be-told-leaves-nothing-behind
  (with-nrepl
    (let [file (TemporaryPaths/fresh)
          nobody (with-open [s (socket/socket-server 0 :interface "127.0.0.1")]
                   (socket/socket-server-port s))]
      (is (thrown? ConnectException (server :ack-port nobody :port-file file)))
      (is (not (Files/exists file (make-array LinkOption 0)))))))

(deftest without-nrepl-the-error-says-how-to-bring-it
  (let [without (remove #(re-find #"nrepl[^/]*\.jar$" %) (Child/compiledPath))
        code '(do
                (println "the machine is up")
                (require 'parley.nrepl)
                (println "error" (try
                                   ((resolve 'parley.nrepl/nrepl-server))
                                   (catch IllegalStateException e (ex-message e))))
                (shutdown-agents))]
    (with-open [child (Child/clojure [] (vec without) (into-array String ["-e" (pr-str code)]))]
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
                                           "code" "(@parley.testing.nrepl/canary)"})
            (is (true? (deref stopped 20000 :hangs)))))
        (close (server (if-let [path (path-of r)] {:socket path} {:port (:port r)})))))))

(deftest rep-3-stopping-again-and-at-once-is-stopping
  (with-nrepl
    (doseq [options (endpoints)]
      (let [r (server options)
            all (doall (repeatedly 8 #(future (close r))))]
        (run! #(is (nil? (deref % 20000 :hangs))) all)
        (close r)))))

(defn- start-and-stop
  "Cycles on one port and one path, each thirtieth with nREPL's own handler."
  [n]
  (let [port (with-open [r (server)] (:port r))
        path (str (TemporaryPaths/fresh))
        evaluates (call 'nrepl.server/default-handler)
        shouts (shout nil)]
    (dotimes [i n]
      (doseq [options [{:port port} {:socket path}]]
        (let [full? (zero? (long (mod i 30)))]
          (with-open [r (server (assoc options :handler (if full? evaluates shouts)))
                      t (connect r)]
            (if full?
              (is (= [3] (values-of t "(+ 1 2)")))
              (is (= "HERE" (:said (first (message t {:op "shout"
                                                      :text "here"}))))))
            (close r)
            (is (not (.exists (File. path))))))))))

(deftest a-port-and-a-path-serve-one-server-after-the-other
  (with-nrepl
    (start-and-stop (Race$Rounds/of 60 300))))

(deftest rep-7-transports-of-a-closed-server-fail-at-once
  (with-nrepl
    (doseq [options (endpoints)]
      (let [r (server options)]
        (with-open [t (connect r)]
          (is (= [3] (values-of t "(+ 1 2)")))
          (let [receiving (future (try (call 'nrepl.transport/recv t 10000)
                                       (catch SocketException _ :failed)))]
            (close r)
            (is (= :failed (deref receiving 20000 :hangs)))
            (is (thrown? Exception
                  (dotimes [_ 1000]
                    (call 'nrepl.transport/send t {"op" "describe"}))))))))))

(deftest a-wrong-option-is-named-before-anything-is-opened
  (with-nrepl
    (doseq [[options message] {{:port 70000} ":port is 70000"
                               {:handler 5} ":handler is 5"
                               {:transport-fn "x"} ":transport-fn is \"x\""
                               {:max-depth 0} ":max-depth is 0"
                               {:wire :morse} ":wire is :morse"
                               {:bind 5} ":bind is 5"
                               {:bind "0.0.0.0"} (str ":bind is \"0.0.0.0\" (String), which other machines can reach, "
                                                   "expected \"127.0.0.1\" or a Unix-domain socket (:socket)")
                               {:socket 5} ":socket is 5"
                               {:ack-port "7888"} ":ack-port is \"7888\""
                               {:tls-keys-file "x"
                                :tls-keys-str "y"} "TLS is given twice"
                               {:tls {:cert 5}} ":cert is 5"
                               {:tls true} ":tls is true, and a server needs a certificate"
                               {:consume-exception 5} ":consume-exception is 5"
                               {:log :stderr} ":log is :stderr"}]
      (let [e (is (thrown? IllegalArgumentException (nrepl/nrepl-server options)))]
        (is (str/starts-with? (str (some-> e ex-message)) (str "nrepl-server: " message)))))))

(deftest options-of-newer-nrepls-are-taken
  (with-nrepl
    (let [consumed (promise)]
      (with-open [r (server :port nil :bind "localhost" :socket nil :tls? false :tls-keys-str nil
                      :consume-exception #(deliver consumed %)
                      :greeting-fn (fn [_] (throw (ex-info "greets nobody" {}))))
                  s (raw r)]
        (is (= "localhost" (:host r)) "as it was given")
        (is (= 0 (rest-of s)))
        (is (= "greets nobody" (ex-message (deref consumed 10000 nil))))))))

(deftest an-evaluation-that-closes-its-server-is-answered
  (with-nrepl
    (doseq [options (endpoints)
            code ["(.close ^java.io.Closeable @@parley.testing.nrepl/canary)"
                  "(nrepl.server/stop-server @@parley.testing.nrepl/canary)"]]
      (let [r (server (assoc options :drain 5))]
        (with-redefs [canary (atom (delay r))]
          (with-open [t (connect r)
                      idle (raw r)]
            (is (= [":closed"] (keep :value (message t {:op "eval"
                                                        :code (str "(do " code " :closed)")}))))
            (is (= 0 (rest-of idle)))))))))

(deftest closing-waits-for-evaluations
  (with-nrepl
    (doseq [options (endpoints)]
      (let [r (server (assoc options :drain 10))
            begun (promise)]
        (with-redefs [canary (atom #(deliver begun true))]
          (with-open [t (connect r)]
            (let [answers (future (message t {:op "eval"
                                              :code "(do (@parley.testing.nrepl/canary) (Thread/sleep 300) :done)"}))]
              (is (true? (deref begun 10000 :hangs)))
              (close r)
              (is (= [":done"] (keep :value (deref answers 10000 nil)))))))))))

(def ^:private ticks
  "How often the code of a test has printed."
  (atom 0))

(defn- tick []
  (swap! ticks inc))

(def ^:private print-for-ever
  "(loop [] (@parley.testing.nrepl/canary) (println 1) (recur))")

(defn- stands-still?
  "Whether the code that prints for ever has come to its end."
  []
  (Await/holds (Duration/ofSeconds 10)
    #(let [before @ticks]
       (Await/pass (Duration/ofMillis 50))
       (= before @ticks))))

(defn- new-session [t]
  (:new-session (first (message t {:op "clone"}))))

(defn- send-eval [t session code]
  (call 'nrepl.transport/send t {"op" "eval"
                                 "id" "1"
                                 "session" session
                                 "code" code}))

(deftest a-session-goes-on-though-its-client-went-during-an-evaluation
  (with-nrepl
    (doseq [options (endpoints)]
      (with-open [r (server options)
                  t (connect r)]
        (let [begun (promise)
              gone (promise)
              session (new-session t)]
          (with-redefs [canary (atom #(do (deliver begun true) (deref gone 10000 :hangs)))]
            (send-eval t session "(do (@@(resolve 'parley.testing.nrepl/canary)) (println :there?) :made)")
            (is (true? (deref begun 10000 :hangs)))
            (close t)
            (await-that "its connection has ended" (empty? @(:open-transports r)))
            (deliver gone true)
            (with-open [again (connect r)]
              (is (= [:made] (call 'nrepl.core/response-values
                               (message again {:op "eval"
                                               :session session
                                               :code "*1"})))))))))))

(deftest printing-for-who-has-gone-is-interrupted-from-another-connection
  (with-nrepl
    (reset! ticks 0)
    (with-redefs [canary (atom tick)]
      (with-open [r (server)
                  t (connect r)]
        (let [session (new-session t)]
          (send-eval t session "(loop [] (@parley.testing.nrepl/canary) (try (println 1) (catch RuntimeException _)) (recur))")
          (await-that "it prints" (< 100 (long @ticks)))
          (close t)
          (await-that "its connection has ended" (empty? @(:open-transports r)))
          (with-open [again (connect r)]
            (is (= [["done"]] (map :status (message again {:op "interrupt"
                                                           :session session}))) "neither idle nor unknown")
            (is (stands-still?))
            (is (= [3] (call 'nrepl.core/response-values
                         (message again {:op "eval"
                                         :session session
                                         :code "(+ 1 2)"}))))))))))

(deftest printing-ends-after-its-server-has-closed-or-its-client-has-gone
  (with-nrepl
    (doseq [options (endpoints)
            code [print-for-ever "(loop [] (@parley.testing.nrepl/canary) (println 1) (Thread/sleep 5) (recur))"]
            ends [:server :client]]
      (reset! ticks 0)
      (with-redefs [canary (atom tick)
                    text/dropping-at-most 100000000]
        (with-open [r (server (assoc options :drain 0.1))
                    t (connect r)]
          (let [session (new-session t)]
            (send-eval t session code)
            (await-that "it prints" (< 10 (long @ticks)))
            (close (case ends :server r :client t))
            (is (stands-still?) [options code ends])
            (when (= :client ends)
              (with-open [again (connect r)]
                (is (= [3] (call 'nrepl.core/response-values
                             (message again {:op "eval"
                                             :session session
                                             :code "(+ 1 2)"}))))))))))))

(deftest an-interrupt-cuts-no-message
  (let [[a b] (stream/stream-pair :element-type :bivalent)
        ^OutputStream out (BufferedOutputStream. (nrepl-socket/whole-output (stream/socket-output-stream a)))
        messages (map #(byte-array %1 (byte %2)) [100 3000000 100 9000] (range))
        got (byte-array (reduce + (map alength messages)))
        writer (.start Threads/PLATFORM "writer"
                 (reify Callable
                   (call [_]
                     (doseq [^bytes message messages]
                       (.write out message)
                       (.flush out))
                     (Thread/interrupted))))]
    (with-open [a ^Closeable a
                b ^Closeable b]
      (Blocked/in writer "parley.net.wait.ThreadWaits.await")
      (.interrupt writer)
      (is (true? (.await writer)) "the flag is set again")
      (let [flushed (future (.flush out))]
        (stream/set-read-timeout! b 20)
        (is (= (alength got) (stream/read-byte-sequence got b)))
        (is (nil? (deref flushed 20000 :hangs))))
      (is (= (mapcat seq messages) (seq got)))
      (is (stream/open-stream? a)))))

(deftest closing-does-not-wait-for-what-was-interrupted
  (with-nrepl
    (let [r (server :drain 3600)
          begun (promise)]
      (with-redefs [canary (atom #(deliver begun true))]
        (with-open [t (connect r)
                    other (connect r)]
          (let [session (new-session t)]
            (send-eval t session "(do (@parley.testing.nrepl/canary) (Thread/sleep 3600000))")
            (is (true? (deref begun 10000 :hangs)))
            (message other {:op "interrupt"
                            :session session})
            (is (nil? (deref (future (close r)) 20000 :hangs)))))))))

(deftest a-handler-that-fails-is-reported-in-a-line
  (with-nrepl
    (let [consumed (promise)]
      (with-open [r (server :consume-exception #(deliver consumed %)
                      :handler (fn [{:keys [op]}] (throw (ex-info (str "cannot\nparley: " op) {}))))
                  t (connect r)]
        (call 'nrepl.transport/send t {"op" "a\u001b[31m\nb"
                                       "code" (str/join (repeat 100000 \x))})
        (is (str/starts-with? (str (ex-message (deref consumed 10000 nil))) "cannot"))
        (let [lines (filter #(str/includes? % "the handler failed") @(:lines r))]
          (is (= 1 (count lines)))
          (is (str/includes? (first lines) ":op a\\u001b[31m\\u000ab: "))
          (is (not-any? #(Character/isISOControl ^char %) (first lines)))
          (is (< (count (first lines)) 1000)))))))

(deftest options-of-the-socket-that-a-transport-sets-take-effect
  (with-nrepl
    (let [seen (promise)
          bencode @(requiring-resolve 'nrepl.transport/bencode)
          look (fn [^Socket s]
                 (.setKeepAlive s true)
                 (.setSoLinger s true 3)
                 (.setReceiveBufferSize s 65536)
                 (deliver seen [(.getOption ^SocketChannel (.getChannel s) StandardSocketOptions/SO_KEEPALIVE)
                                (.getSoLinger s)
                                (< 1000 (.getReceiveBufferSize s))
                                (contains? (.supportedOptions s) StandardSocketOptions/TCP_NODELAY)
                                (try (.connect s nil) (catch SocketException _ :refused))])
                 (bencode s))]
      (with-open [r (server :transport-fn look :wire :bencode)
                  t (connect r)]
        (is (= [3] (values-of t "(+ 1 2)")))
        (is (= [true 3 true true :refused] (deref seen 10000 :hangs)))))
    (let [seen (promise)
          bencode @(requiring-resolve 'nrepl.transport/bencode)
          look (fn [^Socket s]
                 (deliver seen (try (.setKeepAlive s true) (catch UnsupportedOperationException _ :refused)))
                 (bencode s))]
      (with-open [r (server :transport-fn look :wire :bencode :socket (str (TemporaryPaths/fresh)))
                  t (connect r)]
        (is (= [3] (values-of t "(+ 1 2)")))
        (is (= :refused (deref seen 10000 :hangs)))))))

(deftest unix-files-go-with-their-server-and-dead-ones-are-replaced
  (with-nrepl
    (let [path (str (TemporaryPaths/fresh))]
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
