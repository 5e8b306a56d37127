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
   (java.util.logging Handler LogRecord Logger SimpleFormatter)
   (parley.testing Await Reported TemporaryPaths)))

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
                  (publish [r] (swap! records conj r))
                  (flush [])
                  (close []))]
    (.addHandler logger handler)
    (.setUseParentHandlers logger false)
    (try
      (.close ^java.io.Closeable (repl/repl-server {:port 0}))
      (is (re-find #"^parley repl-\d+: .*127\.0\.0\.1" (str (some-> ^LogRecord (first @records) .getMessage))))
      (testing "the console shows the name of the logger"
        (is (re-find #" parley\.repl\n" (.format (SimpleFormatter.) (first @records)))))
      (finally
        (.removeHandler logger handler)
        (.setUseParentHandlers logger true)))))

(deftest the-console-shows-the-logger-of-a-part
  (with-open [reported (Reported.)
              ^java.io.Closeable served (server/serve (fn [_] (throw (ex-info "boom" {}))))
              s (socket/socket-connect (:port served) "127.0.0.1" :read-timeout 20)]
    (is (= :end (stream/read-line s :eof :end)))
    (await-that "it is logged" #(seq (.records reported)))
    (is (re-find #" parley\.net\.server\nSEVERE: parley: server-.* failed\n.*boom"
          (.format (SimpleFormatter.) (first (.records reported)))))))

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

(deftest the-ends-of-a-pair-have-names
  (let [[a b] (stream/stream-pair)
        [_ pair] (re-matches #"#<socket-stream (pair-\d+)/a -> .*" (str a))
        [at-a at-b] (map #(str pair %) ["/a" "/b"])]
    (socket/with-open-stream [_ a
                              _ b]
      (is (= [(str "#<socket-stream " at-a " -> " at-b " open>") (str "#<socket-stream " at-b " -> " at-a " open>")] (map pr-str [a b])))
      (is (= [at-a at-b] ((juxt :local :peer) (seen a)) ((juxt :peer :local) (datafy b))))
      (is (= [[at-a 0] [at-b 0]] [(socket/socket-stream-local a) (socket/socket-stream-peer a)]))
      (is (= [at-b 0] ((juxt socket/socket-stream-host socket/socket-stream-port) a)))
      (is (nil? (:proxy (datafy a)))))
    (let [[c d] (stream/stream-pair)]
      (socket/with-open-stream [_ c
                                _ d]
        (is (not= (str a) (str c)))))))

(deftest a-user-is-shown-by-name
  (let [path (TemporaryPaths/fresh)
        me (System/getProperty "user.name")]
    (socket/with-open-stream [served (server/serve #(stream/read-line %) :path path)
                              s (socket/socket-connect path)]
      (await-that "it is served" #(seq (server/connections served)))
      (is (= [me] (map :user (server/connections served)))))
    (socket/with-open-stream [admin (repl/repl-server {:log nil :path path})
                              s (socket/socket-connect path)]
      (await-that "it has a session" #(seq (repl/sessions admin)))
      (is (= [me] (map :user (repl/sessions admin))))
      (is (= [1 1] ((juxt :connections :accepted) (datafy admin)))))))

(deftest values-print-in-one-short-line
  (let [[a b] (stream/stream-pair)
        served (server/serve #(stream/read-line %) :name "echo")
        both (server/serve identity {:interface :loopback})
        repl (repl/repl-server {:log nil
                                :name "admin"})
        connect #(socket/socket-connect (:port %) "127.0.0.1")]
    (socket/with-open-stream [_ a
                              _ b
                              _ served
                              _ both
                              _ repl
                              _ (connect served)
                              _ (connect repl)
                              set (socket/status-set a)]
      (await-that "one is served" #(= 1 (:connections (datafy served))))
      (await-that "one is in a session" #(= 1 (count (repl/sessions repl))))
      (doseq [[expected x] {#"#<lines of #<socket-stream .* open>>" (stream/lines a)
                            #"#<frames of #<socket-stream .* open>>" (stream/frames a)
                            #"#<forms of #<socket-stream .* open>>" (stream/forms a)
                            #"#<tls-options TLSv1.3 TLSv1.2>" (tls/tls-options)
                            #"#<server echo 127.0.0.1:\d+ 1 connection>" served
                            #"#<server server-\d+ 127.0.0.1:\d+(?: and \[::1\])? 0 connections>" both
                            #"#<repl-server admin 127.0.0.1:\d+ 1 client>" repl
                            #"#<status-set of 1, 0 actionable>" set}
              print [pr-str str #(with-out-str (pprint/pprint %))]]
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
