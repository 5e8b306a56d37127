(ns parley.nrepl
  "nREPL over Parley's sockets, TCP and Unix-domain, with Parley's guards in front: in place of
  nrepl.server/start-server, for editors as any nREPL. nREPL itself is yours to bring: it is looked for
  when a server is started, not before. See doc/repl.md. Nothing here starts by itself."
  (:require
   [parley.impl.admission :as admission]
   [parley.impl.bencode :as bencode]
   [parley.impl.client :as client]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.files :as files]
   [parley.impl.guard :as guard]
   [parley.impl.journal :as journal]
   [parley.impl.login :as login]
   [parley.impl.options :as options]
   [parley.impl.service :as service]
   [parley.impl.text :as text])
  (:import
   (java.io Closeable FileNotFoundException IOException InputStream OutputStream)
   (java.net InetSocketAddress ServerSocket Socket SocketAddress SocketException)
   (java.nio.channels ServerSocketChannel)
   (java.time Duration)
   (parley.net Direction SocketServer SocketStream)))

(set! *warn-on-reflection* true)

(defn- nrepl
  "A var's value in nREPL, or an error that says how to bring it."
  [symbol]
  (try
    @(or (requiring-resolve symbol)
         (throw (IllegalStateException. (str "nrepl-server: this nREPL has no " symbol))))
    (catch FileNotFoundException e
      (throw (IllegalStateException.
               (str "nrepl-server: nREPL is not on the class path; add nrepl/nrepl to the dependencies of your "
                 "project, {:mvn/version \"1.0.0\"} or later, since Parley does not bring it")
               e)))))

;; ---- what nREPL is handed -----------------------------------------------------------------------

(defn- as-socket
  "A java.net.Socket whose input and output are a stream's: what a transport function takes."
  ^Socket [^SocketStream s ^InputStream in ^OutputStream out]
  (let [inet (fn ^InetSocketAddress [^SocketAddress a] (when (instance? InetSocketAddress a) a))
        address (fn [a] (some-> ^InetSocketAddress (inet a) .getAddress))
        port (fn [a] (int (if-let [^InetSocketAddress a (inet a)] (.getPort a) 0)))]
    (proxy [Socket] []
      (getInputStream [] in)
      (getOutputStream [] out)
      (close [] (.close s))
      (isClosed [] (not (.isOpen s)))
      (isConnected [] true)
      (isBound [] true)
      (isInputShutdown [] (not (.isInput s)))
      (isOutputShutdown [] (not (.isOutput s)))
      (shutdownInput [] (.shutdown s Direction/INPUT))
      (shutdownOutput [] (.shutdown s Direction/OUTPUT))
      (getSoTimeout [] (int (if-let [d (.timeout (.in s))] (.toMillis ^Duration d) 0)))
      (setSoTimeout [ms] (.readTimeout s (when (pos? (int ms)) (Duration/ofMillis (int ms)))))
      (getTcpNoDelay [] true)
      (setTcpNoDelay [_])
      (getChannel [] (.channel s))
      (getRemoteSocketAddress [] (.peerAddress s))
      (getLocalSocketAddress [] (.localAddress s))
      (getInetAddress [] (address (.peerAddress s)))
      (getLocalAddress [] (address (.localAddress s)))
      (getPort [] (port (.peerAddress s)))
      (getLocalPort [] (port (.localAddress s)))
      (toString [] (str s)))))

(defn- no-accept []
  (throw (UnsupportedOperationException.
           "nrepl-server: the server accepts by itself; use its handler, its port, and its close")))

(defn- as-server-socket
  "A java.net.ServerSocket that tells where the server listens; closing it closes the server."
  ^ServerSocket [^SocketServer server close]
  (let [^InetSocketAddress address (.localAddress server)]
    (proxy [ServerSocket] []
      (accept [] (no-accept))
      (close [] (close))
      (isClosed [] (not (.isOpen server)))
      (isBound [] true)
      (getInetAddress [] (.getAddress address))
      (getLocalPort [] (int (.getPort address)))
      (getLocalSocketAddress [] address)
      (getChannel [] (.channel server))
      (toString [] (str server)))))

