(ns parley.http-test
  "wget-text, wget-binary and wput, and the chapter's example, against nginx, the JDK's server, and servers
  that do it wrong."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [examples.http :as example]
   [parley.http :as http]
   [parley.socket :as socket]
   [parley.testing.http-servers :refer [directory empty-beside? fetched new-file with-script within]]
   [parley.testing.missing :refer [missing]])
  (:import
   (clojure.lang ExceptionInfo)
   (com.sun.net.httpserver HttpExchange HttpHandler HttpServer)
   (java.io Closeable EOFException File IOException InputStream)
   (java.net ConnectException InetAddress InetSocketAddress ProtocolException SocketTimeoutException)
   (java.nio.file CopyOption Files LinkOption NoSuchFileException OpenOption Path)
   (java.security MessageDigest)
   (java.util Random)
   (java.util.concurrent Callable)
   (parley.testing Await Child Family)))

(set! *warn-on-reflection* true)

;; ---- helpers ------------------------------------------------------------------------------------

(defn- sha256 [^InputStream in]
  (let [digest (MessageDigest/getInstance "SHA-256")
        bytes (byte-array 65536)]
    (with-open [in in]
      (loop []
        (let [n (.read in bytes)]
          (when (pos? n)
            (.update digest bytes 0 n)
            (recur)))))
    (format "%064x" (BigInteger. 1 (.digest digest)))))

(defn- write-noise
  "Fills a file with a number of blocks of 64 KiB of pseudo-random bytes."
  ^File [^File file blocks]
  (let [random (Random. 42)
        bytes (byte-array 65536)]
    (with-open [out (Files/newOutputStream (.toPath file) (make-array OpenOption 0))]
      (dotimes [_ blocks]
        (.nextBytes random bytes)
        (.write out bytes)))
    file))

(defn- alone?
  "Whether a file is the only one in its directory: nothing half-done lies beside it."
  [^File file]
  (= [(.getName file)] (vec (.list (.getParentFile file)))))

;; ---- a server that says what it is told -----------------------------------------------------------

