(ns parley.impl.object
  "From what a caller passes to the object of the core that is meant, or an error that says what was
  passed and what was expected."
  {:no-doc true}
  (:require
   [parley.impl.options :as options])
  (:import
   (java.nio.channels SelectableChannel)
   (parley.net Handle Pollable PollableChannel SocketServer SocketStream)))

(set! *warn-on-reflection* true)

(defn stream
  "The socket stream that `op` was given."
  ^SocketStream [op x]
  (if (instance? SocketStream x)
    x
    (throw (options/misuse op (str "the stream is " (options/show x))
             "a socket stream, as socket-connect and socket-accept return it"))))

(defn server
  "The socket server that `op` was given."
  ^SocketServer [op x]
  (if (instance? SocketServer x)
    x
    (throw (options/misuse op (str "the server is " (options/show x))
             "a socket server, as socket-server returns it"))))

(defn handle?
  "Whether x can be the handle of a descriptor."
  [x]
  (and (int? x) (<= 0 (long x) Integer/MAX_VALUE)))

(defn pollable
  "What socket-status can be asked about, or nil."
  ^Pollable [op x]
  (cond
    (instance? Pollable x) x
    (instance? SelectableChannel x) (PollableChannel/of x)
    (handle? x) (Handle/of ^String op (int x))))

(defn need-pollable
  "As pollable, or an error about the element in `place`."
  ^Pollable [op place x]
  (or (pollable op x)
      (throw (options/misuse op (str place " is " (options/show x))
               "a stream, a server, or another pollable object"))))
