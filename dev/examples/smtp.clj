(ns examples.smtp
  "Sends a mail by SMTP, encrypted by STARTTLS.

  (send-mail {:host \"mail.example.org\" :port 25 :tls true
              :from \"me@example.org\" :to [\"you@example.org\"]
              :text \"Subject: hello\\n\\nHow are you?\"})"
  (:require
   [clojure.string :as str]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.tls :as tls])
  (:import
   (java.net InetAddress ProtocolException)
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(defn- reply
  "Reads an answer, which may have several lines: its lines, without the codes. Another code than the one
  expected is an error."
  [s expected]
  (loop [lines []]
    (let [line (stream/read-line s)
          [_ code more? text] (re-matches #"(\d{3})([ -]?)(.*)" line)
          lines (conj lines text)]
      (cond
        (not= expected code) (throw (ProtocolException. (str "send-mail: the server says " (pr-str line))))
        (= "-" more?) (recur lines)
        :else lines))))

(defn- ask [s command expected]
  (stream/write-line command s)
  (stream/force-output s)
  (reply s expected))

(defn- hello [s]
  (set (map str/upper-case (ask s (str "EHLO " (.getHostName (InetAddress/getLocalHost))) "250"))))

(defn- encrypt
  "Begins TLS, or refuses to go on without."
  [s tls]
  (when-not (contains? (hello s) "STARTTLS")
    (throw (ProtocolException. "send-mail: the server has no STARTTLS; nothing was sent")))
  (ask s "STARTTLS" "220")
  (tls/start-tls! s tls)
  (hello s)) ; what it said in plain text does not count

(defn- check-address [address]
  (when-not (re-matches #"[^\s<>]+@[^\s<>]+" address)
    (throw (IllegalArgumentException. (str "send-mail: " (pr-str address) " is no address"))))
  address)

(defn send-mail
  "Sends :text, headers and an empty line first, from an address to others. Returns nil."
  [{:keys [host port tls from to text]
    :or {port 25
         tls true}}]
  (run! check-address (cons from to))
  (with-open [^SocketStream s (socket/socket-connect port host :timeout 30 :read-timeout 60 :external-format :dos)]
    (reply s "220")
    (encrypt s tls)
    (ask s (str "MAIL FROM:<" from ">") "250")
    (doseq [address to]
      (ask s (str "RCPT TO:<" address ">") "250"))
    (ask s "DATA" "354")
    (doseq [line (str/split-lines text)]
      (stream/write-line (if (str/starts-with? line ".") (str "." line) line) s))
    (ask s "." "250")
    (ask s "QUIT" "221")
    nil))
