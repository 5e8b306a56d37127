(ns parley.async
  "Makes core.async channels of streams and servers, for go blocks and alts!. The only namespace of
  Parley that needs core.async.

  The channels work on demand. Nothing is checked, accepted or read before a take, and a branch of
  alts! that loses consumes nothing. When a consumer stops taking, the peer stops sending. No thread
  is blocked while a take or a put waits: one daemon thread, parley-reactor, watches all objects and
  ends when there are none. Callbacks and go blocks run on the threads of core.async.

  Closing a channel cancels it and leaves the stream or server open. Input that was not taken stays
  in the stream. Closing the stream or server closes its channels. channel-error returns the failure
  that closed a channel.

  See doc/async.md."
  (:require
   [parley.impl.absent]
   [parley.impl.async :as channel]
   [parley.impl.framing :as framing]
   [parley.impl.object :as object]
   [parley.impl.options :as options]
   [parley.impl.print]
   [parley.impl.tls :as tls]
   [parley.impl.values :as values])
  (:import
   (java.util.concurrent Executor)
   (parley.impl.async IntakeChannel OutletChannel)
   (parley.net Intake Outlet Outlet$Ending SocketStream)))

(set! *warn-on-reflection* true)

(defn- executor ^Executor []
  @channel/executor)

;; ---- statuses -----------------------------------------------------------------------------------

(defn- status
  "Returns a status as channels deliver it: nil at the end."
  [found]
  (some-> found values/status->value))

(defn ready
  "Returns a channel of one status of x in a direction, :input, :output or :io (the default). The
  status comes when x is actionable; then the channel closes.

  :input :output :io :eof :append  of a stream, as of socket-status; :eof is never missed
  true                             of a server: an accept will not block
  :error                           every operation will fail; see parley.socket/stream-error

  x is a stream, a server or another pollable object. x is checked when a value is taken, not
  before. Closing the channel cancels it. Closing x closes the channel without a status."
  ([x] (ready x :io))
  ([x direction]
   (IntakeChannel.
     (Intake/ready (object/need-pollable "ready" "the object" x)
       (values/->direction "ready" direction)
       (executor))
     status)))

(defn readiness
  "Returns a channel of the statuses of x in a direction, :input, :output or :io (the default), as
  of ready. Each status is checked when it is taken, so unread input is reported again, and a
  status is never older than its take. Closes after :eof, :append or :error, and when x is closed."
  ([x] (readiness x :io))
  ([x direction]
   (IntakeChannel.
     (Intake/statuses (object/need-pollable "readiness" "the object" x)
       (values/->direction "readiness" direction)
       (executor))
     status)))

;; ---- connections --------------------------------------------------------------------------------

(defn connections
  "Returns a channel of the streams of a server's clients. Each take accepts one connection; an
  alts! that picks another channel accepts none. Until then a connection waits in the server's
  backlog, see :backlog of socket-server.

  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit :tls
                 as of socket-accept

  When accepting fails, such as for lack of descriptors, the channel pauses, for at most a second,
  logs it once, and goes on when accepting works again. Closing the channel stops accepting and
  leaves the server open. Closing the server closes the channel."
  {:arglists '([server & {:keys [element-type external-format buffered read-timeout write-timeout close-timeout
                                 line-limit tls]}])}
  [server & opts]
  (let [known (disj options/stream-options :timeout)
        server (object/server "connections" server)]
    (IntakeChannel.
      (Intake/connections server
        (tls/accept-options "connections" server (options/option-map "connections" known opts))
        (executor))
      identity)))

;; ---- elements -----------------------------------------------------------------------------------

(defn- spread
  "The options, where the first may be the value of :as alone."
  [known [as :as opts]]
  (if (and (keyword? as) (not (contains? known as)) (or (odd? (count opts)) (map? (last opts))))
    (list* :as opts)
    opts))

