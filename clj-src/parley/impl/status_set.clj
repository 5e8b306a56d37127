(ns parley.impl.status-set
  "The Clojure face of parley.net.StatusSet: countable, and reducible over its actionable members.
  It is known by the name of its class up to the number, which each load of this namespace counts up:
  sets made before a reload stay what they are."
  {:no-doc true}
  (:require
   [clojure.core.protocols :as protocols]
   [parley.impl.values :as values])
  (:import
   (clojure.lang Counted IReduce MapEntry Seqable)
   (java.io Closeable Writer)
   (java.util.function BiConsumer Supplier)
   (parley.net Pollable StatusSet StatusSet$Entry)))

(set! *warn-on-reflection* true)

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
  "The parley.net.StatusSet of a status set, nil of anything else."
  ^StatusSet [x]
  (when (and (instance? Supplier x) (.startsWith (.getName (class x)) view-name))
    (.get ^Supplier x)))
