(ns parley.impl.endpoint
  "Checks where a server that evaluates code listens and which clients may connect: loopback by default,
  Unix-domain sockets in directories that no other user can enter, peers of the same user."
  {:no-doc true}
  (:require
   [clojure.edn :as edn]
   [clojure.string :as str]
   [parley.impl.address :as address]
   [parley.impl.files :as files]
   [parley.impl.options :as options])
  (:import
   (clojure.lang ArityException)
   (java.io File IOException)
   (java.lang ProcessHandle)
   (java.net InetAddress InetSocketAddress SocketAddress UnixDomainSocketAddress UnknownHostException)
   (java.nio.channels SocketChannel)
   (java.nio.file Files LinkOption Path)
   (java.nio.file.attribute FileAttribute PosixFilePermission PosixFilePermissions UserPrincipal)
   (jdk.net ExtendedSocketOptions UnixDomainPrincipal)
   (parley.net Addresses SocketServer SocketStream)
   (parley.net.tls TlsOptions)))

(set! *warn-on-reflection* true)

(def ^:private no-links
  (into-array LinkOption [LinkOption/NOFOLLOW_LINKS]))

(def ^:private follow
  (make-array LinkOption 0))

(def ^:private backlog
  "More than any system allows: each cuts it to its own limit (somaxconn)."
  65535)

(defn ->path
  "The absolute Path of a path in any form, nil of anything else; strings only when `text?`."
  ^Path [op x text?]
  (let [path (cond
               (instance? Path x) x
               (instance? UnixDomainSocketAddress x) (.getPath ^UnixDomainSocketAddress x)
               (or (instance? File x) (and text? (string? x))) (options/path-of op x))]
    (some-> ^Path path .toAbsolutePath .normalize)))

(defn file-path
  "The absolute Path of a file that an option names."
  ^Path [op option x]
  (or (->path op x true)
      (throw (options/misuse op (str option " is " (options/show x)) "a path, as a string, a File or a Path"))))

;; ---- TCP ----------------------------------------------------------------------------------------

