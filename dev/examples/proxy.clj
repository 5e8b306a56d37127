(ns examples.proxy
  "A proxy for TCP: what comes from one side goes to the other, as fast as that one reads. A side that
  ends its output can still read until the other ends too (half-close).

  (def p (start 7008 \"127.0.0.1\" 80))
  (stop p)"
  (:require
   [clojure.core.async :as a]
   [parley.async :as pa]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io IOException)))

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

(defn- join
  [client host port]
  (a/go
    (if-let [target (a/<! (a/io-thread (try (socket/socket-connect port host :timeout 10)
                                            (catch IOException _ nil))))] ; nobody there
      (let [there (copy client target)
            back (copy target client)]
        (a/<! there)
        (a/<! back)
        (a/<! (a/io-thread (try (stream/close client) (finally (stream/close target))))))
      (stream/close client :abort true))))

(defn start
  "Listens on a port of loopback, 0 for one of the system's choice, and joins each client to the port
  of the host. Answers what `stop` takes, with its :port."
  [port target-host target-port]
  (let [server (socket/socket-server port :interface "127.0.0.1" :backlog 100)
        conns (pa/connections server)]
    (a/go-loop []
      (when-let [client (a/<! conns)]
        (join client target-host target-port)
        (recur)))
    {:server server
     :port (socket/socket-server-port server)}))

(defn stop
  [{:keys [server]}]
  (socket/socket-server-close server))
