(ns parley.echo
  "A server that sends every line back: something small to play with from a REPL (see user.clj)."
  (:require
   [parley.server :as server]
   [parley.stream :as stream])
  (:import
   (java.io Closeable)))

(set! *warn-on-reflection* true)

(defn- echo-lines [s]
  (loop []
    (when-let [line (stream/read-line s nil nil)]
      (stream/write-line line s)
      (stream/force-output s)
      (recur))))

(defn start
  "Starts an echo server on loopback and returns it, a record with :port. Port 0 has the system choose one."
  [port]
  (server/serve #'echo-lines :port port :name "echo"))

(defn stop
  "Closes the server and its clients and waits for their threads to end."
  [server]
  (.close ^Closeable server))
