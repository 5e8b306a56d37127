(ns parley.impl.stream-limits
  "The limits of a stream, which parley.stream publishes: timeouts, deadlines, the length of a line."
  {:no-doc true}
  (:require
   [parley.impl.object :as object]
   [parley.impl.options :as options]))

(set! *warn-on-reflection* true)

(defn set-read-timeout!
  "Limits each later read of the stream, in seconds as of parley.socket. nil removes the limit.
  Returns nil."
  [s seconds]
  (.readTimeout (object/stream "set-read-timeout!" s) (options/->duration "set-read-timeout!" seconds)))

(defn set-write-timeout!
  "Limits each later write of the stream. nil removes the limit. Returns nil."
  [s seconds]
  (.writeTimeout (object/stream "set-write-timeout!" s) (options/->duration "set-write-timeout!" seconds)))

(defn read-timeout
  "Returns the limit of each read of the stream in seconds, or nil for none."
  [s]
  (options/duration->seconds (.readTimeout (object/stream "read-timeout" s))))

(defn write-timeout
  "Returns the limit of each write of the stream in seconds, or nil for none."
  [s]
  (options/duration->seconds (.writeTimeout (object/stream "write-timeout" s))))

(defn set-close-timeout!
  "Limits how long a later close of the stream may wait to send buffered output. nil removes the
  limit. Returns nil."
  [s seconds]
  (.closeTimeout (object/stream "set-close-timeout!" s) (options/->duration "set-close-timeout!" seconds)))

(defn close-timeout
  "Returns how long close may wait to send buffered output, in seconds, or nil for no limit."
  [s]
  (options/duration->seconds (.closeTimeout (object/stream "close-timeout" s))))

(defn set-line-limit!
  "Sets the maximum number of characters of a line that read-line reads. A longer line throws
  parley.net.StreamInput$LineTooLongException. Returns nil."
  [s characters]
  (let [op "set-line-limit!"]
    (.lineLimit (object/in op s) (int (options/line-limit op "the limit" characters)))))

(defn line-limit
  "Returns the maximum number of characters of a line that read-line reads."
  [s]
  (long (.lineLimit (object/in "line-limit" s))))

(defn set-read-deadline!
  "Sets a deadline `seconds` from now for all reads of s. After it, reads in progress and later
  reads throw java.net.SocketTimeoutException. nil removes it. Returns nil."
  [s seconds]
  (.readDeadline (object/stream "set-read-deadline!" s) (options/->duration "set-read-deadline!" seconds)))

(defn set-write-deadline!
  "Sets a deadline `seconds` from now for all writes of s. After it, writes in progress and later
  writes throw java.net.SocketTimeoutException. nil removes it. Returns nil."
  [s seconds]
  (.writeDeadline (object/stream "set-write-deadline!" s) (options/->duration "set-write-deadline!" seconds)))
