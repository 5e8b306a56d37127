(ns parley.impl.values
  "Directions, statuses and element types of the core as Clojure's values."
  {:no-doc true}
  (:require
   [parley.impl.options :as options])
  (:import
   (java.util Map$Entry)
   (parley.net Direction ElementType ExternalFormat ExternalFormat$CodingAction SocketStatus)))

(set! *warn-on-reflection* true)

(def ^:private directions
  {:input Direction/INPUT :output Direction/OUTPUT :io Direction/IO})

(defn ->direction
  "The Direction of :input, :output or :io; an error names what has it."
  (^Direction [op x] (options/choose op "the direction" directions x))
  (^Direction [op x whose] (options/choose op (str "the direction of " whose) directions x)))

(def ^:private statuses
  {SocketStatus/NONE nil
   SocketStatus/INPUT :input
   SocketStatus/OUTPUT :output
   SocketStatus/IO :io
   SocketStatus/EOF :eof
   SocketStatus/APPEND :append
   SocketStatus/READY true
   SocketStatus/ERROR :error})

(defn direction->value
  "Returns :input, :output or :io."
  [x]
  (key (first (filter #(identical? x (val %)) directions))))

(defn direction
  "The Direction of :input, :output or :io, nil of anything else."
  [x]
  (cond
    (identical? x :input) Direction/INPUT
    (identical? x :output) Direction/OUTPUT
    (identical? x :io) Direction/IO))

(def ^:private values-by-ordinal
  (object-array (map statuses (SocketStatus/values))))

(defn status->value
  "nil, :input, :output, :io, :eof, :append, true or :error; nil of nil."
  [^SocketStatus status]
  (when-not (nil? status)
    (aget ^objects values-by-ordinal (.ordinal status))))

(defn statuses->values
  "The vector of what status->value makes of each element of an array."
  [^objects statuses]
  (let [n (alength statuses)
        ^objects values (object-array n)
        ^objects by-ordinal values-by-ordinal]
    (dotimes [i n]
      (aset values i (aget by-ordinal (.ordinal ^SocketStatus (aget statuses i)))))
    (vec values)))

(defn- action->value [^ExternalFormat$CodingAction action]
  (cond
    (= ExternalFormat$CodingAction/ERROR action) :error
    (= ExternalFormat$CodingAction/IGNORE action) :ignore
    :else (char (.replacement action))))

(defn external-format->value
  "The map that ->external-format takes."
  [^ExternalFormat f]
  {:charset (keyword (options/lower-case (.name (.charset f))))
   :line-terminator (keyword (options/lower-case (.lineTerminator f)))
   :input-error-action (action->value (.inputErrorAction f))
   :output-error-action (action->value (.outputErrorAction f))})

(def ^:private element-type-names
  (merge (into {} (map (fn [^Map$Entry e] [(val e) (key e)])) options/element-types)
         {ElementType/UNSIGNED_BYTE_8 :unsigned-byte-8
          ElementType/SIGNED_BYTE_8 :signed-byte-8}))

(defn element-type->value
  "The keyword or vector of an ElementType."
  [^ElementType t]
  (get element-type-names t))
