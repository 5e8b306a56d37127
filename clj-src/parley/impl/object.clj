(ns parley.impl.object
  "Returns the object of the core for an argument of a caller, or throws an error that names what was
  passed and what was expected."
  {:no-doc true}
  (:require
   [parley.impl.options :as options])
  (:import
   (java.io EOFException)
   (java.lang AutoCloseable)
   (java.nio.channels SelectableChannel)
   (parley.net ErrorInfo Pollable SocketServer SocketStream StreamInput StreamOutput)))

(set! *warn-on-reflection* true)

(defn stream
  "The socket stream that `op` was given."
  ^SocketStream [op x]
  (if (instance? SocketStream x)
    x
    (throw (options/misuse op (str "the stream is " (options/show x))
             (str "a socket stream, as socket-connect and socket-accept return it"
               (when (re-find #"^write-|-sequence$" op)
                 "; the value comes first, then the stream"))))))

(defn server
  "The socket server that `op` was given."
  ^SocketServer [op x]
  (if (instance? SocketServer x)
    x
    (throw (options/misuse op (str "the server is " (options/show x))
             "a socket server, as socket-server returns it"))))

(defn in
  "Returns the input of the socket stream that `op` was given."
  ^StreamInput [op s]
  (let [^SocketStream s (if (instance? SocketStream s) s (stream op s))] ; most calls end here
    (.in s)))

(defn out
  "Returns the output of the socket stream that `op` was given."
  ^StreamOutput [op s]
  (let [^SocketStream s (if (instance? SocketStream s) s (stream op s))] ; most calls end here
    (.out s)))

(defn at-end
  "Returns eof-value, or throws when eof-error? is true."
  [op s eof-error? eof-value]
  (if eof-error?
    (let [e (EOFException. (str op ": end of file on " s "; pass :eof and a value to return it instead"))]
      (throw (if (instance? SocketStream s) (ErrorInfo/about e s) e)))
    eof-value))

(defn handle?
  "Returns true when x can be the handle of a descriptor."
  [x]
  (options/within? 0 Integer/MAX_VALUE x))

(defn pollable
  "Returns the Pollable of an argument of socket-status, or nil."
  ^Pollable [op x]
  (cond
    (instance? Pollable x) x
    (instance? SelectableChannel x) (Pollable/of ^SelectableChannel x)
    (handle? x) (Pollable/of ^String op (int x))))

(defn need-pollable
  "As pollable, or an error about the element in `place`; `more` is what the error says at its end."
  (^Pollable [op place x] (need-pollable op place x nil))
  (^Pollable [op place x more]
   (or (pollable op x)
       (throw (options/misuse op (str place " is " (options/show x))
                (str "a stream, a server, or another pollable object" more))))))

;; ---- closing ------------------------------------------------------------------------------------

(defn check-closeable
  "Throws an error unless x is nil or can be closed."
  [op x]
  (when-not (or (nil? x) (instance? AutoCloseable x))
    (throw (options/misuse op (str "the value is " (options/show x))
             "a stream, a server, or another java.lang.AutoCloseable"))))

(defn close
  "Closes x, unless it is nil; aborts a stream when `abort?`."
  [x abort?]
  (cond
    (nil? x) nil
    (and abort? (instance? SocketStream x)) (.abort ^SocketStream x)
    :else (.close ^AutoCloseable x)))
