(ns parley.impl.session
  "Sessions of a repl-server, and the server's value."
  {:no-doc true}
  (:require
   [clojure.core.protocols :as protocols]
   [clojure.core.server :as core-server]
   ;; The evaluators need these for each session, and would load them in its thread.
   [clojure.java.javadoc]
   [clojure.repl]
   [parley.impl.evaluating-server :as evaluating-server]
   [parley.impl.guard :as guard]
   [parley.impl.journal :as journal]
   [parley.impl.prepl :as prepl]
   [parley.impl.print :as print]
   [parley.impl.serving :as serving]
   [parley.impl.text :as text]
   [parley.impl.turn :as turn])
  (:import
   (java.io Closeable FileNotFoundException Writer)
   (java.net SocketTimeoutException)
   (java.time Duration)
   (parley.net SocketServer SocketStream)))

(set! *warn-on-reflection* true)

;; ---- the server's value -------------------------------------------------------------------------

(defrecord Server [host port path name token service]
  Closeable
  (close [_] (evaluating-server/close service))
  Object
  (toString [_] (evaluating-server/text "repl-server" service)))

(serving/as-text! Server)

(extend-protocol protocols/Datafiable
  Server
  (datafy [server]
    (-> (serving/facts @(:server (:service server)))
        (merge (select-keys server [:host :port :path]))
        (assoc :kind :repl-server
               :token? (some? (:token server)))
        print/ordered)))

(defn server
  "Returns the value that repl-server returns."
  [{:keys [^SocketServer listener]
    :as service} {:keys [name token unix? interface]}]
  (->Server (when-not unix? (if (string? interface) interface (.host listener))) (when-not unix? (.port listener))
    (when unix? (.host listener)) name token service))

;; ---- sessions -----------------------------------------------------------------------------------

(defn accept-function
  "Returns what :accept stands for now: a var or a symbol is looked up for each client, so that a new
  definition takes effect at once. For Clojure's io-prepl it is that of parley.impl.prepl."
  [accept]
  (letfn [(missing [cause]
            (IllegalStateException. (str ":accept is " accept ", which does not exist") cause))]
    (let [f (if (symbol? accept)
              (or (try
                    (requiring-resolve accept)
                    (catch FileNotFoundException e ; an IOException, yet no news of the connection
                      (throw (missing e))))
                  (throw (missing nil)))
              accept)]
      (if (contains? #{#'core-server/io-prepl core-server/io-prepl} f)
        prepl/io-prepl
        f))))

(defn- session-of [{:keys [id peer stream]} server]
  {:id id
   :peer peer
   :server server
   :stream stream})

(defn streams
  "[in out look] of a client."
  [service {:keys [id turn ^SocketStream stream]
            :as client} {:keys [watch? max-line]}]
  (let [warn (fn [kind & parts]
               (apply journal/warn (:journal service) kind "session " id ": " parts))
        allowance (text/allowance)
        [in look] (text/reader stream
                    {:watch (when watch? (guard/watcher))
                     :hostile #(evaluating-server/hostile client %)
                     :max-line max-line
                     :turn turn
                     :taken (fn []
                              ((:renew allowance))
                              (reset! (:spoke client) true))
                     :too-long (fn [length]
                                 (warn ::line "a line of " length " characters or more, closed (:max-line)")
                                 (guard/drain stream))
                     :ended (fn [e]
                              (cond
                                (instance? SocketTimeoutException e)
                                (warn ::idle "nothing came for too long, closed (:idle-timeout)")
                                (evaluating-server/own-failure? stream e)
                                (warn ::failed "reading failed, closed: " (journal/peer-text e))))})]
    [in (text/writer stream allowance) look]))

(defn run
  "Evaluates for a client until its input is at the end or the accept function returns."
  [service {:keys [id turn ^SocketStream stream]
            :as client} server {:keys [accept args bind-err ^Duration idle-timeout bindings session-var]
                                :as options}]
  (.readTimeout stream idle-timeout)
  (turn/waiting turn #(.tlsSession stream)) ; the handshake comes first
  (let [[in out look] (streams service client options)]
    (when (look)
      (with-bindings (merge (text/print-limits)
                            {#'*in* in
                             #'*out* out
                             #'*err* (if bind-err out *err*)
                             session-var (session-of client server)
                             #'core-server/*session* {:server (:name server)
                                                      :client id}}
                            bindings)
        (apply (accept-function accept) args)
        (.flush ^Writer out)))))
