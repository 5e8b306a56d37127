(ns examples.http
  "Example 32.14 of the chapter \"Socket Streams\" of CLISP's implementation notes: Lisp HTTP clients that
  fetch a web page and a binary file, and upload a file, nearly word for word. With errors told, chunks
  and lengths understood, they are in parley.http."
  (:refer-clojure :exclude [read-line])
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [parley.socket :refer [socket-connect socket-stream-shutdown with-open-stream]]
   [parley.stream :refer [finish-output read-byte-sequence read-line set-stream-element-type! write-byte-sequence write-string]])
  (:import
   (java.io File)
   (java.nio.file Files)))

(set! *warn-on-reflection* true)

(defn wget-text
  "Writes the server's answer, header and data, to a file."
  [host page file & [port]]
  ;; HTTP requires the :dos line terminator
  (with-open-stream [socket (socket-connect (or port 80) host :external-format :dos)]
    (write-string (format "GET %s HTTP/1.0\n\n" page) socket)
    (finish-output socket)
    ;; dump the whole thing - header+data - into the output file
    (with-open [out (io/writer file)]
      (binding [*out* out]
        (loop []
          (when-let [line (read-line socket nil nil)]
            (println line)
            (recur)))))))

(defn- content-length
  "Reads the header, which is separated from the data with a blank line."
  [socket]
  (loop [length nil]
    (let [line (read-line socket nil nil)]
      (if (str/blank? line)
        length
        (recur (if-let [[_ n] (re-matches #"(?i)Content-length: (\d+)" line)]
                 (parse-long n)
                 length))))))

(defn wget-binary
  "Writes the data of the server's answer to a file and returns it."
  [host page file & [port]]
  (with-open-stream [socket (socket-connect (or port 80) host :external-format :dos)]
    (write-string (format "GET %s HTTP/1.0\n\n" page) socket)
    (finish-output socket)
    ;; this will not work if the server does not supply the content-length header
    (let [data (byte-array (content-length socket))]
      ;; switch to binary i/o on socket
      (set-stream-element-type! socket :unsigned-byte-8)
      ;; read the whole file in one call
      (read-byte-sequence data socket)
      ;; write the whole file in one call
      (io/copy data (io/file file))
      data)))

(defn wput
  "Uploads a file and returns the lines of the server's answer."
  [host page file & [port]]
  (with-open-stream [socket (socket-connect (or port 80) host :external-format :dos)]
    (let [data (Files/readAllBytes (.toPath ^File (io/file file)))]
      ;; some servers may not understand the "Content-length" header
      (write-string (format "PUT %s HTTP/1.0\nContent-length: %d\n\n" page (alength data)) socket)
      (set-stream-element-type! socket :unsigned-byte-8)
      (write-byte-sequence data socket))
    ;; not necessary if the server understands the "Content-length" header
    (socket-stream-shutdown socket :output)
    ;; get the server response
    (set-stream-element-type! socket :character)
    (loop [lines []]
      (if-let [line (read-line socket nil nil)]
        (recur (conj lines line))
        lines))))
