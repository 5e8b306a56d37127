(ns parley.tour
  "Shows what Parley does on this machine. Every printed line is an observed result, compared with the
  expected one. `mvn -q compile exec:java` runs it and exits with 0, or with 1 and a message at the
  first thing that differs; with `-Dexec.args=repl` it starts a REPL with the library loaded instead."
  (:require
   [clojure.java.io :as io]
   [clojure.main :as main]
   [clojure.string :as str]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (com.sun.net.httpserver HttpExchange HttpHandler HttpServer)
   (java.io File)
   (java.net InetSocketAddress StandardSocketOptions)
   (java.nio.file Files)
   (java.nio.file.attribute FileAttribute)
   (java.security MessageDigest)
   (java.util HexFormat Random)
   (java.util.concurrent TimeUnit)
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(def ^:private patience "Seconds that anything here may take." 10)

(defn- say [& more]
  (println (apply str more)))

(defn- check
  "Returns what was observed, or ends the tour when it is not what it should be."
  [what expected observed]
  (when-not (= expected observed)
    (throw (ex-info (str what ": expected " (pr-str expected) ", observed " (pr-str observed)) {})))
  observed)

(defn- title [text]
  (say)
  (say text)
  (say (str/join (repeat (count text) "-"))))

(defmacro ^:private in-thread
  "A future of the body, whose result `result` waits for."
  [& body]
  `(future ~@body))

(defn- result [f]
  (let [value (deref f (* 1000 (long patience)) ::late)]
    (check "a thread of the tour is done in time" false (= value ::late))
    value))

(defn- pair
  "A server on loopback, a client of it and the accepted stream."
  [& opts]
  (let [server (socket/socket-server 0 :interface "127.0.0.1")
        client (apply socket/socket-connect (socket/socket-server-port server) "127.0.0.1" opts)
        accepted (socket/socket-accept server :timeout patience :element-type :byte)]
    [server client accepted]))

;; ---- status -------------------------------------------------------------------------------------

(def ^:private row-format "  %-44s %-8s %-8s %-8s %-8s%n")

(defn- row
  "Prints a line of the table: what was done, and the statuses seen after it."
  [done expected server s]
  (let [seen [(when server (socket/socket-status server 0))
              (socket/socket-status s 0)
              (socket/socket-status [s :input] 0)
              (socket/socket-status [s :output] 0)]]
    (print (apply format row-format done (map #(if (nil? %) "nil" (str %)) seen)))
    (flush)
    (check done expected seen)))

(defn- fill
  "Writes until the system takes no more, and returns the number of bytes that it took."
  [s]
  (let [chunk (byte-array 65536)]
    (loop [total 0]
      (let [[_ n] (stream/write-byte-sequence-values chunk s :no-hang true)]
        (if (zero? (long n))
          total
          (recur (+ total (long n))))))))

(defn- drain
  "Reads so many bytes."
  [s n]
  (let [chunk (byte-array 65536)]
    (loop [left (long n)]
      (when (pos? left)
        (recur (- left (long (stream/read-byte-sequence chunk s :end (min left 65536)))))))))

(defn- reset-connection
  "Closes so that the other side is reset."
  [^SocketStream s]
  (.setOption (.channel s) StandardSocketOptions/SO_LINGER (Integer/valueOf 0))
  (stream/close s))

(defn- show-reset []
  (let [[server client peer] (pair :element-type :byte)]
    (socket/with-open-stream [_ server
                              client client]
      (reset-connection peer)
      (check "the reset arrives" :error (socket/socket-status [client :input] patience))
      (row "another peer reset its connection" [nil :error :error :error] server client)
      (say "  and the reason: " (ex-message (socket/stream-error client))))))

(defn- show-status []
  (title "socket-status")
  (print (format row-format "after" "server" ":io" ":input" ":output"))
  (let [server (socket/socket-server 0 :interface "127.0.0.1")]
    (check "a fresh server" nil (socket/socket-status server 0))
    (socket/with-open-stream [server server
                              client (socket/socket-connect (socket/socket-server-port server)
                                                            "127.0.0.1"
                                                            :element-type :byte)]
      (check "a connection arrives" true (socket/socket-wait server patience))
      (row "the client connected" [true :output nil :output] server client)
      (socket/with-open-stream [peer (socket/socket-accept server :element-type :byte)]
        (row "the server accepted" [nil :output nil :output] server client)
        (stream/write-byte 42 peer)
        (stream/force-output peer)
        (check "a byte arrives" :input (socket/socket-status [client :input] patience))
        (row "the peer wrote a byte" [nil :io :input :output] server client)
        (let [sent (fill client)]
          (row (str "the client wrote " sent " bytes, no more fit")
               [nil :input :input nil]
               server
               client)
          (check "the byte" 42 (stream/read-byte client))
          (row "the client read the byte" [nil nil nil nil] server client)
          (socket/socket-stream-shutdown peer :output)
          (check "the end arrives" :eof (socket/socket-status [client :input] patience))
          (row "the peer shut down its output" [nil :eof :eof nil] server client)
          (drain peer sent)
          (check "room again" :output (socket/socket-status [client :output] patience))
          (row "the peer read all of it" [nil :append :eof :output] server client))))
    (show-reset)))

;; ---- characters and bytes -----------------------------------------------------------------------

(defn- show-switch []
  (title "From characters to bytes in mid-flight")
  (let [[server client peer] (pair :external-format :dos)
        payload (byte-array [0 13 10 -1 -128])]
    (socket/with-open-stream [_ server
                              client client
                              peer peer]
      (stream/write-line "Grüße: 5" client)
      (stream/set-stream-element-type! client :byte)
      (stream/write-byte-sequence payload client)
      (stream/force-output client)
      (say "  one stream sent a line in UTF-8, then " (count payload) " raw bytes")
      (stream/set-stream-element-type! peer :character)
      (say "  the peer reads the line:  "
           (pr-str (check "the line" "Grüße: 5" (stream/read-line peer))))
      (stream/set-stream-element-type! peer :byte)
      (let [read (byte-array 5)]
        (check "bytes read" 5 (stream/read-byte-sequence read peer))
        (say "  the peer reads the bytes: "
             (pr-str (check "the bytes" (vec payload) (vec read))))))))

;; ---- evaluation ---------------------------------------------------------------------------------

(defn- serve-forms
  "Reads forms, evaluates them and prints what they give, until the end."
  [s]
  (let [in (stream/socket-reader s)
        eof (Object.)]
    (loop []
      (let [form (read {:eof eof} in)]
        (when-not (identical? form eof)
          (stream/write-line (pr-str (eval form)) s)
          (stream/force-output s)
          (recur))))))

(defn- show-eval []
  (title "Evaluating forms over a socket")
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [served (in-thread
                   (socket/with-open-stream [s (socket/socket-accept server :timeout patience)]
                     (serve-forms s)))]
      (socket/with-open-stream [client (socket/socket-connect (socket/socket-server-port server)
                                                              "127.0.0.1")]
        (doseq [[form expected] [["(+ 1 2)" "3"]
                                 ["(map inc [1 2\n 3])" "(2 3 4)"]
                                 ["(apply str (reverse \"λόγος\"))" "\"ςογόλ\""]]]
          (stream/write-string form client)
          (stream/terpri client)
          (stream/force-output client)
          (say "  " (pr-str form) " => " (check form expected (stream/read-line client)))))
      (result served))))

;; ---- HTTP ---------------------------------------------------------------------------------------

(defn- sha-256 [^bytes bytes]
  (.formatHex (HexFormat/of) (.digest (MessageDigest/getInstance "SHA-256") bytes)))

(defn- http-server
  "The JDK's own server, which serves the file at /file."
  ^HttpServer [^File file]
  (doto (HttpServer/create (InetSocketAddress. "127.0.0.1" 0) 0)
    (.createContext "/file"
                    (reify HttpHandler
                      (^void handle [_ ^HttpExchange exchange]
                        (.sendResponseHeaders exchange 200 (.length file))
                        (with-open [body (.getResponseBody exchange)]
                          (io/copy file body)))))
    (.start)))

(defn- download
  "The status line and the body of GET /file."
  [port]
  (socket/with-open-stream [s (socket/socket-connect port "127.0.0.1" :external-format :dos)]
    (stream/write-string "GET /file HTTP/1.0\n\n" s)
    (stream/force-output s)
    (let [status (stream/read-line s)
          headers (into {}
                        (map (fn [line]
                               (let [[k v] (str/split line #":\s*" 2)]
                                 [(str/lower-case k) v])))
                        (take-while seq (repeatedly #(stream/read-line s))))
          body (byte-array (parse-long (headers "content-length")))]
      (stream/set-stream-element-type! s :byte)
      (check "bytes of the body" (count body) (stream/read-byte-sequence body s))
      [status body])))

(defn- show-http []
  (title "Downloading from the JDK's HTTP server")
  (let [content (byte-array 5000000)
        ^File file (.toFile (Files/createTempFile "parley-tour" ".bin" (make-array FileAttribute 0)))]
    (try
      (.nextBytes (Random. 1) content)
      (io/copy content file)
      (let [server (http-server file)]
        (try
          (let [[status body] (download (.getPort (.getAddress server)))]
            (say "  answer:   " (check "the status line" "HTTP/1.1 200 OK" status))
            (say "  size:     " (check "the size" (.length file) (long (count body))) " bytes")
            (say "  SHA-256:  " (check "the checksum" (sha-256 content) (sha-256 body))))
          (finally
            (.stop server 0))))
      (finally
        (.delete file)))))

;; ---- CLISP --------------------------------------------------------------------------------------

(defn- clisp-installed? []
  (boolean (some #(.canExecute (io/file % "clisp"))
                 (str/split (or (System/getenv "PATH") "") (re-pattern File/pathSeparator)))))

(defn- clisp
  "Starts CLISP with an expression to evaluate."
  ^Process [expression]
  (let [^java.util.List command ["clisp" "-q" "-q" "-norc" "-E" "utf-8" "-x" expression]]
    (.start (ProcessBuilder. command))))

(defn- ended [^Process p]
  (try
    (check "CLISP ends in time" true (.waitFor p patience TimeUnit/SECONDS))
    (check "CLISP ends well" 0 (.exitValue p))
    (finally
      (.destroyForcibly p))))

(defn- clisp-calls-us []
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [p (clisp (str "(let ((s (socket:socket-connect " (socket/socket-server-port server)
                        " \"127.0.0.1\" :timeout 5)))"
                        " (format s \"~A ~36R~%\" (lisp-implementation-type) 44027)"
                        " (finish-output s) (read-line s) (close s) (ext:exit 0))"))]
      (socket/with-open-stream [s (socket/socket-accept server :timeout patience)]
        (stream/set-read-timeout! s patience)
        (say "  CLISP called Parley and said: " (pr-str (check "CLISP's words" "CLISP XYZ" (stream/read-line s))))
        (stream/write-line "thanks" s))
      (ended p))))

(defn- we-call-clisp []
  (let [p (clisp (str "(let ((server (socket:socket-server 0 :interface \"127.0.0.1\")))"
                      " (format t \"~D~%\" (socket:socket-server-port server)) (finish-output)"
                      " (let ((s (socket:socket-accept server :timeout 5)))"
                      " (write-line (string-upcase (read-line s)) s) (close s)) (ext:exit 0))"))
        port (parse-long (str/trim (with-open [out (io/reader (.getInputStream p))]
                                     (first (line-seq out)))))]
    (socket/with-open-stream [s (socket/socket-connect port "127.0.0.1" :timeout patience)]
      (stream/set-read-timeout! s patience)
      (stream/write-line "grüße von der jvm" s)
      (stream/force-output s)
      (say "  Parley called CLISP, which answered: "
           (pr-str (check "CLISP's answer" "GRÜSSE VON DER JVM"
                          (str/replace (stream/read-line s) "ß" "SS")))))
    (ended p)))

(defn- show-clisp []
  (title "CLISP at the other end")
  (if (clisp-installed?)
    (do (clisp-calls-us)
        (we-call-clisp))
    (say "  clisp is not installed, so this part was not run")))

;; ---- all ----------------------------------------------------------------------------------------

(defn- tour []
  (say "Parley on Java " (System/getProperty "java.version") ", " (System/getProperty "os.name"))
  (show-status)
  (show-switch)
  (show-eval)
  (show-http)
  (show-clisp)
  (say)
  (say "All of it as it should be."))

(defn- repl []
  ((requiring-resolve 'parley.terminal/start)
   (fn []
     (in-ns 'user)
     (apply require main/repl-requires) ; doc, source and the like
     (require '[clojure.datafy :refer [datafy]]
              '[parley.socket :as socket]
              '[parley.stream :as stream])
     (println "socket is parley.socket, stream is parley.stream; (doc socket/socket-status) shows a docstring, (datafy x) the state.")
     (println "(start) an echo server, (stop) it; (reload) changed files, (run-tests); (nrepl) for an editor; Ctrl-D ends."))))

(defn -main
  "Runs the tour, or with the argument \"repl\" a REPL, and exits."
  [& args]
  (let [status (try
                 (case (vec args)
                   [] (tour)
                   ["repl"] (repl)
                   (throw (ex-info (str "unknown argument " (pr-str args) ", expected none or repl") {})))
                 0
                 (catch Throwable e
                   (binding [*out* *err*]
                     (println "The tour ended early:" (ex-message e))
                     (when-not (ex-data e) (.printStackTrace e)))
                   1))]
    (flush)
    (System/exit status)))
