(ns examples.chat
  "A chat: what one client says, all the others read. Each client costs two channels and two go
  blocks, no thread. One that does not read is not waited for: it misses lines.

  (def c (start 7007))   then `nc 127.0.0.1 7007`, more than once
  (stop c)"
  (:require
   [clojure.core.async :as a]
   [parley.async :as pa]
   [parley.socket :as socket]
   [parley.stream :as stream]))

(set! *warn-on-reflection* true)

(defn- say-to-others
  [clients speaker line]
  (doseq [[s outbox] @clients :when (not= s speaker)]
    (a/offer! outbox line)))

(defn- welcome
  "What is put into the outbox of a client is sent; of what is too much, the oldest is lost."
  [clients s]
  (let [outbox (a/chan (a/sliding-buffer 100))]
    (a/pipe outbox (pa/sink s :line :when-closed :close))
    (swap! clients assoc s outbox)))

(defn- serve
  [clients s]
  (welcome clients s)
  (let [lines (pa/elements s :line :max-size 1000)]
    (a/go
      (when-let [name (a/<! lines)]
        (say-to-others clients s (str "* " name " joins"))
        (loop []
          (when-let [line (a/<! lines)]
            (say-to-others clients s (str name ": " line))
            (recur)))
        (say-to-others clients s (str "* " name " leaves")))
      (a/close! (@clients s))
      (swap! clients dissoc s))))

(defn start
  "Starts a chat on a port of loopback (0: the system's choice) and answers what `stop` takes."
  [port]
  (let [server (socket/socket-server port :interface "127.0.0.1" :backlog 100)
        clients (atom {})
        conns (pa/connections server)]
    (a/go-loop []
      (when-let [s (a/<! conns)]
        (serve clients s)
        (recur)))
    {:server server
     :port (socket/socket-server-port server)
     :clients clients}))

(defn stop
  [{:keys [server clients]}]
  (socket/socket-server-close server)
  (run! #(stream/close % :abort true) (keys @clients)))
