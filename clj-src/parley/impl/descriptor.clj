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
  "Makes a stream over a duplicate of a descriptor, with everything that a socket stream can do; the
  original stays open and its owner's. CLISP EXT:MAKE-STREAM.

  handle      the number of a socket, a pipe or a terminal; :input, :output or :error for the
              process's own; or a stream, whose descriptor is meant
  :direction  :input, :output or :io; by default what the descriptor was opened for

  and the options of parley.socket/socket-accept but :timeout. The stream's reads and writes are bounded
  by what :so-rcvtimeo and :so-sndtimeo of a socket say."
  {:arglists '(^parley.net.SocketStream
               [handle & {:keys [direction element-type external-format buffered read-timeout
                                 write-timeout close-timeout line-limit]}])}
  ^SocketStream [handle & opts]
  (open "make-stream" handle opts))

(defn make-pipe-input-stream
  "Runs a shell command and returns a stream of what it writes to its standard output: a real pipe, so
  that no-hang reads and socket-status work on it. Its standard input and standard error are this
  process's. Options as of parley.socket/socket-accept but :timeout. CLISP EXT:MAKE-PIPE-INPUT-STREAM.

  Closing the stream closes the pipe and does not end the command by itself: it ends when it finds the
  end of its input, or writes to a pipe that nobody reads. It is reaped when it ends; see
  pipe-exit-status and pipe-kill."
  {:arglists '(^parley.net.SocketStream
               [command & {:keys [element-type external-format buffered read-timeout write-timeout
                                  close-timeout line-limit]}])}
  ^SocketStream [command & opts]
  (pipe "make-pipe-input-stream" command Direction/INPUT opts))

(defn make-pipe-output-stream
  "As make-pipe-input-stream, a stream to the command's standard input; its standard output is this
  process's. CLISP EXT:MAKE-PIPE-OUTPUT-STREAM."
  {:arglists '(^parley.net.SocketStream
               [command & {:keys [element-type external-format buffered read-timeout write-timeout
                                  close-timeout line-limit]}])}
  ^SocketStream [command & opts]
  (pipe "make-pipe-output-stream" command Direction/OUTPUT opts))

(defn make-pipe-io-stream
  "As make-pipe-input-stream, a stream to the command's standard input and from its standard output. To
  give the command the end of its input and still read, use parley.socket/socket-stream-shutdown. CLISP
  EXT:MAKE-PIPE-IO-STREAM."
  {:arglists '(^parley.net.SocketStream
               [command & {:keys [element-type external-format buffered read-timeout write-timeout
                                  close-timeout line-limit]}])}
  ^SocketStream [command & opts]
  (pipe "make-pipe-io-stream" command Direction/IO opts))

(defn pipe-exit-status
  "The exit status of a pipe's command, 128 and the signal's number when a signal ended it, or nil while
  it runs. Waits for its end at most so many seconds, without them not at all; nil waits for ever. Also
  once the stream is closed."
  ([s] (pipe-exit-status s 0))
  ([s seconds]
   (let [op "pipe-exit-status"]
     (some-> (DescriptorStreams/exitStatus (object/stream op s) (options/->duration op seconds)) long))))

(defn pipe-kill
  "Ends a pipe's command by a signal if it still runs: SIGTERM, or SIGKILL with :force true. Returns nil."
  {:arglists '([s & {:keys [force]}])}
  [s & opts]
  (let [op "pipe-kill"
        {:keys [force]} (options/option-map op #{:force} opts)]
    (DescriptorStreams/kill (object/stream op s) (options/flag op :force force))))

(defn keyboard-input
  "Standard input as a stream, be it a pipe, a file or a terminal: always the same one until it is
  closed, which leaves standard input itself open. Nothing is taken from it before the stream is read or
  checked; then *in* and System/in miss what this stream has in its buffer. CLISP EXT:*KEYBOARD-INPUT*."
  ^SocketStream []
  (DescriptorStreams/keyboard))