(defn- addresses
  "Returns the addresses of an interface; none for a wrong name: binding it throws the reason."
  [interface]
  (cond
    (= :loopback interface) [(InetAddress/getLoopbackAddress)]
    (instance? SocketStream interface) [(.getAddress ^InetSocketAddress (.localAddress ^SocketStream interface))]
    (re-find #"[\s\p{Cntrl}/]" interface) []
    :else (try
            (InetAddress/getAllByName ^String interface)
            (catch UnknownHostException _
              []))))

(defn check-interface
  "Refuses what other machines can reach, unless they are allowed to."
  [op {:keys [interface allow-remote token token-file ^TlsOptions tls names]} addresses]
  (when-not (or (and (options/flag op ":allow-remote" allow-remote)
                     (or token token-file (some-> tls .needsClientCertificate)))
                (every? (fn [^InetAddress a] (.isLoopbackAddress a)) addresses))
    (throw (options/misuse op
             (str (:interface names) " is " (options/show interface) ", which other machines can reach")
             (str "\"127.0.0.1\" or a Unix-domain socket (" (:path names) "); to let other machines run code as this "
               "user, give :allow-remote true, and with it :token or :token-file for all who know the token, or "
               ":tls with :client-auth :need for all who have a certificate of its :ca")))))

(defn- bind ^SocketServer [endpoint interface]
  (SocketServer/listen (address/->server-options "socket-server" endpoint {:interface interface
                                                                           :backlog backlog})))

(defn- listen-tcp [op {:keys [port interface]
                       :as opts}]
  (check-interface op opts (addresses interface))
  (let [server (bind port interface)]
    (try
      ;; A name may have come to stand for something else meanwhile.
      (check-interface op opts [(.getAddress ^InetSocketAddress (.localAddress server))])
      server
      (catch Throwable e
        (.close ^SocketServer server)
        (throw e)))))

;; ---- Unix-domain sockets ------------------------------------------------------------------------

(def ^:private owners
  [PosixFilePermission/OWNER_READ PosixFilePermission/OWNER_WRITE PosixFilePermission/OWNER_EXECUTE])

(defn make-directory
  "Makes a directory for its owner alone, unless it exists."
  [^Path directory]
  (when-not (Files/exists directory follow)
    (Files/createDirectories directory
      (into-array FileAttribute
        [(PosixFilePermissions/asFileAttribute (PosixFilePermissions/fromString "rwx------"))]))))

(defn- unsafe-directory [op directory why]
  (options/misuse op (str "the directory " directory " of the socket " why)
    "one that only this user can enter (chmod 700), such as a new one, which is made with rwx------"))

(defn check-directory
  "Throws when other users can enter the directory, and so reach the socket, or write to it, and so replace
  the socket."
  [op ^Path directory]
  (let [permissions (Files/getPosixFilePermissions directory follow)]
    (when (seq (reduce disj (set permissions) owners))
      (throw (unsafe-directory op directory
               (str "is " (PosixFilePermissions/toString permissions) ": it is open to others"))))))

(defn- check-owner
  "The directory must be the user's own, as the socket is, or root's."
  [op ^Path directory ^Path socket]
  (when-not (or (= (files/owner socket) (Files/getOwner directory follow))
                (= 0 (Files/getAttribute directory "unix:uid" follow)))
    (throw (unsafe-directory op directory (str "belongs to " (.getName (Files/getOwner directory follow)))))))

(defn- listen-unix [op ^Path path]
  (let [directory (.getParent path)]
    (make-directory directory)
    (check-directory op directory)
    (let [server (bind path nil)]
      (try
        (check-owner op directory path)
        server
        (catch Throwable e
          (.close ^SocketServer server)
          (throw e))))))

(defn- call-enabled
  "Returns what the function :enabled-in returns; throws an error that names the option when it has other
  arguments."
  [op enabled-in]
  (try
    (enabled-in)
    (catch ArityException e
      (throw (doto (options/misuse op (str ":enabled-in is " (options/show enabled-in) ": " (ex-message e))
                     "a function of no arguments, or nil")
               (.addSuppressed e))))))

(defn check-enabled
  "Throws an error where code must not be evaluated."
  [op enabled-in]
  (options/function op ":enabled-in" enabled-in "a function of no arguments, or nil")
  (when-not (or (nil? enabled-in) (call-enabled op enabled-in))
    (throw (IllegalStateException.
             (str op ": :enabled-in returned false for this process; no server was started")))))

(defn- port-and-host
  "Returns {:path Path}, or {:port number :host string or nil}, of a :port in any form of an endpoint."
  [op port]
  (cond
    (nil? port) {:port 0}
    (integer? port) {:port (options/port op ":port" port address/endpoint-forms)}
    (and (map? port) (not (:path port))) (address/endpoint op (update port :port #(if (nil? %) 0 %)))
    (or (map? port) (instance? InetSocketAddress port) (->path op port false)) (address/endpoint op port)
    :else (throw (options/misuse op (str ":port is " (options/show port)) address/endpoint-forms))))

(defn- checked-interface [op interface names]
  (if (or (= :loopback interface) (instance? SocketStream interface))
    interface
    (address/->host op (:interface names) interface
      "a host name or an address, such as \"127.0.0.1\", or :loopback")))

(defn located
  "Returns the options of a server with its endpoint, in whatever form it was given, as an absolute :path, or as
  :port, a number, and :interface."
  [op {:keys [path port interface names]
       :as opts}]
  (let [names (merge {:interface ":interface"
                      :path ":path"} names)
        {:keys [host]
         :as found} (if (nil? path)
                      (port-and-host op port)
                      {:path (or (->path op path true)
                               (throw (options/misuse op (str (:path names) " is " (options/show path))
                                        "a path, as a string, a File or a Path")))})]
    (when (and interface host)
      (throw (options/misuse op (str (:interface names) " is " (options/show interface) " besides the endpoint " (options/show port))
               "one of them: an endpoint with a host has no interface")))
    (assoc opts
      :names names
      :path (->path op (:path found) false)
      :port (:port found)
      :interface (when-not (:path found)
                   (or (checked-interface op interface names) host "127.0.0.1")))))

(defn listen
  "Returns the server socket of options that `located` has returned, when it is safe to evaluate code there."
  ^SocketServer [op {:keys [path enabled-in]
                     :as opts}]
  (check-enabled op enabled-in)
  (if path
    (listen-unix op path)
    (listen-tcp op opts)))

(defn unix?
  "Returns true when a server or stream is of a Unix-domain socket."
  [^SocketServer server]
  (instance? UnixDomainSocketAddress (.localAddress server)))

(defn show
  "Where a server listens, for people."
  [^SocketServer server]
  (Addresses/show server))

(defn uri
  "Where a server listens, under a scheme."
  ^String [scheme ^SocketServer server]
  (if (unix? server)
    (str scheme "+unix:" (.localAddress server))
    (str scheme "://" (Addresses/show (.localAddress server)))))

;; ---- peers --------------------------------------------------------------------------------------

(defn server-user
  "The user that a Unix-domain server's socket belongs to, nil for TCP."
  ^UserPrincipal [^SocketServer server]
  (when (unix? server)
    (files/owner (.getPath ^UnixDomainSocketAddress (.localAddress server)))))

(defn- user
  "Returns the UserPrincipal of a Unix-domain peer."
  ^UserPrincipal [^SocketStream s]
  (let [^UnixDomainPrincipal credentials (.getOption ^SocketChannel (.channel s)
                                           ExtendedSocketOptions/SO_PEERCRED)]
    (.user credentials)))

(defn peer-of
  "Returns what is known of an address and the stream to it: :address (nil for Unix-domain), :peer for
  people, :user and :principal the name and the UserPrincipal of a Unix-domain peer."
  [^SocketAddress address ^SocketStream s]
  (if (instance? InetSocketAddress address)
    {:peer (Addresses/show address)
     :address (Addresses/host address)}
    (when s
      (let [user (user s)]
        {:peer (str "user " (.getName user))
         :user (.getName user)
         :principal user}))))

(defn peer
  "As peer-of, of a stream."
  [^SocketStream s]
  (peer-of (.peerAddress s) s))

(defn check-server
  "A client's look at who serves at a path: it must be of the client's own user."
  [op ^SocketStream s ^Path path]
  (let [user (:principal (peer s))
        mine (files/this-user)]
    (when-not (= mine user)
      (throw (SecurityException. (str op ": the server at " path " belongs to " user ", not to " mine
                                   ": nothing was sent to it"))))))

(defn whereabouts
  "Returns the map for a port file, by which a client finds a server."
  [^SocketServer server]
  (assoc (if (unix? server) {:path (.host server)} {:host (.getHostAddress (.getAddress ^InetSocketAddress (.localAddress server)))
                                                    :port (.port server)})
    :pid (.pid (ProcessHandle/current))))

(defn parse-whereabouts
  "Returns the content of a port file, a port as of nREPL or what `whereabouts` returns, as a map of :path, or
  of :port and :host, and perhaps :pid; nil when it is none."
  [text]
  (let [content (try
                  (edn/read-string text)
                  (catch RuntimeException _ nil))
        {:keys [port host path pid]
         :as found} (if (map? content) content {:port content})]
    (when (and (or (string? path) (options/within? 1 65535 port))
            (or (nil? host) (string? host))
            (or (nil? pid) (pos-int? pid)))
      found)))

(defn- accepts?
  "Returns whether a server accepts connections at the address in a port file."
  [{:keys [path ^String host port]}]
  (let [opts (options/->stream-options "connect" {:timeout 1})]
    (try
      (.abort (if path
                (SocketStream/connect (UnixDomainSocketAddress/of ^String path) opts)
                (SocketStream/connect (or host "127.0.0.1") (int port) opts)))
      true
      (catch IOException _
        false))))

(defn check-free
  "Throws an error when a port file exists and its server runs."
  [op ^Path file]
  (when (Files/isRegularFile file no-links)
    (let [text (String. (Files/readAllBytes file) "UTF-8")
          {:keys [pid]
           :as found} (parse-whereabouts text)]
      (when (and found
              (or (nil? pid) (.isPresent (ProcessHandle/of (long pid))))
              (accepts? found))
        (throw (options/misuse op (str ":port-file " file " is that of a running server: " (str/trim text))
                 "another file, or that server closed first"))))))
