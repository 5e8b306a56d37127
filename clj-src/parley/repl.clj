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
   [parley.impl.files :as files]
   [parley.impl.guard :as guard]
   [parley.impl.journal :as journal]
   [parley.impl.login :as login]
   [parley.impl.options :as options]
   [parley.impl.service :as service]
   [parley.impl.text :as text])
  (:import
   (java.io Closeable FileNotFoundException Writer)
   (java.net SocketTimeoutException)
   (java.time Duration)
   (parley.net SocketServer SocketStream)))

(set! *warn-on-reflection* true)

(def ^:dynamic *session*
  "In a session: a map of :id (a string), :server (what repl-server returned), :peer (a string) and
  :stream, the client's socket stream, whose input *in* has taken up to the end of a line. Else nil."
  nil)

(defrecord ^:no-doc Server [host port path name token service]
  Closeable
  (close [_] (service/close service)))

(defmethod print-method Server [{:keys [name service]} ^Writer w]
  (.write w (str "#<repl-server " name " "
              (if @(:closing service) "closed" (str (count (service/clients service)) " clients")) ">")))

;; ---- sessions -----------------------------------------------------------------------------------

(defn- accept-function
  "What :accept stands for now: a var or a symbol is looked up for each client, so that a new definition
  takes effect at once."
  [accept]
  (letfn [(missing [cause]
            (IllegalStateException. (str ":accept is " accept ", which is not there") cause))]
    (if (symbol? accept)
      (or (try
            (requiring-resolve accept)
            (catch FileNotFoundException e ; an IOException, yet no news of the connection
              (throw (missing e))))
          (throw (missing nil)))
      accept)))

(defn- session-of [{:keys [id peer stream]} server]
  {:id id
   :peer peer
   :server server
   :stream stream})

(defn- streams
  "[in out look] of a client."
  [service {:keys [id ^SocketStream stream]
            :as client} {:keys [watch? max-line]}]
  (let [warn (fn [kind & parts]
               (apply journal/warn (:journal service) kind "session " id ": " parts))
        [in look] (text/reader stream
                    {:watch (when watch? (guard/watcher))
                     :hostile #(service/hostile service client %)
                     :max-line max-line
                     :too-long (fn [length]
                                 (warn ::line "a line of " length " characters or more, closed (:max-line)")
                                 (guard/drain stream))
                     :ended (fn [e]
                              (when (instance? SocketTimeoutException e)
                                (warn ::idle "nothing came for too long, closed (:idle-timeout)")))})]
    [in (text/writer stream) look]))

(defn- run-session
  "Evaluates for a client until its input is at the end or the accept function returns."
  [server {:keys [id ^SocketStream stream]
           :as client} {:keys [accept args bind-err ^Duration idle-timeout bindings]
                        :as options}]
  (.readTimeout stream idle-timeout)
  (let [[in out look] (streams (:service @server) client options)]
    (when (look)
      (with-bindings (merge (text/print-limits)
                            {#'*in* in
                             #'*out* out
                             #'*err* (if bind-err out *err*)
                             #'*session* (session-of client @server)
                             #'core-server/*session* {:server (:name @server)
                                                      :client id}}
                            bindings)
        (apply (accept-function accept) args)
        (.flush ^Writer out)))))

;; ---- starting -----------------------------------------------------------------------------------

