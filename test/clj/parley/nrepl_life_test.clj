(ns parley.nrepl-life-test
  "How nREPL servers and their sessions live and end."
  (:require
   [clojure.pprint :as pprint]
   [clojure.string :as str]
   [clojure.test :refer [deftest is use-fixtures]]
   [parley.impl.nrepl-socket :as nrepl-socket]
   [parley.impl.text :as text]
   [parley.nrepl :as nrepl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.nrepl :refer [await-that call canary close connect endpoints message new-session path-of raw rest-of server shout values-of with-log-of-nrepl with-nrepl]])
  (:import
   (java.io BufferedOutputStream Closeable File IOException OutputStream)
   (java.net Socket SocketException StandardSocketOptions)
   (java.nio.channels SocketChannel)
   (java.time Duration)
   (java.util.concurrent Callable)
   (parley.testing Await Blocked Race$Rounds TemporaryPaths Threads)))

(set! *warn-on-reflection* true)

(use-fixtures :once with-log-of-nrepl)

;; ---- the server's value -------------------------------------------------------------------------

(deftest a-server-prints-in-a-line-and-those-of-nrepl-as-before
  (with-nrepl
    (let [r (server)
          print-all (juxt pr-str #(str/trim (with-out-str (pprint/pprint %))))
          shown #(str "#<nrepl-server nrepl-" (:port r) " 127.0.0.1:" (:port r) " " % ">")]
      (is (= (call 'nrepl.server/map->Server r) r) "it is nREPL's own record")
      (is (= (repeat 2 (shown "0 clients")) (print-all r)))
      (with-open [t (connect r)]
        (is (= [3] (values-of t "(+ 1 2)")))
        (is (= (repeat 2 (shown "1 client")) (print-all r))))
      (close r)
      (is (= (repeat 2 (shown "closed")) (print-all r)))
      (is (every? #(re-find #":greeting" %) (print-all (with-meta r nil)))))))

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

(deftest printing-for-a-client-that-has-gone-is-interrupted-from-another-connection
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
