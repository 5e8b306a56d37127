(ns parley.stream-test
  "One test for each operation of parley.stream and each sentence of its contract: argument order,
  results, the end of file, element types, formats, views, and what misuse is told."
  (:require
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [in-thread leaves-nothing]]
   [parley.testing.stream-pairs :refer [arrives bounded bytes-of fails patience send-bytes send-text with-pair]])
  (:import
   (java.io EOFException)
   (java.net SocketTimeoutException)))

(set! *warn-on-reflection* true)

(use-fixtures :once
  (leaves-nothing #(with-pair [a b]
                     (socket/socket-status [a b] 0))))

;; ---- characters ---------------------------------------------------------------------------------

(deftest read-char-returns-characters-and-then-the-end
  (with-pair [s peer]
    (send-text peer "aé𝄞")
    (stream/close peer)
    (is (= [\a \é (first "𝄞") (second "𝄞")] (repeatedly 4 #(stream/read-char s))))
    (is (= :end (stream/read-char s nil :end)))
    (is (nil? (stream/read-char s false)))
    (fails EOFException ["read-char" "end of file" "pass :eof and a value"] (stream/read-char s))))

(deftest peek-char-leaves-the-character-and-may-skip
  (with-pair [s peer]
    (send-text peer "  \n xyz")
    (stream/close peer)
    (is (= \space (stream/peek-char s) (stream/peek-char s nil nil) (stream/peek-char nil s nil :end)))
    (is (= \x (stream/peek-char true s)))
    (is (= \z (stream/peek-char \z s nil :end)))
    (is (= \z (stream/read-char s)))
    (is (= :end (stream/peek-char s nil :end) (stream/peek-char true s nil :end)))
    (fails EOFException ["peek-char"] (stream/peek-char s))
    (fails IllegalArgumentException ["peek-char" "peek type" ":all"] (stream/peek-char :all s nil nil))))

(deftest a-peek-that-skips-is-one-operation
  (with-pair [s peer]
    (testing "bounded as a whole, and without effect when time is up"
      (stream/set-read-timeout! s 0.3)
      (let [[_ trickle] (in-thread #(dotimes [_ 6]
                                      (send-text peer " ")
                                      (Thread/sleep 100)))]
        (fails SocketTimeoutException ["peek-char" "nothing was consumed"] (stream/peek-char true s))
        @trickle
        (stream/set-read-timeout! s patience)
        (is (= "      " (let [chars (char-array 6)]
                          (stream/read-char-sequence chars s)
                          (String. chars))))))
    (testing "no other reader comes in between"
      (let [rounds 20000
            [_ spaces] (in-thread #(do (dotimes [_ rounds]
                                         (stream/write-string " x" peer))
                                     (stream/close peer)))
            [_ skipper] (in-thread #(while (not= :end (stream/peek-char true s nil :end))))
            other (vec (take-while some? (repeatedly #(stream/read-char s nil nil))))]
        @spaces
        @skipper
        (is (= rounds (count (filter #{\x} other))) "an x was never skipped")))))

(deftest unread-char-puts-the-last-character-back-once
  (with-pair [s peer]
    (fails IllegalStateException ["unread-char" "was not read last"] (stream/unread-char \a s))
    (send-text peer "ab\n")
    (is (= \a (stream/read-char s)))
    (is (= \b (stream/peek-char s)))
    (is (nil? (stream/unread-char \a s)))
    (fails IllegalStateException ["unread-char"] (stream/unread-char \a s))
    (is (= [\a \b] [(stream/read-char s) (stream/read-char s)]))
    (fails IllegalStateException ["the character \\a was not read last"] (stream/unread-char \a s))
    (fails IllegalArgumentException ["unread-char" "97"] (stream/unread-char 97 s))
    (testing "a newline too, and after read-line"
      (is (= "" (stream/read-line s)))
      (stream/unread-char \newline s)
      (is (= :io (socket/socket-status s 0)))
      (is (= \newline (stream/read-char s))))))

(deftest read-char-no-hang-never-waits
  (with-pair [s peer]
    (is (nil? (stream/read-char-no-hang s)))
    (send-bytes peer 0xc3)
    (is (nil? (stream/read-char-no-hang s)))
    (send-bytes peer 0xa9)
    (arrives s)
    (is (= \é (stream/read-char-no-hang s)))
    (stream/close peer)
    (arrives s)
    (is (= :end (stream/read-char-no-hang s nil :end)))
    (fails EOFException ["read-char-no-hang"] (stream/read-char-no-hang s))))

(deftest read-line-takes-all-three-line-ends
  (with-pair [s peer]
    (send-text peer "one\ntwo\r\nthree\rfour\r\r\n\nlast")
    (stream/close peer)
    (is (= ["one" "two" "three" "four" "" ""] (repeatedly 6 #(stream/read-line s))))
    (is (= ["last" true] (stream/read-line-values s)))
    (is (= :end (stream/read-line s nil :end)))
    (is (= [:end true] (stream/read-line-values s nil :end)))
    (fails EOFException ["read-line"] (stream/read-line s))))

(deftest a-return-ends-a-line-at-once-and-its-line-feed-is-skipped-later
  (with-pair [s peer]
    (send-text peer "abc\r")
    (is (= ["abc" nil] (stream/read-line-values s)))
    (is (= [:output nil true] [(socket/socket-status s 0) (stream/listen s) (stream/read-char-will-hang? s)]))
    (send-text peer "\n")
    (is (nil? (socket/socket-status [s :input] 1/20)))
    (send-text peer "d")
    (is (= \d (stream/read-char s)))
    (testing "even by the first byte after a switch"
      (send-text peer "\r")
      (is (= \newline (stream/read-char s)))
      (stream/set-stream-element-type! s :byte)
      (is (nil? (stream/read-byte-lookahead s)))
      (send-bytes peer 10 10 99)
      (is (= [10 99] (bytes-of s 2))))))

(deftest read-char-sequence-fills-an-array
  (with-pair [s peer]
    (let [chars (char-array "......")]
      (send-text peer "hello")
      (is (= 4 (stream/read-char-sequence chars s :start 1 :end 4)))
      (is (= ".hel.." (String. chars)))
      (is (= 2 (stream/read-char-sequence chars s {:interactive true})))
      (is (= 0 (stream/read-char-sequence chars s :no-hang true)))
      (is (= 3 (stream/read-char-sequence chars s :start 3 :end 3)))
      (send-text peer "x")
      (stream/close peer)
      (is (= 1 (stream/read-char-sequence chars s)))
      (is (= 0 (stream/read-char-sequence chars s)))
      (fails IllegalArgumentException [":start is 3" ":end 2"] (stream/read-char-sequence chars s :start 3 :end 2))
      (fails IllegalArgumentException [":end 7" "<= 6"] (stream/read-char-sequence chars s :end 7))
      (fails IllegalArgumentException ["char array"]
        #_{:clj-kondo/ignore [:type-mismatch]} (stream/read-char-sequence "abc" s))
      (fails IllegalArgumentException [":begin" ":start"] (stream/read-char-sequence chars s :begin 1)))))

(deftest characters-are-written-in-common-lisps-argument-order
  (with-pair [s peer]
    (is (= \a (stream/write-char \a s)))
    (is (= "bcd" (stream/write-string "bcd" s)))
    (is (= "hello" (stream/write-string "hello" s :start 1 :end 3)))
    (is (= "line" (stream/write-line "line" s)))
    (is (= "part" (stream/write-line "part" s {:end 2})))
    (is (= [\x \y] (stream/write-char-sequence [\x \y] s)))
    (is (nil? (stream/terpri s)))
    (is (nil? (stream/force-output s)))
    (is (= ["abcdelline" "pa" "xy"] (repeatedly 3 #(stream/read-line peer))))
    (fails IllegalArgumentException ["write-char" "97"] (stream/write-char 97 s))
    (fails IllegalArgumentException ["write-string" ":a"] (stream/write-string :a s))
    (fails IllegalArgumentException ["write-string" ":end 9"] (stream/write-string "abc" s :end 9))
    (fails IllegalArgumentException ["write-char-sequence"] (stream/write-char-sequence [1 2] s))))

(deftest fresh-line-writes-a-newline-only-in-mid-line
  (with-pair [s peer]
    (is (nil? (stream/fresh-line s)))
    (stream/write-char \a s)
    (is (true? (stream/fresh-line s)))
    (is (nil? (stream/fresh-line s)))
    (stream/write-string "b\r" s)
    (is (true? (stream/fresh-line s)))
    (stream/close s)
    (is (= [97 10 98 13 10] (bytes-of peer 5)))))

(deftest listen-and-will-hang-say-what-read-char-would-do
  (with-pair [s peer]
    (is (= [nil true] [(stream/listen s) (stream/read-char-will-hang? s)]))
    (send-text peer "a")
    (arrives s)
    (is (= [true false] [(stream/listen s) (stream/read-char-will-hang? s)]))
    (stream/read-char s)
    (stream/close peer)
    (arrives s)
    (is (= [nil false] [(stream/listen s) (stream/read-char-will-hang? s)]))))

(deftest clear-input-drops-what-has-arrived
  (with-pair [s peer]
    (send-text peer "old\nolder")
    (is (= "old" (stream/read-line s)))
    (is (nil? (stream/clear-input s)))
    (is (= :output (socket/socket-status s 0)))
    (send-text peer "new\n")
    (is (= "new" (stream/read-line s)))))

;; ---- bytes --------------------------------------------------------------------------------------

(deftest bytes-are-read-and-written
  (with-pair [s peer :element-type :unsigned-byte-8]
    (is (= 65 (stream/write-byte 65 s)))
    (is (= 255 (stream/write-byte 255 s)))
    (stream/finish-output s)
    (is (= [65 255] [(stream/read-byte peer) (stream/read-byte peer)]))
    (fails IllegalArgumentException ["write-byte" "256" ":unsigned-byte-8"] (stream/write-byte 256 s))
    (fails IllegalArgumentException ["-1"] (stream/write-byte -1 s))
    (fails IllegalArgumentException ["write-byte" "1.5"] (stream/write-byte 1.5 s))
    (send-bytes peer 200)
    (stream/close peer)
    (is (= 200 (stream/read-byte s)))
    (is (= :end (stream/read-byte s nil :end)))
    (fails EOFException ["read-byte"] (stream/read-byte s))))

(deftest looking-at-bytes-reports-what-read-byte-would-do
  (with-pair [s peer :element-type :unsigned-byte-8]
    (is (= [nil true nil] [(stream/read-byte-lookahead s) (stream/read-byte-will-hang? s)
                           (stream/read-byte-no-hang s)]))
    (send-bytes peer 7)
    (arrives s)
    (is (= [true false 7] [(stream/read-byte-lookahead s) (stream/read-byte-will-hang? s)
                           (stream/read-byte-no-hang s)]))
    (stream/close peer)
    (arrives s)
    (is (= [:eof false :end] [(stream/read-byte-lookahead s) (stream/read-byte-will-hang? s)
                              (stream/read-byte-no-hang s nil :end)]))
    (fails EOFException ["read-byte-no-hang"] (stream/read-byte-no-hang s))))

(deftest byte-sequences-are-read-in-three-ways
  (with-pair [s peer :element-type :unsigned-byte-8]
    (let [bytes (byte-array 5)]
      (is (= 0 (stream/read-byte-sequence bytes s :no-hang true)))
      (send-bytes peer 1 2)
      (is (= 3 (stream/read-byte-sequence bytes s :start 1 :interactive true)))
      (send-bytes peer 3 4 5 6)
      (is (= 4 (stream/read-byte-sequence bytes s :end 4)))
      (is (= [3 4 5 6 0] (vec bytes)))
      (send-bytes peer 7)
      (stream/close peer)
      (is (= 1 (stream/read-byte-sequence bytes s)))
      (is (= 0 (stream/read-byte-sequence bytes s)))
      (fails IllegalArgumentException ["byte array"] (stream/read-byte-sequence [1 2] s))
      (fails IllegalArgumentException [":end 6"] (stream/read-byte-sequence bytes s :end 6)))))

(deftest byte-sequences-are-written-and-tell-how-far
  (with-pair [s peer :element-type :unsigned-byte-8]
    (let [bytes (byte-array [1 2 3])]
      (is (identical? bytes (stream/write-byte-sequence bytes s)))
      (is (= [bytes 2] (stream/write-byte-sequence-values bytes s :start 1 :end 2)))
      (is (= [bytes 3] (stream/write-byte-sequence-values bytes s :no-hang true)))
      (is (= [bytes 3] (stream/write-byte-sequence-values bytes s :interactive true)))
      (is (= [1 2 3 2 1 2 3 1 2 3] (bytes-of peer 10)))
      (testing "what does not fit stays with the caller"
        (let [much (byte-array 200000)]
          (is (some #(< (long (second %)) 200000)
                (repeatedly 1000 #(stream/write-byte-sequence-values much s :no-hang true)))))))
    (stream/close s :abort true)))

(deftest element-types-have-8-to-64-bits
  (doseq [[type low high] [[:byte 0 255]
                           [:signed-byte-8 -128 127]
                           [[:unsigned-byte 16] 0 65535]
                           [[:signed-byte 16] -32768 32767]
                           [[:unsigned-byte 32] 0 4294967295]
                           [[:signed-byte 32] -2147483648 2147483647]
                           [[:unsigned-byte 64] 0 18446744073709551615N]
                           [[:signed-byte 64] Long/MIN_VALUE Long/MAX_VALUE]]]
    (with-pair [s peer :element-type type]
      (stream/set-stream-element-type! peer type)
      (is (= (if (= :byte type) :unsigned-byte-8 type) (stream/stream-element-type s)))
      (doseq [n [low 1 high]]
        (is (= n (stream/write-byte n s))))
      (stream/force-output s)
      (is (= [low 1 high] (repeatedly 3 #(stream/read-byte peer))) (str type))
      (fails IllegalArgumentException ["write-byte"] (stream/write-byte (inc (bigint high)) s))
      (fails IllegalArgumentException ["write-byte"] (stream/write-byte (dec (bigint low)) s)))))

(deftest wide-elements-are-little-endian-and-there-only-when-whole
  (with-pair [s peer :element-type [:unsigned-byte 16]]
    (stream/write-byte 0x0102 s)
    (stream/force-output s)
    (is (= [2 1] (bytes-of peer 2)))
    (send-bytes peer 1)
    (is (nil? (socket/socket-status [s :input] 1/20)))
    (is (= [nil nil] [(stream/read-byte-lookahead s) (stream/read-byte-no-hang s)]))
    (send-bytes peer 2)
    (is (= 0x0201 (stream/read-byte s)))
    (testing "sequences of them are arrays of longs or objects"
      (send-bytes peer 1 0 2 0)
      (let [longs (long-array 2)]
        (is (= 2 (stream/read-byte-sequence longs s)))
        (is (= [1 2] (vec longs)))
        (stream/write-byte-sequence longs s)
        (stream/force-output s)
        (is (= [1 0 2 0] (bytes-of peer 4))))
      (fails IllegalArgumentException ["long array"] (stream/read-byte-sequence (byte-array 2) s)))))

(deftest sequences-of-wide-elements-are-moved-as-wholes
  (with-pair [s peer :element-type [:unsigned-byte 16]]
    (testing "time is up for all of them together, and none was read"
      (stream/set-read-timeout! s 0.3)
      (let [[_ trickle] (in-thread #(dotimes [_ 6]
                                      (send-bytes peer 1 2)
                                      (Thread/sleep 100)))]
        (fails SocketTimeoutException ["read-byte-sequence" "nothing was consumed"]
          (stream/read-byte-sequence (long-array 6) s))
        @trickle
        (stream/set-read-timeout! s patience)
        (let [objects (object-array 8)]
          (is (= 7 (stream/read-byte-sequence objects s :start 1 :end 7)))
          (is (= [nil 513 513 513 513 513 513 nil] (vec objects))))))
    (testing "what is there is taken, but no half of an element"
      (let [longs (long-array 4)]
        (is (= 1 (stream/read-byte-sequence longs s :start 1 :no-hang true)))
        (send-bytes peer 3 0 4)
        (is (= 2 (stream/read-byte-sequence longs s :start 1 :interactive true)))
        (send-bytes peer 0 5)
        (arrives s)
        (is (= 3 (stream/read-byte-sequence longs s :start 2 :no-hang true)))
        (is (= [0 3 4 0] (vec longs)))
        (stream/close peer)
        (is (= 0 (stream/read-byte-sequence longs s)))
        (stream/set-stream-element-type! s :byte)
        (is (= 5 (stream/read-byte s)))))))

(deftest misuse-of-wide-sequences-moves-nothing
  (with-pair [s peer :element-type [:unsigned-byte 16]]
    (fails IllegalArgumentException ["write-byte-sequence" "70000"]
      (stream/write-byte-sequence (long-array [1 70000]) s))
    (fails IllegalArgumentException ["write-byte-sequence" "-1"]
      (stream/write-byte-sequence (object-array [1 -1]) s))
    (stream/write-byte-sequence (int-array [3]) s)
    (stream/force-output s)
    (is (= [3 0] (bytes-of peer 2)))
    (send-bytes peer 7 0)
    (doseq [array [(int-array 1) (double-array 1) (make-array String 1)]]
      (fails IllegalArgumentException ["read-byte-sequence" "long array"] (stream/read-byte-sequence array s)))
    (is (= 7 (stream/read-byte s)))))

(deftest wide-sequences-are-written-as-far-as-the-system-takes-them
  (with-pair [s peer :element-type [:signed-byte 64]]
    (let [longs (long-array (range 1000000))
          [_ taken] (stream/write-byte-sequence-values longs s :no-hang true)
          [_ rest-taken] (in-thread #(do (stream/write-byte-sequence longs s :start taken)
                                       (stream/force-output s)))
          result (long-array 1000000)]
      (is (< 0 (long taken) 1000000))
      (stream/set-stream-element-type! peer [:signed-byte 64])
      (is (= 1000000 (stream/read-byte-sequence result peer)))
      (is (nil? @rest-taken))
      (is (java.util.Arrays/equals longs result)))))

(deftest integers-have-any-width-and-order
  (with-pair [s peer :element-type :unsigned-byte-8]
    (is (= 258 (stream/write-integer 258 s [:unsigned-byte 24] :big)))
    (is (= -2 (stream/write-integer -2 s [:signed-byte 16])))
    (is (= 18446744073709551615N (stream/write-integer 18446744073709551615N s [:unsigned-byte 64])))
    (stream/force-output s)
    (is (= [0 1 2] (bytes-of peer 3)))
    (is (= -2 (stream/read-integer peer [:signed-byte 16])))
    (is (= 18446744073709551615N (stream/read-integer peer [:unsigned-byte 64] :big)))
    (fails IllegalArgumentException ["write-integer" "70000" "65535"] (stream/write-integer 70000 s [:unsigned-byte 16]))
    (fails IllegalArgumentException ["read-integer" "[:unsigned-byte 12]"] (stream/read-integer s [:unsigned-byte 12]))
    (fails IllegalArgumentException ["endianness" ":middle" ":big :little"]
      (stream/read-integer s [:unsigned-byte 16] :middle))
    (send-bytes peer 1)
    (stream/close peer)
    (is (= :end (stream/read-integer s [:unsigned-byte 16] :big nil :end)))
    (is (= 1 (stream/read-byte s)) "the half of it is still there")
    (fails EOFException ["read-integer"] (stream/read-integer s :byte))))

(deftest floats-have-two-widths-and-orders
  (with-pair [s peer :element-type :unsigned-byte-8]
    (is (= 1.5 (stream/write-float 1.5 s :single-float)))
    (stream/write-float 0.1 s :double-float :big)
    (stream/force-output s)
    (is (= (float 1.5) (stream/read-float peer :single-float)))
    (is (= 0.1 (stream/read-float peer :double-float :big)))
    (fails IllegalArgumentException ["write-float" "\"1\""] (stream/write-float "1" s :single-float))
    (fails IllegalArgumentException ["float type" ":half-float"] (stream/read-float s :half-float))
    (stream/close peer)
    (is (= :end (stream/read-float s :single-float :little nil :end)))))
