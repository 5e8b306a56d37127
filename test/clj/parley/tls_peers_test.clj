(ns parley.tls-peers-test
  "TLS with the JDK's own classes, openssl, nginx, curl and stunnel."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.http :as http]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [failure]]
   [parley.testing.missing :refer [missing]]
   [parley.testing.tls-keys :refer [ask await-end ca client connected context echo hello issue own pem-file root with-echo with-key]]
   [parley.tls :as tls])
  (:import
   (java.net URI)
   (java.net.http HttpClient HttpRequest HttpResponse$BodyHandlers)
   (java.nio.file Path)
   (javax.net.ssl SSLContext SSLSocket)
   (parley.testing Child Family TemporaryPaths)))

(set! *warn-on-reflection* true)

;; ---- the JDK's own classes ----------------------------------------------------------------------

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

(deftest openssl-s-server-answers
  (doseq [version ["-tls1_3" "-tls1_2"]
          :let [port (Family/freePort)]]
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
          port (Family/freePort)
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
        port (Family/freePort)]
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
        (let [port (Family/freePort)
              conf (pem-file (str "foreground = yes\nsyslog = no\npid =\n[echo]\naccept = 127.0.0.1:" port "\nconnect = 127.0.0.1:"
                               plain "\ncert = " (.file own) "\n"))]
          (with-open [_ (Child/command (into-array String [(tool "stunnel") conf]))
                      s (connected port {:tls {:ca ca}
                                         :timeout 20})]
            (is (= "> hello" (ask s "hello")))
            (let [big (apply str (repeat 100000 "x"))]
              (is (= (str "> " big) (ask s big))))))))))
