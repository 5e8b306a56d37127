(ns parley.impl.status
  "Status checks of one object, of a list, and of a set; and the Clojure face of parley.net.StatusSet:
  countable, and reducible over its actionable members."
  {:no-doc true}
  (:require
   [clojure.core.protocols :as protocols]
   [parley.impl.object :as object]
   [parley.impl.options :as options]
   [parley.impl.values :as values])
  (:import
   (clojure.lang APersistentVector Counted IReduce MapEntry PersistentVector RT Seqable)
   (java.io Closeable Writer)
   (java.lang.ref WeakReference)
   (java.time Duration)
   (java.util.function BiConsumer Supplier)
   (parley.net Direction Pollable SocketStatus StatusSet StatusSet$Entry)))

(set! *warn-on-reflection* true)

;; ---- sets ----------------------------------------------------------------------------------------

(defn- entries
  "The actionable members as a vector of [object status]."
  [^StatusSet core]
  (let [found (volatile! (transient []))]
    (.forEachActionable core
      (reify BiConsumer
        (accept [_ object status]
          (vswap! found conj! (MapEntry/create (.subject ^Pollable object)
                                (values/status->value status))))))
    (persistent! @found)))

(defn members
  "Returns all members as a vector of [object direction]."
  [^StatusSet core]
  (mapv (fn [^StatusSet$Entry entry]
          [(.subject ^Pollable (.object entry)) (values/direction->value (.direction entry))])
    (.members core)))

(defn view
  "Wraps a parley.net.StatusSet."
  [^StatusSet core]
  (with-meta
    (reify
      Counted
      (count [_] (.size core))
      IReduce
      (reduce [_ f] (reduce f (entries core)))
      (reduce [_ f init] (reduce f init (entries core)))
      Seqable
      (seq [_] (seq (entries core)))
      Closeable
      (close [_] (.close core))
      protocols/Datafiable
      (datafy [_]
        (cond-> (protocols/datafy core)
          (.isOpen core) (assoc :members (members core))))
      Supplier
      (get [_] core)
      Object
      (toString [_] (str core)))
    nil))

(def ^:private ^Class view-class (class (view nil)))

(defmethod print-method view-class [x ^Writer w]
  (.write w (str x)))

(def ^:private ^String view-name
  (second (re-matches #"(.*__)\d+" (.getName view-class))))

(defn core
  "The parley.net.StatusSet of a status set, nil of anything else. The set is known by the name of its class
  up to the number, which is a new one after a reload: sets made before it stay what they are."
  ^StatusSet [x]
  (when (and (instance? Supplier x) (.startsWith (.getName (class x)) view-name))
    (.get ^Supplier x)))

;; ---- checks --------------------------------------------------------------------------------------

(defn- pair? [x]
  (and (vector? x) (= 2 (count x)) (keyword? (x 1))))

(defn member
  "[pollable direction] of an element of a list."
  [op place x]
  (if (pair? x)
    [(object/need-pollable op place (x 0)) (values/->direction op (x 1) place)]
    [(object/need-pollable op place x ", alone or in a vector [object direction]") Direction/IO]))

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

(defn- put-all!
  "Puts the elements of a list where they belong. Returns true when each is an object or a vector, none of which
  can change."
  [op xs ^objects objects ^objects directions]
  (let [elements (RT/iter xs)
        n (alength objects)]
    (loop [i 0 unusual 0]
      (if (< i n)
        (let [x (.next elements)]
          (if (put-usual! objects directions i x)
            (recur (inc i) unusual)
            (let [[object direction] (member op (str "element " i) x)]
              (aset objects i object)
              (aset directions i direction)
              (recur (inc i) (inc unusual)))))
        (zero? unusual)))))

(defn- same? [^objects a ^objects b]
  (let [n (alength a)]
    (and (= n (alength b))
      (loop [i 0]
        (or (= i n)
          (and (identical? (aget a i) (aget b i)) (recur (inc i))))))))

;; A thread keeps what it parsed and found last. A vector cannot change, so that the same one is not parsed again.
;; Statuses are mostly those of the last check: then their vector is the same, too.
(deftype Parsed [list objects directions])
(deftype Found [statuses values])

(def ^:private ^ThreadLocal last-check
  "A weak reference to the last Parsed and Found of a thread, so that no object is kept from the garbage collector."
  (ThreadLocal.))

(defn- memory
  "The array of the last Parsed and Found of this thread."
  ^objects []
  (let [^WeakReference known (.get last-check)]
    (or (when known (.get known))
      (let [fresh (object-array 2)]
        (.set last-check (WeakReference. fresh))
        fresh))))

(defn- parse ^Parsed [op xs]
  (let [counted (if (or (counted? xs) (seq? xs)) xs (vec xs)) ; an eduction has no count
        n (count counted)
        objects (make-array Pollable n)
        directions (make-array Direction n)
        fixed? (put-all! op counted objects directions)]
    (Parsed. (when (and fixed? (instance? PersistentVector xs)) xs) objects directions)))

(defn- check-list [op xs timeout]
  (let [memory (memory)
        ^Parsed before (aget memory 0)
        ^Parsed parsed (if (and before (identical? xs (.-list before))) before (parse op xs))
        statuses (SocketStatus/of (.-objects parsed) (.-directions parsed) timeout)
        ^Found earlier (aget memory 1)
        ^Found found (if (and earlier (same? statuses (.-statuses earlier)))
                       earlier
                       (Found. statuses (values/statuses->values statuses)))]
    (aset memory 0 parsed)
    (aset memory 1 found)
    (.-values found)))

(defn check
  "Returns the status of what socket-status takes."
  [op x ^Duration timeout]
  (if-let [ss (core x)]
    (do (.check ss timeout) x)
    (cond
      (pair? x) (check-one op (x 0) (values/->direction op (x 1)) timeout)
      (object/pollable op x) (check-one op x Direction/IO timeout)
      (and (sequential? x) (seq x)) (check-list op x timeout)
      :else (throw (options/misuse op (str "the argument is " (options/show x))
                     "a stream, a server, [object direction], a non-empty vector, list or seq of those, or a status set")))))
