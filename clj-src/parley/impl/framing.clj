(ns parley.impl.framing
  "Framings of a stream's bytes, from options of parley.async and parley.stream."
  {:no-doc true}
  (:require
   [clojure.edn :as edn]
   [parley.impl.options :as checks])
  (:import
   (java.io PushbackReader StringReader)
   (java.nio ByteOrder)
   (parley.net Framing Framing$FormSyntax)))

(set! *warn-on-reflection* true)

(def ^:private mebi (* 1024 1024))

(defn- size [op option x]
  (int (checks/int32 op (str option) 1 x (str "a number of bytes from 1 to " Integer/MAX_VALUE))))

(def ^:private print-nothing-special
  {#'*print-length* nil
   #'*print-level* nil
   #'*print-meta* false
   #'*print-dup* false
   #'*print-readably* true
   #'*print-namespace-maps* false})

(defn- any-tag-but-object [tag value]
  (if (= 'object tag)
    (throw (IllegalArgumentException. "an object"))
    (tagged-literal tag value)))

(defn- one-form?
  "Returns whether the text is one form of EDN, whatever its tags: functions, regular expressions and
  symbols with spaces print as something else."
  [text]
  (with-open [in (PushbackReader. (StringReader. text))]
    (try
      (edn/read {:default any-tag-but-object} in)
      (identical? in (edn/read {:default any-tag-but-object :eof in} in))
      (catch Exception _ false))))

(defn- print-form [form]
  (try
    (let [text (with-bindings print-nothing-special
                 (pr-str form))]
      (when (one-form? text)
        text))
    (catch StackOverflowError _ nil)))

(defn- edn-syntax [op readers]
  (when-not (or (nil? readers) (map? readers))
    (throw (checks/misuse op (str ":readers is " (checks/show readers))
             "a map from tags to functions")))
  (reify Framing$FormSyntax
    (read [_ text]
      (let [form (edn/read-string {:readers (or readers {})} text)]
        (if (nil? form) :parley.async/nil form)))
    (print [_ form]
      (let [form (if (= :parley.async/nil form) nil form)]
        (or (print-form form)
            (throw (checks/misuse op (str "the value is " (checks/show form))
                     "something that prints as one form of EDN")))))))

(defn framing
  "Returns the Framing that options describe."
  ^Framing [op {:keys [as max-size length-bytes endianness readers]
                :or {as :bytes
                     length-bytes 4
                     endianness :big}}]
  (let [most (size op ":max-size" (or max-size (if (= :bytes as) (* 64 1024) mebi)))
        ;; All are checked, also one that has no effect on this kind.
        length (int (checks/choose op ":length-bytes" {1 1 2 2 4 4 8 8} length-bytes))
        order (checks/choose op ":endianness" {:big ByteOrder/BIG_ENDIAN :little ByteOrder/LITTLE_ENDIAN} endianness)
        syntax (edn-syntax op readers)
        make (checks/choose op ":as"
               {:bytes #(Framing/chunks most)
                :line #(Framing/lines most)
                :frame #(Framing/lengthPrefixed length order most)
                :edn #(Framing/forms most syntax)}
               as)]
    (make)))

(def options
  "The keys of options of what reads elements."
  #{:as :max-size :length-bytes :endianness :readers})
