(ns parley.echo
  "A server that sends every line back: something small to play with from a REPL (see user.clj), and
  the shape of any server on Parley: one thread that accepts, one for each client, all ended by
  closing what they wait for."
  (:require
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.util.concurrent ConcurrentHashMap)))

(set! *warn-on-reflection* true)

(defn- new-thread
  ^Thread [^String name ^Runnable task]
  (doto (Thread. task name)
    (.setDaemon true)))

(defn- closed-or
  "Calls `f`; an exception is what ends it when `closed?` says that we closed its stream: of the call under
  way, or of the next one."
  [closed? f]
  (try (f)
       (catch Exception e
         (when-not (closed?) (throw e)))))

(defn- echo-lines
  [s]
  (loop []
    (when-let [line (stream/read-line s nil nil)]
      (stream/write-line line s)
      (stream/force-output s)
      (recur))))

(defn- serve
  "Echoes to one client until it is done, in a thread that `clients` has by its stream."
  [^ConcurrentHashMap clients open? s]
  (let [task (fn []
               (try (socket/with-open-stream [s s]
                      (closed-or #(not @open?) #(echo-lines s)))
                    (finally
                      (.remove clients s))))
        thread (new-thread "parley-echo-client" task)]
    (.put clients s thread)
    (.start thread)))

(defn start
  "Starts an echo server on loopback and answers a map for `stop`: `:server`, `:port` … Port 0 has
  the system choose one."
  [port]
  (let [server (socket/socket-server port :interface "127.0.0.1")
        clients (ConcurrentHashMap.)
        open? (atom true)
        accept (fn []
                 (closed-or #(not @open?)
                            #(while true (serve clients open? (socket/socket-accept server)))))]
    {:server server
     :port (socket/socket-server-port server)
     :clients clients
     :open? open?
     :acceptor (doto (new-thread "parley-echo-acceptor" accept)
                 (.start))}))

(defn stop
  "Closes the server and its clients and waits for their threads to end."
  [{:keys [server ^ConcurrentHashMap clients open? ^Thread acceptor]}]
  (reset! open? false)
  (socket/socket-server-close server)
  (.join acceptor)
  (doseq [[s ^Thread thread] clients]
    (stream/close s :abort true)
    (.join thread)))
