(ns parley.tls
  "TLS over socket streams. A stream with TLS is an ordinary stream: pass :tls to
  parley.socket/socket-connect or socket-accept, or begin TLS on a stream that is open, with start-tls!.
  See doc/tls.md for certificates, and for what each error means.

  The value of :tls is true (the platform's trust, host name checked), a javax.net.ssl.SSLContext, what
  tls-options returned, or a map of these keys:

  :cert               certificate of this side and those of its issuers, in PEM: a file (a string, a File
                      or a Path) or the text itself. Default: none
  :key                private key of it in PEM, PKCS#8, PKCS#1 or SEC1: a file or the text. Default: the
                      one in :cert
  :key-password       string or char array that the key is encrypted with. Default: none
  :ca                 certificates to trust, in PEM: a file or the text. Default: what the platform trusts
  :keystore           file of a key store, PKCS#12 or JKS, or a java.security.KeyStore, instead of :cert, :key
                      and :ca
  :keystore-password  string or char array. Default: :key-password
  :client-auth        :need, a server refuses clients without a certificate of an issuer in :ca; :want, it
                      asks for one. Default nil: it does not ask
  :server-name        string: the name that a client asks for, and that the certificate must have.
                      Default: the host that it connects to
  :verify-host        whether a client checks that the certificate has the name. Default true
  :alpn               vector of application protocols, the preferred one first. Default: none
  :protocols          vector of versions. Default [\"TLSv1.3\" \"TLSv1.2\"]
  :ciphers            vector of ciphers, as the JDK names them. Default: those with forward secrecy and
                      authenticated encryption
  :handshake-timeout  seconds that a handshake may take, nil for ever. Default 10
  :sni                map of host names, such as \"www.example.org\" or \"*.example.org\", to the certificate
                      of a server for clients that ask for the name: a map of :cert, :key and :key-password,
                      or a file that has both. Default: none
  :context            javax.net.ssl.SSLContext instead of certificates

  Errors: an IOException whose os-error-code is :tls-host-mismatch, :tls-expired, :tls-not-yet-valid,
  :tls-self-signed, :tls-unknown-issuer, :tls-revoked, :tls-weak-certificate, :tls-bad-certificate,
  :tls-client-certificate-missing, :tls-certificate-rejected, :tls-protocol-version, :tls-no-shared-cipher,
  :tls-no-application-protocol, :tls-unrecognized-name, :tls-plain-text, :tls-truncated,
  :tls-renegotiation, :tls-protocol-error or :tls-handshake; :etimedout when the handshake takes too
  long; :tls-bad-keys when what is in a file cannot be used."
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
  "Reads certificates and keys once, for many connections: the result is a value of :tls. Connections that
  share it can resume each other's sessions, which makes their handshakes cheaper. Takes keywords and
  values, or a map, see the namespace; without any, what true stands for. Errors: as the namespace says;
  java.nio.file.NoSuchFileException."
  ^TlsOptions [& options]
  (options/->tls "tls-options" (options/option-map "tls-options" options/tls-keys options)))

(defn start-tls!
  "Begins TLS on an open stream, as STARTTLS of SMTP wants it, and waits until the handshake is over. Buffered
  output is sent in plain text first. `tls` is as of :tls, see the namespace. Returns the stream.

  :role  :client or :server. Default: :server when the stream was accepted, else :client

  The read timeout of the stream bounds the call, and so does :handshake-timeout. Errors:
  :tls-plain-text when the peer sent more in plain text that was not read, since an attacker may have put
  it there; IllegalStateException when the stream has TLS already; else as the namespace says. Close the
  stream after an error."
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
  "What the two sides have agreed on, nil for a stream without TLS. Waits until the handshake is over,
  within the read timeout of the stream. A map:
    :protocol            \"TLSv1.3\" or \"TLSv1.2\"
    :cipher              such as \"TLS_AES_256_GCM_SHA384\"
    :alpn                the application protocol, or nil
    :server-name         the name that the client asked for, or nil
    :peer                the subject of the peer's certificate, such as \"CN=localhost\", or nil
    :peer-certificates   vector of java.security.cert.X509Certificates, the peer's own first; empty when it
                         sent none
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
  "Reads the files of a server again: its next connections get the certificates, keys and issuers as they are
  now; connections that exist keep theirs. `server` is a server of parley.socket whose socket-accept gets a
  map as :tls, what serve, repl-server or nrepl-server returned, or what tls-options returned. Returns
  `server`.

  When one file is broken nothing changes, and the error names it. Errors: :tls-bad-keys,
  java.nio.file.NoSuchFileException; IllegalArgumentException for a server of code without TLS;
  IllegalStateException for one whose :tls is an SSLContext."
  [server]
  (let [tls (tls-of server)]
    (cond
      (instance? SocketServer server) (tls/reload "reload-certificates!" server)
      tls (.reload tls)
      :else (throw (options/misuse "reload-certificates!" (str "the server is " (options/show server))
                     "a server with the option :tls, or what tls-options returned")))
    server))
