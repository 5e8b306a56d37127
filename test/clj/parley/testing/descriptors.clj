(ns parley.testing.descriptors
  "What the tests of descriptors share."
  (:require
   [clojure.test :refer [is]]
   [parley.socket :as socket])
  (:import
   (java.util.concurrent.locks LockSupport)))

(set! *warn-on-reflection* true)

(defmacro with-connection
  "Binds the ends of a connection over loopback, and its server, for the body."
  [[client accepted server] & body]
  `(socket/with-open-stream [~server (socket/socket-server 0 :interface "127.0.0.1")
                             ~client (socket/socket-connect (socket/socket-server-port ~server) "127.0.0.1"
                                       :timeout 5)
                             ~accepted (socket/socket-accept ~server :timeout 5)]
     ~@body))

(defn code-of [f]
  (try (f)
       (catch java.io.IOException e (socket/os-error-code e))))

(defn eventually
  "What f returns as soon as that is true, within ten seconds."
  [f]
  (let [end (+ (System/nanoTime) 10000000000)]
    (loop []
      (or (f)
          (when (< (System/nanoTime) end)
            (LockSupport/parkNanos 1000000)
            (recur))))))

(defn until-blocked
  "Returns when the thread waits in the kernel, or is parked."
  [^Thread thread]
  (is (eventually #(some (fn [^StackTraceElement e] (#{"select" "poll" "parkNanos"} (.getMethodName e)))
                         (.getStackTrace thread)))))

(defn counting ^bytes [from n]
  (byte-array (map unchecked-byte (range from (+ (long from) (long n))))))

(defn taken
  "Whether n bytes of the array are what the model, [sent taken], has next; if so the model after that."
  [model side ^bytes array n most]
  (let [[sent done] (model side)]
    (when (and (= n (min (long most) (- (long sent) (long done))))
               (java.util.Arrays/equals (java.util.Arrays/copyOf array (int n)) (counting done n)))
      (update-in model [side 1] + n))))
