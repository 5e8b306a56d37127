(ns parley.testing.stream-pairs
  "What the tests of streams share."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [is]]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [failure]]))

(set! *warn-on-reflection* true)

(def patience 10)

(defn bounded [s]
  (doto s
    (stream/set-read-timeout! patience)
    (stream/set-write-timeout! patience)))

(defn pair
  "[client peer], the client made with the options, the peer for bytes and characters."
  [& opts]
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [client (apply socket/socket-connect (socket/socket-server-port server) "127.0.0.1" opts)]
      [(bounded client) (bounded (socket/socket-accept server :timeout patience :element-type :bivalent))])))

(defmacro with-pair
  [[client peer & opts] & body]
  `(let [[client# peer#] (pair ~@opts)]
     (socket/with-open-stream [~client client#
                               ~peer peer#]
       ~@body)))

(defn send-text [s text]
  (stream/write-string text s)
  (stream/force-output s))

(defn send-bytes [s & values]
  (stream/write-byte-sequence (byte-array (map unchecked-byte values)) s)
  (stream/force-output s))

(defn bytes-of [s n]
  (let [into (byte-array n)]
    (is (= n (stream/read-byte-sequence into s)))
    (mapv #(bit-and 255 %) into)))

(defn arrives
  "Waits until the stream has something to read."
  [s]
  (is (socket/socket-status [s :input] patience)))

(defmacro fails
  "Checks class and parts of the message of what the expression throws."
  [class parts expr]
  `(let [e# (failure (fn [] ~expr))]
     (is (instance? ~class e#))
     (doseq [part# ~parts]
       (is (str/includes? (str (some-> e# ex-message)) part#)))))
