(ns parley.repl
  "A REPL on a socket, for running systems: CLISP's example of a read-eval-print loop server, for
  daily use. A client that may connect may run any code as the user of the process. doc/repl.md
  describes the protection. Nothing here starts by itself.

    (with-open [server (repl-server {:port 5555})]
      …)

  then, from a terminal, nc 127.0.0.1 5555, or any client of Clojure's socket REPL."
  (:require
   [clojure.core.server :as core-server]
   [clojure.main :as main]
   [parley.impl.admission :as admission]
   [parley.impl.client :as client]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.evaluating-server :as evaluating-server]
   [parley.impl.evaluator :as evaluator]
   [parley.impl.options :as options]
   [parley.impl.session :as session])
  (:import
   (java.io Closeable)
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(def ^:dynamic *session*
  "In a session, a map of :id (a string), :server (the value of repl-server), :peer (a string) and
  :stream, the client's socket stream, from which *in* has read up to the end of a line. Else nil."
  nil)

;; ---- starting -----------------------------------------------------------------------------------

(def ^:private defaults
  (merge evaluator/defaults
    {:accept `core-server/repl
     :args nil
     :bind-err true
     :max-line 1048576}))

(def ^:private known
  (into #{:path :interface :name} (concat evaluator/known (keys defaults))))

(defn- check-accept [op accept]
  (when-not (or (var? accept) (fn? accept) (qualified-symbol? accept))
    (throw (options/misuse op (str ":accept is " (options/show accept))
             "a function, a var or a qualified symbol, such as clojure.core.server/io-prepl")))
  (try
    (session/accept-function accept)
    (catch IllegalStateException e
      (throw (options/misuse op (ex-message e) "the name of a function")))))

(defn- checked
  "Returns the options, defaults filled in, or throws an error that names the first that is wrong; nothing
  is open yet."
  [op options]
  (let [{:keys [accept args bind-err]
         :as all} (merge defaults (options/option-map op known options))]
    (check-accept op accept)
    (when-not (or (nil? args) (sequential? args))
      (throw (options/misuse op (str ":args is " (options/show args)) "a vector of arguments for :accept")))
    (assoc (evaluator/checked op all [:max-line])
      :bind-err (options/flag op ":bind-err" bind-err))))

(def ^:private parts
  {:prefix "repl-"
   :prepare (fn [{:keys [token unix?]
                  :as options}]
              (cond-> (assoc options :watch? (not (or token unix?)) :session-var #'*session*)
                (nil? token) (assoc :max-unauthenticated nil)))
   :admission #'admission/for-lines
   :session session/run
   :port-text (fn [server] (prn-str (endpoint/whereabouts server)))
   :made session/server
   :external-format {:charset :utf-8
                     :input-error-action (char 0xfffd)}})

(defn repl-server
  "Listens, and evaluates the code of clients. Takes options as keywords and values, or a map:

  :port            0 (default): the system chooses; 1 to 65535; or an endpoint, as of
                   parley.socket/socket-server
  :path            of a Unix-domain socket, instead of a port: a string, a File or a Path. A missing
                   directory is made with rwx------; one that is open to others is refused. Only
                   processes of the same user can connect
  :interface       address to bind, default \"127.0.0.1\"; :loopback for 127.0.0.1 and ::1
  :allow-remote    true: allows an interface other than loopback, for which a token, or :tls with
                   :client-auth :need, is required; default nil
  :accept          function that runs for each client, with *in* and *out* bound to the connection,
                   until it returns: a function, a var or a qualified symbol; default
                   'clojure.core.server/repl. Vars and symbols are resolved for each client
  :args            a vector of arguments for it
  :bind-err        true: *err* is the connection, too; default true
  :bindings        a map of more dynamic vars to bind, such as {#'*print-length* 100}. Without
                   limits of the process, *print-length* is 100000 and *print-level* 256, also for
                   pr-str; nil removes one
  :token           token that a client must send as its first line, or prove, as `connect` does: 16
                   to 256 characters of ASCII; the server sends nothing before. Default nil: none
  :token-file      a file to make, readable by this user only, with a new random token; deleted on
                   close, and when the JVM ends
  :port-file       a file to make with the address and the process of the server, for `connect`;
                   deleted like the token's
  :tls             as of socket-accept, see parley.tls, default nil. With :client-auth :need, a
                   client needs a certificate of an issuer in :ca
  :enabled-in      a function of no arguments; when it returns false or nil, such as in production,
                   repl-server throws and opens nothing
  :login-timeout   seconds for the token, default 10
  :grace           seconds to wait for a client's first bytes before it gets a prompt, default 0.2;
                   on TCP without a token only. A web browser sends bytes in that time and gets
                   nothing. A client that ends its output in that time without a byte gets nothing,
                   too
  :idle-timeout    seconds that a read may wait before the session is closed, default nil: no limit
  :max-connections maximum number of open connections, default 64; further ones are closed
  :max-unauthenticated
                   maximum number of connections that have not sent their token, default 8
  :max-per-address maximum number of connections from one address, default nil: no limit
  :max-line        characters in a line, default 1048576; a longer line closes the session
  :drain           seconds that close waits for evaluations, default 1; nil: no limit
  :threads         :virtual (default), which means :platform before JDK 24, or :platform
  :name            in the names of threads and in the log, default \"repl-\" and the port
  :log             a function of a line of text; default the logger parley.repl; nil: no log
  :audit           a function of a map with :event (:connect :disconnect :refused :guarded
                   :login-failed :lost :stop), :at, :server, and for a client :session, :peer,
                   :address or :user, :reason

  Returns a java.io.Closeable with the keys :host, :port, :path, :name and :token. Its close frees
  the endpoint at once, so that it can be bound again. It ends sessions that wait for input at once,
  and others when their evaluation is done. After :drain it interrupts the evaluation and closes the
  connection. It may be called from within a session, and again.

  Errors: IllegalArgumentException for options, an unsafe interface or directory;
  IllegalStateException for :enabled-in; else as of parley.socket/socket-server."
  {:arglists (options/arglists 'java.io.Closeable known)}
  ^Closeable [& options]
  (let [op "repl-server"]
    (evaluator/serve op (checked op options) parts)))

;; ---- connecting -------------------------------------------------------------------------------

(defn connect
  "Connects to a repl-server and returns a socket stream in UTF-8, for the functions of
  parley.stream. Takes options as keywords and values, or a map. One of :port, :path and :port-file
  is required:

  :port :host      host, default \"127.0.0.1\"; or an endpoint as :port
  :path            of a Unix-domain socket; its server must be of this process's user
  :port-file       of the server; an error when its process has ended, since another process may
                   have the port now
  :token :token-file
                   that of the server. A challenge proves it, so an impostor does not learn it. The
                   server must prove it, too, before anything else is sent
  :tls             as of socket-connect, default nil
  :timeout         seconds for connecting, and for each response of the login, default 10; nil: no
                   limit

  Errors: IllegalArgumentException for options; SecurityException for a path of another user;
  java.net.ProtocolException when the login fails; java.net.ConnectException for a stale port file;
  java.nio.file.NoSuchFileException for a missing one; else as of parley.socket/socket-connect."
  {:arglists (options/arglists 'parley.net.SocketStream client/known)}
  ^SocketStream [& options]
  (client/connect "connect" (options/option-map "connect" client/known options) ":path"))

;; ---- in use -------------------------------------------------------------------------------------

(defn- this-server [op server]
  (or (:service (or server (:server *session*)))
      (throw (options/misuse op (str "the server is " (options/show server))
               "what repl-server returned; it may be left out within a session only"))))

(defn sessions
  "Returns the sessions of a server, within a session by default those of its own server: a vector
  of maps of :id and :peer (strings), :since (a java.time.Instant), and :address or, over a
  Unix-domain socket, :user (strings)."
  ([] (sessions nil))
  ([server]
   (->> (evaluating-server/clients (this-server "sessions" server))
        (map #(select-keys % [:id :peer :since :user :address]))
        (sort-by (comp parse-long :id))
        vec)))

(defn interrupt
  "Interrupts a session's evaluation. Returns true; false when the session is idle, that is, waits for
  the next form; nil when no session has that :id. A wait within the evaluation ends with an
  exception, which the session prints before it goes on. Code that neither waits nor checks its
  thread's interrupt flag goes on. The next form is never interrupted. Within a session the server
  may be left out, so that one session can interrupt another."
  ([id] (interrupt nil id))
  ([server id]
   (evaluating-server/interrupt (this-server "interrupt" server) id)))

(defn repl
  "An accept function like clojure.core.server/repl (:repl/quit ends it). It prints one line for an
  interrupted evaluation."
  []
  (main/repl
    :init core-server/repl-init
    :read core-server/repl-read
    :caught (fn [e]
              (if (some #(or (instance? InterruptedException %) (instance? java.io.InterruptedIOException %))
                    (take-while some? (iterate ex-cause e)))
                (binding [*out* *err*]
                  (println "Interrupted"))
                (main/repl-caught e)))))
