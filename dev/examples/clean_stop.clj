(ns examples.clean-stop
  "A server that stops cleanly: it stops accepting, lets every client finish its request, and only
  then, or when patience is out, closes. A request is a number of milliseconds to work, in a line.

  (def s (start 7009 5))
  (stop s)         ; true when all requests were done within five seconds"
  (:require
   [parley.server :as server]
   [parley.stream :as stream])
  (:import
   (java.io Closeable)))

(set! *warn-on-reflection* true)

(defn- work
  "Serves until the client, or the server, ends the input."
  [unfinished s]
  (loop []
    (when-let [request (stream/read-line s nil nil)]
      (swap! unfinished inc)
      (Thread/sleep (long (or (parse-long request) 0)))
      (swap! unfinished dec)
      (stream/write-line "done" s)
      (stream/force-output s)
      (recur))))

(defn start
  "Starts to serve; `patience` is how many seconds `stop` waits for requests. Returns the server."
  [port patience]
  (let [unfinished (atom 0)]
    (assoc (server/serve #(work unfinished %) :port port :drain patience)
      :unfinished unfinished)))

(defn stop
  "Stops the server. Returns true when all requests were done in time; the others are cut off."
  [server]
  (.close ^Closeable server)
  (zero? (long @(:unfinished server))))
