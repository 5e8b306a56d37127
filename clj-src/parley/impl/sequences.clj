(ns parley.impl.sequences
  "Collections of a stream's remaining input, which parley.stream publishes."
  {:no-doc true}
  (:require
   [parley.impl.framing :as framing]
   [parley.impl.object :as object]
   [parley.impl.options :as options])
  (:import
   (clojure.lang IReduce Seqable Sequential)
   (java.io Writer)
   (parley.net Framing StreamInput)))

(set! *warn-on-reflection* true)

(defn- rest-of
  "Returns the sequence of what `take!` returns, read one by one, until it returns ::end."
  [take!]
  (lazy-seq
    (let [x (take!)]
      (when-not (identical? ::end x)
        (cons x (rest-of take!))))))

(defn- reduced-with [take! f init]
  (loop [result init]
    (if (reduced? result)
      @result
      (let [x (take!)]
        (if (identical? ::end x)
          result
          (recur (f result x)))))))

;; What `take!` returns until it returns ::end. `stream` is what it reads.
(deftype Remaining [op stream take!]
  Sequential
  Seqable
  (seq [_] (seq (rest-of take!)))
  IReduce
  (reduce [_ f init] (reduced-with take! f init))
  (reduce [_ f]
    (let [x (take!)]
      (if (identical? ::end x)
        (f)
        (reduced-with take! f x))))
  Object
  (toString [_] (str "#<" op " of " stream ">")))

(defmethod print-method Remaining [x ^Writer w] (.write w (str x)))

(defn- or-end [x]
  (if (nil? x) ::end x))

(defn- elements
  "Returns a collection of elements of a kind."
  [op s kind known opts]
  (let [opts (options/option-map op known opts)
        ^StreamInput in (object/in op s)
        ^Framing framing (.named (framing/framing op (assoc opts :as kind)) op)]
    (->Remaining op s #(or-end (.read in framing)))))

(defn lines
  "Returns the remaining lines of the stream, as of read-line, until the end of file. The result is
  seqable and reducible. A line is read on demand, so lines that are not taken stay in the stream:
  (into [] (take 2) (lines s)) reads two lines. A seq or a reduce begins where the last one ended."
  [s]
  (let [in (object/in "lines" s)]
    (->Remaining "lines" s #(or-end (.readLine in)))))

(defn chunks
  "Returns the remaining bytes of the stream, whatever its element type, as a collection like that
  of lines: byte arrays of the available input, never empty.

  :max-size  bytes of the longest array, default 65536"
  {:arglists '([s & {:keys [max-size]}])}
  [s & opts]
  (elements "chunks" s :bytes #{:max-size} opts))

(defn frames
  "Returns the remaining frames of the stream as a collection like that of lines: byte arrays, each
  after its length. A frame that is too long or cut off throws parley.net.Framing$FramingException; its
  bytes stay in the stream.

  :length-bytes  bytes of the length, 1, 2, 4 (default) or 8, unsigned
  :endianness    of the length, :big (default) or :little
  :max-size      bytes of the longest frame, default 1048576"
  {:arglists '([s & {:keys [length-bytes endianness max-size]}])}
  [s & opts]
  (elements "frames" s :frame #{:length-bytes :endianness :max-size} opts))

(defn forms
  "Returns the remaining EDN forms of the stream, in UTF-8, read by clojure.edn, as a collection
  like that of lines. A form that is malformed, too long or cut off throws
  parley.net.Framing$FramingException; its bytes stay in the stream.

  :readers   a map from tags to functions, besides #inst and #uuid
  :max-size  bytes of the longest form, default 1048576"
  {:arglists '([s & {:keys [readers max-size]}])}
  [s & opts]
  (let [opts (options/option-map "forms" #{:readers :max-size} opts)
        ^StreamInput in (object/in "forms" s)
        ^Framing framing (.named (framing/framing "forms" (assoc opts :as :edn)) "forms")]
    (->Remaining "forms" s
      #(let [form (.read in framing)]
         (cond
           (nil? form) ::end
           (= :parley.async/nil form) nil
           :else form)))))
