(ns parley.server
  "A server in one call: `serve` accepts connections and calls a function with the stream of each, on a
  thread of its own. See doc/scale-out.md for more processes and machines.

    (require '[parley.server :refer [serve]] '[parley.stream :as stream])

    (defn greet [s]
      (stream/write-line (str \"hello \" (stream/read-line s)) s))

    (with-open [server (serve #'greet :port 7007 :max-connections 1000)]
      …)"
  (:require
   [clojure.core.protocols :as protocols]
   [clojure.pprint :as pprint]
   [parley.impl.options :as options]
   [parley.impl.print]
   [parley.impl.serving :as serving]
   [parley.impl.tls :as tls])
  (:import
   (java.io Closeable Writer)
   (parley.net ServerBuilder)))

(set! *warn-on-reflection* true)

;; ---- the server's value -------------------------------------------------------------------------

(defrecord Server [host port path name core]
  Closeable
  (close [_] (.close ^parley.net.Server core)))

(alter-meta! #'->Server assoc :doc "Not for callers: see `serve`.")
(alter-meta! #'map->Server assoc :doc "Not for callers: see `serve`.")

(defmethod print-method Server [{:keys [core]} ^Writer w]
  (.write w (str core)))

;; A record would be shown as a map of its fields.
(defmethod print-dup Server [server w]
  (print-method server w))

(defmethod pprint/simple-dispatch Server [server]
  (pr server))

(extend-protocol protocols/Datafiable
  Server
  (datafy [{:keys [host port path core]}]
    (merge {:kind :server
            :host host
            :port port
            :path path}
      (serving/facts core))))

;; ---- starting -----------------------------------------------------------------------------------

(def ^:private known
  (into #{:port :path :handle :max-connections :max-per-address :idle-timeout :drain :on-error :audit
          :proxy-protocol :threads :name}
    (concat options/server-options options/stream-options)))

(defn serve
  "Listens, and calls `handler`, a function or a var of one argument, with the stream of each connection
  on a thread of its own. Closes the stream when the handler returns. A var is looked up for each
  connection, so that a new definition serves the next one. Options as keywords and values, or a map:

  :port            0, the default: the system chooses; 1 to 65535; or an endpoint, or a bound channel, as of
                   socket-server
  :interface       default \"127.0.0.1\"; :loopback for 127.0.0.1 and ::1; as of socket-server
  :path            of a Unix-domain socket, instead of a port: a string, a File or a Path
  :handle          integer handle of a socket that listens already, instead of a port; the first that
                   socket activation passes is 3. It stays open when the server is closed
  :backlog :mode :so-reuseport
                   as of socket-server
  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit :tls
                   of the streams, as of socket-accept; the handshake of TLS comes before the handler, on
                   its thread. :timeout bounds the header of a proxy, default 5 seconds
  :max-connections positive number of connections that may be open at once, default nil: no limit. At
                   the limit the server does not accept; clients wait in the backlog until one leaves
  :max-per-address positive number of connections that may be open from one address, default nil: no
                   limit. More are closed
  :idle-timeout    seconds that a read or a write of the handler may wait, default nil: for ever. Then it
                   throws java.net.SocketTimeoutException
  :drain           seconds that close waits for handlers that are busy, default 1; nil waits for ever
  :on-error        function of an exception that the handler threw, and, if it takes two arguments, of
                   the stream; default nil: a line in the log. Failures of the connection are none
  :audit           function of a map with :event (:connect :disconnect :refused :lost :idle :failed :pause
                   :stuck :stop), :at, :server, and, where they are known, :connection (its number),
                   :peer, :address or :user, :reason and :error
  :proxy-protocol  true: each connection begins with a header of the PROXY protocol, version 1 or 2, whose
                   address is the stream's peer; or a collection of the addresses or networks of trusted
                   proxies, such as [\"10.0.0.0/8\"]: connections of others are closed. Default nil
  :threads         :virtual, the default, where the JDK's are fit for it (24 and later), or :platform
  :name            in the names of threads and in the log, default \"server-\" and the port

  Returns a java.io.Closeable record with the keys :host, :port, :path and :name. Its close stops
  accepting, frees the endpoint, has handlers that read find the end of file, gives the others :drain
  seconds, and then interrupts them and closes their streams. It may be called by a handler, and again.
  `datafy` shows counts, bytes, ages and refusals.

  Errors: IllegalArgumentException for options; else as parley.socket/socket-server. No failure ends the
  server: without descriptors or memory it pauses and tries again."
  {:arglists '(^java.io.Closeable
               [handler & {:keys [port interface path handle backlog mode so-reuseport element-type external-format
                                  buffered timeout read-timeout write-timeout close-timeout line-limit tls
                                  max-connections max-per-address idle-timeout drain on-error audit proxy-protocol
                                  threads name]}])}
  ^Closeable [handler & options]
  (let [op "serve"
        options (update (options/option-map op known options) :tls #(tls/for-server op nil %))
        ^ServerBuilder builder (serving/builder op (serving/handler op handler) options)
        listener (serving/listener op options)
        core (.start builder listener)
        path? (zero? (.port core))]
    (with-meta (->Server (when-not path? (.host core)) (when-not path? (long (.port core))) (when path? (.host core))
                 (.name core) core)
      {:parley.tls/tls (:tls options)})))

;; ---- in use -------------------------------------------------------------------------------------

(defn- core ^parley.net.Server [op server]
  (let [core (:core server)]
    (if (instance? parley.net.Server core)
      core
      (throw (options/misuse op (str "the server is " (options/show server)) "what serve returned")))))

(defn connections
  "Returns the open connections of a server, in the order of their arrival: a vector of maps with :id, :stream
  (nil while the header of a proxy is missing), :peer, :address or :user, :since (an Instant), :bytes-in,
  :bytes-out, and :proxy, the address of the proxy that announced the peer."
  [server]
  (mapv serving/connection (.connections (core "connections" server))))

(defn interrupt
  "Interrupts the handler of the connection of that :id. Returns true when there is one, else nil."
  [server id]
  (serving/interrupt (core "interrupt" server) id))
