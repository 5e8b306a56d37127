(ns parley.impl.client
  "A client's way to a server that evaluates code: where it is, whether it is the one that is meant, and
  the login, before anything of worth is sent."
  {:no-doc true}
  (:require
   [clojure.string :as str]
   [parley.impl.address :as address]
   [parley.impl.admission :as admission]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.files :as files]
   [parley.impl.login :as login]
   [parley.impl.options :as options])
  (:import
   (java.lang ProcessHandle)
   (java.net ConnectException ProtocolException UnixDomainSocketAddress)
   (java.nio.file Files LinkOption NoSuchFileException Path)
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(def known
  "The options of `connect`."
  #{:port :host :path :port-file :token :token-file :timeout :tls})

(def ^:private largest-file 4096)

(defn- content ^String [op option file secret]
  (let [path (endpoint/file-path op option file)]
    (when-not (Files/exists path (make-array LinkOption 0))
      (throw (NoSuchFileException. (str path) nil
               (str op ": " option " does not exist; start the server, which makes it and deletes it when it ends"))))
    (when (< (long largest-file) (Files/size path))
      (throw (options/misuse op (str option " " path " has " (Files/size path) " bytes") "a file that a server has made")))
    (files/check-own op option path secret)
    (Files/readString path)))

(defn check-alive
  "Throws an error when the process of a port file has ended."
  [op file pid]
  (when (and pid (not (.isPresent (ProcessHandle/of pid))))
    (throw (ConnectException.
             (str op ": " file " was made by process " pid ", which has ended; nothing was sent, since another program may listen there now; "
               "delete the file")))))

(defn- in-port-file
  "Returns where the server of a port file is: a map of :port and :host or of :path."
  [op file]
  (let [text (content op ":port-file" file false)
        {:keys [pid]
         :as found} (endpoint/parse-whereabouts text)]
    (when-not found
      (throw (options/misuse op (str ":port-file " file " contains " (options/show text)) "a file that a server has made")))
    (check-alive op file pid)
    (select-keys found [:path :port :host])))

(defn- target
  "Returns where the server is: a map of :port and :host or of :path."
  [op {:keys [port path port-file]
       :as all} path-option]
  (when (not= 1 (count (filter some? [port path port-file])))
    (throw (options/misuse op "no endpoint is given, or more than one"
             (str "exactly one of :port, " path-option " and :port-file"))))
  (let [host (address/->host op ":host" (:host all) "a name or an address, as a string or an InetAddress")]
    (cond
      path {:path (endpoint/file-path op path-option path)}
      port-file (in-port-file op port-file)
      (integer? port) {:port (options/port op ":port" port "an integer from 1 to 65535")
                       :host host}
      :else (let [found (address/endpoint op port)]
              (when (and host (or (:host found) (:path found)))
                (throw (options/misuse op (str ":host is " (options/show host) " besides the endpoint " (options/show port))
                         "one of them")))
              (merge {:host host} (into {} (filter (comp some? val)) found))))))

(defn- token-of ^bytes [op {:keys [token token-file]}]
  (admission/check-token-options op token token-file)
  (some->> (if token-file (str/trim (content op ":token-file" token-file true)) token)
           (login/check-token op)))

(defn- next-line
  "A line of a server's login, nil at the end or when it is too long to be one."
  [^SocketStream s]
  (loop [line (StringBuilder.)]
    (let [b (.readByte (.in s))]
      (cond
        (or (neg? b) (<= (long login/longest-line) (.length line))) nil
        (= 10 b) (str line)
        :else (recur (.append line (char b)))))))

(defn- log-in [op ^SocketStream s token]
  (let [ask (fn [^String line]
              (.writeLine (.out s) line)
              (.flush (.out s))
              (next-line s))]
    (when-let [wrong (login/prove token ask)]
      (throw (ProtocolException. (str op ": " s ": " wrong "; the token was not sent"))))))

(defn- open ^SocketStream [op {:keys [port host ^Path path timeout tls]}]
  (let [opts (options/->stream-options op {:timeout timeout
                                           :tls tls
                                           :element-type :bivalent})]
    (if path
      (SocketStream/connect (UnixDomainSocketAddress/of path) opts)
      (SocketStream/connect ^String (or host "127.0.0.1") (int port) opts))))

(defn connect
  "A bivalent stream to a server, logged in. `options` are out of `known`; `path-option` names :path in errors."
  ^SocketStream [op options path-option]
  (let [timeout (options/->duration op (:timeout options 10))
        token (token-of op options)
        {:keys [path]
         :as where} (target op options path-option)
        where (assoc where
                :timeout timeout
                :tls (options/->tls op (:tls options))
                :path (some-> path (endpoint/->path true)))
        s (open op where)]
    (try
      (when path
        (endpoint/check-server op s (:path where)))
      (when token
        (.readTimeout s timeout)
        (log-in op s token)
        (.readTimeout s nil))
      s
      (catch Throwable e
        (.abort s)
        (throw e)))))
