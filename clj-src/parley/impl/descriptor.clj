(ns parley.impl.descriptor
  "Streams over descriptors and over pipes to commands, which parley.stream publishes."
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

(defn- open
  "Returns a stream over a duplicate of a descriptor."
  ^SocketStream [op handle opts]
  (let [opts (options/option-map op (conj known :direction) opts)]
    (DescriptorStreams/of (int (number op handle))
      (some->> (:direction opts) (values/->direction op))
      (options/->stream-options op (dissoc opts :direction)))))

(defn- pipe
  "Runs a shell command and returns a stream over a pipe to it."
  ^SocketStream [op command ^Direction direction opts]
  (when-not (string? command)
    (throw (options/misuse op (str "the command is " (options/show command)) "a string for the shell")))
  (DescriptorStreams/pipe command direction
    (stream-options op opts)))

(defn make-stream
  "Makes a stream over a duplicate of a descriptor, with all operations of a socket stream. The
  original stays open; its owner closes it. CLISP EXT:MAKE-STREAM.

  handle      the number of a socket, a pipe or a terminal; :input, :output or :error for those of
              the process; or a stream, for its descriptor
  :direction  :input, :output or :io; by default the mode in which the descriptor was opened
  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit
              as of parley.socket/socket-accept

  :so-rcvtimeo and :so-sndtimeo of a socket limit the stream's reads and writes."
  {:arglists '(^parley.net.SocketStream
               [handle & {:keys [direction element-type external-format buffered read-timeout
                                 write-timeout close-timeout line-limit]}])}
  ^SocketStream [handle & opts]
  (open "make-stream" handle opts))

(defn make-pipe-input-stream
  "Runs a shell command and returns a stream of its standard output. The stream is a real pipe, so
  no-hang reads and socket-status work. The command's standard input and standard error are those
  of this process. CLISP EXT:MAKE-PIPE-INPUT-STREAM.

  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit
       as of parley.socket/socket-accept

  Closing the stream closes the pipe. The command goes on until it reaches the end of its input or
  writes to the closed pipe. It is reaped when it ends; see pipe-exit-status and pipe-kill."
  {:arglists '(^parley.net.SocketStream
               [command & {:keys [element-type external-format buffered read-timeout write-timeout
                                  close-timeout line-limit]}])}
  ^SocketStream [command & opts]
  (pipe "make-pipe-input-stream" command Direction/INPUT opts))

(defn make-pipe-output-stream
  "Runs a shell command, as make-pipe-input-stream does, and returns a stream to its standard input.
  The command's standard output is that of this process. CLISP EXT:MAKE-PIPE-OUTPUT-STREAM.

  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit
       as of parley.socket/socket-accept"
  {:arglists '(^parley.net.SocketStream
               [command & {:keys [element-type external-format buffered read-timeout write-timeout
                                  close-timeout line-limit]}])}
  ^SocketStream [command & opts]
  (pipe "make-pipe-output-stream" command Direction/OUTPUT opts))

(defn make-pipe-io-stream
  "Runs a shell command, as make-pipe-input-stream does, and returns a stream to its standard input
  and from its standard output. To end the command's input and still read, use
  parley.socket/socket-stream-shutdown. CLISP EXT:MAKE-PIPE-IO-STREAM.

  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit
       as of parley.socket/socket-accept"
  {:arglists '(^parley.net.SocketStream
               [command & {:keys [element-type external-format buffered read-timeout write-timeout
                                  close-timeout line-limit]}])}
  ^SocketStream [command & opts]
  (pipe "make-pipe-io-stream" command Direction/IO opts))

(defn pipe-exit-status
  "Returns the exit status of a pipe's command, 128 plus the number of the signal that ended it, or
  nil while it runs. Waits at most `seconds` for its end, by default 0; nil waits for ever. Works
  after the stream is closed, too."
  ([s] (pipe-exit-status s 0))
  ([s seconds]
   (let [op "pipe-exit-status"]
     (some-> (DescriptorStreams/exitStatus (object/stream op s) (options/->duration op seconds)) long))))

(defn pipe-kill
  "Sends SIGTERM to a pipe's command if it still runs. Returns nil.

  :force  true: sends SIGKILL; default nil"
  {:arglists '([s & {:keys [force]}])}
  [s & opts]
  (let [op "pipe-kill"
        {:keys [force]} (options/option-map op #{:force} opts)]
    (DescriptorStreams/kill (object/stream op s) (options/flag op :force force))))

(defn keyboard-input
  "Returns standard input, a pipe, a file or a terminal, as a stream: always the same stream until
  it is closed. Closing it leaves standard input open. Nothing is read from standard input before
  the stream is read or checked. Then *in* and System/in miss the bytes in the stream's buffer.
  CLISP EXT:*KEYBOARD-INPUT*."
  ^SocketStream []
  (DescriptorStreams/keyboard))
