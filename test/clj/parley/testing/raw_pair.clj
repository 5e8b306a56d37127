(ns parley.testing.raw-pair
  "Two raw handles that are connected."
  (:require
   [parley.rawsock :as raw]))

(set! *warn-on-reflection* true)

(defmacro with-raw-pair
  "Binds the handles of a socketpair for the body."
  [[a b] & body]
  `(let [[~a ~b] (raw/socketpair :unix :stream)]
     (try
       ~@body
       (finally
         (raw/sock-close ~a)
         (raw/sock-close ~b)))))
