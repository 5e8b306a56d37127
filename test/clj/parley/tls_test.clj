(ns parley.tls-test
  "TLS as programs in Clojure use it, against openssl, curl, nginx, stunnel and the JDK's own classes."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is]]
   [parley.http :as http]
   [parley.nrepl :as nrepl]
   [parley.repl :as repl]
   [parley.server :as server]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [failure]]
   [parley.testing.tls-keys :refer [ask await-end ca client connected context echo hello issue own root with-echo with-key]]
   [parley.tls :as tls])
  (:import
   (java.io Closeable IOException)
   (java.nio.file NoSuchFileException)
   (java.util.concurrent Callable)
   (javax.net.ssl SSLHandshakeException)
   (parley.net SocketStream)
   (parley.testing Await CertificateAuthority CertificateAuthority$Identity Reported TemporaryPaths)))

(set! *warn-on-reflection* true)

;; ---- certificates -------------------------------------------------------------------------------

(def ^CertificateAuthority$Identity stranger
  (CertificateAuthority/issue (CertificateAuthority/root "another root") (into-array String ["localhost"])))

;; ---- streams ------------------------------------------------------------------------------------

(deftest a-stream-with-tls-is-an-ordinary-stream
  (with-echo {:tls (with-key own)}
    (fn [port _ _]
      (doseq [options [{:ca ca} {:ca (.certificates root)} {:ca (io/file ca)} {:ca (.toPath (io/file ca))}
                       (tls/tls-options :ca ca) (tls/tls-options {:ca ca})]
              host ["127.0.0.1" "localhost"]]
        (with-open [s (socket/socket-connect port host :tls options :timeout 10)]
          (is (= "> hello" (ask s "hello")))
          (is (= :output (socket/socket-status s 0)))
          (is (= {:protocol "TLSv1.3"
                  :alpn nil
                  :server-name (when (= "localhost" host) "localhost")
                  :peer "CN=localhost"
                  :peer-certificates (vec (.chain own))
                  :local-certificates []}
                (dissoc (tls/tls-session s) :cipher))))))))

(deftest a-session-is-nil-without-tls
  (with-echo {}
    (fn [port _ _]
      (with-open [s (socket/socket-connect port "127.0.0.1" :tls nil)]
        (is (nil? (tls/tls-session s)))))))

(deftest unix-domain-streams-have-tls
  (let [path (TemporaryPaths/fresh)]
    (with-open [server (socket/socket-server path)
                s (socket/socket-connect path nil :timeout 0 :tls {:ca ca})
                c (socket/socket-accept server :tls (with-key own))]
      (let [answer (future (echo (fn [line _] (str "> " line)) c))]
        (is (= "> x" (ask s "x")))
        (stream/close s)
        (is (nil? @answer))))))

(deftest both-sides-show-certificates
  (with-echo {:tls (assoc (with-key own) :ca ca :client-auth :need :alpn ["b" "a"])}
    (fn [_ s] (pr-str (select-keys (tls/tls-session s) [:peer :alpn :server-name])))
    (fn [port ends _]
      (with-open [s (socket/socket-connect port "localhost" :tls (assoc (with-key client) :ca ca :alpn ["a" "b"]))]
        (is (= {:peer "CN=a client"
                :alpn "b"
                :server-name "localhost"} (read-string (ask s "who?")))))
      (is (nil? (await-end ends))))))

;; ---- what is refused ----------------------------------------------------------------------------

