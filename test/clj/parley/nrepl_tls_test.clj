(ns parley.nrepl-tls-test
  "nrepl-server over TLS, with options of its own and with those of nREPL 1.1, and nREPL's own clients and
  servers where its version has TLS."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is use-fixtures]]
   [parley.nrepl :as nrepl]
   [parley.testing.nrepl :as testing :refer [call server with-nrepl]]
   [parley.tls :as tls])
  (:import
   (clojure.lang ExceptionInfo)
   (java.io Closeable IOException)
   (java.nio.file Files OpenOption)
   (javax.net.ssl SSLException)
   (parley.testing CertificateAuthority CertificateAuthority$Identity TemporaryPaths)))

(set! *warn-on-reflection* true)

(use-fixtures :once testing/with-log-of-nrepl)

(defn- keys-of
  "A text in nREPL's format: issuer, certificate, key."
  [^CertificateAuthority$Identity root & names]
  (let [own (CertificateAuthority/issue root (into-array String names))]
    (str (.certificates root) (.certificates own) (.keyText own))))

(def ^:private ^CertificateAuthority$Identity root (CertificateAuthority/root "our root"))
(def ^:private server-keys (keys-of root "127.0.0.1"))
(def ^:private client-keys (keys-of root "a client"))
(def ^:private other-keys (keys-of (CertificateAuthority/root "another root") "a client"))

(defn- in-file [text]
  (Files/writeString (TemporaryPaths/fresh) text (make-array OpenOption 0)))

(defn- value
  "Evaluates code over a transport."
  [transport]
  (let [ask (call 'nrepl.core/client transport 20000)]
    (call 'nrepl.core/response-values (call 'nrepl.core/message ask {:op "eval"
                                                                     :code "(+ 1 2)"}))))

(defn- evaluates? [port & options]
  (with-open [^Closeable t (apply nrepl/connect :port port options)]
    (= [3] (value t))))

(defn- refused?
  "Whether nothing is evaluated over a connection."
  [port & options]
  (try
    (with-open [^Closeable t (apply nrepl/connect :port port options)]
      (empty? (value t)))
    (catch IOException _ true)))

(deftest clients-with-keys-of-the-same-issuer-evaluate
  (with-nrepl
    (let [failures (atom [])
          file (in-file server-keys)]
      (with-open [^Closeable r (server :tls? true :tls-keys-file (str file) :consume-exception #(swap! failures conj %))]
        (let [port (:port r)]
          (is (evaluates? port :tls-keys-str client-keys))
          (is (evaluates? port :tls-keys-file (str (in-file client-keys))))
          (is (= [] @failures))
          (doseq [options [[:tls-keys-str other-keys] [:tls-keys-str server-keys] [:tls {:ca (.certificates root)}] []]]
            (reset! failures [])
            (is (apply refused? port options) (pr-str (map class options)))
            (testing/await-that "the server reports it" (seq @failures))
            (is (instance? SSLException (first @failures)) (str (first @failures))))
          (is (evaluates? port :tls-keys-str client-keys))
          (Files/writeString file (keys-of root "127.0.0.1") (make-array OpenOption 0))
          (is (identical? r (tls/reload-certificates! r)))
          (is (evaluates? port :tls-keys-str client-keys)))))))

(deftest a-server-takes-the-options-of-tls-itself
  (with-nrepl
    (let [own (CertificateAuthority/issue root (into-array String ["127.0.0.1"]))]
      (with-open [^Closeable r (server :tls {:cert (.certificates own)
                                             :key (.keyText own)}
                                 :token "a-token-of-this-test")]
        (is (evaluates? (:port r) :tls {:ca (.certificates root)} :token "a-token-of-this-test"))
        (is (refused? (:port r) :tls true :token "a-token-of-this-test"))))))

(deftest wrong-keys-are-errors-as-of-nrepl
  (with-nrepl
    (doseq [[options message] [[[:tls? true] "tls? is true, but neither tls-keys-str nor tls-keys-file is present"]
                               [[:tls-keys-file "/no/file"] "nrepl-server: :tls-keys-file /no/file: there is no such file"]
                               [[:tls-keys-str "nothing\n"] "nrepl-server: :tls-keys-str is a text without -----BEGIN"]
                               [[:tls? true :tls-keys-str server-keys :socket "x"] "Cannot listen on both port and filesystem socket"]]]
      (let [e (is (thrown? ExceptionInfo (apply nrepl/nrepl-server options)))]
        (is (= {:nrepl/kind :nrepl.server/invalid-start-request} (ex-data e)))
        (is (str/includes? (ex-message e) message))))))

(deftest a-remote-interface-needs-keys-or-a-token
  (with-nrepl
    (is (thrown-with-msg? IllegalArgumentException #":tls with :client-auth :need"
          (nrepl/nrepl-server :bind "0.0.0.0" :allow-remote true)))
    (with-open [^Closeable r (server :bind "0.0.0.0" :allow-remote true :tls-keys-str server-keys)]
      (is (evaluates? (:port r) :tls-keys-str client-keys)))))

(def ^:private its-tls?
  "Whether this nREPL has TLS: 1.1 and later."
  (try
    (require 'nrepl.tls)
    true
    (catch java.io.FileNotFoundException _
      false)))

(deftest nrepl-s-own-clients-and-servers-understand-ours
  (if-not its-tls?
    (is (nil? (io/resource "nrepl/tls.clj")) "nREPL before 1.1 has no TLS")
    (do
      (with-open [^Closeable r (server :tls? true :tls-keys-str server-keys)
                  ^Closeable t (call 'nrepl.core/tls-connect {:host "127.0.0.1"
                                                              :port (:port r)
                                                              :tls-keys-str client-keys
                                                              :transport-fn @(requiring-resolve 'nrepl.transport/bencode)})]
        (is (= [3] (value t))))
      (with-open [^Closeable r (call 'nrepl.server/start-server :tls? true :tls-keys-str server-keys)]
        (is (evaluates? (:port r) :tls-keys-str client-keys))
        (is (refused? (:port r) :tls {:ca (.certificates root)
                                      :verify-host false}))))))
