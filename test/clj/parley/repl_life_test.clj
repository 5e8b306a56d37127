(ns parley.repl-life-test
  "How servers and sessions live and end: what conformance wants of a REPL, and clients that go."
  (:require
   [clojure.core.server :as core-server]
   [clojure.edn :as edn]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.impl.text :as text]
   [parley.repl :as repl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.nrepl :as nrepl]
   [parley.testing.repl :refer [answer await-that canary close connect in-child in-child-of-sources kill over? read-until rebind rest-of send-text server session session-threads]])
  (:import
   (java.io Closeable File IOException)
   (java.time Duration)
   (java.util.concurrent CyclicBarrier)
   (parley.testing Await Leaks TemporaryPaths)))

(set! *warn-on-reflection* true)

;; ---- REP ----------------------------------------------------------------------------------------

(deftest rep-1-servers-and-sessions-outlive-a-reload-of-the-library
  (with-open [child (in-child-of-sources
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
                           (def members (socket/status-set s))
                           (require 'parley.repl 'parley.socket 'parley.stream :reload-all)
                           (println "after" (ask "(+ 3 4)") (.isOpen s) (count (repl/sessions server)))
                           (with-open [t (socket/socket-connect (:port server) "127.0.0.1")]
                             (stream/write-line "(+ 5 6)" t)
                             (stream/force-output t)
                             (println "new" (stream/read-line t)))
                           (println "status" (socket/socket-status s 0))
                           (println "set" (identical? members (socket/socket-status members 0)) (pr-str members))
                           (.close server)
                           (println "closed" (stream/read-line s nil :end) (count (repl/sessions server)))
                           (println "reactors" (count (filter #(= "parley-reactor" (.getName %))
                                                        (keys (Thread/getAllStackTraces)))))
                           (shutdown-agents))))]
    (is (= "user=> 3" (.answer child "before")))
    (is (= "user=> 7 true 1" (.answer child "after")))
    (is (= "user=> 11" (.answer child "new")))
    (is (contains? #{":io" ":output"} (.answer child "status")))
    (is (= "true #<status-set of 1, 1 actionable>" (.answer child "set")))
    (is (str/ends-with? (.answer child "closed") " 0"))
    (is (contains? #{"0" "1"} (.answer child "reactors")))))

(defn- at-once
  "Calls f with each of ten numbers, in threads of which none begins before all are there."
  [f]
  (let [barrier (CyclicBarrier. 10)]
    (mapv deref (mapv #(future (.await barrier) (f %)) (range 10)))))

(deftest first-clients-at-the-same-time-find-everything-loaded
  (with-open [child (in-child '(do
                                 (require 'parley.repl 'clojure.java.io)
                                 (println "repl" (:port (parley.repl/repl-server {:log nil})))
                                 (println "prepl" (:port (parley.repl/repl-server {:log nil
                                                                                   :accept 'clojure.core.server/io-prepl})))
                                 (println "nrepl" (when (clojure.java.io/resource "nrepl/server.clj")
                                                    (require 'parley.nrepl)
                                                    (:port ((resolve 'parley.nrepl/nrepl-server) {:log nil}))))
                                 (read-line)
                                 (System/exit 0)))]
    (let [[repl prepl nrepl] (mapv #(parse-long (.answer child %)) ["repl" "prepl" "nrepl"])
          form #(str "[(every? resolve '[" % "]) (with-out-str (clojure.pprint/pprint 1))]\n")
          referred (form "pp source doc javadoc apropos")
          ;; A prepl refers nothing.
          qualified (form "clojure.pprint/pp clojure.repl/source clojure.java.javadoc/javadoc")
          expected (pr-str [true "1\n"])]
      (is (= (repeat 10 [expected expected])
            (at-once (fn [_]
                       (with-open [a (connect {:port repl})
                                   b (connect {:port prepl})]
                         (send-text a referred)
                         (send-text b qualified)
                         [(subs (stream/read-line a) (count "user=> "))
                          (:val (edn/read-string (stream/read-line b)))])))))
      (when nrepl
        (is (= (repeat 10 [[[true "1\n"]] true])
              (at-once (fn [_]
                         (with-open [t (nrepl/connect {:port nrepl})]
                           [(nrepl/values-of t referred)
                            (boolean (some :completions (nrepl/message t {:op "completions"
                                                                          :prefix "ma"
                                                                          :ns "clojure.core"})))])))))))))

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

(deftest rep-3-a-session-stops-its-own-server
  (doseq [options [{} {:path (TemporaryPaths/fresh)}]]
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
  (doseq [options [{} {:path (TemporaryPaths/fresh)}]]
    (let [r (server options)
          all (doall (repeatedly 8 #(future (close r))))]
      (run! #(is (nil? (deref % 20000 :hangs))) all)
      (close r)
      (is (not (some-> ^String (:path r) File. .exists)))
      (rebind r))))

(deftest rep-3-stopping-while-clients-arrive-leaves-nothing
  (dotimes [_ 20]
    (let [r (server)
          clients (doall (repeatedly 4 #(future (try (with-open [s (connect r)] (rest-of s))
                                                     (catch IOException e e)))))]
      (close r)
      (run! #(is (not= :hangs (deref % 20000 :hangs))) clients)
      (is (empty? (repl/sessions r)))
      (with-open [again (socket/socket-server (:port r) :interface "127.0.0.1")]
        (is (= (:port r) (socket/socket-server-port again)))))))

(defn- one-cycle
  "A server starts, serves a client, which then waits for more, and stops."
  [options text expected]
  (let [r (server options)]
    (with-open [s (connect r)]
      (send-text s text)
      (is (= expected (read-until s "\n")))
      (close r)
      (rest-of s))))

(defn repeat-lines
  "An accept function, cheaper than an evaluator."
  []
  (loop []
    (when-let [line (read-line)]
      (println line)
      (recur))))

(defn- start-and-stop
  "Cycles on one port and one path, each hundredth with an evaluator."
  [n]
  (let [port (with-open [r (server)] (:port r))
        path (TemporaryPaths/fresh)]
    (dotimes [i n]
      (doseq [options [{:port port} {:path path}]]
        (if (zero? (long (mod i 100)))
          (one-cycle options "(+ 1 2)\n" "user=> 3\n")
          (one-cycle (assoc options :accept #'repeat-lines) "again\n" "again\n"))))))

(deftest a-port-and-a-path-serve-one-server-after-the-other-and-nothing-is-left
  (start-and-stop 5) ; has the JDK open what it keeps
  (let [before (Leaks/snapshot)]
    (start-and-stop 200)
    (is (nil? (.assertBack before)))))

(deftest rep-4-printing-for-a-client-that-vanished-ends
  (doseq [form ["(range)" "(run! prn (range))" "(while true (println :x))"]]
    (with-open [^Closeable r (server)]
      (let [s (session r)]
        (send-text s (str form "\n"))
        (stream/read-char s)
        (let [threads (session-threads r)]
          (is (= 1 (count threads)))
          (stream/close s :abort true)
          (is (Await/holds (Duration/ofSeconds 30) #(over? threads)) form)
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
    (let [ended (future (rest-of reading))]
      (close r)
      (is (= "" (deref ended 20000 :reads-on)))
      (is (not (str/includes? (rest-of evaluating) "nil")))
      (is (thrown? IOException
            (dotimes [_ 1000]
              (send-text reading "(+ 1 2)\n")))))))

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

;; ---- clients that send and go ---------------------------------------------------------------------

(defn- send-and-close [r text]
  (let [s (connect r)]
    (try
      (send-text s text)
      (finally
        (stream/close s)))))

(deftest what-was-sent-whole-is-evaluated-though-its-sender-has-gone
  (doseq [options [{} {:path (TemporaryPaths/fresh)}
                   {:accept `core-server/io-prepl
                    :path (TemporaryPaths/fresh)}
                   {:token "a-token-of-this-test"
                    :path (TemporaryPaths/fresh)}]]
    (with-open [^Closeable r (server options)]
      (dotimes [i 20]
        (reset! canary nil)
        (send-and-close r (str (some-> (:token options) (str "\n"))
                            "(println 1)\n(+ 1 2)\n(reset! parley.testing.repl/canary " i ")\n"))
        (await-that (str "it is evaluated, with " options) (= i @canary)))
      (await-that "the sessions end" (empty? (repl/sessions r)))
      (is (= 19 @canary) "nothing is evaluated twice or late"))))

(deftest output-arrives-though-the-client-has-sent-more
  (doseq [options [{} {:path (TemporaryPaths/fresh)}]
          [lines more] [[10 2000] [60000 2000]]]
    (with-open [^Closeable r (server options)
                s (connect r)]
      (let [sending (future
                      (send-text s (str "(dotimes [_ " lines "] (println :hello))\n:repl/quit\n"
                                     (str/join (repeat more ";; the rest of the file\n"))))
                      (socket/socket-stream-shutdown s :output))]
        (Await/pass (Duration/ofMillis 300)) ; the session may be over before anything is read
        (is (= lines (count (re-seq #":hello\n" (rest-of s)))))
        (is (not= :hangs (deref sending 10000 :hangs)))))))

(def ticks
  "How often the code of a test has printed."
  (atom 0))

(def ^:private print-for-ever
  "(loop [] (swap! parley.repl-life-test/ticks inc) (println 1) (recur))\n")

(defn- slowly [print]
  (str "(loop [] (swap! parley.repl-life-test/ticks inc) (" print " 1) (Thread/sleep 5) (recur))\n"))

(defn- stands-still?
  "Whether the code that prints for ever has come to its end."
  []
  (Await/holds (Duration/ofSeconds 5)
    #(let [before @ticks]
       (Await/pass (Duration/ofMillis 50))
       (= before @ticks))))

(deftest printing-through-any-writer-is-interrupted
  (doseq [accept [`core-server/io-prepl `core-server/repl `repl/repl]]
    (testing accept
      (reset! ticks 0)
      (with-open [^Closeable r (server :accept accept)
                  s (connect r)]
        (send-text s print-for-ever)
        (let [seen (future (read-until s "parley.test/found"))]
          (await-that "it prints" (< 100 (long @ticks)))
          (is (true? (repl/interrupt r "1")))
          (is (stands-still?))
          (send-text s "(symbol \"parley.test\" \"found\")\n")
          (is (string? (deref seen 10000 :hangs))))))))

(deftest printing-ends-when-its-client-has-gone-or-its-server-closes
  (doseq [[accept code] (for [accept [`core-server/io-prepl `core-server/repl `repl/repl]
                              ;; The prepl keeps output that is not flushed to itself.
                              code [print-for-ever (slowly (if (= accept `core-server/io-prepl) "println" "print"))]]
                          [accept code])]
    (testing [accept code]
      (reset! ticks 0)
      (with-redefs [text/dropping-at-most 100000000]
        (let [r (server :accept accept :drain 0.1)
              a (connect r)
              b (connect r)]
          (try
            (doseq [s [a b]]
              (send-text s code))
            (await-that "both print" (and (< 10 (long @ticks)) (= 2 (count (repl/sessions r)))))
            (stream/close a :abort true)
            (await-that "the session of the one that went is over" (= 1 (count (repl/sessions r))))
            (close r)
            (is (stands-still?))
            (finally
              (stream/close b :abort true)
              (close r))))))))
