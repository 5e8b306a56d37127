(ns parley.sequences-test
  "lines, chunks, frames and forms: what a stream still brings, as collections."
  (:require
   [clojure.test :refer [deftest is testing]]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.net SocketTimeoutException)
   (java.util Arrays)
   (parley.net Framing$FramingException SocketStream)))

(set! *warn-on-reflection* true)

(defn- text ^bytes [^String s]
  (.getBytes s "UTF-8"))

(defn- with-input
  "Calls f with a stream whose input is these bytes and, unless `more`, its end."
  ([bytes f] (with-input bytes nil f))
  ([bytes more f]
   (let [[a b] (stream/stream-pair :element-type :bivalent :read-timeout 20)]
     (socket/with-open-stream [a a
                               b b]
       (stream/write-byte-sequence bytes b)
       (stream/force-output b)
       (when-not more
         (socket/socket-stream-shutdown b :output))
       (f a)))))

(def ^:private three-frames
  (byte-array [0 0 0 1 65, 0 0 0 0, 0 0 0 2 66 67]))

(def ^:private kinds
  "[bytes function elements rest] : of all elements, the text left after the first."
  {"lines" [(text "a\nb\r\nc") stream/lines ["a" "b" "c"] "b\nc"]
   "chunks" [(text "abcde") #(stream/chunks % :max-size 2) ["ab" "cd" "e"] "cde"]
   "frames" [three-frames stream/frames ["A" "" "BC"] "\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0002BC"]
   "small frames" [(byte-array [1 0 65 0 0]) #(stream/frames % {:length-bytes 2 :endianness :little}) ["A" ""] "\u0000\u0000"]
   "forms" [(text "(+ 1) nil #x 5 ") #(stream/forms % :readers {'x inc}) ['(+ 1) nil 6] " nil #x 5 "]})

(defn- readable [x]
  (if (bytes? x) (String. ^bytes x "UTF-8") x))

(defn- left [s]
  (let [line (stream/read-line s nil "")
        more (stream/read-line s nil nil)]
    (if more (str line "\n" more) line)))

(deftest all-elements-until-the-end-of-file
  (doseq [[kind [bytes f elements]] kinds
          [way take-all] {"reduce" #(into [] (map readable) %)
                          "seq" #(mapv readable (seq %))
                          "reduce without init" #(reduce (fn [acc x] (conj (if (vector? acc) acc [(readable acc)]) (readable x))) %)
                          "twice" #(do (first %) (into [(first elements)] (map readable) %))}
          :when (not (and (= kind "forms") (= way "reduce without init")))]
    (testing [kind way]
      (with-input bytes (fn [s] (is (= elements (take-all (f s))))))))
  (testing "nothing"
    (doseq [f [stream/lines stream/chunks stream/frames stream/forms]]
      (with-input (byte-array 0)
        (fn [s] (is (= [nil [] 0] [(seq (f s)) (into [] (f s)) (reduce + (f s))])))))))

(deftest what-is-not-taken-stays-in-the-stream
  (doseq [[kind [bytes f elements after]] kinds
          [way take-one] {"reduced" #(reduce (fn [_ x] (reduced x)) nil %)
                          "take" #(first (into [] (take 1) %))
                          "seq" first
                          "doall of take" #(first (doall (take 1 %)))}]
    (testing [kind way]
      (with-input bytes
        (fn [s]
          (is (= (first elements) (readable (take-one (f s)))))
          (is (= after (left s))))))))

(deftest elements-come-as-they-arrive
  (with-input (text "first\nhalf") :more
    (fn [s]
      (stream/set-read-timeout! s 0.1)
      (let [ls (seq (stream/lines s))]
        (is (= "first" (first ls)))
        (is (thrown? SocketTimeoutException (next ls)))
        (is (= \h (stream/read-char s)) "a timeout consumes nothing")))))

(deftest what-cannot-become-an-element-is-reported-and-stays
  (doseq [[f ^String bytes message] [[#(stream/frames % :max-size 3) "\u0000\u0000\u0000\u0004abcd" #"^frames: .* 4 .*at most 3"]
                                     [stream/frames "\u0000\u0000\u0000\u0004ab" #"^frames: the input ended within"]
                                     [stream/forms "(1 2" #"^forms: the input ended within"]
                                     [stream/forms "#none 5 " #"^forms: .*malformed"]]]
    (with-input (text bytes)
      (fn [^SocketStream s]
        (is (thrown-with-msg? Framing$FramingException message (into [] (f s))))
        (is (Arrays/equals (text bytes) (.readAllBytes (stream/socket-input-stream s))))))))

(deftest options-are-checked-at-once
  (with-input (byte-array 0)
    (fn [s]
      (is (thrown-with-msg? IllegalArgumentException #"^chunks: :max-size is 0" (stream/chunks s :max-size 0)))
      (is (thrown-with-msg? IllegalArgumentException #"^frames: :length-bytes is 3" (stream/frames s :length-bytes 3)))
      (is (thrown-with-msg? IllegalArgumentException #"^frames: unknown option :readers" (stream/frames s {:readers {}})))
      (is (thrown-with-msg? IllegalArgumentException #"^forms: :readers is" (stream/forms s :readers 5)))
      (is (thrown-with-msg? IllegalArgumentException #"^lines: the stream is nil" (stream/lines nil))))))
