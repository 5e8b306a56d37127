(ns parley.repl
  "A REPL behind a socket, for running systems: CLISP's example of a read-eval-print loop server, made fit
  for daily use. Whoever may connect may run any code as the process's user: see doc/repl.md for what keeps
  others out. Nothing here starts by itself.

    (with-open [server (repl-server {:port 5555})]
      …)

  then, from a terminal, nc 127.0.0.1 5555, or any client of Clojure's socket REPL."
  (:require
   [clojure.core.server :as core-server]
   [clojure.main :as main]
   [parley.impl.admission :as admission]
   [parley.impl.client :as client]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.evaluator :as evaluator]
   [parley.impl.options :as options]
   [parley.impl.service :as service]
   [parley.impl.session :as session])
  (:import
   (java.io Closeable)
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(def ^:dynamic *session*
  "In a session: a map of :id (a string), :server (what repl-server returned), :peer (a string) and
  :stream, the client's socket stream, whose input *in* has taken up to the end of a line. Else nil."
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
  "Listens, and evaluates for whoever connects. Options as keywords and values, or a map:

  :port            0, the default: the system chooses; 1 to 65535; or a Path, as :path
  :path            of a Unix-domain socket, instead of a port: a string, a File or a Path. Its directory
                   is made with rwx------; one that is open to others is refused. Only processes
                   of the same user may connect
  :interface       what to bind, default \"127.0.0.1\"; other than loopback needs :allow-remote true and a
                   token, or :tls with :client-auth :need
  :accept          what runs for each client, its *in* and *out* bound to the connection, until it
                   returns: a function, a var or a qualified symbol; default
                   'clojure.core.server/repl. Vars and symbols are looked up for each client
  :args            a vector of arguments for it
  :bind-err        whether *err* is the connection too, default true
  :bindings        a map of more dynamic vars to bind, such as {#'*print-length* 100}. Where the process has no
                   limits of its own, *print-length* is 100000 and *print-level* 256, which pr-str
                   heeds, too; nil takes one away
  :token           what a client must send as its first line, or show that it knows, as `connect` does:
                   16 to 256 characters of ASCII; nothing is sent to one that does neither. Default nil:
                   none
  :token-file      a file to make, readable by this user only, with a new random token; it is deleted
                   on close, and when the Java machine ends
  :port-file       a file to make that tells `connect` where the server is, and of which process; it is
                   deleted as the token's is
  :tls             as of socket-accept, see parley.tls, default nil. With :client-auth :need, only clients
                   that have a certificate of an issuer in :ca get in
  :enabled-in      a function of no arguments that says whether this process may evaluate what comes, such
                   as one that looks whether it is in production; when it does not, nothing is opened
  :login-timeout   seconds for the token, default 10
  :grace           seconds to wait for a client's first bytes before it gets a prompt, default 0.2, without
                   a token on TCP only: a web browser would send some by then, and get nothing
  :idle-timeout    seconds that a read may wait before the session is closed, default nil: for ever
  :max-connections :max-unauthenticated :max-per-address
                   default 64, 8 (with a token only), nil (no limit of its own); one too many is closed
  :max-line        characters in a line, default 1048576; a longer one closes the session
  :drain           seconds that close waits for evaluations, default 1; nil waits for ever
  :threads         :virtual, the default, where the JDK's are fit for it (24 and later), or :platform
  :name            in the names of threads and in the log, default \"repl-\" and the port
  :log             a function of a line of text; default the logger parley.repl; nil: silence
  :audit           a function of a map with :event (:connect :disconnect :refused :guarded :login-failed
                   :lost :stop), :at, :server, and of a client :session, :peer, :address or :user, :reason

  Returns a java.io.Closeable with the keys :host, :port, :path, :name and :token. Its close frees the
  endpoint at once, so that it can be bound again, and ends the sessions: those that wait for input at
  once, others when their evaluation is done, or, after :drain, by interrupting it and closing the
  connection. It may be called from within a session, and again.

  Errors: IllegalArgumentException for options, an unsafe interface or directory; IllegalStateException
  when :enabled-in says no; else as parley.socket/socket-server."
  {:arglists (options/arglists 'java.io.Closeable known)}
  ^Closeable [& options]
  (let [op "repl-server"]
    (evaluator/serve op (checked op options) parts)))

;; ---- connecting -------------------------------------------------------------------------------

(defn connect
  "Connects to a repl-server. Options as keywords and values, or a map; one of the first three is needed:

  :port :host      host defaults to \"127.0.0.1\"
  :path            of a Unix-domain socket; its server must be of this process's user
  :port-file       of the server; a process that has ended is an error, since its port may be another's now
  :token           or :token-file, the server's: shown to be known by answering a challenge, so that
                   an impostor does not learn it; the server has to show the same before anything else
                   is sent
  :tls             as of socket-connect, default nil
  :timeout         seconds for connecting, and for each answer of the login, default 10; nil: for ever

  Returns a socket stream in UTF-8, for the functions of parley.stream.

  Errors: IllegalArgumentException for options; SecurityException for a path of another user's;
  java.net.ProtocolException when the login fails; java.net.ConnectException for a port file left behind,
  java.nio.file.NoSuchFileException for one that is not there;
  else as parley.socket/socket-connect."
  {:arglists (options/arglists 'parley.net.SocketStream client/known)}
  ^SocketStream [& options]
  (client/connect "connect" (options/option-map "connect" client/known options)))

;; ---- in use -------------------------------------------------------------------------------------

(defn- this-server [op server]
  (or (:service (or server (:server *session*)))
      (throw (options/misuse op (str "the server is " (options/show server))
               "what repl-server returned; it may be left out within a session only"))))

(defn sessions
  "The sessions of a server, within a session of its own server: a vector of maps of :id, :peer, :since
  (an Instant) and :user or :address."
  ([] (sessions nil))
  ([server]
   (->> (service/clients (this-server "sessions" server))
        (map #(select-keys % [:id :peer :since :user :address]))
        (sort-by (comp parse-long :id))
        vec)))

(defn interrupt
  "Interrupts what a session evaluates, or its waiting for input: a wait ends with an exception, which
  the session prints, and goes on. Code that never waits and does not look at its thread's interrupt
  flag goes on, too. Within a session the server may be left out, so that one session can interrupt
  another. true when there is a session of that :id, else nil."
  ([id] (interrupt nil id))
  ([server id]
   (service/interrupt (this-server "interrupt" server) id)))

(defn repl
  "An accept function: as clojure.core.server/repl (:repl/quit ends it), and says briefly that an
  evaluation was interrupted."
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
