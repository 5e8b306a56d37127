(ns examples.chat
  "A chat: what one client says, all others read. A client that does not read delays no other: it misses
  lines, the oldest first.

  (def c (start 7007))   then `nc 127.0.0.1 7007`, more than once
  (stop c)"
  (:require
   [clojure.core.async :as a]
   [parley.async :as pa]
   [parley.server :as server]
   [parley.stream :as stream])
  (:import
   (java.io Closeable)))

(set! *warn-on-reflection* true)

(defn- say-to-others [clients speaker line]
  (doseq [[s outbox] @clients :when (not= s speaker)]
    (a/offer! outbox line)))

(defn- talk
  "Serves one client; what is put into its outbox is sent."
  [clients s]
  (let [outbox (a/chan (a/sliding-buffer 100))]
    (a/pipe outbox (pa/sink s :line))
    (swap! clients assoc s outbox)
    (try
      (when-let [name (stream/read-line s nil nil)]
        (say-to-others clients s (str "* " name " joins"))
        (loop []
          (when-let [line (stream/read-line s nil nil)]
            (say-to-others clients s (str name ": " line))
            (recur)))
        (say-to-others clients s (str "* " name " leaves")))
      (finally
        (swap! clients dissoc s)
        (a/close! outbox)))))

(defn start
  "Starts a chat on a port of loopback, 0 for one of the system's choice. Returns the server."
  [port]
  (let [clients (atom {})]
    (assoc (server/serve #(talk clients %) :port port :line-limit 1000)
      :clients clients)))

(defn stop [server]
  (.close ^Closeable server))