(defn- as-server-channel
  "As as-server-socket for a Unix-domain server, for which java.net has no class."
  ^ServerSocketChannel [^SocketServer server close]
  (let [channel (.channel server)]
    (proxy [ServerSocketChannel] [(.provider channel)]
      (accept [] (no-accept))
      (bind [_ _] (throw (java.nio.channels.AlreadyBoundException.)))
      (socket [] (throw (UnsupportedOperationException. "a Unix-domain server has no java.net.ServerSocket")))
      (getLocalAddress [] (.localAddress server))
      (supportedOptions [] (.supportedOptions channel))
      (getOption [^java.net.SocketOption name] (.getOption channel name))
      (setOption [^java.net.SocketOption name x] (.setOption channel name x))
      (implCloseSelectableChannel [] (close))
      (implConfigureBlocking [_])
      (toString [] (str server)))))

;; ---- sessions -----------------------------------------------------------------------------------

(defn- warn-and-drain [service client what]
  (journal/event (:journal service) :guarded {:session (:id client)
                                              :peer (:peer client)
                                              :reason what})
  (journal/warn (:journal service) :guarded "closed a connection of " (journal/peer-text (:peer client)) ": " what)
  (guard/drain (:stream client)))

(defn- guarded-input
  "A client's bytes, checked before nREPL sees them."
  ^InputStream [service {:keys [^SocketStream stream]
                         :as client} {:keys [wire unix? limits]}]
  (let [in (.inputStream stream)
        warn #(warn-and-drain service client %)]
    (cond
      (= :bencode wire) (bencode/input-stream in limits warn)
      unix? in
      :else (guard/input-stream in warn))))

(defn- close-transport [^Closeable transport]
  (try
    (.close transport)
    (catch IOException _ ; the client is gone
      nil)))

(defn- run-session
  "As nREPL's own server: reads messages and hands them to the handler until the client is gone."
  [service {:keys [^SocketStream stream]
            :as client} {:keys [open-transports transport-fn greeting-fn handler handle idle-timeout bindings]
                         :as options}]
  (.readTimeout stream idle-timeout)
  (let [in (guarded-input service client options)
        transport (transport-fn (as-socket stream in (.outputStream stream)))]
    (swap! open-transports conj transport)
    (try
      (with-bindings (merge (text/print-limits) bindings) ; a session takes them from the thread that makes it
        (when greeting-fn
          (greeting-fn transport))
        (handle handler transport))
      (catch SocketException _ ; how nREPL's transports say that the client is gone
        nil)
      (finally
        (swap! open-transports disj transport)
        (when (instance? Closeable transport)
          (close-transport transport))))))

;; ---- starting -----------------------------------------------------------------------------------

(def ^:private defaults
  {:login-timeout 60
   :grace 0.2
   :idle-timeout nil
   :drain 1
   :max-connections 256
   :max-unauthenticated 128
   :max-per-address nil
   :max-message (:max-message bencode/limits)
   :max-depth (:max-depth bencode/limits)
   :max-digits (:max-digits bencode/limits)
   :threads :virtual
   :bindings nil})

(def ^:private with-token
  "Defaults for clients that must log in, other than of those that may: as of a repl-server."
  {:login-timeout 10
   :max-unauthenticated 8})

(def ^:private known
  (into #{:port :bind :socket :handler :transport-fn :greeting-fn :ack-port :allow-remote :enabled-in :token
          :token-file :port-file :wire :log :audit}
    (keys defaults)))

(defn- check-endpoint [{:keys [port bind socket]}]
  (when (and socket (or port bind))
    (throw (ex-info "Cannot listen on both port and filesystem socket"
             {:nrepl/kind :nrepl.server/invalid-start-request}))))

(defn- check-ack-port [op {:keys [ack-port]}]
  (when-not (or (nil? ack-port) (and (int? ack-port) (<= 1 ack-port 65535)))
    (throw (options/misuse op (str ":ack-port is " (options/show ack-port)) "a port from 1 to 65535, or nil"))))

(defn- check-functions [op options]
  (doseq [key [:handler :transport-fn :greeting-fn]]
    (let [f (get options key)]
      (when-not (or (nil? f) (ifn? f))
        (throw (options/misuse op (str key " is " (options/show f)) "a function"))))))

