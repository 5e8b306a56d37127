(ns parley.tls-test
  "TLS as programs in Clojure use it, against openssl, curl, nginx, stunnel and the JDK's own classes."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.http :as http]
   [parley.nrepl :as nrepl]
   [parley.repl :as repl]
   [parley.server :as server]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.missing :refer [missing]]
   [parley.tls :as tls])
  (:import
   (java.io Closeable File IOException)
   (java.net InetAddress Socket URI)
   (java.net.http HttpClient HttpRequest HttpResponse$BodyHandlers)
   (java.nio.file Files NoSuchFileException Path)
   (java.util.concurrent Callable)
   (javax.net.ssl SSLContext SSLHandshakeException SSLSocket)
   (parley.net SocketStream)
   (parley.net.tls TlsOptions)
   (parley.testing Await CertificateAuthority CertificateAuthority$Identity Child Reported TemporaryPaths TlsPeer)))

(set! *warn-on-reflection* true)

;; ---- certificates -------------------------------------------------------------------------------

(def ^CertificateAuthority$Identity root (CertificateAuthority/root "our root"))

(defn- issue ^CertificateAuthority$Identity [& names]
  (CertificateAuthority/issue root (into-array String names)))

(def ^CertificateAuthority$Identity own (issue "localhost" "127.0.0.1"))
(def ^CertificateAuthority$Identity client (issue "a client"))
(def ^CertificateAuthority$Identity stranger
  (CertificateAuthority/issue (CertificateAuthority/root "another root") (into-array String ["localhost"])))

(defn- pem-file
  "A new file with a text."
  [text]
  (str (Files/writeString (TemporaryPaths/fresh) text (make-array java.nio.file.OpenOption 0))))

(def ^:private ca (pem-file (.certificates root)))

(defn- with-key
  "A map with the certificate and the key of an identity."
  [^CertificateAuthority$Identity identity]
  {:cert (.certificates identity)
   :key (.keyText identity)})

;; ---- servers ------------------------------------------------------------------------------------

(defn- echo
  "Answers each line with what `f` makes of it and the stream."
  [f s]
  (try
    (loop []
      (when-let [line (stream/read-line s :eof nil)]
        (stream/write-line (f line s) s)
        (stream/force-output s)
        (recur)))
    (catch IOException e
      e)
    (finally
      (stream/close s :abort true))))

(defn- with-echo
  "Calls `use` with the port of a server that answers lines, and an atom of what became of its clients: nil or
  an IOException."
  ([options use] (with-echo options (fn [line _] (str "> " line)) use))
  ([options f use]
   (let [server (socket/socket-server 0 :interface "127.0.0.1")
         ends (atom [])
         accepting (future
                     (try
                       (while true
                         (let [s (socket/socket-accept server options)]
                           (future (swap! ends conj (echo f s)))))
                       (catch IOException _ nil)
                       (catch IllegalStateException _ nil)))]
     (try
       (use (socket/socket-server-port server) ends server)
       (finally
         (socket/socket-server-close server)
         @accepting)))))

(defn- ask [s line]
  (stream/write-line line s)
  (stream/force-output s)
  (stream/read-line s))

(defn- await-end
  "Returns what became of the first client."
  [ends]
  (Await/until "the client has ended" (reify Callable (call [_] (boolean (seq @ends)))))
  (first @ends))

(defn- failure
  "Returns the IOException that f throws."
  [f]
  (try
    (f)
    nil
    (catch IOException e
      e)))

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
      (is (str/includes? (ex-message e) "connect without TLS, or to the port of the server that has it")))))

(defn- sent
  "Returns a client of a server on a port that has sent bytes."
  ^SocketStream [port ^bytes bytes]
  (let [s (socket/socket-connect port "127.0.0.1" :timeout 10 :element-type :byte)]
    (stream/write-byte-sequence bytes s)
    (stream/finish-output s)
    s))

(defn- hello
  "Returns what a client of TLS sends first."
  ^bytes []
  (let [peer (TlsPeer. true)]
    (.beginHandshake (.engine peer))
    (.own peer)))

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

;; ---- the JDK's own classes ----------------------------------------------------------------------

(defn- context ^SSLContext []
  (let [store (doto (java.security.KeyStore/getInstance "PKCS12")
                (.load nil nil)
                (.setCertificateEntry "ca" (first (.chain root))))
        trust (doto (javax.net.ssl.TrustManagerFactory/getInstance "PKIX")
                (.init store))]
    (doto (SSLContext/getInstance "TLS")
      (.init nil (.getTrustManagers trust) nil))))

