(ns parley.http-limits-test
  "Servers that never end, and answers that were not asked for."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.http :as http]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.http-servers :refer [empty-beside? fetched new-file with-script within]])
  (:import
   (java.io Closeable IOException)
   (java.net ProtocolException SocketTimeoutException)
   (java.time Duration)
   (parley.testing Await Child)))

(set! *warn-on-reflection* true)

;; ---- servers that never end -----------------------------------------------------------------------

(defn- with-endless
  "Calls f with the port of a server that reads a request's head, sends `answer` and then `more` again and
  again, `pause` milliseconds apart, until the client is gone."
  [answer more pause f]
  (with-open [^Closeable server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [sending (future
                    (try
                      (with-open [^Closeable s (socket/socket-accept server :external-format :iso-8859-1 :timeout 10)]
                        (stream/set-read-timeout! s 10)
                        (while (not= "" (stream/read-line s)))
                        (stream/write-string answer s)
                        (while true
                          (stream/write-string more s)
                          (stream/force-output s)
                          (when (pos? (long pause))
                            (Await/pass (Duration/ofMillis pause)))))
                      (catch IOException _ :gone)))
          result (f (socket/socket-server-port server))]
      (is (= :gone (deref sending 10000 :hangs)))
      result)))

(deftest a-timeout-bounds-the-whole-call
  (doseq [[what answer more pause] [["a body that trickles" "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" "x" 20]
                                    ["a head that trickles" "HTTP/1.1 200 OK\r\nA: " "b" 20]
                                    ["a trickle of chunks" "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     "1\r\nx\r\n" 20]]]
    (testing what
      (let [file (new-file)]
        (is (thrown-with-msg? SocketTimeoutException #"^wget-binary: http://127.0.0.1:\d+/x: timed out; :timeout is 0.5 s for the whole call"
              (with-endless answer more pause
                (fn [port]
                  (within 5 #(http/wget-binary "127.0.0.1" "/x" file port :timeout 0.5))))))
        (is (empty-beside? file))))))

(deftest heads-without-end-are-refused
  (doseq [[what answer more] [["100 Continue" "" "HTTP/1.1 100 Continue\r\n\r\n"]
                              ["headers" "HTTP/1.1 200 OK\r\n" (str "A: " (str/join (repeat 1000 "b")) "\r\n")]
                              ["trailers" "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" "A: b\r\n"]]]
    (testing what
      (is (thrown-with-msg? ProtocolException #"more than 262144 characters"
            (with-endless answer more 0
              #(http/wget-binary "127.0.0.1" "/x" (new-file) % :timeout 20))))))
  (doseq [answer ["HTTP/1.1 200 " "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]]
    (is (thrown-with-msg? ProtocolException #"^wget-binary: http://127.0.0.1:\d+/x: the response has a line of more than 65536 characters"
          (with-endless answer (str/join (repeat 1000 "7")) 0
            #(http/wget-binary "127.0.0.1" "/x" (new-file) % :timeout 20))))))

(def ^:private in-little-memory
  "For a machine with a heap of 40 MiB: fetches a line of 48 MB, and uploads to a server that answers with
  as much."
  '(do
     (require '[parley.http :as http] '[parley.socket :as socket] '[parley.stream :as stream])
     (let [serve (fn []
                   (let [server (socket/socket-server 0 :interface "127.0.0.1")]
                     (future
                       (with-open [s (socket/socket-accept server :element-type :bivalent)]
                         (while (not= "" (stream/read-line s)))
                         (stream/write-string "HTTP/1.1 200 OK\n\n" s)
                         (let [block (byte-array 1000000 (byte 97))]
                           (try
                             (dotimes [_ 48] (stream/write-byte-sequence block s))
                             (catch java.io.IOException _ nil)))))
                     (socket/socket-server-port server)))
           file (java.io.File/createTempFile "parley" "line")
           up (java.io.File/createTempFile "parley" "up")]
       (println "text" (:length (http/wget-text "127.0.0.1" "/" file (serve) :head nil)) (.length file))
       (println "put" (:length (http/wput "127.0.0.1" "/" up (serve))))
       (.delete file)
       (.delete up)
       (shutdown-agents))))

(deftest what-a-server-sends-need-not-fit-into-memory
  (with-open [child (Child/clojure ["-Xmx40m"] (into-array String ["-e" (pr-str in-little-memory)]))]
    (is (= "48000000 48000001" (.answer child "text")))
    (is (= "1048576" (.answer child "put")))))

(deftest a-coding-that-was-not-asked-for-is-an-error
  (let [file (new-file)]
    (is (thrown-with-msg? ProtocolException #"Content-Encoding \"gzip\" .*, which was not asked for"
          (with-script "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
            #(http/wget-binary "127.0.0.1" "/x" file %))))
    (is (empty-beside? file)))
  (is (= "abc" (first (fetched "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc")))))

(deftest lines-of-a-text-end-in-newlines-however-they-were-sent
  (let [file (new-file)]
    (doseq [[sent kept] {"a\r\nb\rc\n\nd" "a\nb\nc\n\nd\n"
                         "a\r" "a\n"
                         "" ""
                         "\n" "\n"
                         "\r\n\r\n" "\n\n"}]
      (with-script (str "HTTP/1.1 200 OK\r\n\r\n" sent) #(http/wget-text "127.0.0.1" "/x" file % :head nil))
      (is (= kept (slurp file)) (pr-str sent)))))

(deftest a-page-or-a-header-that-cannot-be-sent-is-refused
  (is (thrown-with-msg? IllegalArgumentException #"the page is .*ASCII"
        (http/wget-binary "127.0.0.1" "/aé" (new-file) 1)))
  (is (thrown-with-msg? IllegalArgumentException #"the header X is .*Latin-1"
        (http/wget-binary "127.0.0.1" "/" (new-file) 1 :headers {"X" "☃"}))))
