(ns parley.testing.async-pairs
  "What the tests of channels share."
  (:require
   [clojure.test :refer [is]]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.net StandardSocketOptions)
   (parley.net SocketStream)
   (parley.testing Await Leaks)))

(set! *warn-on-reflection* true)

(defn with-pair*
  [f]
  (let [server (socket/socket-server 0 :interface "127.0.0.1" :backlog 50)]
    (try
      (with-open [client (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :timeout 20)
                  accepted (socket/socket-accept server :timeout 20)]
        (f client accepted)
        (.abort client)
        (.abort accepted))
      (finally
        (socket/socket-server-close server)))))

(defmacro with-pair
  "Runs the body with two ends of a connection."
  [[a b] & body]
  `(with-pair* (fn [~(vary-meta a assoc :tag `SocketStream) ~(vary-meta b assoc :tag `SocketStream)]
                 ~@body)))

(defn send-text [s text]
  (stream/write-string text s)
  (stream/finish-output s))

(defn send-bytes [^SocketStream s ^bytes bytes]
  (doto (.outputStream s)
    (.write bytes)
    (.flush)))

(defn reset-connection [^SocketStream s]
  (.setOption (.channel s) StandardSocketOptions/SO_LINGER (Integer/valueOf 0))
  (.abort s))

(defn nothing-left-open
  [f]
  (let [before (Leaks/snapshot)]
    (f)
    (is (nil? (.assertBack before)))))

(defn the-reactor-goes
  [f]
  (f)
  (Await/until "the reactor has gone"
    #(not-any? (fn [^Thread t] (= "parley-reactor" (.getName t))) (keys (Thread/getAllStackTraces)))))

(defn warmed-up
  [f]
  (with-pair [x y] (send-text x "a\n") (stream/read-line y))
  (f))
