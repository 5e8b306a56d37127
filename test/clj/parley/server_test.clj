(ns parley.server-test
  "serve: a function or a var for each connection. What the server survives is tested in ServerTest, in Java."
  (:require
   [clojure.datafy :as datafy]
   [clojure.pprint :as pprint]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.server :as server :refer [serve]]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.repl :refer [await-that]])
  (:import
   (java.io Closeable)
   (java.net InetSocketAddress)
   (java.nio.channels ServerSocketChannel)
   (java.time Instant)
   (parley.net Addresses SocketStream)
   (parley.testing Family Leaks Reported TemporaryPaths)))

(set! *warn-on-reflection* true)

(def ^:private patience 30)

(defn echo [s]
  (loop []
    (when-let [line (stream/read-line s nil nil)]
      (stream/write-line line s)
      (stream/force-output s)
      (recur))))

(defn- connect ^SocketStream [{:keys [host port path]}]
  (doto (socket/socket-connect (if path {:path path} port) host :timeout patience)
    (stream/set-read-timeout! patience)))

(defn- ask [s line]
  (stream/write-line line s)
  (stream/force-output s)
  (stream/read-line s nil :end))

(defn- nothing-left-open [f]
  (with-open [^Closeable r (serve #'echo)
              s (connect r)]
    (ask s "warm up"))
  (let [before (Leaks/snapshotBut (into-array String ["parley-reactor"]))]
    (f)
    (is (nil? (.assertBack before)))))

(use-fixtures :each nothing-left-open)

(deftest a-server-is-a-value-that-shows-what-it-does
  (with-open [^Closeable r (serve echo {:name "shown"})
              s (connect r)]
    (is (= "hello" (ask s "hello")))
    (await-that "what the kernel took is counted" (= 6 (:bytes-out (first (server/connections r)))))
    (is (= "127.0.0.1" (:host r)))
    (is (pos-int? (:port r)))
    (is (nil? (:path r)))
    (let [[c :as all] (server/connections r)]
      (is (= 1 (count all)))
      (is (= {:id 1
              :address "127.0.0.1"
              :bytes-in 6
              :bytes-out 6} (select-keys c [:id :address :bytes-in :bytes-out])))
      (is (instance? Instant (:since c)))
      (is (= (:peer c) (str/join ":" (socket/socket-stream-peer (:stream c) true)))))
    (doseq [text [(pr-str r) (with-out-str (pprint/pprint r)) (binding [*print-dup* true] (pr-str r))]]
      (is (= (str "#<server shown 127.0.0.1:" (:port r) " 1 connection>") (str/trim text))))
    (is (= {:kind :server
            :name "shown"
            :port (:port r)
            :open? true
            :connections 1
            :accepted 1
            :refused {}
            :bytes-in 6
            :bytes-out 6
            :full? false}
          (select-keys (datafy/datafy r)
            [:kind :name :port :open? :connections :accepted :refused :bytes-in :bytes-out :full?])))
    (.close r)
    (.close r)
    (is (= :end (stream/read-line s nil :end)))
    (is (= [false 0] ((juxt :open? :connections) (datafy/datafy r))))
    (with-open [again (socket/socket-server (:port r) :interface "127.0.0.1")]
      (is (= (:port r) (socket/socket-server-port again))))))

(defn answer [s]
  (echo s))

(deftest a-new-definition-serves-the-next-connection
  (with-open [^Closeable r (serve #'answer)
              before (connect r)]
    (is (= "1" (ask before "1")))
    (with-redefs [answer (fn [s] (stream/write-line "anew" s))]
      (with-open [after (connect r)]
        (is (= "anew" (stream/read-line after))))
      (is (= "2" (ask before "2"))))))

(deftest endpoints
  (doseq [options [{:path (str (TemporaryPaths/fresh))} {:port (TemporaryPaths/fresh)}
                   {:interface :loopback} {:interface nil} {:interface "127.0.0.2"}
                   {:port {:host "127.0.0.1"
                           :port 0}}]]
    (testing options
      (with-open [^Closeable r (serve echo options)
                  s (connect r)]
        (is (= "x" (ask s "x")))
        (is (= (nil? (:port r)) (some? (:path r)) (nil? (:host r))))))))

(deftest a-handle-that-listens-is-served
  (with-open [listening (socket/socket-server 0 :interface "127.0.0.1")]
    (with-open [^Closeable r (serve echo :handle (first (socket/stream-handles listening)))
                s (connect r)]
      (is (= (:port r) (socket/socket-server-port listening)))
      (is (= "x" (ask s "x"))))))

(deftest a-bound-channel-is-served
  (let [channel (doto (ServerSocketChannel/open) (.bind (InetSocketAddress. "127.0.0.1" 0)))]
    (with-open [^Closeable r (serve echo :port channel)
                s (connect r)]
      (is (= "x" (ask s "x"))))))

(deftest a-socket-server-listens-on-both-loopback-addresses
  (with-open [listening (socket/socket-server 0 :interface :loopback)]
    (doseq [host (cond-> ["127.0.0.1"] (.available Family/TCP6) (conj "::1"))]
      (is (nil? (socket/socket-wait listening 0)))
      (with-open [_ (socket/socket-connect (socket/socket-server-port listening) host)]
        (is (true? (socket/socket-status listening patience)))
        (with-open [s (socket/socket-accept listening)]
          (is (= host (first (socket/socket-stream-peer s true)))))))))

(deftest what-a-handler-throws-is-passed-on
  (doseq [[arguments on-error] {1 (fn [seen] (fn [e] (deliver seen [e])))
                                2 (fn [seen] (fn [e s] (deliver seen [e s])))
                                3 (fn [seen] (fn [& all] (deliver seen all)))}]
    (testing arguments
      (let [seen (promise)]
        (with-open [^Closeable r (serve (fn [_] (throw (ex-info "boom" {}))) :on-error (on-error seen))
                    s (connect r)]
          (is (= :end (stream/read-line s nil :end)))
          (let [[e stream] (deref seen (* 1000 patience) nil)]
            (is (= "boom" (ex-message e)))
            (is (= (< 1 (long arguments)) (instance? SocketStream stream)))))))))

(deftest an-audit-learns-of-everything
  (let [events (atom [])]
    (with-open [_ (Reported.)
                ^Closeable r (serve (fn [s] (case (stream/read-line s) "throw" (throw (ex-info "boom" {})) nil))
                               :audit #(swap! events conj %) :on-error (fn [_]) :max-per-address 1 :name "audited")]
      (with-open [s (connect r)]
        (await-that "it is served" (= 1 (count @events)))
        (with-open [more (connect r)]
          (is (= :end (stream/read-line more nil :end))))
        (is (= :end (ask s "throw"))))
      (await-that "it has gone" (some #{:disconnect} (map :event @events)))
      (with-open [s (connect r)]
        (await-that "it is served" (= 2 (count (filter #{:connect} (map :event @events)))))
        (stream/close s))
      (await-that "it has gone" (= 2 (count (filter #{:disconnect} (map :event @events)))))
      (is (= {:max-per-address 1} (:refused (datafy/datafy r)))))
    (is (= [:connect :refused :failed :disconnect :connect :lost :disconnect :stop] (map :event @events)))
    (is (every? #(and (= "audited" (:server %)) (instance? Instant (:at %))) @events))
    (let [[connect refused failed] @events]
      (is (= [1 "127.0.0.1"] ((juxt :connection :address) connect)))
      (is (= "the limit of connections of its address is reached: 1 (:max-per-address)" (:reason refused)))
      (is (= "boom" (ex-message (:error failed)))))))

(deftest the-peer-is-the-one-that-a-proxy-announces
  (with-open [^Closeable r (serve (fn [s]
                                    (stream/write-line (pr-str (socket/socket-stream-peer s true)) s)
                                    (stream/force-output s)
                                    (echo s))
                             :proxy-protocol ["127.0.0.0/8"])
              s (connect r)]
    (stream/write-string "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n" s)
    (stream/force-output s)
    (is (= "[\"192.168.0.1\" 56324]" (stream/read-line s)))
    (let [[{:keys [peer stream proxy]}] (server/connections r)
          shown (datafy/datafy stream)]
      (is (= "192.168.0.1:56324" peer))
      (is (= ["192.168.0.1:56324" proxy] ((juxt :peer :proxy) shown)))
      (is (= proxy (Addresses/show (.localAddress s)))))))

(deftest a-handler-can-be-interrupted
  (let [ended (promise)]
    (with-open [^Closeable r (serve (fn [_] (try (Thread/sleep 60000) (catch InterruptedException e (deliver ended e)))))
                s (connect r)]
      (await-that "it runs" (server/interrupt r 1))
      (is (some? (deref ended (* 1000 patience) nil)))
      (is (= :end (stream/read-line s nil :end)))
      (is (nil? (server/interrupt r 2))))))

(deftest a-wrong-option-is-named-before-anything-is-opened
  (doseq [[options message]
          {{:port 70000} "the port is 70000"
           {:path 5} ":path is 5"
           {:port 0
            :path "/x"} "more than one endpoint is given"
           {:handle -1} ":handle is -1"
           {:handle 3
            :backlog 5} ":backlog is given besides :handle"
           {:max-connections 0} ":max-connections is 0"
           {:max-per-address "1"} ":max-per-address is \"1\""
           {:idle-timeout -1} ":idle-timeout is -1"
           {:drain :never} ":drain is :never"
           {:on-error {}} ":on-error is {}"
           {:audit :log} ":audit is :log"
           {:proxy-protocol "10.0.0.1"} ":proxy-protocol is \"10.0.0.1\""
           {:proxy-protocol ["proxy.example"]} "the trusted proxy is \"proxy.example\""
           {:threads :green} ":threads is :green"
           {:name :x} ":name is :x"
           {:element-type :bytes} "the element type is :bytes"
           {:max-conections 5} "unknown option :max-conections"}]
    (let [e (is (thrown? IllegalArgumentException (serve echo options)))]
      (is (str/starts-with? (str (some-> e ex-message)) (str "serve: " message)) options)))
  (doseq [handler [nil :echo {}]]
    (is (thrown-with-msg? IllegalArgumentException #"^serve: the handler is " (serve handler))))
  (is (thrown-with-msg? IllegalArgumentException #"^connections: the server is 5" (server/connections 5))))
