(ns parley.nrepl
  "nREPL over Parley's sockets, TCP and Unix-domain, with Parley's guards. Replaces
  nrepl.server/start-server. Add nREPL to your dependencies: it is loaded when a server starts, not
  before. See doc/repl.md. Nothing here starts by itself."
  (:require
   [clojure.pprint :as pprint]
   [parley.impl.admission :as admission]
   [parley.impl.bencode :as bencode]
   [parley.impl.client :as client]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.evaluating-server :as evaluating-server]
   [parley.impl.evaluator :as evaluator]
   [parley.impl.guard :as guard]
   [parley.impl.journal :as journal]
   [parley.impl.nrepl-socket :as nrepl-socket]
   [parley.impl.options :as options]
   [parley.impl.text :as text])
  (:import
   (clojure.lang IPersistentMap MultiFn)
   (java.io Closeable FileNotFoundException IOException InputStream InterruptedIOException UncheckedIOException Writer)
   (java.net SocketException)
   (java.util.concurrent.atomic AtomicLong)
   (javax.net.ssl SSLHandshakeException)
   (parley.net SocketServer SocketStream)
   (parley.net.tls TlsSession)))

(set! *warn-on-reflection* true)

(defn- nrepl
  "Returns the value of a var of nREPL, or throws an error that describes how to add nREPL."
  [symbol]
  (try
    @(or (requiring-resolve symbol)
         (throw (IllegalStateException. (str "nrepl-server: this version of nREPL has no " symbol "; add nrepl/nrepl 1.0.0 or later"))))
    (catch FileNotFoundException e
      ;; Not as the cause: a REPL prints the message of the last one.
      (throw (doto (IllegalStateException.
                     (str "nrepl-server: nREPL is not on the class path; add nrepl/nrepl to the dependencies of your "
                       "project, {:mvn/version \"1.0.0\"} or later, since Parley does not bring it"))
               (.addSuppressed e))))))

;; ---- TLS ----------------------------------------------------------------------------------------

(defn- invalid-start [message cause]
  (ex-info message {:nrepl/kind :nrepl.server/invalid-start-request} cause))

(defn- tls-of-keys
  "Returns the options of TLS of nREPL's :tls-keys-file or :tls-keys-str: in one text the certificate of the
  issuer, the certificate of this side, and its key; the peer's certificate must be of the same issuer."
  [op {:keys [tls? tls-keys-str tls-keys-file]
       :as options} role]
  (when (or tls? tls-keys-str tls-keys-file)
    (when-not (or tls-keys-str tls-keys-file)
      (throw (invalid-start "tls? is true, but neither tls-keys-str nor tls-keys-file is present" nil)))
    (when (or (:tls options) (and tls-keys-str tls-keys-file))
      (throw (options/misuse op "TLS is given twice" "one of :tls, :tls-keys-str and :tls-keys-file")))
    (let [keys (or tls-keys-file tls-keys-str)]
      (try
        (options/->tls op (merge {:ca keys
                                  :cert keys
                                  :protocols ["TLSv1.3"]}
                            (if (= :server role)
                              {:client-auth :need}
                              {:verify-host false}))) ; as nREPL: the issuer is private
        (catch IOException e
          (throw (invalid-start (ex-message e) e)))))))

(defn- check-peer
  "Ends the handshake of a client with TLS. With keys as of nREPL the client must have a certificate of its
  own: a client with the server's key could pose as the server."
  [{:keys [^SocketStream stream]} {:keys [own-keys? consume-exception]}]
  (try
    (when-let [^TlsSession session (.tlsSession stream)]
      (when (and own-keys?
                 (= (vec (.getLocalCertificates (.session session))) (vec (.peerCertificates session))))
        (throw (SSLHandshakeException. (str "nrepl-server: " stream ": the client has the certificate of the server"
                                         ", expected one of its own")))))
    (catch IOException e
      (when consume-exception
        (consume-exception e))
      (throw e))))

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

