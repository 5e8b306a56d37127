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
   [parley.impl.address :as address]
   [parley.impl.options :as options]
   [parley.impl.print :as print]
   [parley.impl.serving :as serving]
   [parley.impl.tls :as tls])
  (:import
   (java.io Closeable)
   (parley.net ServerBuilder)))

(set! *warn-on-reflection* true)

;; ---- the server's value -------------------------------------------------------------------------

(defrecord Server [host port path name core]
  Closeable
  (close [_] (.close ^parley.net.Server core))
  Object
  (toString [_] (str core)))

(alter-meta! #'->Server assoc :doc "Not for callers: see `serve`.")
(alter-meta! #'map->Server assoc :doc "Not for callers: see `serve`.")

(serving/as-text! Server)

(extend-protocol protocols/Datafiable
  Server
  (datafy [{:keys [host port path core]}]
    (print/ordered
      (merge {:kind :server
              :host host
              :port port
              :path path}
        (serving/facts core)))))

;; ---- starting -----------------------------------------------------------------------------------

(def ^:private known
  (into #{:port :path :handle :max-connections :max-per-address :idle-timeout :drain :on-error :audit
          :proxy-protocol :threads :name}
    (concat address/server-options options/stream-options)))

(defn serve
  "Listens, and calls `handler`, a function or a var of one argument, with the stream of each
  connection, on a thread of its own. Closes the stream when the handler returns. A var is resolved
  for each connection, so a new definition serves the next one. A platform thread may serve another
  connection later. Then it has a new name, no interrupt, and the context class loader and dynamic
  bindings that it began with, but the values of a Java ThreadLocal stay. Takes options as keywords
  and values, or a map:

  :port            0 (default): the system chooses; 1 to 65535; or an endpoint, or a bound channel,
                   as of socket-server
  :interface       default \"127.0.0.1\"; :loopback for 127.0.0.1 and ::1; as of socket-server
  :path            of a Unix-domain socket, instead of a port: a string, a File or a Path
  :handle          integer handle of a socket that listens already, instead of a port; the first
                   handle of socket activation is 3. It stays open when the server is closed
  :backlog :mode :so-reuseport
                   as of socket-server
  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit :tls
                   of the streams, as of socket-accept. The TLS handshake runs before the handler,
                   on its thread
  :timeout         limits how long the header of a proxy may take, default 5 seconds; see
                   :proxy-protocol
  :max-connections maximum number of open connections, default nil: no limit. At the limit the
                   server does not accept; clients wait in the backlog until a connection ends
  :max-per-address maximum number of open connections from one address, default nil: no limit.
                   Further ones are closed
  :idle-timeout    seconds that a read or a write of the handler may wait, default nil: no limit.
                   Then it throws java.net.SocketTimeoutException
  :drain           seconds that close waits for busy handlers, default 1; nil: no limit
  :on-error        function of an exception of the handler, and, if it takes two arguments, of the
                   stream; default nil: logs a line. Not called for failures of the connection
  :audit           function of a map with :event (:connect :disconnect :refused :lost :idle :failed
                   :pause :stuck :stop), :at, :server, and, if known, :connection (its number),
                   :peer, :address or :user, :reason and :error
  :proxy-protocol  true: each connection begins with a header of the PROXY protocol, version 1 or 2,
                   whose address becomes the stream's peer; or a collection of the addresses or
                   networks of trusted proxies, such as [\"10.0.0.0/8\"]: the same, but connections
                   from elsewhere are closed. Default nil
  :threads         :virtual (default), which means :platform before JDK 24, or :platform
  :name            in the names of threads and in the log, default \"server-\" and the port

  Returns a java.io.Closeable record with the keys :host, :port, :path and :name. Its close stops
  accepting and frees the endpoint. Handlers that read get the end of file. After :drain seconds the
  others are interrupted and their streams closed. A handler may close the server; closing again has
  no effect. `datafy` shows counts, bytes, ages and refusals.

  Errors: IllegalArgumentException for options; else as of parley.socket/socket-server. No failure
  ends the server: without descriptors or memory it pauses and tries again."
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
  "Returns the open connections of a server, in the order of their arrival: a vector of maps of
    :id                   an integer
    :stream               nil before the header of a proxy has arrived
    :peer                 a string
    :address or :user     strings; :user of a Unix-domain socket
    :since                a java.time.Instant
    :bytes-in :bytes-out  moved from and to the system
    :proxy                the address of the proxy that announced the peer, if one did"
  [server]
  (mapv serving/connection (.connections (core "connections" server))))

(defn interrupt
  "Interrupts the handler of the connection with an :id of `connections`. Returns true, or nil when
  there is none."
  [server id]
  (serving/interrupt (core "interrupt" server) id))