(def ^:private defaults
  {:accept `core-server/repl
   :args nil
   :bind-err true
   :login-timeout 10
   :grace 0.2
   :idle-timeout nil
   :drain 1
   :max-connections 64
   :max-unauthenticated 8
   :max-per-address nil
   :max-line 1048576
   :threads :virtual
   :bindings nil})

(def ^:private known
  (into #{:port :path :interface :allow-remote :enabled-in :name :token :token-file :port-file :log :audit}
    (keys defaults)))

(defn- check-accept [op accept]
  (when-not (or (var? accept) (fn? accept) (qualified-symbol? accept))
    (throw (options/misuse op (str ":accept is " (options/show accept))
             "a function, a var or a qualified symbol, such as clojure.core.server/io-prepl"))))

(defn- checked
  "The options, defaults filled in, or an error that names the first that is wrong; nothing is open yet."
  [op options]
  (let [{:keys [accept args token token-file threads bindings max-per-address]
         :as all} (merge defaults (options/option-map op known options))
        seconds (fn [all option] (update all option #(admission/duration op option %)))
        limit (fn [all option] (update all option #(service/limit op option % false)))]
    (check-accept op accept)
    (when-not (or (nil? args) (sequential? args))
      (throw (options/misuse op (str ":args is " (options/show args)) "a vector of arguments for :accept")))
    (admission/check-token-options op token token-file)
    (admission/check-bindings op bindings)
    (-> (reduce limit all [:max-connections :max-unauthenticated :max-line])
        (assoc
          :max-per-address (service/limit op ":max-per-address" max-per-address true)
          :threads (options/choose op ":threads" {:virtual :virtual
                                                  :platform :platform} threads)
          :bind-err (options/flag op ":bind-err" (:bind-err all)))
        (as-> all (reduce seconds all [:login-timeout :grace :idle-timeout])
          (assoc all :drain (or (admission/duration op :drain (:drain all)) (Duration/ofDays 36500)))))))

(defn- admission-of
  "How clients are let in: :gate and :late of a service."
  [op server {:keys [token ^Duration login-timeout ^Duration grace]}]
  (cond
    token (admission/with-token (login/check-token op token) login-timeout)
    ;; The peer's user was checked, and no browser can speak to a Unix-domain socket.
    (endpoint/unix? server) {:gate nil
                             :late :admit}
    ;; A browser and its like send at once, and get nothing, not even a prompt; a person waits for one.
    :else {:gate (admission/after-input (or grace Duration/ZERO))
           :late :admit}))

(defn- service-options
  [op ^SocketServer server {:keys [token max-connections max-unauthenticated max-per-address drain threads]
                            :as options}]
  (merge {:server server
          :accept-options (options/->stream-options op
                            {:element-type :bivalent
                             :external-format {:charset :utf-8
                                               :input-error-action (char 0xfffd)}
                             :close-timeout 2})
          :threads threads
          :drain drain
          :limits {:max-connections max-connections
                   :max-unauthenticated (when token max-unauthenticated)
                   :max-per-address max-per-address}}
         (admission-of op server options)))

(defn- files-of
  "The files that tell of a server: see parley.impl.files."
  [op server {:keys [token token-file port-file]}]
  (cond-> []
    token-file (conj [":token-file" (endpoint/file-path op ":token-file" token-file) (str token "\n")])
    port-file (conj [":port-file" (endpoint/file-path op ":port-file" port-file)
                     (prn-str (endpoint/whereabouts server))])))

(defn- start [op ^SocketServer server {:keys [token token-file]
                                       :as options}]
  (let [unix? (endpoint/unix? server)
        name (or (:name options) (str "repl-" (if unix? (.host server) (.port server))))
        journal (journal/journal op name options)
        token (if token-file (login/new-token) token)
        options (assoc options :token token :watch? (not (or token unix?)))
        delete-files (files/write op (files-of op server options))
        handle (promise)]
    (try
      (let [service (service/start
                      (assoc (service-options op server options)
                        :name name
                        :journal journal
                        :session (fn [client] (run-session handle client options))
                        :on-close delete-files))
            made (->Server (.host server) (when-not unix? (.port server)) (when unix? (.host server))
                   name token service)]
        (deliver handle made)
        (admission/announce journal server options)
        made)
      (catch Throwable e
        (delete-files)
        (throw e)))))

(defn repl-server
  "Listens, and evaluates for whoever connects. Options as keywords and values, or a map:

  :port            0, the default: the system chooses; 1 to 65535; or a Path, as :path
  :path            of a Unix-domain socket, instead of a port: a string, a File or a Path. Its directory
                   is made with rwx------; one that is open to others is refused. Only processes
                   of the same user may connect
  :interface       what to bind, default \"127.0.0.1\"; other than loopback needs :allow-remote true
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
  :log             a function of a line of text; default prints to standard error; nil: silence
  :audit           a function of a map with :event (:connect :disconnect :refused :guarded :login-failed
                   :lost :stop), :at, :server, and of a client :session, :peer, :address or :user, :reason

  Returns a java.io.Closeable with the keys :host, :port, :path, :name and :token. Its close frees the
  endpoint at once, so that it can be bound again, and ends the sessions: those that wait for input at
  once, others when their evaluation is done, or, after :drain, by interrupting it and closing the
  connection. It may be called from within a session, and again.

  Errors: IllegalArgumentException for options, an unsafe interface or directory; IllegalStateException
  when :enabled-in says no; else as parley.socket/socket-server."
  ^Closeable [& options]
  (let [op "repl-server"
        options (checked op options)
        server (endpoint/listen op options)]
    (try
      (start op server options)
      (catch Throwable e
        (.close ^SocketServer server)
        (throw e)))))

;; ---- connecting -------------------------------------------------------------------------------

(defn connect
  "Connects to a repl-server. Options as keywords and values, or a map; one of the first three is needed:

  :port :host      host defaults to \"127.0.0.1\"
  :path            of a Unix-domain socket; its server must be of this process's user
  :port-file       of the server; a process that has ended is an error, since its port may be another's now
  :token           or :token-file, the server's: shown to be known by answering a challenge, so that
                   an impostor does not learn it; the server has to show the same before anything else
                   is sent
  :timeout         seconds for connecting, and for each answer of the login, default 10; nil: for ever

  Returns a socket stream in UTF-8, for the functions of parley.stream.

  Errors: IllegalArgumentException for options; SecurityException for a path of another user's;
  java.net.ProtocolException when the login fails; java.net.ConnectException for a port file left behind,
  java.nio.file.NoSuchFileException for one that is not there;
  else as parley.socket/socket-connect."
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