(deftest ssl-sockets-talk-to-streams
  (with-echo {:tls (with-key own)}
    (fn [port ends _]
      (with-open [s ^SSLSocket (.createSocket (.getSocketFactory (context)) "localhost" (int port))
                  out (io/writer s)
                  in (io/reader s)]
        (.write out "hello\n")
        (.flush out)
        (is (= "> hello" (.readLine ^java.io.BufferedReader in))))
      (is (nil? (await-end ends)))))
  (testing "an SSLContext as :tls"
    (with-echo {:tls (with-key own)}
      (fn [port _ _]
        (with-open [s (socket/socket-connect port "localhost" :tls (context))]
          (is (= "> x" (ask s "x"))))))))

(deftest the-http-client-of-the-jdk-talks-to-a-stream
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [port (socket/socket-server-port server)
          served (future
                   (with-open [s (socket/socket-accept server :timeout 20 :tls (assoc (with-key own) :alpn ["http/1.1"])
                                   :external-format {:line-terminator :dos})]
                     (while (seq (stream/read-line s)))
                     (run! #(stream/write-line % s) ["HTTP/1.1 200 OK" "Content-Length: 2" "Connection: close" ""])
                     (stream/write-string "ok" s)
                     (stream/finish-output s)
                     (:alpn (tls/tls-session s))))
          client (-> (HttpClient/newBuilder) (.sslContext (context)) .build)
          request (-> (HttpRequest/newBuilder (URI. (str "https://localhost:" port "/"))) .build)]
      (is (= "ok" (.body (.send client request (HttpResponse$BodyHandlers/ofString)))))
      (is (= "http/1.1" @served)))))

;; ---- openssl ------------------------------------------------------------------------------------

(defn- lines-until
  "The lines of a process up to one that matches."
  [^Child child pattern]
  (loop [lines []]
    (let [line (.line child)]
      (cond
        (nil? line) (conj lines :ended)
        (re-find pattern line) (conj lines line)
        :else (recur (conj lines line))))))

(defn- openssl ^Child [& arguments]
  (Child/command (into-array String (cons "openssl" (map str arguments)))))

