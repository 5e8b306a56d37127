(ns examples.clean-stop
  "A server that stops cleanly: it stops accepting, lets every client finish its request, and only
  then, or when patience is out, closes. A request is a number of milliseconds to work, in a line.

  (def s (start 7009))
  (stop s 5000)    ; true when everybody was done within five seconds"
  (:require
   [clojure.core.async :as a]
   [parley.async :as pa]
   [parley.socket :as socket]
   [parley.stream :as stream]))

(set! *warn-on-reflection* true)

(defn- serve
  "Serves until the client ends, or `stopping` is closed and no request is under way."
  [s stopping]
  (let [requests (pa/elements s :line :max-size 100)
        answers (pa/sink s :line :when-closed :close)]
    (a/go-loop []
      (let [[request port] (a/alts! [stopping requests] :priority true)]
        (if (and (= port requests) request)
          (do
            (a/<! (a/timeout (or (parse-long request) 0)))
            (a/>! answers "done")
            (recur))
          (do
            (a/close! requests)
            (a/close! answers)))))))

(defn start
  [port]
  (let [server (socket/socket-server port :interface "127.0.0.1" :backlog 100)
        conns (pa/connections server)
        stopping (a/chan)
        clients (atom {})]
    (a/go-loop []
      (when-let [s (a/<! conns)]
        (let [done (serve s stopping)]
          (swap! clients assoc s done)
          (a/take! done (fn [_] (swap! clients dissoc s)))
          (recur))))
    {:server server
     :port (socket/socket-server-port server)
     :conns conns
     :stopping stopping
     :clients clients}))

(defn stop
  "Stops the server; true when all clients were done in time, those who were not are cut off."
  [{:keys [server conns stopping clients]} patience-millis]
  (a/close! conns)
  (a/close! stopping)
  (let [all-done (a/into [] (a/merge (vals @clients)))
        [_ port] (a/alts!! [all-done (a/timeout patience-millis)])]
    (when-not (= port all-done)
      (run! #(stream/close % :abort true) (keys @clients)))
    (socket/socket-server-close server)
    (= port all-done)))
