(ns parley.idioms-test
  "What Clojure programmers do with readers and writers works on streams: line-seq, *in*, slurp, spit, io/copy."
  (:require
   [clojure.edn :as edn]
   [clojure.java.io :as io]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [leaves-nothing]])
  (:import
   (java.io BufferedReader ByteArrayInputStream ByteArrayOutputStream File InputStream StringReader StringWriter)
   (java.nio.charset StandardCharsets)
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(defn- with-pair [f]
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")
                            a (socket/socket-connect (socket/socket-server-port server) "127.0.0.1")
                            b (socket/socket-accept server :timeout 10)]
    (stream/set-read-timeout! a 10)
    (stream/set-read-timeout! b 10)
    (f a b)))

(use-fixtures :each
  (leaves-nothing (fn []
                    (with-pair (fn [a _] (socket/socket-stream-peer a))))))

(defn- say [s text]
  (stream/write-string text s)
  (stream/force-output s))

(defn- all-bytes [s]
  (vec (.readAllBytes ^InputStream (stream/socket-input-stream s))))

(deftest a-reader-is-a-buffered-reader-over-the-same-buffer
  (with-pair
    (fn [a b]
      (say a "one\r\ntwo\nthree\nfour\n{:a 1} x")
      (stream/close a)
      (let [reader (io/reader b)]
        (is (instance? BufferedReader reader))
        (is (= "one" (.readLine ^BufferedReader reader)))
        (is (= "two" (stream/read-line b)) "it reads nothing ahead")
        (is (= ["three"] (take 1 (line-seq reader))))
        (is (= "four" (binding [*in* reader] (clojure.core/read-line))))
        (is (= {:a 1} (edn/read (stream/socket-reader b))))
        (is (.ready ^BufferedReader reader))
        (is (= 1 (.skip ^BufferedReader reader 1)))
        (is (= (int \x) (.read ^BufferedReader reader)))
        (is (= -1 (.read ^BufferedReader reader)))
        (is (nil? (.readLine ^BufferedReader reader)))
        (is (nil? (line-seq reader)))
        (is (not (.markSupported ^BufferedReader reader)))
        (.close ^BufferedReader reader)
        (is (not (stream/open-stream? b)))))))

(deftest line-seq-ends-at-the-end-of-file
  (with-pair
    (fn [a b]
      (say a "1\n2\n3")
      (stream/close a)
      (is (= ["1" "2" "3"] (line-seq (io/reader b))))))
  (with-pair
    (fn [a b]
      (say a "1\n2\n")
      (stream/close a)
      (is (= ["1" "2"] (iterator-seq (.iterator (.lines ^BufferedReader (io/reader b)))))))))

(deftest encoding-is-that-of-the-view
  (doseq [encoding ["ISO-8859-1" StandardCharsets/ISO_8859_1]]
    (with-pair
      (fn [a b]
        (spit a "é" :encoding encoding)
        (is (= [-23] (all-bytes b)))))
    (with-pair
      (fn [a b]
        (.write (stream/socket-output-stream a) (byte-array [-23]))
        (stream/close a)
        (is (= "é" (slurp b :encoding encoding)))))
    (with-pair
      (fn [a b]
        (with-open [w (io/writer a :encoding encoding)]
          (.write w "ü\n"))
        (is (= ["ü"] (line-seq (io/reader b :encoding encoding)))))))
  (with-pair
    (fn [a b]
      (spit a "é")
      (is (= "é" (slurp b)) "without it the stream's own stays")))
  (with-pair
    (fn [a _]
      (doseq [[op f] {"reader" io/reader
                      "writer" io/writer}
              [encoding part] {"utf8x" "this JDK has no charset \"utf8x\".*"
                               5 ":encoding is 5 \\(Long\\), expected the name of a charset, a keyword or a Charset"}]
        (testing [op encoding]
          (is (thrown-with-msg? IllegalArgumentException (re-pattern (str "^" op ": " part))
                (f a :encoding encoding))))))))

(deftest copy-takes-streams-as-sources
  (doseq [[target result] {"writer" (fn [s] (let [w (StringWriter.)] (io/copy s w) (str w)))
                           "bytes" (fn [s] (let [o (ByteArrayOutputStream.)] (io/copy s o) (.toString o "UTF-8")))
                           "file" (fn [s]
                                    (let [file (File/createTempFile "parley" nil)]
                                      (try
                                        (io/copy s file)
                                        (slurp file)
                                        (finally
                                          (.delete file)))))}]
    (testing target
      (with-pair
        (fn [a b]
          (say a "été\n")
          (stream/close a)
          (is (= "été\n" (result b))))))))

(deftest copy-takes-streams-as-targets
  (let [file (File/createTempFile "parley" nil)]
    (try
      (spit file "été")
      (doseq [source ["été" (.toCharArray "été") (.getBytes "été" "UTF-8") (StringReader. "été")
                      (ByteArrayInputStream. (.getBytes "été" "UTF-8")) file]]
        (testing (class source)
          (with-pair
            (fn [a b]
              (is (nil? (io/copy source a)))
              (is (= "été" (apply str (repeatedly 3 #(stream/read-char b)))) "it was flushed")))))
      (finally
        (.delete file))))
  (with-pair
    (fn [a b]
      (io/copy "é" a :encoding "ISO-8859-1")
      (stream/close a)
      (is (= [-23] (all-bytes b))))))

(deftest copy-goes-from-stream-to-stream
  (with-pair
    (fn [a b]
      (with-pair
        (fn [c d]
          (stream/write-string "é" a)
          (.write (stream/socket-output-stream a) (byte-array [-1 0]))
          (stream/close a)
          (io/copy b c)
          (stream/close c)
          (is (= [-61 -87 -1 0] (all-bytes d)))
          (is (instance? SocketStream d)))))))
