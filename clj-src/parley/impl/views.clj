(ns parley.impl.views
  "Streams for clojure.java.io. io/reader and the like hand out views of the stream's own buffers, since a
  buffer in between would keep bytes from the other functions. :encoding sets the stream's charset."
  {:no-doc true}
  (:require
   [clojure.java.io :as io]
   [parley.impl.options :as options])
  (:import
   (clojure.lang MultiFn)
   (java.io BufferedReader File Flushable InputStream Writer)
   (java.nio.charset Charset)
   (parley.net SocketServer SocketStream)))

(set! *warn-on-reflection* true)

(defn- encoding-charset
  "Returns the Charset of the option :encoding, nil of nil."
  ^Charset [op x]
  (when-not (or (nil? x) (instance? Charset x) (keyword? x) (string? x))
    (throw (options/misuse op (str ":encoding is " (options/show x)) "the name of a charset, a keyword or a Charset")))
  (when x
    (options/->charset op x)))

(defn- encode!
  "Sets the charset of a stream to :encoding, if given; the line terminator and the rest stay."
  [op ^SocketStream s {:keys [encoding]}]
  (when-let [charset (encoding-charset op encoding)]
    (when-not (= charset (.charset (.externalFormat s)))
      (.externalFormat s (.withCharset (.externalFormat s) charset)))))

(defn- reader ^BufferedReader [^SocketStream s opts]
  (encode! "reader" s opts)
  (.lineReader s))

(defn- writer ^Writer [^SocketStream s opts]
  (encode! "writer" s opts)
  (.writer s))

(extend SocketStream
  io/IOFactory
  (assoc io/default-streams-impl
    :make-reader reader
    :make-writer writer
    :make-input-stream (fn [s _] (.inputStream ^SocketStream s))
    :make-output-stream (fn [s _] (.outputStream ^SocketStream s))))

(defn- no-view
  "Returns what io/reader and the like do with an object that has connections, not characters or bytes."
  [op]
  (fn [x _]
    (throw (options/misuse op (str "the argument is " (options/show x))
             "a socket stream, as socket-accept and socket-connect return it"))))

(extend SocketServer
  io/IOFactory
  {:make-reader (no-view "reader")
   :make-writer (no-view "writer")
   :make-input-stream (no-view "input-stream")
   :make-output-stream (no-view "output-stream")})

;; ---- io/copy ------------------------------------------------------------------------------------

(def ^:private ^MultiFn do-copy
  "Implementations of io/copy, by the types of its arguments."
  @#'io/do-copy)

(defn- copy [from to opts]
  (do-copy from to opts)
  (.flush ^Flushable to))

(defn- bytes-in? [x]
  (or (instance? InputStream x) (instance? File x) (bytes? x)))

(defn- copy-from
  "Copies bytes to what takes bytes, characters to a Writer."
  [^SocketStream from to opts]
  (do-copy (if (instance? Writer to) (reader from opts) (.inputStream from)) to opts))

(defn- copy-to
  "Copies bytes from what has bytes, characters from the rest."
  [from ^SocketStream to opts]
  (copy from (if (bytes-in? from) (.outputStream to) (writer to opts)) opts))

(defn- copy-between [^SocketStream from ^SocketStream to opts]
  (copy (.inputStream from) (.outputStream to) opts))

(doto do-copy
  (.addMethod [SocketStream Object] copy-from)
  (.addMethod [Object SocketStream] copy-to)
  (.addMethod [SocketStream SocketStream] copy-between))
