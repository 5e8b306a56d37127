(ns parley.impl.observing
  "Open streams and servers of the process, which parley.socket publishes."
  {:no-doc true}
  (:require
   [parley.impl.options :as options]
   [parley.impl.print :as print])
  (:import
   (parley.net OpenObjects OpenObjects$Entry)))

(set! *warn-on-reflection* true)

(defn open-objects
  "Returns a sequence of maps, one for each open stream and server of this process, the oldest
  first:
    :object               the stream or server
    :kind                 :socket-stream or :socket-server
    :local :peer          addresses as strings, or nil; a server has no :peer
    :state                :open, :connecting, :failed (to connect) or :broken
    :since                a java.time.Instant
    :opened-by            the name of the thread that opened it
    :bytes-in :bytes-out  of streams, moved from and to the system
    :waits                the calls that wait for it, maps of :op and :thread
    :opened-at            the stack of the opening call, strings, when traced: see trace-opens!
  The list keeps nothing open. clojure.core.protocols/datafy of a stream or server has the same keys
  and more."
  []
  (for [^OpenObjects$Entry entry (OpenObjects/list)]
    (assoc (print/details entry) :object (.object entry))))

(defn trace-opens!
  "Sets whether streams and servers record the stack of the call that opens them, for open-objects,
  datafy and the log of unclosed objects. Each record costs a stack trace. The system property
  parley.net.trace does the same from the start. Returns nil."
  [on?]
  (OpenObjects/trace (options/flag "trace-opens!" "the argument" on?)))
