(ns parley.async
  "Readiness as core.async channels: what can be done with a stream or a server, the connections of a
  server, what comes from a stream and what goes to it, for go blocks, alts! and everything else that
  takes channels. The only namespace of Parley that needs core.async.

  The channels are demand-driven: nothing is looked for, accepted or read before somebody takes, and
  nothing is consumed for a branch of alts! that loses. A consumer that stops taking stops the peer. No
  thread is blocked while a take or a put waits: one daemon thread, parley-reactor, watches for all,
  and goes when nothing is watched. Callbacks and go blocks run on the threads of core.async.

  Closing a channel cancels and leaves the stream or server open; what was not taken is still in the
  stream, for other channels and for the functions of parley.stream. Closing the stream or server
  closes its channels. A channel that a failure has closed tells it: channel-error.

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
  "As channels give it: nil where the core has none, at the end."
  [found]
  (some-> found values/status->value))

(defn ready
  "A channel of the status of x in a direction, :input, :output or :io (the default), once it is
  actionable, and then no more:

  :input :output :io :eof :append  of a stream, as socket-status has them; :eof is never missed
  true                             of a server: an accept will not block
  :error                           every operation will fail; see parley.socket/stream-error

  x is a stream, a server or another pollable object. It is looked at when somebody takes. Closing
  the channel cancels; closing x closes the channel without a status."
  ([x] (ready x :io))
  ([x direction]
   (IntakeChannel.
     (Intake/ready (object/need-pollable "ready" "the object" x)
       (values/->direction "ready" direction)
       (executor))
     status)))

(defn readiness
  "A channel of the statuses of x in a direction, :input, :output or :io (the default), as for ready.
  Each is looked for when it is taken, so that what is left unread is told again, a slow consumer
  costs nothing, and a status is never older than the take. Ends after :eof, :append or :error, and
  when x is closed."
  ([x] (readiness x :io))
  ([x direction]
   (IntakeChannel.
     (Intake/statuses (object/need-pollable "readiness" "the object" x)
       (values/->direction "readiness" direction)
       (executor))
     status)))

;; ---- connections --------------------------------------------------------------------------------

(defn connections
  "A channel of the streams of clients that connect to a server. A connection is accepted when it is
  taken, and only by the take (or the alts! whose event it is) that gets it; until then it waits in
  the backlog of the server, see :backlog of socket-server.

  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit :tls
                 as for socket-accept

  When accepting fails, for want of descriptors say, the channel pauses, up to a second, says so once
  in the log, and goes on when accepting works again. Closing the channel stops accepting and leaves
  the server open; closing the server closes the channel."
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
  "A channel of what comes from a stream, whatever its element type:

  :as            what an element is, default :bytes; may be given alone: (elements s :line)
                   :bytes  byte arrays of what is there, never empty
                   :line   strings without their line ends, in the stream's external format, as
                           read-line reads them: the last one needs no end
                   :frame  byte arrays, each behind its length
                   :edn    forms in UTF-8, read by clojure.edn; nil is :parley.async/nil; at most 512
                           levels deep
  :max-size      bytes of an element, default 65536 for :bytes (longer input is several elements),
                 1048576 for the others (longer is an error)
  :length-bytes  of :frame: bytes of the length, 1, 2, 4 (default) or 8, unsigned
  :endianness    of :frame: :big (default) or :little
  :readers       of :edn: a map from tags to functions, beside #inst and #uuid; a tag that nobody
                 reads is an error

  Ends with the input. An element that is too long, malformed, or cut off by the end of the input
  closes the channel: channel-error tells, and the bytes are still in the stream. What comes between
  two takes is left to the kernel, or at most one buffer of it (or the part of an element) waits in
  the stream, where anybody can read it."
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
  "A channel whose values are written to a stream, as fast as the peer reads:

  :as            what a value is, as for elements: :bytes (default) :line :frame :edn; may be given
                 alone
  :max-size      bytes of a value, default 1048576; for :bytes there is no bound
  :length-bytes :endianness  as for elements
  :when-closed   what becomes of the stream when the channel was closed and everything accepted is
                 written, default nil: nothing; :shutdown of its output; :close

  A put is accepted when everything before it was handed to the system and the system takes some of
  it; at most the rest of that one value waits inside. Until then the put waits, and a branch of alts!
  that loses has written nothing. A value that cannot be written as :as says is an
  IllegalArgumentException of the put. Output that others write to the stream is not torn apart, nor
  is the sink's; but flush what they have buffered.

  Puts give false once the channel is closed, which it also is when writing has failed
  (channel-error tells) and when the stream is closed. Closing it refuses the puts that wait."
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
  "Why a channel of this namespace closed before its time: an exception, a parley.net.FramingException
  for input that cannot become an element; nil while it is open, after an orderly end, and when it, its
  stream or its server was closed."
  [ch]
  (if-let [intake (channel/intake ch)]
    (.cause intake)
    (if-let [outlet (channel/outlet ch)]
      (.cause outlet)
      (throw (options/misuse "channel-error" (str "the channel is " (options/show ch))
               "one that ready, readiness, connections, elements or sink returned")))))

(defn flushed
  "Returns a channel that closes when a sink is closed and everything put into it was handed to the system
  (and the stream shut down or closed, where :when-closed wants that). When something was lost, the channel
  yields why, a Throwable, before it closes: the peer was reset, say, or the stream closed meanwhile.

    (async/close! ch)
    (if-let [e (async/<! (flushed ch))] … …)"
  [ch]
  (if-let [outlet (channel/outlet ch)]
    (channel/flushed outlet)
    (throw (options/misuse "flushed" (str "the channel is " (options/show ch)) "one that sink returned"))))