(deftest each-fault-has-a-code-and-a-message-that-names-peer-reason-and-cure
  (doseq [[server connect code words]
          [[(with-key (issue "other.example")) {:ca ca} :tls-host-mismatch
            "its certificate is for other.example, not for 127.0.0.1; connect by a name of the certificate, or pass that name as :server-name"]
           [(with-key own) true :tls-unknown-issuer "was issued by CN=our root, which this side does not trust"]
           [(with-key (.selfSigned (.names (CertificateAuthority/request "self") (into-array String ["127.0.0.1"]))))
            {:ca ca} :tls-self-signed "certificate CN=self is signed by itself"]
           [(with-key (.by (.days (.names (CertificateAuthority/request "old") (into-array String ["127.0.0.1"])) -3 -2) root))
            {:ca ca} :tls-expired "certificate CN=old expired on "]
           [(with-key own) {:ca ca
                            :alpn ["a"]} nil nil]
           [(assoc (with-key own) :alpn ["x"]) {:ca ca
                                                :alpn ["a"]} :tls-no-application-protocol "no application protocol"]
           [(assoc (with-key own) :protocols ["TLSv1.2"]) {:ca ca
                                                           :protocols ["TLSv1.3"]} :tls-protocol-version "TLSv1.3"]]]
    (with-echo {:tls server}
      (fn [port ends _]
        (let [e (failure #(stream/close (socket/socket-connect port "127.0.0.1" :timeout 10 :tls connect)))]
          (is (= code (socket/os-error-code e)) (str e))
          (when code
            (is (instance? SSLHandshakeException e))
            (is (str/starts-with? (ex-message e) (str "socket-connect: 127.0.0.1:" port ": ")))
            (is (str/includes? (ex-message e) words))
            (is (= {:op "socket-connect"
                    :code code
                    :remote ["127.0.0.1" port]} (select-keys (socket/error-info e) [:op :code :remote])))
            (is (some? (socket/os-error-code (await-end ends))))))))))

(deftest a-server-names-the-client-that-it-refuses
  (doseq [[connect code] [[{:ca ca} :tls-client-certificate-missing]
                          [(assoc (with-key stranger) :ca ca) :tls-unknown-issuer]]]
    (with-echo {:tls (assoc (with-key own) :ca ca :client-auth :need)}
      (fn [port ends _]
        (let [s (failure #(with-open [s (socket/socket-connect port "127.0.0.1" :tls connect)]
                            (ask s "x")))
              e (await-end ends)]
          (is (some? s))
          (is (= code (socket/os-error-code e)) (str e))
          (is (re-find #"^read-line: 127\.0\.0\.1:\d+: " (ex-message e))))))))

(deftest plain-text-on-a-port-with-tls-and-tls-on-a-plain-port-are-named
  (with-echo {:tls (with-key own)}
    (fn [port ends _]
      (with-open [s (socket/socket-connect port "127.0.0.1")]
        (stream/write-line "GET / HTTP/1.0" s)
        (stream/finish-output s)
        (let [e (await-end ends)]
          (is (= :tls-plain-text (socket/os-error-code e)))
          (is (re-find #"it sent plain text where TLS was expected; the client has to connect with TLS" (ex-message e)))))))
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [greeting (future (with-open [s (socket/socket-accept server)]
                             (stream/write-line "220 mail.example" s)))
          e (failure #(socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :timeout 10 :tls {:ca ca}))]
      @greeting
      (is (= :tls-plain-text (socket/os-error-code e)))
      (is (str/includes? (ex-message e) "connect without TLS, or to the server's port for TLS")))))

(defn- sent
  "Returns a client of a server on a port that has sent bytes."
  ^SocketStream [port ^bytes bytes]
  (let [s (socket/socket-connect port "127.0.0.1" :timeout 10 :element-type :byte)]
    (stream/write-byte-sequence bytes s)
    (stream/finish-output s)
    s))

(defn- refusal
  "Returns the warning of a server about the client that `connect` makes for its port. `start` takes a :log."
  [start connect]
  (let [lines (atom [])]
    (with-open [^Closeable server (start #(swap! lines conj %))
                ^Closeable _ (connect (:port server))]
      (letfn [(warning [] (first (filter #(str/includes? % "closed a connection") @lines)))]
        (Await/until "the client is refused" (reify Callable (call [_] (some? (warning)))))
        (warning)))))

(def ^:private repl-servers
  [#(repl/repl-server (assoc %1 :log %2))
   #(repl/repl-server (assoc %1 :log %2 :token "a-token-of-a-test"))
   #(nrepl/nrepl-server (assoc %1 :log %2))
   #(nrepl/nrepl-server (assoc %1 :log %2 :token "a-token-of-a-test"))
   #(nrepl/nrepl-server (assoc %1 :log %2 :transport-fn (requiring-resolve 'nrepl.transport/edn)))])

(deftest a-tls-client-of-a-plain-server-is-named
  (doseq [read [#(while (stream/read-char %)) stream/read-line #(read (stream/socket-reader %)) #(into [] (stream/lines %))
                #(into [] (stream/frames %)) #(into [] (stream/forms % {:max-size 64}))]
          :let [server (socket/socket-server 0 :interface "127.0.0.1")]]
    (with-open [^Closeable server server
                _ (sent (socket/socket-server-port server) (hello))
                s (socket/socket-accept server :timeout 20 :read-timeout 20)]
      (is (thrown-with-msg? IOException #"a TLS client has connected to a server without TLS; give the server :tls, or connect without TLS"
            (read s)))))
  (let [failed (promise)]
    (with-open [^Closeable server (server/serve stream/read-line :on-error (fn [e] (deliver failed (ex-message e))))
                _ (sent (:port server) (hello))]
      (is (str/includes? (deref failed 20000 "") "a TLS client has connected to a server without TLS"))))
  (doseq [start repl-servers]
    (is (str/includes? (refusal #(start {} %) #(sent % (hello)))
          "a TLS client has connected to a server without TLS; give the server :tls, or connect without TLS"))))

(deftest a-plain-client-of-a-server-with-tls-is-named-and-gets-an-alert
  (let [tls (with-key own)
        text (.getBytes "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    (doseq [start repl-servers]
      (is (str/includes? (refusal #(start {:tls tls} %) #(sent % text)) "it sent plain text where TLS was expected")))
    (with-open [server (repl/repl-server :tls tls :token "a-token-of-a-test" :log identity)]
      (is (thrown-with-msg? java.net.ProtocolException #"it speaks TLS on this port, pass :tls; the token was not sent"
            (repl/connect :port (:port server) :token "a-token-of-a-test"))))
    (let [refused (promise)]
      (with-open [_ (Reported.)
                  ^Closeable server (server/serve stream/read-line :tls tls :audit #(when (= :refused (:event %)) (deliver refused (:reason %))))]
        (with-open [s (sent (:port server) text)]
          (is (str/includes? (deref refused 20000 "") "it sent plain text where TLS was expected"))
          (is (= [21 3 1 0 2 2 10] (into [] cat (stream/chunks s)))))
        (is (thrown-with-msg? java.net.ProtocolException #"the server speaks TLS on this port; pass :tls true"
              (http/wget-text "127.0.0.1" "/" (.toFile (.resolve (TemporaryPaths/directory) "x")) (:port server))))))))

(deftest a-silent-client-does-not-delay-others
  (with-echo {:tls (assoc (with-key own) :handshake-timeout 2)}
    (fn [port ends _]
      (with-open [silent (socket/socket-connect port "127.0.0.1")
                  s (socket/socket-connect port "127.0.0.1" :timeout 10 :tls {:ca ca})]
        (is (= "> x" (ask s "x")))
        (is (= :etimedout (socket/os-error-code (await-end ends))))
        (is (= :eof (stream/read-line silent nil :eof)))))))

;; ---- misuse -------------------------------------------------------------------------------------

(deftest wrong-options-are-named-before-anything-is-opened
  (doseq [[options message]
          [[5 #"^socket-connect: :tls is 5 \(Long\), expected true, a javax.net.ssl.SSLContext"]
           [{:certs "x"} #"^socket-connect: unknown option :certs .*did you mean :cert\?"]
           [{:ke "x"} #"^socket-connect: unknown option :ke .*did you mean :key\?"]
           [{:client-auth true} #"^socket-connect: :client-auth is true"]
           [{:verify-host :no} #"^socket-connect: :verify-host is :no"]
           [{:alpn "h2"} #"^socket-connect: :alpn is \"h2\" \(String\), expected a vector of strings"]
           [{:protocols ["TLSv0"]} #"^socket-connect: :protocols is \"TLSv0\", expected some of .*TLSv1\.3"]
           [{:handshake-timeout 0} #"^socket-connect: :handshake-timeout is 0 \(Long\), expected a positive number of seconds"]
           [{:handshake-timeout -1} #"^socket-connect: :handshake-timeout is -1"]
           [{:key "x"} #"^socket-connect: :key is given alone, expected its certificate with it, as :cert"]
           [{:ca 5} #"^socket-connect: :ca is 5 \(Long\), expected a file"]
           [{:sni ["x"]} #"^socket-connect: :sni is \[\"x\"\]"]
           [{:key-password 5} #"^socket-connect: :key-password is a Long"]]]
    (is (thrown-with-msg? IllegalArgumentException message (socket/socket-connect 1 "127.0.0.1" :tls options)))))

(deftest no-message-shows-a-secret
  (let [secret "MC4CAQAwBQYDK2VwBCIEIHunter2"
        text (str "-----BEGIN PRIVATE KEY-----\n" secret "\n-----END PRIVATE KEY-----\n")]
    (doseq [options [text [text] #{{:key text}} {:ca [text]} {:key (str secret "\n")} {:alpn text} {:sni text}
                     {:sni {text nil}} {text 1} {:client-auth text} {:context text} {:handshake-timeout text}
                     {:server-name [text]} [{:key-password secret}] [{:token secret}]
                     {:cert text} {:cert text
                                   :key text}]
            :let [e (try
                      (socket/socket-connect 1 "127.0.0.1" :tls options)
                      (catch Exception e e))]]
      (is (not (str/includes? (str (Throwable->map e)) secret)) (ex-message e)))
    (is (thrown-with-msg? IllegalArgumentException #"^socket-connect: :tls is a private key \(String\), expected"
          (socket/socket-connect 1 "127.0.0.1" :tls text)))))

(deftest files-that-cannot-be-used-are-named
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (is (thrown-with-msg? NoSuchFileException #"socket-accept: :cert /no/file: there is no such file"
          (socket/socket-accept server :timeout 0 :tls {:cert "/no/file"})))
    (let [e (failure #(socket/socket-accept server :timeout 0 :tls {:cert (.certificates own)
                                                                    :key (.keyText client)}))]
      (is (= :tls-bad-keys (socket/os-error-code e)))
      (is (str/starts-with? (ex-message e) "socket-accept: :key (a PEM text): the key does not belong")))
    (doseq [options [true {:ca ca}]]
      (is (thrown-with-msg? IllegalArgumentException #"^socket-accept: .*certificate"
            (socket/socket-accept server :timeout 0 :tls options))))))

;; ---- start-tls! ---------------------------------------------------------------------------------

(defn- start-tls-server
  "A client that says STARTTLS gets TLS."
  [line s]
  (if (= line "STARTTLS")
    (do
      (stream/write-line "go ahead" s)
      (stream/force-output s)
      (tls/start-tls! s (with-key own))
      "encrypted")
    line))

(deftest tls-begins-on-an-open-stream
  (with-echo {} start-tls-server
    (fn [port _ _]
      (with-open [s (socket/socket-connect port "localhost" :timeout 10)]
        (is (= "plain" (ask s "plain")))
        (is (= "go ahead" (ask s "STARTTLS")))
        (is (identical? s (tls/start-tls! s {:ca ca})))
        (is (= "encrypted" (stream/read-line s)))
        (is (= "x" (ask s "x")))
        (is (= "TLSv1.3" (:protocol (tls/tls-session s))))
        (is (thrown-with-msg? IllegalStateException #"^start-tls!: .* uses TLS already" (tls/start-tls! s {:ca ca})))))))

(deftest text-that-came-before-tls-is-an-error
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")
              s (socket/socket-connect (socket/socket-server-port server) "localhost" :timeout 10)
              attacker (socket/socket-accept server)]
    (stream/write-string "220 ready\n250 injected\n" attacker)
    (stream/finish-output attacker)
    (is (= "220 ready" (stream/read-line s)))
    (let [e (failure #(tls/start-tls! s {:ca ca}))]
      (is (= :tls-plain-text (socket/os-error-code e)) (str e)))))

;; ---- certificates that change -------------------------------------------------------------------

(deftest certificates-are-replaced-under-load
  (let [file (.file own)
        wild (CertificateAuthority/issue root (into-array String ["127.0.0.1"]))
        stop (atom false)
        failures (atom [])
        served (atom 0)]
    (with-echo {:tls {:cert file}}
      (fn [port _ server]
        (let [connect (fn ^SocketStream [] (socket/socket-connect port "127.0.0.1" :timeout 10 :tls {:ca ca}))
              clients (doall (for [_ (range 3)]
                               (future
                                 (while (not @stop)
                                   (try
                                     (with-open [^SocketStream s (connect)]
                                       (ask s "x")
                                       (swap! served inc))
                                     (catch Exception e
                                       (swap! failures conj e)))))))]
          (dotimes [i 10]
            (.write ^CertificateAuthority$Identity (if (even? i) wild own) file)
            (is (identical? server (tls/reload-certificates! server)))
            (let [before @served]
              (Await/until "others were served" (reify Callable (call [_] (< (long before) (long @served)))))))
          (.write wild file)
          (tls/reload-certificates! server)
          (with-open [^SocketStream s (connect)]
            (is (= (vec (.chain wild)) (:peer-certificates (tls/tls-session s)))))
          (spit (str file) "broken")
          (let [e (failure #(tls/reload-certificates! server))]
            (is (= :tls-bad-keys (socket/os-error-code e)))
            (is (str/starts-with? (ex-message e) (str "reload-certificates!: :cert " file ": there is no certificate"))))
          (with-open [^SocketStream s (connect)]
            (is (= (vec (.chain wild)) (:peer-certificates (tls/tls-session s)))))
          (reset! stop true)
          (run! deref clients)
          (is (= [] @failures))))))
  (is (thrown-with-msg? IllegalArgumentException #"^reload-certificates!: the server is 5" (tls/reload-certificates! 5))))

;; ---- REPL ---------------------------------------------------------------------------------------

(deftest a-repl-with-client-certificates-may-be-remote
  (let [file (.file own)
        lines (atom [])]
    (is (thrown-with-msg? IllegalArgumentException #":tls with :client-auth :need"
          (repl/repl-server :interface "0.0.0.0" :allow-remote true :tls {:cert file})))
    (with-open [^Closeable server (repl/repl-server :interface "0.0.0.0" :allow-remote true :log #(swap! lines conj %)
                                    :tls {:cert file
                                          :ca ca
                                          :client-auth :need})]
      (is (some #(str/includes? % "a client needs a certificate of an issuer in :ca") @lines))
      (let [port (:port server)
            mine (assoc (with-key client) :ca ca)]
        (with-open [^SocketStream s (repl/connect :port port :tls mine)]
          (stream/write-line "(+ 1 2)" s)
          (stream/force-output s)
          (is (str/includes? (str (stream/read-line s)) "3")))
        (is (some? (failure #(with-open [^SocketStream s (repl/connect :port port :tls {:ca ca})]
                               (stream/write-line "(+ 1 2)" s)
                               (stream/force-output s)
                               (stream/read-line s)))))
        (let [next (issue "127.0.0.1")]
          (.write next file)
          (tls/reload-certificates! server)
          (with-open [^SocketStream s (repl/connect :port port :tls mine)]
            (is (= (vec (.chain next)) (:peer-certificates (tls/tls-session s))))))))))
