(ns parley.testing.tls-keys
  "Certificates and servers of the tests of TLS."
  (:require
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io IOException)
   (java.nio.file Files)
   (java.util.concurrent Callable)
   (javax.net.ssl SSLContext)
   (parley.net SocketStream)
   (parley.testing Await CertificateAuthority CertificateAuthority$Identity TemporaryPaths TlsPeer)))

(set! *warn-on-reflection* true)

(def ^CertificateAuthority$Identity root (CertificateAuthority/root "our root"))

(defn issue ^CertificateAuthority$Identity [& names]
  (CertificateAuthority/issue root (into-array String names)))

(def ^CertificateAuthority$Identity own (issue "localhost" "127.0.0.1"))

(def ^CertificateAuthority$Identity client (issue "a client"))

(defn pem-file
  "A new file with a text."
  [text]
  (str (Files/writeString (TemporaryPaths/fresh) text (make-array java.nio.file.OpenOption 0))))

(def ca (pem-file (.certificates root)))

(defn with-key
  "A map with the certificate and the key of an identity."
  [^CertificateAuthority$Identity identity]
  {:cert (.certificates identity)
   :key (.keyText identity)})

(defn echo
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

(defn with-echo
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

(defn ask [s line]
  (stream/write-line line s)
  (stream/force-output s)
  (stream/read-line s))

(defn await-end
  "Returns what became of the first client."
  [ends]
  (Await/until "the client has ended" (reify Callable (call [_] (boolean (seq @ends)))))
  (first @ends))

(defn hello
  "Returns what a client of TLS sends first."
  ^bytes []
  (let [peer (TlsPeer. true)]
    (.beginHandshake (.engine peer))
    (.own peer)))

(defn context ^SSLContext []
  (let [store (doto (java.security.KeyStore/getInstance "PKCS12")
                (.load nil nil)
                (.setCertificateEntry "ca" (first (.chain root))))
        trust (doto (javax.net.ssl.TrustManagerFactory/getInstance "PKIX")
                (.init store))]
    (doto (SSLContext/getInstance "TLS")
      (.init nil (.getTrustManagers trust) nil))))

(defn connected
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
