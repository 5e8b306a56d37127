(ns parley.impl.views
  "Streams for clojure.java.io: io/reader and the like hand out a view of the stream's own buffer, since a
  buffer in between would keep bytes from the other functions."
  {:no-doc true}
  (:require
   [clojure.java.io :as io])
  (:import
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(extend SocketStream
  io/IOFactory
  (assoc io/default-streams-impl
    :make-reader (fn [s _] (.reader ^SocketStream s))
    :make-writer (fn [s _] (.writer ^SocketStream s))
    :make-input-stream (fn [s _] (.inputStream ^SocketStream s))
    :make-output-stream (fn [s _] (.outputStream ^SocketStream s))))
