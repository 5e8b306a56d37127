(ns parley.observing-test
  "open-objects, datafy and printing: what a person sees of streams and servers."
  (:require
   [clojure.core.protocols :refer [datafy]]
   [clojure.pprint :as pprint]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.repl :as repl]
   [parley.server :as server]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.tls :as tls])
  (:import
   (java.time Instant)
   (java.util.concurrent Callable)
   (java.util.logging Handler LogRecord Logger)
   (parley.testing Await)))

(set! *warn-on-reflection* true)

(defn- seen [x]
  (first (filter #(identical? x (:object %)) (socket/open-objects))))

(defn- await-that [what f]
  (Await/until what ^Callable (comp boolean f)))

(deftest what-is-open-is-listed-until-it-is-closed
  (let [server (socket/socket-server 0 :interface "127.0.0.1")
        [a b] (stream/stream-pair)]
    (stream/write-line "12345" a)
    (stream/force-output a)
    (stream/read-line b)
    (is (= {:kind :socket-server :state :open :opened-by (.getName (Thread/currentThread)) :waits []}
          (select-keys (seen server) [:kind :state :opened-by :waits])))
    (is (= {:kind :socket-stream :state :open :bytes-in 0 :bytes-out 6} (select-keys (seen a) [:kind :state :bytes-in :bytes-out])))
    (is (= {:bytes-in 6 :bytes-out 0} (select-keys (seen b) [:bytes-in :bytes-out])))
    (is (instance? Instant (:since (seen a))))
    (is (not (contains? (seen a) :opened-at)))
    (testing "datafy has the same"
      (doseq [x [server a]]
        (is (= (dissoc (seen x) :object) (select-keys (datafy x) (keys (dissoc (seen x) :object)))))))
    (run! stream/close [a b server])
    (is (= [nil nil nil] (map seen [a b server])))
    (is (= :closed (:state (datafy a)) (:state (datafy server))))
    (is (= 6 (:bytes-out (datafy a))))))

(deftest calls-that-wait-are-shown
  (let [server (socket/socket-server 0 :interface "127.0.0.1")
        [a b] (stream/stream-pair)
        waits {{:op "read-line" :thread "reads"} [a #(stream/read-line a nil nil)]
               {:op "socket-status" :thread "checks"} [b #(socket/socket-status [b :input])]
               {:op "socket-accept" :thread "accepts"} [server #(socket/socket-accept server)]}
        threads (doall (for [[{:keys [thread]} [_ f]] waits]
                         (doto (Thread. ^Runnable (fn [] (try (f) (catch java.io.IOException _))) ^String thread)
                           (.start))))]
    (doseq [[wait [x]] waits]
      (await-that (str wait) #(= [wait] (:waits (seen x)))))
    (run! stream/close [a b server])
    (run! #(.join ^Thread % 20000) threads)
    (is (= [] (:waits (datafy a)) (:waits (datafy server))))))

(deftest the-place-of-opening-is-shown-when-traced
  (try
    (socket/trace-opens! true)
    (let [[a b] (stream/stream-pair)]
      (socket/with-open-stream [a a
                                b b]
        (is (some #(re-find #"observing_test" %) (:opened-at (seen a))))))
    (finally
      (socket/trace-opens! false))))

(deftest servers-of-code-log-to-a-logger-of-their-own
  (let [records (atom [])
        logger (Logger/getLogger "parley.repl")
        handler (proxy [Handler] []
                  (publish [^LogRecord r] (swap! records conj (.getMessage r)))
                  (flush [])
                  (close []))]
    (.addHandler logger handler)
    (.setUseParentHandlers logger false)
    (try
      (.close ^java.io.Closeable (repl/repl-server {:port 0}))
      (is (re-find #"^parley repl-\d+: .*127\.0\.0\.1" (str (first @records))))
      (finally
        (.removeHandler logger handler)
        (.setUseParentHandlers logger true)))))

(deftest facts-begin-with-the-most-important
  (let [server (socket/socket-server 0 :interface "127.0.0.1")
        served (server/serve identity)
        repl (repl/repl-server {:log nil})
        [a b] (stream/stream-pair)
        a-map (datafy a)]
    (try
      (doseq [[first-keys facts] {[:kind :state :open?] (datafy server)
                                  [:kind :state :open? :input? :output? :host :port :local :peer] a-map
                                  [:kind :name :open? :host :port] (datafy served)
                                  [:kind :name :open? :host :port :path] (datafy repl)
                                  [:object :kind :state :local] (seen server)
                                  [:object :kind :state :local :peer :bytes-in :bytes-out] (seen b)}]
        (is (= first-keys (take (count first-keys) (keys facts)))))
      (is (= a-map (into {} (shuffle (seq a-map)))) "the same map whatever the order")
      (finally
        (run! #(.close ^java.io.Closeable %) [server served repl a b])))))

(deftest values-print-in-one-short-line
  (let [[a b] (stream/stream-pair)
        served (server/serve identity :name "echo")
        repl (repl/repl-server {:log nil
                                :name "admin"})]
    (socket/with-open-stream [_ a
                              _ b
                              _ served
                              _ repl
                              set (socket/status-set a)]
      (doseq [[expected x] {#"#<lines of #<socket-stream .* open>>" (stream/lines a)
                            #"#<frames of #<socket-stream .* open>>" (stream/frames a)
                            #"#<forms of #<socket-stream .* open>>" (stream/forms a)
                            #"#<tls-options TLSv1.3 TLSv1.2>" (tls/tls-options)
                            #"#<server echo 127.0.0.1:\d+ 0 connections>" served
                            #"#<repl-server admin 127.0.0.1:\d+ 0 clients>" repl
                            #"#<status-set of 1, 0 actionable>" set}
              print [pr-str #(with-out-str (pprint/pprint %))]]
        (is (re-matches expected (str/trim (print x))))))))

(deftest a-broken-stream-prints-as-broken
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")
                            a (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :read-timeout 20)
                            b (socket/socket-accept server)]
    (is (re-find #" open>$" (pr-str a)))
    (socket/socket-options b :so-linger 0)
    (stream/close b)
    (is (thrown? java.io.IOException (stream/read-line a)))
    (is (re-find #" broken>$" (pr-str a)))
    (is (= :broken (:state (seen a)) (:state (datafy a))))))
