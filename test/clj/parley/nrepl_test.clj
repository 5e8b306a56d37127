(ns parley.nrepl-test
  "nrepl-server with nREPL's own client. Against those it must keep out: parley.nrepl-security-test."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is use-fixtures]]
   [parley.nrepl :as nrepl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.nrepl :refer [await-that call close connect endpoints message new-session path-of raw rest-of send-bytes server shout values-of with-log-of-nrepl with-nrepl]])
  (:import
   (clojure.lang ExceptionInfo)
   (java.io Closeable File)
   (java.net ConnectException ServerSocket URI)
   (java.nio.file Files LinkOption)
   (parley.testing TemporaryPaths)))

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

(deftest a-token-is-for-clients-that-connect-with-parley
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
    (let [e (is (thrown-with-msg? ExceptionInfo #"^nrepl-server: Cannot listen on both port and filesystem socket; give :socket without "
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
          (dotimes [n 3]
            (is (= [n] (call 'nrepl.core/response-values (message {:op "eval"
                                                                   :session id
                                                                   :code (str n)}))))
            (is (= #{"done" "session-idle"} (set (:status (last (message {:op "interrupt"
                                                                          :session id}))))))))))))

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

(deftest another-server-receives-the-port
  (with-nrepl
    (call 'nrepl.ack/reset-ack-port!)
    (with-open [told (server :handler (call 'nrepl.ack/handle-ack (call 'nrepl.server/default-handler)))
                r (server :ack-port (:port told))]
      (is (= (:port r) (call 'nrepl.ack/wait-for-ack 10000))))))

(deftest a-server-whose-port-cannot-be-reported-leaves-nothing-behind
  (with-nrepl
    (let [file (TemporaryPaths/fresh)
          nobody (with-open [s (socket/socket-server 0 :interface "127.0.0.1")]
                   (socket/socket-server-port s))]
      (is (thrown? ConnectException (server :ack-port nobody :port-file file)))
      (is (not (Files/exists file (make-array LinkOption 0)))))))
