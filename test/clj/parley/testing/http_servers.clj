(ns parley.testing.http-servers
  "What the tests of HTTP share."
  (:require
   [clojure.test :refer [is]]
   [parley.http :as http]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io Closeable File)
   (java.nio.file Path)
   (parley.testing TemporaryPaths)))

(set! *warn-on-reflection* true)

(defn directory ^Path []
  (TemporaryPaths/directory))

(defn new-file ^File []
  (.toFile (.resolve (directory) "file")))

(defn empty-beside? [^File file]
  (empty? (.list (.getParentFile file))))

(defn with-script
  "Calls f with the port of a server that reads a request's head, sends `answer` and closes; gives
  [result of f, the request's head]."
  [answer f]
  (with-open [^Closeable server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [asked (future
                  (with-open [^Closeable s (socket/socket-accept server :external-format :iso-8859-1 :timeout 10)]
                    (stream/set-read-timeout! s 10)
                    (let [head (loop [lines []]
                                 (let [line (stream/read-line s)]
                                   (if (= "" line) lines (recur (conj lines line)))))]
                      (stream/write-string answer s)
                      (stream/finish-output s)
                      head)))
          result (f (socket/socket-server-port server))]
      [result (deref asked 20000 :hangs)])))

(defn fetched
  "What wget-binary makes of an answer: [text of the file, result, request]."
  [answer & options]
  (let [file (new-file)
        [result request] (with-script answer #(apply http/wget-binary "127.0.0.1" "/x?y=1" file % options))]
    [(slurp file :encoding "ISO-8859-1") result request]))

(defn within
  "Returns the value of f, which takes less than so many seconds."
  [seconds f]
  (let [began (System/nanoTime)
        result (f)]
    (is (< (- (System/nanoTime) began) (* 1000000000 (long seconds))))
    result))
