(ns parley.impl.descriptor
  "Streams over descriptors and over pipes to commands."
  {:no-doc true}
  (:require
   [parley.impl.object :as object]
   [parley.impl.options :as options]
   [parley.impl.values :as values])
  (:import
   (parley.net DescriptorStreams Direction Pollable SocketOptions SocketStream StreamOptions)))

(set! *warn-on-reflection* true)

(def ^:private known
  "The options of every stream over a descriptor."
  options/unconnected-options)

(defn stream-options
  "Returns the StreamOptions of a function that makes a stream and does not wait."
  ^StreamOptions [op opts]
  (options/->stream-options op (options/option-map op known opts)))

(def ^:private standard-handles
  {:input 0 :output 1 :error 2})

(defn- number [op x]
  (cond
    (object/handle? x) x
    (contains? standard-handles x) (standard-handles x)
    (instance? Pollable x) (let [[in out] (SocketOptions/handles x)]
                             (if (neg? (long in)) out in))
    :else (throw (options/misuse op (str "the handle is " (options/show x))
                   "a number, :input, :output, :error or a stream"))))

(defn open
  "Returns a stream over a duplicate of a descriptor."
  ^SocketStream [op handle opts]
  (let [opts (options/option-map op (conj known :direction) opts)]
    (DescriptorStreams/of (int (number op handle))
      (some->> (:direction opts) (values/->direction op))
      (options/->stream-options op (dissoc opts :direction)))))

(defn pipe
  "Runs a shell command and returns a stream over a pipe to it."
  ^SocketStream [op command ^Direction direction opts]
  (when-not (string? command)
    (throw (options/misuse op (str "the command is " (options/show command)) "a string for the shell")))
  (DescriptorStreams/pipe command direction
    (stream-options op opts)))