(defn elements
  "Returns a channel of a stream's input, whatever its element type:

  :as            kind of element, default :bytes; may be given alone: (elements s :line)
                   :bytes  byte arrays of the available input, never empty
                   :line   strings without their line ends, in the stream's external format, as of
                           read-line; the last line needs no end
                   :frame  byte arrays, each after its length
                   :edn    forms in UTF-8, read by clojure.edn; nil is :parley.async/nil; at most
                           512 levels deep
  :max-size      bytes of an element, default 65536 for :bytes (longer input is several elements),
                 1048576 for the others (longer is an error)
  :length-bytes  of :frame: bytes of the length, 1, 2, 4 (default) or 8, unsigned
  :endianness    of :frame: :big (default) or :little
  :readers       of :edn: a map from tags to functions, besides #inst and #uuid; a tag without a
                 reader is an error

  Closes at the end of the input. An element that is too long, malformed, or cut off by the end of
  the input closes the channel; channel-error returns the cause, and the bytes stay in the stream.
  Between two takes, input waits in the kernel; at most one buffer, or the part of an element, waits
  in the stream, where any function can read it."
  {:arglists '([s & {:keys [as max-size length-bytes endianness readers]}])}
  [s & opts]
  (let [opts (options/option-map "elements" framing/options (spread framing/options opts))]
    (IntakeChannel.
      (Intake/elements (object/stream "elements" s) (framing/framing "elements" opts) (executor))
      identity)))

(def ^:private endings
  {nil Outlet$Ending/LEAVE_OPEN
   :shutdown Outlet$Ending/SHUT_DOWN
   :close Outlet$Ending/CLOSE})

(defn- checked
  "A function from what is put to what the framing takes."
  [as]
  (let [need (fn [class what]
               (fn [x]
                 (if (instance? class x)
                   x
                   (throw (options/misuse "sink" (str "the value is " (options/show x)) what)))))]
    (case as
      (:bytes :frame) (need (class (byte-array 0)) (str "a byte array, since the sink writes " as))
      :line (need CharSequence "a string, since the sink writes :line")
      :edn identity)))

(defn sink
  "Returns a channel whose values are written to a stream, as fast as the peer reads:

  :as            kind of value, as of elements: :bytes (default) :line :frame :edn; may be given
                 alone
  :max-size      bytes of a value, default 1048576; :bytes has no limit
  :length-bytes :endianness  as of elements
  :when-closed   effect on the stream when the channel is closed and every accepted value is
                 written, default nil: none; :shutdown shuts its output down; :close closes it

  A put waits until everything before it was sent to the system and the system takes some of it.
  Then it is accepted, and at most the rest of that one value waits inside. A branch of alts! that
  loses has written nothing. A put throws IllegalArgumentException for a value that does not fit :as
  or :max-size. Values are never interleaved with other output of the stream: output that is
  buffered is sent before the next value.

  Puts return false once the channel is closed, and so do the puts that wait then. It is also closed
  when writing has failed (channel-error returns the cause) and when the stream is closed."
  {:arglists '([s & {:keys [as max-size length-bytes endianness when-closed]}])}
  [s & opts]
  (let [known (-> framing/options (disj :readers) (conj :when-closed))
        opts (options/option-map "sink" known (spread known opts))
        convert (framing/framing "sink" opts)
        ending (options/choose "sink" ":when-closed" endings (:when-closed opts))
        as (:as opts :bytes)]
    (OutletChannel.
      (Outlet. ^SocketStream (object/stream "sink" s) convert ending (executor))
      (comp (if (= :line as) str identity) (checked as)))))

;; ---- failures -----------------------------------------------------------------------------------

(defn channel-error
  "Returns the exception that closed a channel of this namespace: a parley.net.Framing$FramingException for
  input that cannot become an element. Returns nil while the channel is open, after an orderly end,
  and when it, its stream or its server was closed."
  [ch]
  (if-let [intake (channel/intake ch)]
    (.cause intake)
    (if-let [outlet (channel/outlet ch)]
      (.cause outlet)
      (throw (options/misuse "channel-error" (str "the channel is " (options/show ch))
               "one that ready, readiness, connections, elements or sink returned")))))

(defn flushed
  "Returns a channel that closes when a sink is closed and everything put into it was sent to the
  system (and the stream shut down or closed, see :when-closed). When something was lost, such as
  by a reset or a close of the stream, the channel yields the cause, a Throwable, before it closes.

    (async/close! ch)
    (if-let [e (async/<! (flushed ch))] … …)"
  [ch]
  (if-let [outlet (channel/outlet ch)]
    (channel/flushed outlet)
    (throw (options/misuse "flushed" (str "the channel is " (options/show ch)) "one that sink returned"))))
