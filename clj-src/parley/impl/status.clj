(ns parley.impl.status
  "Status checks of one object, of a list, and of a set."
  {:no-doc true}
  (:require
   [parley.impl.object :as object]
   [parley.impl.options :as options]
   [parley.impl.status-set :as status-set]
   [parley.impl.values :as values])
  (:import
   (clojure.lang APersistentVector RT)
   (java.time Duration)
   (parley.net Direction Pollable SocketStatus)))

(set! *warn-on-reflection* true)

(defn- pair? [x]
  (and (vector? x) (= 2 (count x)) (keyword? (x 1))))

(defn member
  "[pollable direction] of an element of a list."
  [op place x]
  (if (pair? x)
    [(object/need-pollable op place (x 0)) (values/->direction op (x 1) place)]
    [(object/need-pollable op place x) Direction/IO]))

(defn- check-one [op x direction ^Duration timeout]
  (values/status->value
    (.status (object/need-pollable op "the argument" x) direction timeout)))

(defn- put-usual!
  "Puts an element of a list where it belongs and returns true, or returns false when it needs a closer
  look; fast, since lists may be long and checked often."
  [^objects objects ^objects directions ^long i x]
  (let [pair? (and (instance? APersistentVector x) (= 2 (.count ^APersistentVector x)))
        object (if pair? (.nth ^APersistentVector x 0) x)
        direction (if pair? (values/direction (.nth ^APersistentVector x 1)) Direction/IO)]
    (if (and direction (instance? Pollable object))
      (do (aset objects i object)
          (aset directions i direction)
          true)
      false)))

(defn- check-list [op xs ^Duration timeout]
  (let [xs (if (or (counted? xs) (seq? xs)) xs (vec xs)) ; an eduction has no count
        n (count xs)
        ^objects objects (make-array Pollable n)
        ^objects directions (make-array Direction n)
        elements (RT/iter xs)]
    (dotimes [i n]
      (let [x (.next elements)]
        (when-not (put-usual! objects directions i x)
          (let [[object direction] (member op (str "element " i) x)]
            (aset objects i object)
            (aset directions i direction)))))
    (let [^objects statuses (SocketStatus/of objects directions timeout)]
      (values/statuses->values statuses))))

(defn check
  "Returns the status of what socket-status takes."
  [op x ^Duration timeout]
  (if-let [core (status-set/core x)]
    (do (.check core timeout) x)
    (cond
      (pair? x) (check-one op (x 0) (values/->direction op (x 1)) timeout)
      (object/pollable op x) (check-one op x Direction/IO timeout)
      (and (sequential? x) (seq x)) (check-list op x timeout)
      :else (throw (options/misuse op (str "the argument is " (options/show x))
                     "a stream, a server, [object direction], a non-empty list of those, or a status set")))))