(deftest openssl-s-client-connects
  (let [named (issue "a.example")]
    (with-echo {:tls (assoc (with-key own) :ca ca :client-auth :need :alpn ["x"] :sni {"a.example" (with-key named)})}
      (fn [_ s] (:peer (tls/tls-session s)))
      (fn [port _ _]
        (with-open [c (openssl "s_client" "-connect" (str "127.0.0.1:" port) "-CAfile" ca "-verify_return_error" "-verify_hostname" "a.example"
                        "-servername" "a.example" "-alpn" "x" "-cert" (str (.file client)))]
          (let [shown (str/join "\n" (lines-until c #"Verify return code|Extended master"))]
            (is (str/includes? shown "CN = a.example"))
            (is (str/includes? shown "ALPN protocol: x"))
            (is (str/includes? shown "Verification: OK")))
          (.tell c "who?")
          (is (string? (last (lines-until c #"CN=a client$"))) "perhaps after a part of the session"))))))

(deftest openssl-s-client-begins-tls-as-smtp-does
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [served (future
                   (with-open [s (socket/socket-accept server :timeout 20 :external-format :dos)]
                     (let [say (fn [& lines]
                                 (run! #(stream/write-line % s) lines)
                                 (stream/force-output s))]
                       (say "220 mail.example ESMTP")
                       (stream/read-line s)
                       (say "250-mail.example" "250 STARTTLS")
                       (stream/read-line s)
                       (say "220 go ahead")
                       (tls/start-tls! s (with-key own))
                       (stream/read-line s))))]
      (with-open [c (openssl "s_client" "-starttls" "smtp" "-connect" (str "127.0.0.1:" (socket/socket-server-port server)) "-quiet")]
        (.tell c "EHLO again")
        (is (= "EHLO again" @served))))))

(defn- free-port []
  (with-open [^Closeable s (socket/socket-server 0 :interface "127.0.0.1")]
    (socket/socket-server-port s)))

(defn- connected
  "Connects when somebody listens."
  ^SocketStream [port options]
  (let [s (promise)]
    (Await/until "a server listens"
      (reify Callable
        (call [_]
          (try
            (deliver s (socket/socket-connect port "127.0.0.1" options))
            true
            (catch java.net.ConnectException _
              false)))))
    @s))

(deftest openssl-s-server-answers
  (doseq [version ["-tls1_3" "-tls1_2"]
          :let [port (free-port)]]
    (with-open [_ (openssl "s_server" "-accept" (str "127.0.0.1:" port) "-cert" (str (.file own)) "-key" (str (.file own))
                    "-CAfile" ca "-Verify" "1" "-rev" version)
                s (connected port {:tls (assoc (with-key client) :ca ca)
                                   :timeout 20})]
      (is (= "olleh" (ask s "hello")))
      (is (= (str "TLSv1." (last version)) (:protocol (tls/tls-session s)))))))

;; ---- nginx, curl, stunnel -----------------------------------------------------------------------

(defn- tool [name]
  (first (filter #(.canExecute (io/file %)) [(str "/usr/bin/" name) (str "/usr/sbin/" name)])))

(deftest nginx-serves-https-and-curl-fetches
  (if-not (tool "nginx")
    (missing "nginx")
    (let [^Path home (TemporaryPaths/directory)
          port (free-port)
          page (.toFile (.resolve home "page"))
          file (.toFile (.resolve (TemporaryPaths/directory) "copy"))]
      (spit page (apply str (repeat 100000 "0123456789\n")))
      (spit (str home "/conf")
        (str "daemon off; master_process off; pid " home "/pid; error_log stderr;\n"
          (when (= "root" (System/getProperty "user.name")) "user root;\n")
          "events { worker_connections 64; } http { access_log off;\n"
          (str/join (for [kind ["client_body" "proxy" "fastcgi" "uwsgi" "scgi"]] (str kind "_temp_path " home "/" kind ";\n")))
          "server { listen 127.0.0.1:" port " ssl; root " home "; ssl_certificate " (.file own) "; ssl_certificate_key "
          (.file own) "; } }\n"))
      (with-open [^Child _ (Child/command (into-array String [(tool "nginx") "-p" (str home) "-c" (str home "/conf")]))]
        (stream/close (connected port {}))
        (is (= 1100000 (:length (http/wget-binary "127.0.0.1" "/page" file port :tls {:ca ca}))))
        (is (= (slurp page) (slurp file)))
        (is (thrown-with-msg? Exception #"^wget-binary: http://127.0.0.1:\d+/page: the server responded 400"
              (http/wget-binary "127.0.0.1" "/page" file port)))
        (is (= :tls-unknown-issuer
              (socket/os-error-code (failure #(http/wget-binary "127.0.0.1" "/page" file port :tls true)))))))))

(deftest http-to-a-port-with-tls-is-recognised-and-port-443-means-tls
  (let [file (.toFile (.resolve (TemporaryPaths/directory) "x"))
        port (free-port)]
    (with-open [_ (openssl "s_server" "-accept" (str "127.0.0.1:" port) "-cert" (str (.file own)) "-www")]
      (stream/close (connected port {}))
      (is (= 200 (:status (http/wget-text "127.0.0.1" "/" file port :tls {:ca ca})))))
    (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
      (doseq [alert [70 10]] ; protocol_version, and one that looks like the end of a line
        (let [served (future
                       (with-open [s (socket/socket-accept server :timeout 20 :element-type :bivalent)]
                         (while (seq (stream/read-line s)))
                         (stream/write-byte-sequence (byte-array [21 3 3 0 2 2 alert]) s)))]
          (is (thrown-with-msg? java.net.ProtocolException #"the server speaks TLS on this port; pass :tls true"
                (http/wget-text "127.0.0.1" "/" file (socket/socket-server-port server))))
          @served)))
    (with-redefs-fn {#'http/with-connection (fn [call _] (throw (ex-info (#'http/url call) {})))}
      (fn []
        (doseq [[arguments url] {[443] "https://x/" [8443] "http://x:8443/" [80 :tls true] "https://x:80/" [:tls true] "https://x/"
                                 [443 :tls false] "http://x:443/" [:port 443] "https://x/"}]
          (is (= url (try
                       (apply http/wget-text "x" "/" file arguments)
                       (catch clojure.lang.ExceptionInfo e
                         (ex-message e))))))))))

(deftest curl-fetches-from-a-stream
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [port (socket/socket-server-port server)
          served (future
                   (with-open [s (socket/socket-accept server :timeout 20 :tls (with-key own) :external-format :dos)]
                     (while (seq (stream/read-line s)))
                     (run! #(stream/write-line % s) ["HTTP/1.0 200 OK" "" "by curl"])))]
      (with-open [c (Child/command (into-array String ["curl" "-sS" "--cacert" ca (str "https://localhost:" port "/")]))]
        (is (= "by curl" (.line c)))
        @served))))

(deftest stunnel-carries-a-plain-server
  (if-not (tool "stunnel")
    (missing "stunnel4")
    (with-echo {}
      (fn [plain _ _]
        (let [port (free-port)
              conf (pem-file (str "foreground = yes\nsyslog = no\npid =\n[echo]\naccept = 127.0.0.1:" port "\nconnect = 127.0.0.1:"
                               plain "\ncert = " (.file own) "\n"))]
          (with-open [_ (Child/command (into-array String [(tool "stunnel") conf]))
                      s (connected port {:tls {:ca ca}
                                         :timeout 20})]
            (is (= "> hello" (ask s "hello")))
            (let [big (apply str (repeat 100000 "x"))]
              (is (= (str "> " big) (ask s big))))))))))

;; ---- REPL ---------------------------------------------------------------------------------------

(deftest a-repl-with-client-certificates-may-be-remote
  (let [file (.file own)
        lines (atom [])]
    (is (thrown-with-msg? IllegalArgumentException #":tls and :client-auth :need"
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
