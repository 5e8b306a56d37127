(ns parley.tls
  "TLS over socket streams. A stream with TLS is an ordinary stream: pass :tls to
  parley.socket/socket-connect or socket-accept, or begin TLS on an open stream with start-tls!.
  doc/tls.md describes certificates, and the meaning of each error.

  The value of :tls is true (the platform's trust, host name checked), a javax.net.ssl.SSLContext, a value
  of tls-options, or a map of these keys:

  :cert               certificate of this side and those of its issuers, in PEM: a file (a string, a File
                      or a Path) or the text itself. Default: none
  :key                private key of it in PEM, PKCS#8, PKCS#1 or SEC1: a file or the text. Default: the
                      one in :cert
  :key-password       string or char array that the key is encrypted with. Default: none
  :ca                 certificates to trust, in PEM: a file or the text. Default: those that the platform trusts
  :keystore           file of a key store, PKCS#12 or JKS, or a java.security.KeyStore, instead of :cert, :key
                      and :ca
  :keystore-password  string or char array. Default: :key-password
  :client-auth        :need: a server refuses clients without a certificate of an issuer in :ca; :want: a
                      server requests one. Default nil: no request
  :server-name        string: the name that a client requests, and that the certificate must have.
                      Default: the host that it connects to
  :verify-host        true: a client checks that the certificate has the name. Default true
  :alpn               vector of application protocols, the preferred one first. Default: none
  :protocols          vector of versions. Default [\"TLSv1.3\" \"TLSv1.2\"]
  :ciphers            vector of ciphers, with the JDK's names. Default: those with forward secrecy and
                      authenticated encryption
  :handshake-timeout  limit of a handshake in seconds, nil for none. Default 10
  :sni                map of host names, such as \"www.example.org\" or \"*.example.org\", to the certificate
                      of a server for clients that request the name: a map of :cert, :key and :key-password,
                      or a file that has both. Default: none
  :context            javax.net.ssl.SSLContext instead of certificates

  Errors: an IOException whose os-error-code is :tls-host-mismatch, :tls-expired, :tls-not-yet-valid,
  :tls-self-signed, :tls-unknown-issuer, :tls-revoked, :tls-weak-certificate, :tls-bad-certificate,
  :tls-client-certificate-missing, :tls-certificate-rejected, :tls-protocol-version, :tls-no-shared-cipher,
  :tls-no-application-protocol, :tls-unrecognized-name, :tls-plain-text, :tls-truncated,
  :tls-renegotiation, :tls-protocol-error or :tls-handshake; :etimedout when the handshake takes too
  long; :tls-bad-keys when the content of a file cannot be used."
  (:require
   [parley.impl.object :as object]
   [parley.impl.options :as options]
   [parley.impl.tls :as tls])
  (:import
   (java.security.cert X509Certificate)
   (parley.net SocketServer SocketStream)
   (parley.net.tls TlsOptions TlsSession)))

(set! *warn-on-reflection* true)

(defn tls-options
  "Reads certificates and keys once, for many connections, and returns a value for :tls. Connections
  that share it can resume each other's sessions, which makes their handshakes cheaper. Takes the
  keys of the namespace as keywords and values, or a map; without any, the meaning is that of true.
  Errors: those of the namespace; java.nio.file.NoSuchFileException."
  {:arglists (options/arglists 'parley.net.tls.TlsOptions options/tls-keys)}
  ^TlsOptions [& options]
  (options/->tls "tls-options" (options/option-map "tls-options" options/tls-keys options)))

(defn start-tls!
  "Begins TLS on an open stream, such as for STARTTLS of SMTP, waits until the handshake is over,
  and returns the stream. Buffered output is sent in plain text first. `tls` is a value of :tls,
  see the namespace.

  :role  :client or :server. Default: :server for an accepted stream, else :client

  The read timeout of the stream limits the call, and so does :handshake-timeout. Errors:
  :tls-plain-text when unread plain text has arrived, since an attacker may have injected it;
  IllegalStateException when the stream has TLS already; else those of the namespace. Close the
  stream after an error."
  {:arglists '(^parley.net.SocketStream [s tls & {:keys [role]}])}
  ^SocketStream [s tls & options]
  (let [op "start-tls!"
        stream (object/stream op s)
        {:keys [role]} (options/option-map op #{:role} options)
        role (options/choose op ":role" {nil nil :client :client :server :server} role)
        tls (or (options/->tls op tls)
                (throw (options/misuse op (str "tls is " (options/show tls)) "true, an SSLContext or a map")))]
    (when (= :server role)
      (.checkServer ^TlsOptions tls))
    (if role
      (.startTls stream tls (= :client role))
      (.startTls stream tls))
    stream))

(defn- subject [certificates]
  (when-let [certificate (first certificates)]
    (when (instance? X509Certificate certificate)
      (str (.getSubjectX500Principal ^X509Certificate certificate)))))

(defn tls-session
  "Returns the result of the TLS handshake, nil for a stream without TLS. Waits until the handshake
  is over, within the read timeout of the stream. The result is a map:
    :protocol            \"TLSv1.3\" or \"TLSv1.2\"
    :cipher              such as \"TLS_AES_256_GCM_SHA384\"
    :alpn                the application protocol, or nil
    :server-name         the server name in the client's request, or nil
    :peer                the subject of the peer's certificate, such as \"CN=localhost\", or nil
    :peer-certificates   vector of java.security.cert.X509Certificates, the peer's own first; empty
                         when it sent none
    :local-certificates  the same of this side"
  [s]
  (when-let [^TlsSession session (.tlsSession (object/stream "tls-session" s))]
    (let [certificates (vec (.peerCertificates session))]
      {:protocol (.protocol session)
       :cipher (.cipher session)
       :alpn (.alpn session)
       :server-name (.serverName session)
       :peer (subject certificates)
       :peer-certificates certificates
       :local-certificates (vec (.getLocalCertificates (.session session)))})))

(defn- tls-of
  "Returns the TlsOptions of a server that parley.impl.evaluator started, nil of anything else."
  ^TlsOptions [x]
  (cond
    (instance? TlsOptions x) x
    (map? x) (or (:tls (:service x)) (::tls (meta x)))))

(defn reload-certificates!
  "Reads the files of a server again and returns `server`. New connections get the new certificates,
  keys and issuers; open connections keep theirs. `server` is a server of parley.socket whose
  socket-accept gets a map as :tls, a server of serve, repl-server or nrepl-server, or a value of
  tls-options.

  When a file is broken nothing changes, and the error names it. Errors: :tls-bad-keys,
  java.nio.file.NoSuchFileException; IllegalArgumentException for a server without TLS;
  IllegalStateException for one whose :tls is an SSLContext."
  [server]
  (let [tls (tls-of server)]
    (cond
      (instance? SocketServer server) (tls/reload "reload-certificates!" server)
      tls (.reload tls)
      :else (throw (options/misuse "reload-certificates!" (str "the server is " (options/show server))
                     "a server with the option :tls, or what tls-options returned")))
    server))
