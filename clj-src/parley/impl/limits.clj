(ns parley.impl.limits
  "The limits of a stream, which parley.stream publishes: timeouts, deadlines, the length of a line."
  {:no-doc true}
  (:require
   [parley.impl.object :as object]
   [parley.impl.options :as options]))

(set! *warn-on-reflection* true)

(defn set-read-timeout!
  "Bounds each later read of the stream, see parley.socket for timeouts; nil takes the bound away. Returns
  nil."
  [s seconds]
  (.readTimeout (object/stream "set-read-timeout!" s) (options/->duration "set-read-timeout!" seconds)))

(defn set-write-timeout!
  "Bounds each later write of the stream; nil takes the bound away. Returns nil."
  [s seconds]
  (.writeTimeout (object/stream "set-write-timeout!" s) (options/->duration "set-write-timeout!" seconds)))

(defn read-timeout
  "Returns the bound of each read of the stream in seconds, or nil for none."
  [s]
  (options/duration->seconds (.readTimeout (object/stream "read-timeout" s))))

(defn write-timeout
  "Returns the bound of each write of the stream in seconds, or nil for none."
  [s]
  (options/duration->seconds (.writeTimeout (object/stream "write-timeout" s))))

(defn set-close-timeout!
  "Bounds how long a later close of the stream may wait to hand over what is buffered; nil takes the bound
  away. Returns nil."
  [s seconds]
  (.closeTimeout (object/stream "set-close-timeout!" s) (options/->duration "set-close-timeout!" seconds)))

(defn close-timeout
  "Returns how long close may wait to hand over what is buffered, in seconds, or nil for no bound."
  [s]
  (options/duration->seconds (.closeTimeout (object/stream "close-timeout" s))))

(defn set-line-limit!
  "Sets how many characters a later read-line gathers at most. A longer line is a
  parley.net.LineTooLongException. Returns nil."
  [s characters]
  (let [op "set-line-limit!"]
    (.lineLimit (object/in op s) (int (options/line-limit op "the limit" characters)))))

(defn line-limit
  "Returns how many characters read-line gathers at most."
  [s]
  (long (.lineLimit (object/in "line-limit" s))))

(defn set-read-deadline!
  "Ends all reading that long from now: a read under way then, in whatever thread, and each begun later
  times out. nil takes the deadline away. Returns nil."
  [s seconds]
  (.readDeadline (object/stream "set-read-deadline!" s) (options/->duration "set-read-deadline!" seconds)))

(defn set-write-deadline!
  "Ends all writing that long from now, as set-read-deadline! does reading. Returns nil."
  [s seconds]
  (.writeDeadline (object/stream "set-write-deadline!" s) (options/->duration "set-write-deadline!" seconds)))
