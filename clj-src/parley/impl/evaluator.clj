(ns parley.impl.evaluator
  "Common parts of repl-server and nrepl-server: options, files that describe a server, and its start."
  {:no-doc true}
  (:require
   [parley.impl.admission :as admission]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.evaluating-server :as evaluating-server]
   [parley.impl.files :as files]
   [parley.impl.journal :as journal]
   [parley.impl.login :as login]
   [parley.impl.options :as options]
   [parley.impl.tls :as tls])
  (:import
   (parley.net SocketServer)))

(set! *warn-on-reflection* true)

;; ---- options ------------------------------------------------------------------------------------

(def defaults
  "Options of every evaluating server, and their defaults."
  {:login-timeout 10
   :grace 0.2
   :idle-timeout nil
   :drain 1
   :max-connections 64
   :max-unauthenticated 8
   :max-per-address nil
   :threads :virtual
   :bindings nil})

(def known
  "The keys of the options of every evaluating server."
  (into #{:port :allow-remote :enabled-in :token :token-file :port-file :log :audit :tls}
    (keys defaults)))

(defn- limit [op option x]
  (options/int32 op (str option) 1 x "a positive number"))

(defn- limit-or-nil [op option x]
  (when-not (nil? x)
    (options/int32 op (str option) 1 x "a positive number or nil for no limit")))

(defn checked
  "Returns the options with durations in place of seconds, or throws an error that names the first that is
  wrong. `limits` are the keys of further positive numbers."
  [op {:keys [token token-file bindings threads name]
       :as all} limits]
  (admission/check-token-options op token token-file)
  (options/text op ":name" name)
  (admission/check-bindings op bindings)
  (let [each (fn [all keys f] (reduce (fn [all k] (update all k #(f op k %))) all keys))]
    (-> all
        (each (into [:max-connections :max-unauthenticated] limits) limit)
        (each [:max-per-address] limit-or-nil)
        (each [:login-timeout :grace :idle-timeout :drain] options/seconds)
        (update :tls #(tls/for-server op nil %))
        (assoc :threads (options/choose op ":threads" {:virtual :virtual
                                                       :platform :platform} threads)))))

;; ---- starting -----------------------------------------------------------------------------------

(defn- files-of
  "Returns the files that describe a server: see parley.impl.files."
  [op server {:keys [token token-file port-file]} port-text]
  (cond-> []
    token-file (conj [":token-file" (endpoint/file-path op ":token-file" token-file) (str token "\n")])
    port-file (conj [":port-file" (endpoint/file-path op ":port-file" port-file) (port-text server)])))

(defn- start
  [op ^SocketServer server {:keys [token token-file]
                            :as options} {:keys [prefix prepare session admission port-text made external-format]}]
  (let [unix? (endpoint/unix? server)
        name (or (:name options) (str prefix (if unix? (.host server) (.port server))))
        journal (journal/journal op name options)
        options (prepare (assoc options
                           :token (if token-file (login/new-token) token)
                           :name name
                           :unix? unix?))
        _ (when-let [file (:port-file options)]
            (endpoint/check-free op (endpoint/file-path op ":port-file" file)))
        delete-files (files/write op (files-of op server options port-text))
        handle (promise)]
    (try
      (let [service (evaluating-server/start
                      (merge (select-keys options [:name :threads :drain :own :tls :consume-exception])
                        {:listener server
                         :journal journal
                         :accept-options (options/->stream-options op
                                           (cond-> {:element-type :bivalent
                                                    :close-timeout 2
                                                    :tls (:tls options)}
                                             external-format (assoc :external-format external-format)))
                         :limits (select-keys options [:max-connections :max-unauthenticated :max-per-address])
                         :session (fn [service client] (session service client @handle options))
                         :on-close delete-files}
                        (admission op server options)))
            server-value (made service options)]
        (deliver handle server-value)
        (admission/announce journal server options)
        server-value)
      (catch Throwable e
        (delete-files)
        (throw e)))))

(defn serve
  "Listens and starts a server. `parts` are what makes one kind of server different from another:

    :names      what the options of the interface and the path are called
    :prefix     of the server's name
    :prepare    a function of the options, called when the server listens
    :admission  a function of op, server and options that returns :gate and :late of a service
    :session    a function of service, client, the server's value and the options
    :port-text  a function of the server that returns the text of its port file
    :made       a function of service and options that returns the server's value
    :external-format  of the clients' streams"
  [op options parts]
  (let [options (endpoint/located op (assoc options :names (:names parts)))
        server (endpoint/listen op options)]
    (try
      (start op server options parts)
      (catch Throwable e
        (.close server)
        (throw e)))))
