(ns parley.impl.admission
  "Admission gates: what a client must do after connecting before its session starts."
  {:no-doc true}
  (:require
   [clojure.string :as str]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.guard :as guard]
   [parley.impl.journal :as journal]
   [parley.impl.login :as login]
   [parley.impl.options :as options])
  (:import
   (clojure.lang Var)
   (java.io ByteArrayOutputStream)
   (java.time Duration)
   (parley.net SocketStream StreamInput)
   (parley.net.tls TlsOptions)))

(set! *warn-on-reflection* true)

(defn after-input
  "Opens when something has come, the end included. What comes after `timeout` is the service's :late."
  [timeout]
  (fn []
    {:timeout timeout
     :look (constantly :admit)}))

(def tries
  "Wrong tokens that end a connection."
  3)

(defn- complete
  "The bytes of a login line, without the carriage return that telnet puts at the end."
  ^bytes [^ByteArrayOutputStream line]
  (let [text (.toByteArray line)
        n (alength text)]
    (.reset line)
    (if (and (pos? n) (= 13 (aget text (dec n))))
      (java.util.Arrays/copyOf text (dec n))
      text)))

(defn- say
  "Sends a line without waiting. Three lines fit even if the client reads none."
  [^SocketStream stream line]
  (.writeTimeout stream Duration/ZERO)
  (.writeLine (.out stream) line)
  (.flush (.out stream))
  (.writeTimeout stream nil))

(defn- bencode?
  "Returns true when a line begins as a message in bencode does, and the token does not."
  [^bytes token ^ByteArrayOutputStream line]
  (and (< 2 (.size line) 8)
       (let [text (.toString line "ISO-8859-1")]
         (and (re-matches #"d\d+:" text)
              (not (str/starts-with? (String. token "ISO-8859-1") text))))))

(defn- login
  "Reads lines, as far as they have come, until the client has shown that it knows the token."
  [^bytes token]
  (let [line (ByteArrayOutputStream.)
        watch (guard/watcher)
        judge (login/judge token)
        left (volatile! tries)
        respond (fn [{:keys [stream]}]
                  (let [{:keys [verdict]
                         text :say} (judge (complete line))]
                    (when text
                      (say stream text))
                    (cond
                      (= :end verdict) [:login-failed "a wrong proof of the token"]
                      (not= :wrong verdict) verdict
                      (zero? (long (vswap! left dec))) [:login-failed (str tries " wrong tokens")]
                      :else :wait)))]
    (fn [{:keys [^SocketStream stream]
          :as client}]
      (loop []
        (let [b (.readByteNoHang (.in stream))
              found (if (neg? b) :clean (watch b))]
          (cond
            (= b StreamInput/NOTHING) :wait
            (neg? b) [:login-failed "it left before it had given the token"]
            (string? found) [:guarded (str found "; it is not for this port")]
            (= b 10) (let [verdict (respond client)]
                       (if (= :wait verdict)
                         (recur)
                         verdict))
            (<= (long login/longest-line) (.size line)) [:login-failed "a line too long for a token"]
            :else (do (.write line b)
                      (if (bencode? token line)
                        [:refused (str "it speaks bencode, as editors do, and this server wants its token first: connect "
                                    "by parley.nrepl/connect, or start the server without a token, on a path")]
                        (recur)))))))))

(defn after-token
  "Opens when the client has sent or proved the token, within `timeout` and three tries."
  [^bytes token timeout]
  (fn []
    {:timeout timeout
     :look (login token)}))

(defn with-token
  "The gate of a server with a token, a service's :gate and :late."
  [token timeout]
  {:gate (after-token token timeout)
   :late [:login-failed "no token in time (:login-timeout)"]})

(defn announce
  "Logs which clients can evaluate code at a server."
  [journal server {:keys [token ^TlsOptions tls]}]
  (journal/line journal "REPL server listens on " (endpoint/show server)
    (cond
      token "; a client needs the token"
      (some-> tls .needsClientCertificate) "; a client needs a certificate of an issuer in :ca"
      (endpoint/unix? server) "; only the same user can connect"
      :else " without a token: any local user can run code")))

(defn for-lines
  "Returns the :gate and :late of a service whose clients send lines of code."
  [op server {:keys [token login-timeout grace]}]
  (cond
    token (with-token (login/check-token op token) login-timeout)
    ;; The peer's user was checked, and no browser can speak to a Unix-domain socket.
    (endpoint/unix? server) {:gate nil
                             :late :admit}
    ;; A browser sends at once and gets nothing, not even a prompt; a person waits for one.
    :else {:gate (after-input (or grace Duration/ZERO))
           :late :admit-silent}))

(defn for-messages
  "Returns the :gate and :late of a service whose clients send messages. A client that speaks first has no
  thread before it does; one that is greeted does not wait long."
  [op _ {:keys [wire greeting-fn token login-timeout grace]}]
  (cond
    token (with-token (login/check-token op token) login-timeout)
    (and (= :bencode wire) (not greeting-fn)) {:gate (after-input login-timeout)
                                               :late [:refused "it sent nothing in time (:login-timeout)"]}
    :else {:gate (after-input (or grace Duration/ZERO))
           :late :admit}))

;; ---- options ------------------------------------------------------------------------------------

(defn check-token-options
  "Throws for two tokens."
  [op token token-file]
  (when (and token token-file)
    (throw (options/misuse op "both :token and :token-file are given" "one of them"))))

(defn check-bindings
  "Throws for bindings that are not of dynamic vars."
  [op bindings]
  (when-not (or (nil? bindings) (and (map? bindings) (every? var? (keys bindings))))
    (throw (options/misuse op (str ":bindings is " (options/show bindings)) "a map of vars to values")))
  (when-let [fixed (first (remove (fn [^Var v] (.isDynamic v)) (keys bindings)))]
    (throw (options/misuse op (str ":bindings has " fixed ", which is not dynamic") "dynamic vars only"))))