(defn- checked
  "The options, defaults filled in, or an error that names the first that is wrong; nothing is open yet."
  [op options]
  (let [{:keys [token token-file bindings]
         :as given} (options/option-map op known options)
        all (merge defaults (when (or token token-file) with-token) given)
        seconds (fn [all option] (update all option #(admission/duration op option %)))
        limit (fn [all option] (update all option #(service/limit op option % false)))]
    (check-endpoint all)
    (check-functions op all)
    (check-ack-port op all)
    (admission/check-token-options op token token-file)
    (admission/check-bindings op bindings)
    (-> (reduce limit all [:max-connections :max-unauthenticated :max-message :max-depth :max-digits])
        (assoc
          :max-per-address (service/limit op ":max-per-address" (:max-per-address all) true)
          :threads (options/choose op ":threads" {:virtual :virtual
                                                  :platform :platform} (:threads all))
          :wire (options/choose op ":wire" {nil nil
                                            :bencode :bencode
                                            :text :text} (:wire all)))
        (as-> all (reduce seconds all [:login-timeout :grace :idle-timeout])
          (assoc all :drain (or (admission/duration op :drain (:drain all)) (Duration/ofDays 36500)))))))

(defn- with-nrepl
  "The options with nREPL's own functions where none were given."
  [{:keys [transport-fn handler wire]
    :as options}]
  (let [bencode (nrepl 'nrepl.transport/bencode)
        transport-fn (or transport-fn bencode)
        its (if (var? transport-fn) (deref transport-fn) transport-fn)]
    (assoc options
      :transport-fn transport-fn
      :handle (nrepl 'nrepl.server/handle)
      :handler (or handler ((nrepl 'nrepl.server/default-handler)))
      :wire (or wire (if (= its bencode) :bencode :text)))))

(defn- admission-of
  "A client that speaks first has no thread before it does; one that is greeted does not wait long."
  [op {:keys [wire greeting-fn token ^Duration login-timeout grace]}]
  (cond
    token (admission/with-token (login/check-token op token) login-timeout)
    (and (= :bencode wire) (not greeting-fn)) {:gate (admission/after-input login-timeout)
                                               :late [:refused "it sent nothing in time (:login-timeout)"]}
    :else {:gate (admission/after-input (or grace Duration/ZERO))
           :late :admit}))

(defn- files-of
  "The files that tell of a server: see parley.impl.files. A port stands alone, as editors expect it."
  [op ^SocketServer server {:keys [token token-file port-file]}]
  (cond-> []
    token-file (conj [":token-file" (endpoint/file-path op ":token-file" token-file) (str token "\n")])
    port-file (conj [":port-file" (endpoint/file-path op ":port-file" port-file)
                     (if (endpoint/unix? server)
                       (prn-str (endpoint/whereabouts server))
                       (str (.port server)))])))

(defn- server-map
  "nREPL's own record, for who hints it; its close closes the server socket, and that the service."
  [{:keys [^SocketServer server]
    :as service} {:keys [open-transports transport-fn greeting-fn handler unix?]}]
  (let [close #(service/close service)]
    (with-meta
      ((nrepl 'nrepl.server/map->Server)
       {:server-socket (if unix? (as-server-channel server close) (as-server-socket server close))
        :host (when-not unix? (.host server))
        :port (when-not unix? (.port server))
        :socket (when unix? (.host server))
        :open-transports open-transports
        :transport transport-fn
        :greeting greeting-fn
        :handler handler})
      {::service service})))

(defn- service-options [op server name session options]
  (merge {:server server
          :name name
          :accept-options (options/->stream-options op {:element-type :bivalent
                                                        :close-timeout 2})
          :threads (:threads options)
          :drain (:drain options)
          :limits (select-keys options [:max-connections :max-unauthenticated :max-per-address])
          :session session}
         (admission-of op options)))

(defn- start [op ^SocketServer server {:keys [token token-file]
                                       :as options}]
  (let [unix? (endpoint/unix? server)
        name (str "nrepl-" (if unix? (.host server) (.port server)))
        journal (journal/journal op name options)
        options (assoc options
                  :token (if token-file (login/new-token) token)
                  :unix? unix?
                  :limits (select-keys options [:max-message :max-depth :max-digits])
                  :open-transports (atom #{}))
        handle (promise)
        session (bound-fn* (fn [client] (run-session @handle client options)))
        delete-files (files/write op (files-of op server options))]
    (try
      (let [service (service/start (assoc (service-options op server name session options)
                                     :journal journal
                                     :on-close delete-files))]
        (deliver handle service)
        (admission/announce journal server options)
        (server-map service options))
      (catch Throwable e
        (delete-files)
        (throw e)))))

(defn- listen [op {:keys [port bind socket]
                   :as options}]
  (endpoint/listen op (assoc options :interface bind :port port :path socket :names {:interface ":bind"
                                                                                     :path ":socket"})))

(defn- tell-port
  "Tells another server this one's port; where it cannot be told, this one ends."
  [^Closeable made {:keys [ack-port transport-fn]}]
  (try
    (when ack-port
      ((nrepl 'nrepl.ack/send-ack) (:port made) ack-port transport-fn))
    (catch Throwable e
      (.close made)
      (throw e))))

(defn nrepl-server
  "Starts an nREPL server; takes the place of nrepl.server/start-server. Options as keywords and values, or
  a map:

  :port            0, the default: the system chooses; 1 to 65535
  :bind            the address to bind, default \"127.0.0.1\"; other than loopback needs
                   :allow-remote true
  :socket          the path of a Unix-domain socket, instead of the two. Its directory is made with
                   rwx------; one that is open to others is refused. Only processes of the same user
                   may connect. The file is removed on close
  :handler         default (nrepl.server/default-handler); any handler, with any middleware
  :transport-fn    default nrepl.transport/bencode; any that takes a java.net.Socket
  :greeting-fn     called with the transport of each new client
  :ack-port        a port of another server, to be told this one's port

  :port-file       a file to make for editors, such as \".nrepl-port\", with the port; deleted on close
  :token :token-file
                   as in parley.repl/repl-server. Editors know of neither: for clients that connect with
                   this namespace's `connect`
  :bindings        a map of vars that a session begins with; *print-length* is 100000 and *print-level* 256
                   where the process has no limits of its own; nil takes one away
  :login-timeout   seconds for a client's first byte, default 60, or for its token, default 10; nil: for ever.
                   It has no thread until then
  :idle-timeout    seconds that may pass between messages, default nil: for ever
  :max-connections :max-unauthenticated :max-per-address
                   default 256, 128 that have not sent anything yet (8 where a token is wanted), nil (no
                   limit of its own)
  :max-message :max-depth :max-digits
                   of a message in bencode: bytes (default 16777216), lists and maps within each other
                   (64), digits of an integer (20), checked before anything is allocated
  :wire            :bencode or :text, which of the guards suits the transport; default :bencode for
                   nrepl.transport/bencode, else :text
  :drain           seconds that close waits for connections to end, default 1
  :threads         :virtual, the default, where the JDK's are fit for it (24 and later), or :platform
  :log :audit :grace :enabled-in
                   as in parley.repl/repl-server

  Returns an nrepl.server.Server, nREPL's own record, a java.io.Closeable, with the keys :server-socket,
  :host, :port, :socket, :open-transports, :transport, :greeting and :handler; nrepl.server/stop-server
  stops it, too. When close returns, the port or path can be bound again.

  Errors: IllegalStateException when nREPL is not on the class path; otherwise as repl-server."
  ^Closeable [& options]
  (let [op "nrepl-server"
        options (with-nrepl (checked op options))
        server (listen op options)]
    (try
      (doto ^Closeable (start op server options)
        (tell-port options))
      (catch Throwable e
        (.close ^SocketServer server)
        (throw e)))))

(def ^:private client-options
  (-> client/known (disj :path) (conj :socket :transport-fn)))

(defn connect
  "Connects to an nrepl-server that wants a token; others take nrepl.core/connect as well. Options as
  keywords and values, or a map:

  :port :host :socket :port-file :token :token-file :timeout
                   as parley.repl/connect, the path being called :socket
  :transport-fn    default nrepl.transport/bencode

  Returns a transport, for nrepl.core/client; it is a java.io.Closeable. Errors: as parley.repl/connect;
  IllegalStateException when nREPL is not on the class path."
  ^Closeable [& options]
  (let [{:keys [socket transport-fn]
         :as given} (options/option-map "connect" client-options options)
        transport-fn (or transport-fn (nrepl 'nrepl.transport/bencode))
        ^SocketStream s (client/connect "connect" (-> given (dissoc :socket :transport-fn) (assoc :path socket)))]
    (transport-fn (as-socket s (.inputStream s) (.outputStream s)))))