(deftest a-body-ends-by-its-length-by-its-last-chunk-or-with-the-connection
  (doseq [[what answer] {"length" "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more"
                         "length, 1.0" "HTTP/1.0 200 OK\r\nContent-length: 5\r\n\r\nhello"
                         "chunks" (str "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                    "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: z\r\n\r\n")
                         "neither, 1.0" "HTTP/1.0 200 OK\r\n\r\nhello"
                         "neither, 1.1" "HTTP/1.1 200\r\nServer: x\r\n\r\nhello"
                         "after 100" "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                         "bare newlines" "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"}]
    (testing what
      (let [[text result] (fetched answer)]
        (is (= "hello" text))
        (is (= 200 (:status result)))
        (is (= 5 (:length result)))))))

(deftest a-body-that-begins-with-a-newline-keeps-it
  (is (= "\nx" (first (fetched "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\nx"))))
  (is (= "\r\n" (first (fetched "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n"))))
  (is (= "" (first (fetched "HTTP/1.1 204 No Content\r\n\r\n")))))

(deftest the-request-is-well-formed
  (let [[_ _ request] (fetched "HTTP/1.1 200 OK\r\n\r\n" :headers {"X-One" "1"})]
    (is (= "GET /x?y=1 HTTP/1.1" (first request)))
    (is (some #(re-matches #"Host: 127\.0\.0\.1:\d+" %) request))
    (is (some #{"Connection: close"} request))
    (is (some #{"X-One: 1"} request)))
  (let [[_ _ request] (fetched "HTTP/1.0 200 OK\r\n\r\n" :version "1.0")]
    (is (= "GET /x?y=1 HTTP/1.0" (first request)))))

(deftest an-answer-cut-off-is-an-error-and-leaves-no-file
  (doseq [[answer message] {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" #"cut off after 5 of 10 bytes"
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel" #"cut off after 3 bytes, before"
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n" #"cut off after 3 bytes"
                            "HTTP/1.1 200 OK\r\nContent-Le" #"within the head"
                            "" #"within the head"}]
    (let [file (new-file)]
      (is (thrown-with-msg? EOFException message
            (with-script answer #(http/wget-binary "127.0.0.1" "/x" file %))))
      (is (empty-beside? file)))))

(deftest what-is-not-http-is-said-to-be-not
  (doseq [answer ["SSH-2.0-OpenSSH_9.2\r\n" "HTTP/2 200\r\n\r\n" "HTTP/1.1 200 OK\r\nno header\r\n\r\n"
                  "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx"
                  "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx"
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
                  (str "HTTP/1.1 200 OK\r\n" (apply str (repeat 60000 "A: b\r\n")) "\r\n")]]
    (let [file (new-file)]
      (is (thrown? ProtocolException (with-script answer #(http/wget-binary "127.0.0.1" "/x" file %))))
      (is (empty-beside? file)))))

(deftest a-redirect-is-reported-and-not-followed
  (let [file (new-file)
        e (is (thrown? ExceptionInfo
                (with-script "HTTP/1.1 301 Moved Permanently\r\nLocation: http://example.org/new\r\n\r\nmoved"
                  #(http/wget-text "127.0.0.1" "/old" file %))))]
    (is (re-matches #"wget-text: http://127\.0\.0\.1:\d+/old: the server responded 301 Moved Permanently, to be found at http://example\.org/new; redirects are not followed: request it there"
          (ex-message e)))
    (is (= {:kind :http-status
            :status 301
            :location "http://example.org/new"
            :body "moved"}
          (select-keys (ex-data e) [:kind :status :location :body])))
    (is (empty-beside? file))))

(deftest a-server-that-refuses-or-is-silent-is-reported
  (let [port (with-open [^Closeable s (socket/socket-server 0 :interface "127.0.0.1")]
               (socket/socket-server-port s))]
    (is (thrown-with-msg? ConnectException (re-pattern (str "127\\.0\\.0\\.1:" port ".*: nothing is listening there"))
          (http/wget-binary "127.0.0.1" "/x" (new-file) port))))
  (with-open [^Closeable silent (socket/socket-server 0 :interface "127.0.0.1")]
    (is (thrown? SocketTimeoutException
          (http/wget-binary "127.0.0.1" "/x" (new-file) (socket/socket-server-port silent) :timeout 0.2)))))

(deftest an-upload-that-is-refused-midway-reports-the-servers-reason
  (let [file (write-noise (new-file) 200)
        e (is (thrown? ExceptionInfo
                (with-script "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!"
                  #(http/wput "127.0.0.1" "/up" file %))))]
    (is (= 413 (:status (ex-data e))))))

(deftest wrong-arguments-are-named
  (doseq [[call message]
          {#(http/wget-text nil "/" "x") "wget-text: the host is nil"
           #(http/wget-text "http://x" "/" "x") "wget-text: the host is \"http://x\""
           #(http/wget-text "x y" "/" "x") "wget-text: the host is \"x y\""
           #(http/wget-binary "x" "page" "x") "wget-binary: the page is \"page\""
           #(http/wget-binary "x" "/a b" "x") "wget-binary: the page is \"/a b\""
           #(http/wget-binary "x" "/a\r\nX: y" "x") "wget-binary: the page is \"/a"
           #(http/wput "x" "/" nil) "wput: the file is nil"
           #(http/wput "x" "/" "x" 80 :version "2") "wput: :version is \"2\""
           #(http/wput "x" "/" "x" :headers {"A" "b\nC: d"}) "wput: the header A is"
           #(http/wput "x" "/" "x" :headers {"A:" "b"}) "wput: a header's name is"
           #(http/wput "x" "/" "x" :headers "A: b") "wput: :headers is \"A: b\""
           #(http/wput "x" "/" "x" :head nil) "wput: unknown option :head"
           #(http/wput "x" "/" (directory)) "wput: the file /"
           #(http/wget-text "x" "/" (directory)) "wget-text: the file /"
           #(http/wput "x" "/" "x" :progress 1) "wput: :progress is 1"
           #(http/wput "x" "/" "x" :ports 1) "wput: unknown option :ports"}]
    (let [e (is (thrown? IllegalArgumentException (call)))]
      (is (str/starts-with? (str (some-> e ex-message)) message)))))

(deftest a-file-that-cannot-be-is-named-before-anything-is-sent
  (doseq [call [#(http/wget-text "127.0.0.1" "/" "/nowhere/x" 1)
                #(http/wget-binary "127.0.0.1" "/" "/nowhere/x" 1)
                #(http/wput "127.0.0.1" "/" "/nowhere/x" 1)]]
    (let [e (is (thrown? NoSuchFileException (call)))]
      (is (re-find #"^/nowhere.*: w(get|put).*: there is no such (directory|file)" (ex-message e))))))

(deftest a-file-that-cannot-be-written-is-named
  (let [file (File. (.getParentFile ^File (new-file)) ^String (str/join (repeat 300 "x")))]
    (is (thrown-with-msg? IOException #"^wget-binary: the file \S+xxx cannot be written: \S+"
          (with-script "HTTP/1.1 200 OK\r\n\r\nhello" #(http/wget-binary "127.0.0.1" "/" file %))))))

(deftest what-is-fetched-has-the-mode-of-any-new-file
  (let [file (new-file)
        any (new-file)
        mode #(Files/getPosixFilePermissions (.toPath ^File %) (make-array LinkOption 0))]
    (spit any "")
    (with-script "HTTP/1.1 200 OK\r\n\r\nhello" #(http/wget-binary "127.0.0.1" "/" file %))
    (is (= (mode any) (mode file)))
    (is (alone? file))))

;; ---- the JDK's server -----------------------------------------------------------------------------

(defn- answer-with [^HttpExchange exchange status ^long length ^bytes body]
  (.sendResponseHeaders exchange status length)
  (with-open [out (.getResponseBody exchange)]
    (.write out body)))

(defn- with-jdk-server
  "Calls f with the port of a com.sun.net.httpserver: /text in Latin-1, /chunked, /cut, which ends too
  early, /put, which keeps what it is sent in an atom, /kept, which gives that back, and nothing else."
  [f]
  (let [server (HttpServer/create (InetSocketAddress. (InetAddress/getLoopbackAddress) 0) 0)
        kept (atom nil)
        context (fn [^String path handle]
                  (.createContext server path (reify HttpHandler
                                                (handle [_ exchange]
                                                  (handle exchange)))))]
    (context "/text" (fn [^HttpExchange e]
                       (.add (.getResponseHeaders e) "Content-Type" "text/plain; charset=ISO-8859-1")
                       (let [body (.getBytes "Käse\r\nBrot" "ISO-8859-1")]
                         (answer-with e 200 (alength body) body))))
    (context "/chunked" (fn [e] (answer-with e 200 0 (byte-array 200000))))
    (context "/cut" (fn [^HttpExchange e]
                      (.sendResponseHeaders e 200 1000)
                      (doto (.getResponseBody e)
                        (.write (byte-array 10))
                        (.flush))
                      (.close e)))
    (context "/put" (fn [^HttpExchange e]
                      (let [file (new-file)]
                        (Files/copy (.getRequestBody e) (.toPath file) ^"[Ljava.nio.file.CopyOption;" (make-array CopyOption 0))
                        (reset! kept {:method (.getRequestMethod e)
                                      :file file}))
                      (answer-with e 201 4 (.getBytes "kept"))))
    (context "/kept" (fn [^HttpExchange e]
                       (let [^File file (:file @kept)]
                         (.sendResponseHeaders e 200 (.length file))
                         (with-open [out (.getResponseBody e)]
                           (io/copy file out)))))
    (.start server)
    (try
      (f (.getPort (.getAddress server)) kept)
      (finally
        (.stop server 0)))))

(deftest texts-and-uploads-with-the-servers-of-the-jdk
  (with-jdk-server
    (fn [port kept]
      (let [file (new-file)]
        (is (= 200 (:status (http/wget-text "127.0.0.1" "/text" file port))))
        (is (str/starts-with? (slurp file) "HTTP/1.1 200 OK\n"))
        (is (str/ends-with? (slurp file) "\n\nKäse\nBrot\n"))
        (http/wget-text "127.0.0.1" "/text" file port :head nil)
        (is (= "Käse\nBrot\n" (slurp file)))
        (is (alone? file)))
      (let [file (new-file)
            result (http/wget-binary "127.0.0.1" "/chunked" file port)]
        (is (= "chunked" (get-in result [:headers "transfer-encoding"])))
        (is (= 200000 (:length result) (.length file))))
      (let [file (write-noise (new-file) 20)
            seen (atom [])
            result (http/wput "127.0.0.1" "/put" file port :progress #(swap! seen conj %))]
        (is (= [201 "kept"] [(:status result) (:body result)]))
        (is (= "PUT" (:method @kept)))
        (is (= (sha256 (io/input-stream file)) (sha256 (io/input-stream (:file @kept)))))
        (is (= {:done (.length file)
                :total (.length file)} (peek @seen)))
        (is (apply < (map :done @seen))))
      (let [e (is (thrown? ExceptionInfo (http/wget-text "127.0.0.1" "/nowhere" (new-file) port)))]
        (is (= 404 (:status (ex-data e))))
        (is (str/includes? (ex-message e) "/nowhere: the server responded 404 Not Found"))))))

;; ---- many megabytes, and HTTP/1.0 -----------------------------------------------------------------

(deftest the-servers-of-the-jdk-take-and-give-many-megabytes-unharmed
  (with-jdk-server
    (fn [port _]
      (let [big (write-noise (new-file) 320)
            sum (sha256 (io/input-stream big))
            back (new-file)
            seen (atom [])]
        (is (= 201 (:status (http/wput "127.0.0.1" "/put" big port))))
        (is (= 20971520 (:length (http/wget-binary "127.0.0.1" "/kept" back port :progress #(swap! seen conj %)))))
        (is (= sum (sha256 (io/input-stream back))))
        (is (= {:done 20971520
                :total 20971520} (peek @seen)))
        (is (apply < (map :done @seen)))))))

(deftest the-servers-of-the-jdk-are-asked-in-http-1.0-too
  (with-jdk-server
    (fn [port _]
      (let [file (new-file)
            neither (http/wget-binary "127.0.0.1" "/chunked" file port :version "1.0")]
        (is (nil? (get-in neither [:headers "transfer-encoding"])))
        (is (nil? (get-in neither [:headers "content-length"])))
        (is (= 200000 (:length neither) (.length file)))
        (http/wget-text "127.0.0.1" "/text" file port :version "1.0" :head nil)
        (is (= "Käse\nBrot\n" (slurp file)))))))

(deftest an-answer-that-the-servers-of-the-jdk-cut-off-is-an-error
  (with-jdk-server
    (fn [port _]
      (let [file (new-file)]
        (is (thrown-with-msg? IOException #"wget-binary: .*/cut: the response was cut off after 10 of 1000 bytes"
              (http/wget-binary "127.0.0.1" "/cut" file port)))
        (is (empty-beside? file))))))

(deftest a-server-that-answers-in-http-1.0-is-understood
  (if-not (.canExecute (io/file "/usr/bin/python3"))
    (missing "python3")
    (let [root (directory)
          text (.toFile (.resolve root "page.txt"))]
      (spit text "one\ntwo\n")
      (with-open [child (Child/command
                          (into-array String ["/usr/bin/python3" "-u" "-m" "http.server" "0" "--bind" "127.0.0.1"
                                              "--directory" (str root)]))]
        (let [port (parse-long (second (re-find #"port (\d+)" (.line child))))
              file (new-file)
              answer (http/wget-text "127.0.0.1" "/page.txt" file port :head nil)]
          (is (= "one\ntwo\n" (slurp file)))
          (is (= "8" (get-in answer [:headers "content-length"])))
          (is (= 404 (:status (ex-data (is (thrown? ExceptionInfo
                                             (http/wget-binary "127.0.0.1" "/none" (new-file) port))))))))))))

;; ---- nginx ----------------------------------------------------------------------------------------

(def ^:private nginx
  (first (filter #(.canExecute (io/file %)) ["/usr/sbin/nginx" "/usr/bin/nginx"])))

(defn- nginx-configuration [^Path home port]
  (str "daemon off; master_process off; pid " home "/pid; error_log stderr;\n"
    (when (= "root" (System/getProperty "user.name")) "user root;\n")
    "events { worker_connections 64; }\n"
    "http { access_log off;\n"
    (str/join (for [kind ["client_body" "proxy" "fastcgi" "uwsgi" "scgi"]]
                (str kind "_temp_path " home "/" kind ";\n")))
    "server { listen 127.0.0.1:" port "; root " home "/root; client_max_body_size 200m;\n"
    "location /up/ { dav_methods PUT DELETE; create_full_put_path on; }\n"
    "location /ssi/ { ssi on; ssi_types *; }\n"
    "location /gone { return 302 http://elsewhere.example/; }\n"
    "} }\n"))

(defn- listening? [port]
  (try
    (with-open [^Closeable _ (socket/socket-connect port "127.0.0.1" :timeout 1)]
      true)
    (catch IOException _
      false)))

(defn- with-nginx
  "Calls f with nginx's port and the directory that it serves."
  [f]
  (let [home (directory)
        root (.toFile (.resolve home "root"))
        port (Family/freePort)
        configuration (.toFile (.resolve home "nginx.conf"))]
    (.mkdirs root)
    (spit configuration (nginx-configuration home port))
    (with-open [^Child _ (Child/command
                           (into-array String [nginx "-p" (str home) "-c" (str configuration)]))]
      (Await/until "nginx listens" (reify Callable (call [_] (listening? port))))
      (f port root))))

(deftest nginx-serves-and-takes-32-megabytes-unharmed
  (if-not nginx
    (missing "nginx")
    (with-nginx
      (fn [port ^File root]
        (let [big (write-noise (io/file root "big") 512)
              sum (sha256 (io/input-stream big))
              file (new-file)
              seen (atom [])
              result (http/wget-binary "127.0.0.1" "/big" file port :progress #(swap! seen conj %))]
          (is (= 33554432 (.length big) (:length result)))
          (is (= sum (sha256 (io/input-stream file))))
          (is (= {:done 33554432
                  :total 33554432} (peek @seen)))
          (is (= 201 (:status (http/wput "127.0.0.1" "/up/new/copy" file port))))
          (is (= sum (sha256 (io/input-stream (io/file root "up/new/copy")))))
          (is (= 204 (:status (http/wput "127.0.0.1" "/up/new/copy" (write-noise (new-file) 1) port)))
            "replaced"))))))

(deftest nginx-answers-in-http-1.0-and-1.1-with-and-without-chunks
  (if-not nginx
    (missing "nginx")
    (with-nginx
      (fn [port ^File root]
        (.mkdirs (io/file root "ssi"))
        (spit (io/file root "ssi/page.html") "<p>one</p>\n<!--#echo var=\"DATE_GMT\" -->two\n")
        (spit (io/file root "page.html") "<p>one</p>\n")
        (doseq [version ["1.0" "1.1"]]
          (let [file (new-file)
                plain (http/wget-text "127.0.0.1" "/page.html" file port :version version :head nil)]
            (is (= "<p>one</p>\n" (slurp file)))
            (is (= "11" (get-in plain [:headers "content-length"]))))
          (let [file (new-file)
                made (http/wget-text "127.0.0.1" "/ssi/page.html" file port :version version :head nil)]
            (is (re-find #"(?s)<p>one</p>.*two\n" (slurp file)))
            (is (= (when (= "1.1" version) "chunked") (get-in made [:headers "transfer-encoding"])))
            (is (nil? (get-in made [:headers "content-length"])))))
        (is (= 404 (:status (ex-data (is (thrown? ExceptionInfo
                                           (http/wget-binary "127.0.0.1" "/none" (new-file) port)))))))
        (is (= "http://elsewhere.example/"
              (:location (ex-data (is (thrown? ExceptionInfo
                                        (http/wget-binary "127.0.0.1" "/gone" (new-file) port)))))))
        (is (= 405 (:status (ex-data (is (thrown? ExceptionInfo
                                           (http/wput "127.0.0.1" "/page.html" (io/file root "page.html") port)))))))))))

(deftest the-chapters-example-works-with-nginx
  (if-not nginx
    (missing "nginx")
    (with-nginx
      (fn [port ^File root]
        (let [noise (write-noise (io/file root "noise") 3)
              file (new-file)]
          (spit (io/file root "page.txt") "one\ntwo\n")
          (example/wget-text "127.0.0.1" "/page.txt" file port)
          (is (re-matches #"(?s)HTTP/1\.1 200 OK\n.*\n\none\ntwo\n" (slurp file)))
          (is (= (.length noise) (alength ^bytes (example/wget-binary "127.0.0.1" "/noise" file port))))
          (is (= (sha256 (io/input-stream noise)) (sha256 (io/input-stream file))))
          (is (= "HTTP/1.1 201 Created" (first (example/wput "127.0.0.1" "/up/copy" noise port))))
          (is (= (sha256 (io/input-stream noise)) (sha256 (io/input-stream (io/file root "up/copy"))))))))))
