(ns examples.proxy
  "A proxy for TCP: what comes from one side goes to the other, as fast as that one reads. A side that
  ends its output can still read until the other ends too (half-close).

  (def p (start 7008 \"127.0.0.1\" 80))
  (stop p)"
  (:require
   [clojure.core.async :as a]
   [parley.async :as pa]
   [parley.server :as server]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io Closeable IOException)))

(set! *warn-on-reflection* true)

(defn- copy
  "Copies until the input has ended, and ends the output; a failure of either stream closes both."
  [from to]
  (let [chunks (pa/elements from)
        snk (pa/sink to :when-closed :shutdown)]
    (a/go
      (loop []
        (when-let [chunk (a/<! chunks)]
          (when (a/>! snk chunk)
            (recur))))
      (a/close! chunks)
      (a/close! snk)
      (when (or (pa/channel-error chunks) (pa/channel-error snk))
        (run! #(stream/close % :abort true) [from to])))))

(defn- join [client host port]
  (when-let [target (try
                      (socket/socket-connect port host :timeout 10)
                      (catch IOException _ nil))] ; no server there
    (with-open [^Closeable target target]
      (let [back (copy target client)]
        (a/<!! (copy client target))
        (a/<!! back)))))

(defn start
  "Listens on a port of loopback, 0 for one of the system's choice, and joins each client to the port
  of the host. Returns the server."
  [port target-host target-port]
  (server/serve #(join % target-host target-port) :port port))

(defn stop [server]
  (.close ^Closeable server))