(def ^:private evaluating
  "Operations that close waits for."
  #{"eval" "load-file"})

(defn- done? [{:keys [status]}]
  (boolean (some #{"done"} (map name (if (coll? status) status (remove nil? [status]))))))

(defn- connection-lost?
  "Returns true when sending threw because the client has gone, or the server has closed its connection."
  [{:keys [^SocketStream stream]} e]
  (or (not (.isOpen stream))
      (and (instance? IOException e) (not (instance? InterruptedIOException e)))))

(defn- dropping
  "Returns a function that is called with each response that is dropped. Throws when an evaluation for which
  `running?` is true goes on printing. The exception is unchecked because java.io.PrintWriter swallows an
  IOException."
  [running?]
  (let [{:keys [spend renew]} (text/allowance)]
    (fn [{:keys [out err]} e]
      (when (and (or out err) (not (spend (+ 64 (count out) (count err)))) (running?))
        (renew) ; the report of this exception is dropped, too
        (throw (UncheckedIOException. (if (instance? IOException e) e (IOException. (ex-message e) e))))))))

(defn- sender
  "Returns a function that sends responses. It drops them when the client has gone: an exception would end the
  thread of the session, which outlives the connection, and be printed with its stack trace."
  [client transport drop-response]
  (let [send (nrepl 'nrepl.transport/send)]
    (fn [{:keys [status ns]
          :as response}]
      ;; A write that need not wait does not look for interrupts: code that prints for ever would go on.
      ;; A value that is sent whole comes with its namespace.
      (when (and (nil? status) (nil? ns) (Thread/interrupted))
        (throw (InterruptedException. "interrupted")))
      (try
        (send transport response)
        (catch Exception e
          (if (connection-lost? client e)
            (drop-response response e)
            (throw e)))))))

(defn- over
  "Returns the set of running evaluations without those that a last response ends: the one that it belongs to
  and the one that was interrupted."
  [running evaluation {:keys [session id status]}]
  (let [ended? (if (some #{"interrupted"} (map name status))
                 #(= [session id] [(:session %) (:id %)])
                 #(identical? evaluation %))]
    (into #{} (remove ended?) running)))

(defn- responding
  "Returns a transport for the responses to one message. `evaluation` is in the set of those that run, or nil."
  [transport service client running evaluation]
  (let [recv (nrepl 'nrepl.transport/recv)
        send (sender client transport (dropping #(contains? @running evaluation)))]
    ((nrepl 'nrepl.transport/->FnTransport)
     #(recv transport %)
     (fn [response]
       (try
         (send response)
         (finally
           (when (done? response)
             (swap! running over evaluation response)))))
     #(when (instance? Closeable transport)
        (.close ^Closeable transport)))))

(defn- tracked
  "Returns the handler with each evaluation noted in the atom `running` until it is done, by a transport
  that sees its responses. The messages name the client that sent them."
  [handler service client {:keys [running]}]
  (fn [{:keys [op session id transport]
        :as message}]
    (let [evaluation (when (contains? evaluating op)
                       {:client (:id client)
                        :session session
                        :id id
                        :key (Object.)})]
      (when evaluation
        (swap! running conj evaluation))
      (handler (assoc message
                 ::client (:id client)
                 :transport (responding transport service client running evaluation))))))

(defn- await-evaluations
  "Waits until none of a client's evaluations is in the set in an atom."
  [running client]
  (let [none (promise)
        look (fn [found]
               (when-not (some #(= (:id client) (:client %)) found)
                 (deliver none true)))]
    (add-watch running none (fn [_ _ _ found] (look found)))
    (try
      (look @running)
      @none
      (finally
        (remove-watch running none)))))

(defn- prepared
  "Returns the handler with the bindings of sessions, which take them from the thread that makes them, and
  with its exceptions logged in a line: nREPL's log prints the whole message with them."
  [handler {:keys [journal]} {:keys [peer]} {:keys [bindings consume-exception]}]
  (fn [message]
    (try
      (with-bindings (or bindings {})
        (handler message))
      (catch Throwable e
        (journal/warn journal ::handler "the handler failed at a message of " (journal/peer-text peer) ", :op "
          (journal/peer-text (:op message)) ": " (journal/peer-text e) ", at " (first (.getStackTrace e)))
        (when consume-exception
          (consume-exception e))))))

(defn- own-client
  "Returns the id of the client that the calling thread evaluates for, or nil."
  []
  (::client @(requiring-resolve 'nrepl.middleware.interruptible-eval/*msg*)))

(defn- serve-messages
  "Hands messages to the handler until the client has sent its last."
  [transport {:keys [greeting-fn handle consume-exception]} handler]
  (try
    (when greeting-fn
      (greeting-fn transport))
    (handle handler transport)
    (catch SocketException _ ; how nREPL's transports report that the client is gone
      nil)
    (catch Throwable e
      (when consume-exception
        (consume-exception e))
      (throw e))))

(defn- run-session
  "As nREPL's own server: reads messages and hands them to the handler until the client is gone. When it is
  this server that ends, evaluations that run are waited for, as long as it may take to drain."
  [service {:keys [^SocketStream stream]
            :as client} {:keys [open-transports running transport-fn handler idle-timeout]
                               :as options}]
  (.readTimeout stream idle-timeout)
  (check-peer client options)
  (let [in (guarded-input service client options)
        transport (transport-fn (nrepl-socket/for-stream stream in (nrepl-socket/whole-output (.outputStream stream))))]
    (swap! open-transports conj transport)
    (try
      (serve-messages transport options (-> handler
                                            (tracked service client options)
                                            (prepared service client options)))
      (when (evaluating-server/closing? service)
        (await-evaluations running client))
      (finally
        (swap! open-transports disj transport)
        (when (instance? Closeable transport)
          (close-transport transport))
        (close-transport in)))))

;; ---- starting -----------------------------------------------------------------------------------

(def ^:private defaults
  (merge evaluator/defaults
    {:login-timeout 60
     :max-connections 256
     :max-unauthenticated 128
     :max-buffered 67108864}
    bencode/limits))

(def ^:private with-token
  "Defaults for clients that must log in, other than of those that may: as of a repl-server."
  (select-keys evaluator/defaults [:login-timeout :max-unauthenticated]))

(def ^:private known
  (into #{:bind :socket :handler :transport-fn :greeting-fn :consume-exception :ack-port :wire
          :tls? :tls-keys-str :tls-keys-file}
    (concat evaluator/known (keys defaults))))

(defn- check-endpoint [{:keys [port bind socket tls?]}]
  (when (and socket (or port bind tls?))
    (throw (invalid-start "Cannot listen on both port and filesystem socket" nil))))

(defn- check-functions [op options]
  (doseq [key [:handler :transport-fn :greeting-fn :consume-exception]]
    (options/function op key (get options key) "a function")))

(defn- checked
  "Returns the options, defaults filled in, or throws an error that names the first that is wrong; nothing
  is open yet."
  [op options]
  (let [{:keys [token token-file]
         :as given} (options/option-map op known options)
        {:keys [bind socket wire ack-port]
         :as all} (merge defaults (when (or token token-file) with-token) given)
        _ (check-endpoint all)
        own-keys (tls-of-keys op all :server)]
    (check-functions op all)
    (when-not (nil? ack-port)
      (options/integer op ":ack-port" 1 65535 ack-port "a port from 1 to 65535, or nil"))
    (assoc (evaluator/checked op (if own-keys (assoc all :tls own-keys) all) (cons :max-buffered (keys bencode/limits)))
      :own-keys? (some? own-keys)
      :interface bind
      :path socket
      :wire (options/choose op ":wire" {nil nil
                                        :bencode :bencode
                                        :text :text} wire))))

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

(defmethod print-method ::server [server ^Writer w]
  (.write w (evaluating-server/text "nrepl-server" (::service (meta server)))))

(defn- show-briefly
  "Has pprint, which does not look at :type, show a server as print-method does, other than one of nREPL's own."
  [server]
  (.addMethod ^MultiFn pprint/simple-dispatch (class server)
    (fn [x]
      (if (::service (meta x))
        (pr x)
        ((get-method pprint/simple-dispatch IPersistentMap) x))))
  server)

(defn- server-map
  "Returns nREPL's own record, since callers hint it; its close closes the server socket, and that the
  service."
  [{:keys [^SocketServer listener tls]
    :as service} {:keys [open-transports transport-fn greeting-fn handler unix? bind]}]
  (vary-meta
    ((nrepl 'nrepl.server/map->Server)
     {:server-socket (nrepl-socket/for-server listener
                       (fn []
                         (evaluating-server/close service)
                         ;; What is left is the transport of the evaluation that closes, which ends by itself;
                         ;; nREPL's stop-server would close it before its response is sent.
                         (reset! open-transports #{})))
      :host (when-not unix? (if (string? bind) bind (.host listener)))
      :port (when-not unix? (.port listener))
      :socket (when unix? (.host listener))
      :open-transports open-transports
      :transport transport-fn
      :greeting greeting-fn
      :handler handler})
    assoc :type ::server ::service service :parley.tls/tls tls))

(def ^:private parts
  {:names {:interface ":bind"
           :path ":socket"}
   :prefix "nrepl-"
   :prepare (fn [options]
              (assoc options
                :bind (:interface options)
                :own own-client
                :limits (assoc (select-keys options (keys bencode/limits))
                          :budget (AtomicLong. (long (:max-buffered options))))
                :open-transports (atom #{})
                :running (atom #{})))
   :admission #'admission/for-messages
   :session (fn [service client _ options] (run-session service client options))
   ;; A port stands alone, as editors expect it.
   :port-text (fn [^SocketServer server]
                (if (endpoint/unix? server)
                  (prn-str (endpoint/whereabouts server))
                  (str (.port server))))
   :made (comp show-briefly server-map)})

(defn- send-port
  "Sends this server's port to another server; closes this server when that fails."
  [^Closeable made {:keys [ack-port transport-fn]}]
  (try
    (when ack-port
      ((nrepl 'nrepl.ack/send-ack) (:port made) ack-port transport-fn))
    (catch Throwable e
      (.close made)
      (throw e))))

(defn nrepl-server
  "Starts an nREPL server, instead of nrepl.server/start-server. Takes options as keywords and
  values, or a map:

  :port            0 (default): the system chooses; 1 to 65535; or an endpoint, as of
                   parley.socket/socket-server
  :bind            address to bind, default \"127.0.0.1\"; :loopback for 127.0.0.1 and ::1
  :allow-remote    true: allows an interface other than loopback, for which a token, or TLS with
                   client certificates, is required; default nil
  :socket          path of a Unix-domain socket, instead of :port and :bind. A missing directory is made
                   with rwx------; one that is open to others is refused. Only processes of the same
                   user can connect. The file is removed on close
  :handler         default (nrepl.server/default-handler); any handler, with any middleware
  :transport-fn    default nrepl.transport/bencode; any that takes a java.net.Socket
  :greeting-fn     a function, called with the transport of each new client
  :ack-port        a port of another server, which receives this server's port
  :consume-exception
                   a function, called with each exception that a handler throws or that ends a
                   connection, except when the client has disconnected
  :tls? :tls-keys-str :tls-keys-file
                   as of nREPL 1.1: TLS 1.3 with keys in a text or a file: the certificate of the
                   issuer, that of the server, and its key, in PEM. Clients need a certificate of
                   the same issuer, other than the server's
  :tls             as of socket-accept, see parley.tls, instead of these, default nil

  :port-file       a file to make for editors, such as \".nrepl-port\", with the port; deleted on
                   close
  :token :token-file
                   as of parley.repl/repl-server. Editors support neither; use `connect` of this
                   namespace
  :bindings        a map of vars that a session begins with, such as {#'*print-length* 100}
  :login-timeout   seconds for a client's first byte, default 60, or for its token, default 10; nil:
                   no limit. The client has no thread until then
  :idle-timeout    seconds that may pass between messages, default nil: no limit
  :max-connections maximum number of open connections, default 256; further ones are closed
  :max-unauthenticated
                   maximum number of connections that have not sent anything, default 128, or that
                   have not sent their token, default 8
  :max-per-address maximum number of connections from one address, default nil: no limit
  :max-message :max-depth :max-digits :max-elements :max-key
                   of a message in bencode: bytes (default 16777216), lists and maps within each
                   other (64), digits of an integer (20), values and keys (65536), bytes of a key
                   (1024), checked before anything is allocated
  :max-buffered    bytes of incomplete messages, of all clients, default 67108864
  :wire            which guard checks the bytes of clients, :bencode or :text; default :bencode when
                   :transport-fn is nrepl.transport/bencode, else :text
  :drain           seconds that close waits for evaluations, default 1
  :threads         :virtual (default), which means :platform before JDK 24, or :platform
  :log :audit :grace :enabled-in
                   as of parley.repl/repl-server

  Returns an nrepl.server.Server, nREPL's own record, a java.io.Closeable, with the keys
  :server-socket, :host, :port, :socket, :open-transports, :transport, :greeting and :handler.
  nrepl.server/stop-server stops it, too. After close, the port or path can be bound again.

  Errors: IllegalStateException when nREPL is not on the class path; else as of repl-server."
  {:arglists (options/arglists 'java.io.Closeable known)}
  ^Closeable [& options]
  (let [op "nrepl-server"
        options (with-nrepl (checked op options))
        ;; The caller's bindings hold in the threads of connections, too.
        parts (update parts :session bound-fn*)]
    (doto ^Closeable (evaluator/serve op options parts)
      (send-port options))))

(def ^:private client-options
  (-> client/known (disj :path) (conj :socket :transport-fn :tls-keys-str :tls-keys-file)))

(defn connect
  "Connects to an nrepl-server with a token or TLS and returns a transport for nrepl.core/client, a
  java.io.Closeable. nrepl.core/connect suffices for other servers. Takes options as keywords and
  values, or a map:

  :port :host :socket :port-file :token :token-file :timeout :tls
                   as of parley.repl/connect; :socket is its :path
  :tls-keys-str :tls-keys-file
                   as of nREPL 1.1, instead of :tls: the certificate of the issuer, that of the
                   client, and its key. The issuer of the server's certificate is checked, its name
                   is not
  :transport-fn    default nrepl.transport/bencode

  Errors: as of parley.repl/connect; IllegalStateException when nREPL is not on the class path."
  {:arglists (options/arglists 'java.io.Closeable client-options)}
  ^Closeable [& options]
  (let [{:keys [socket transport-fn]
         :as given} (options/option-map "connect" client-options options)
        transport-fn (or transport-fn (nrepl 'nrepl.transport/bencode))
        own-keys (tls-of-keys "connect" given :client)
        ^SocketStream s (client/connect "connect"
                          (cond-> (-> given
                                      (dissoc :socket :transport-fn :tls-keys-str :tls-keys-file)
                                      (assoc :path socket))
                            own-keys (assoc :tls own-keys))
                          ":socket")]
    (transport-fn (nrepl-socket/for-stream s (.inputStream s) (.outputStream s)))))
