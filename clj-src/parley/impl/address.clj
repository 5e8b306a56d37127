(ns parley.impl.address
  "Addresses: those that functions which listen or connect take, and those that functions return."
  {:no-doc true}
  (:require
   [parley.impl.options :as options])
  (:import
   (java.io File)
   (java.net InetAddress InetSocketAddress SocketAddress UnixDomainSocketAddress)
   (java.nio.file Path)
   (parley.net Addresses ServerOptions SocketStream)
   (parley.posix SockAddr)))

(set! *warn-on-reflection* true)

;; ---- as arguments -------------------------------------------------------------------------------

(def endpoint-forms
  "Description of an endpoint, for messages."
  (str "a port from 0 to 65535, a Path, a File, a UnixDomainSocketAddress, an InetSocketAddress, "
    "or a map of :host and :port, or of :path"))

(defn- unix-path
  "Returns the Path of a Path, a File or a UnixDomainSocketAddress, nil of anything else."
  ^Path [op x]
  (cond
    (instance? Path x) x
    (instance? File x) (options/path-of op x)
    (instance? UnixDomainSocketAddress x) (.getPath ^UnixDomainSocketAddress x)))

(defn ->host
  "Returns the host x as a string, nil of nil; `what` names it in an error."
  ^String [op what x expected]
  (cond
    (or (nil? x) (string? x)) x
    (instance? InetAddress x) (.getHostAddress ^InetAddress x)
    :else (throw (options/misuse op (str what " is " (options/show x)) expected))))

(defn- map-endpoint [op {:keys [host path]
                         :as m}]
  (options/option-map op #{:host :port :path} [m])
  (when (and path (or host (:port m)))
    (throw (options/misuse op (str "the endpoint is " (options/show m)) "a map of :host and :port, or of :path")))
  (if path
    {:path (or (if (string? path) (options/path-of op path) (unix-path op path))
             (throw (options/misuse op (str ":path is " (options/show path)) "a path, as a string, a File or a Path")))}
    {:host (->host op ":host" host "a string with a name or an address")
     :port (options/port op ":port" (:port m) "an integer from 0 to 65535")}))

(defn endpoint
  "Returns {:path Path}, or {:port number :host string or nil}, of a port, a path or an address in any form."
  [op x]
  (if-let [path (unix-path op x)]
    {:path path}
    (cond
      (map? x) (map-endpoint op x)
      (instance? InetSocketAddress x) (let [^InetSocketAddress address x]
                                        {:host (if (.isUnresolved address)
                                                 (.getHostString address)
                                                 (Addresses/host address))
                                         :port (.getPort address)})
      :else {:port (options/port op "the port" x endpoint-forms)})))

(defn- interface-host [op x]
  (when (and (instance? SocketStream x) (not (.isOpen ^SocketStream x)))
    (throw (IllegalStateException. (str op ": :interface is " x ", which is closed, expected an open socket stream"))))
  (cond
    (and (instance? SocketStream x) (instance? InetSocketAddress (.localAddress ^SocketStream x)))
    (Addresses/host (.localAddress ^SocketStream x))
    :else (->host op ":interface" x
            "nil, a host name or address, :loopback, or an open socket stream over TCP")))

(def server-options
  "The keys that every function which makes a server takes besides the endpoint."
  #{:interface :backlog :mode :so-reuseport})

(defn ->server-options
  "Returns the ServerOptions of an endpoint and a map with keys out of `server-options`."
  ^ServerOptions [op where {:keys [interface backlog mode so-reuseport]}]
  (let [builder (ServerOptions/builder)
        {:keys [path host port]} (endpoint op (cond
                                                (nil? where) 0
                                                (and (map? where) (:host where)) (update where :port #(if (nil? %) 0 %))
                                                :else where))]
    (when (and interface (or host path))
      (throw (options/misuse op (str ":interface is " (options/show interface) " besides the endpoint " (options/show where))
               "one of them: an endpoint with a host or a path has no :interface")))
    (if path (.path builder path) (.port builder (int port)))
    (when-not (nil? backlog)
      (.backlog builder (int (options/int32 op ":backlog" 1 backlog "a positive number of connections"))))
    (when-not (or (nil? mode) (string? mode))
      (throw (options/misuse op (str ":mode is " (options/show mode)) "permissions as ls shows them, such as \"rw-------\"")))
    (when (and mode (not path))
      (throw (options/misuse op (str ":mode is " (options/show mode) " besides the port " port) "no :mode: it is for Unix-domain sockets")))
    (some->> mode (.mode builder))
    (.reusePort builder (boolean (options/flag op ":so-reuseport" so-reuseport)))
    (.build (if (= :loopback interface)
              (.loopback builder)
              (.host builder (interface-host op (or interface host)))))))

;; ---- as results ---------------------------------------------------------------------------------

(defn host-and-port
  "Returns [host port], the host with its name unless `do-not-resolve?`; of a Unix-domain address the path and
  0."
  [^SocketAddress address do-not-resolve?]
  [(if do-not-resolve? (Addresses/host address) (Addresses/resolved address))
   (long (Addresses/port address))])

(defn raw-host-and-port
  "As host-and-port, of the address of a raw socket."
  [^SockAddr address do-not-resolve?]
  (if-let [inet (.inetAddress address)]
    (host-and-port (InetSocketAddress. inet (.port address)) do-not-resolve?)
    [(or (.path address) (str address)) 0]))
