(ns parley.stream-format-test
  "Kinds of elements, formats, buffers, times and views of streams."
  (:require
   [clojure.edn :as edn]
   [clojure.java.io :as io]
   [clojure.pprint :as pprint]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [failure leaves-nothing]]
   [parley.testing.stream-pairs :refer [arrives bounded bytes-of fails send-bytes send-text with-pair]])
  (:import
   (java.io ByteArrayInputStream ByteArrayOutputStream IOException InterruptedIOException PushbackReader Reader StringWriter)
   (java.net SocketTimeoutException)
   (java.nio.channels ClosedChannelException)
   (parley.net ExternalFormat$CodingException SocketStream StreamInput$LineTooLongException)))

(set! *warn-on-reflection* true)

(use-fixtures :once
  (leaves-nothing #(with-pair [a b]
                     (socket/socket-status [a b] 0))))

;; ---- kinds of elements and formats --------------------------------------------------------------

(deftest operations-of-the-wrong-kind-say-how-to-switch
  (with-pair [s _]
    (doseq [f [#(stream/read-byte s) #(stream/write-byte 1 s) #(stream/read-byte-no-hang s)
               #(stream/read-byte-lookahead s) #(stream/read-byte-will-hang? s)
               #(stream/read-byte-sequence (byte-array 1) s) #(stream/write-byte-sequence (byte-array 1) s)
               #(stream/read-integer s :byte) #(stream/write-integer 1 s :byte)
               #(stream/read-float s :single-float) #(stream/write-float 1 s :single-float)]]
      (fails IllegalStateException [":character" "set-stream-element-type!" ":unsigned-byte-8 or :bivalent"] (f)))
    (stream/set-stream-element-type! s :unsigned-byte-8)
    (doseq [f [#(stream/read-char s) #(stream/peek-char s) #(stream/read-char-no-hang s) #(stream/read-line s)
               #(stream/unread-char \a s) #(stream/listen s) #(stream/read-char-will-hang? s)
               #(stream/read-char-sequence (char-array 1) s) #(stream/write-char \a s) #(stream/write-string "a" s)
               #(stream/write-line "a" s) #(stream/write-char-sequence "a" s) #(stream/terpri s)
               #(stream/fresh-line s)]]
      (fails IllegalStateException [":unsigned-byte-8" "set-stream-element-type!" ":character or :bivalent"] (f)))
    (fails IllegalArgumentException ["element type" ":bits" ":bivalent"] (stream/set-stream-element-type! s :bits))))

(deftest switching-loses-and-repeats-nothing
  (with-pair [s peer]
    (is (= :character (stream/stream-element-type s)))
    (send-text peer "é1é2é3\nrest")
    (is (= [\é \1 \é] [(stream/read-char s) (stream/read-char s) (stream/peek-char s)]))
    (is (= :byte (stream/set-stream-element-type! s :byte)))
    (is (= [0xc3 0xa9 50] (bytes-of s 3)) "a character peeked at has its bytes")
    (stream/set-stream-element-type! s :bivalent)
    (is (= [\é 51 \newline] [(stream/read-char s) (stream/read-byte s) (stream/read-char s)]))
    (is (= \r (stream/read-char s)))
    (stream/unread-char \r s)
    (is (= [114 101] (bytes-of s 2)) "and one unread has them again")))

(deftest bytes-are-looked-for-behind-half-a-character
  (with-pair [s peer]
    (send-text peer "\ud834\udd1e")
    (stream/close peer)
    (stream/set-stream-element-type! s :bivalent)
    (is (= 0xd834 (int (stream/read-char s))))
    (is (= :eof (stream/read-byte-lookahead s) (stream/read-byte-no-hang s nil :eof)))
    (is (= :io (socket/socket-status s 1)) "but there is half a character")
    (is (= 0xdd1e (int (stream/read-char s))) "the other half has no bytes")))

(deftest a-line-feed-to-skip-is-that-of-the-charset-of-its-return
  (doseq [looks? [false true]
          [before end after rest] [[:utf-8 [10] :utf-16be [0 97]]
                                   [:utf-16be [0 10] :utf-8 [97]]
                                   [:utf-16be [0 10] :ibm1047 [0x81]]
                                   [:utf-8 [] :utf-16be [0 97]]]
          pieces [[end rest] [(concat end rest)] (map list (concat end rest))]]
    (with-pair [s peer]
      (letfn [(send [bytes] (.write (stream/socket-output-stream peer) (byte-array (map unchecked-byte bytes)))
                (stream/force-output peer))]
        (stream/set-stream-external-format! s before)
        (send (if (= :utf-8 before) [13] [0 13]))
        (is (= \newline (stream/read-char s)))
        (send (first pieces))
        (when looks? (stream/listen s))
        (stream/set-stream-external-format! s after)
        (run! send (next pieces))
        (is (= \a (stream/read-char s)) (pr-str looks? before after pieces))))))

(deftest output-keeps-its-order-over-switches
  (with-pair [s peer]
    (stream/write-string "é" s)
    (stream/set-stream-external-format! s :iso-8859-1)
    (stream/write-string "é" s)
    (stream/set-stream-element-type! s :byte)
    (stream/write-byte 1 s)
    (stream/force-output s)
    (is (= [0xc3 0xa9 0xe9 1] (bytes-of peer 4)))))

(deftest external-formats-are-returned-as-maps-and-set-in-short
  (with-pair [s peer]
    (is (= {:charset :utf-8 :line-terminator :unix :input-error-action :error :output-error-action :error}
          (stream/stream-external-format s)))
    (is (= :dos (stream/set-stream-external-format! s :dos)))
    (stream/write-line "x" s)
    (stream/set-stream-external-format! s {:charset "UTF-16BE" :line-terminator :mac})
    (is (= :utf-16be (:charset (stream/stream-external-format s))))
    (stream/write-line "y" s)
    (stream/force-output s)
    (is (= [120 13 10 0 121 0 13] (bytes-of peer 7)))
    (fails IllegalArgumentException ["charset" "utf8x"] (stream/set-stream-external-format! s "utf8x"))
    (fails IllegalArgumentException [":eol" ":line-terminator"] (stream/set-stream-external-format! s {:eol :dos}))
    (fails IllegalArgumentException [":input-error-action" ":replace"]
      (stream/set-stream-external-format! s {:input-error-action :replace}))))

(deftest bad-bytes-get-the-action-of-the-format
  (with-pair [s peer]
    (send-bytes peer 97 0xff 98)
    (is (= \a (stream/read-char s)))
    (fails ExternalFormat$CodingException ["FF" "offset 1" "UTF-8" ":input-error-action"] (stream/read-char s))
    (is (= \b (stream/read-char s)))
    (testing "a line tells of them, and then is still there without them"
      (send-bytes peer 97 0xc3 98 10)
      (fails ExternalFormat$CodingException ["C3" "offset 4"] (stream/read-line s))
      (is (= "ab" (stream/read-line s))))
    (stream/set-stream-external-format! s {:input-error-action :ignore})
    (send-bytes peer 0xff 99)
    (is (= \c (stream/read-char s)))
    (stream/set-stream-external-format! s {:input-error-action \?})
    (send-bytes peer 0xff 10 0xe2 0x82)
    (is (= "?" (stream/read-line s)))
    (stream/close peer)
    (is (= ["?" true] (stream/read-line-values s)) "cut off by the end")))

(deftest unencodable-characters-get-the-action-of-the-format
  (with-pair [s peer :external-format :iso-8859-1]
    (fails ExternalFormat$CodingException ["\\€ (U+20AC)" "ISO-8859-1" ":output-error-action"] (stream/write-string "a€b" s))
    (fails ExternalFormat$CodingException ["𝄞 (U+1D11E)"] (stream/write-string "𝄞" s))
    (stream/set-stream-external-format! s {:charset :iso-8859-1 :output-error-action \?})
    (stream/write-string "c€𝄞d" s)
    (stream/set-stream-external-format! s {:charset :iso-8859-1 :output-error-action :ignore})
    (stream/write-string "e€f" s)
    (stream/force-output s)
    (is (= (mapv int "c??def") (bytes-of peer 6)) "nothing of what failed was written")))

(deftest a-charset-with-state-survives-a-failed-write-and-is-left-at-close
  (with-pair [s peer :external-format "ISO-2022-JP"]
    (stream/write-string "漢" s)
    (fails ExternalFormat$CodingException ["\\é (U+00E9)"] (stream/write-string "字é" s))
    (stream/write-string "字" s)
    (stream/close s)
    (is (= (mapv #(bit-and 255 %) (.getBytes "漢字" "ISO-2022-JP")) (bytes-of peer 10)))))

(deftest a-surrogate-pair-may-come-in-two-writes
  (with-pair [s peer]
    (run! #(stream/write-char % s) "𝄞")
    (stream/force-output s)
    (is (= [0xf0 0x9d 0x84 0x9e] (bytes-of peer 4)))
    (stream/write-char (first "𝄞") s)
    (fails ExternalFormat$CodingException ["\\ud834"] (stream/write-string "x" s))
    (stream/write-string "y" s)
    (stream/force-output s)
    (is (= \y (stream/read-char peer)) "the half was told of and is gone")))

;; ---- buffers ------------------------------------------------------------------------------------

(deftest output-waits-for-a-flush-unless-unbuffered
  (with-pair [s peer]
    (stream/write-string "held" s)
    (is (nil? (socket/socket-status [peer :input] 1/20)))
    (is (nil? (stream/clear-output s)))
    (stream/write-string "sent\n" s)
    (is (nil? (stream/finish-output s)))
    (is (= "sent" (stream/read-line peer))))
  (with-pair [s peer :buffered nil]
    (stream/write-string "x" s)
    (is (= \x (stream/read-char peer)))))

(deftest an-unbuffered-read-takes-only-what-is-asked
  (with-pair [s peer :buffered nil :external-format :utf-8]
    (send-text peer "line\nrest")
    (is (= "line" (stream/read-line s)))
    (let [other (bounded (socket/socket-stream (.channel ^SocketStream s) :buffered nil))]
      (is (= "re" (let [chars (char-array 2)]
                    (stream/read-char-sequence chars other)
                    (String. chars))))
      (is (= \s (stream/read-char s)))
      (stream/close other :abort true))))

(deftest close-flushes-and-abort-does-not
  (with-pair [s peer]
    (stream/write-line "flushed" s)
    (is (true? (stream/close s)))
    (is (true? (stream/close s :abort true)))
    (is (= "flushed" (stream/read-line peer)))
    (is (= :end (stream/read-line peer nil :end))))
  (with-pair [s peer]
    (stream/write-line "dropped" s)
    (stream/close s :abort true)
    (is (= :end (stream/read-line peer nil :end)))
    (fails IllegalArgumentException [":force" ":abort"] (stream/close s :force true))))

(deftest predicates-tell-what-is-left
  (with-pair [s peer]
    (is (= [true true true] ((juxt stream/open-stream? stream/input-stream? stream/output-stream?) s)))
    (socket/socket-stream-shutdown s :output)
    (is (= [true true false] ((juxt stream/open-stream? stream/input-stream? stream/output-stream?) s)))
    (stream/close s)
    (is (= [false false false] ((juxt stream/open-stream? stream/input-stream? stream/output-stream?) s)))
    (is (= :character (stream/stream-element-type s)))
    (is (= :utf-8 (:charset (stream/stream-external-format s))))
    (fails IllegalStateException ["read-char" "closed"] (stream/read-char s))
    (fails IllegalStateException ["write-string" "closed"] (stream/write-string "" s))
    (fails IllegalStateException ["finish-output" "closed"] (stream/finish-output s))
    (fails IllegalStateException ["listen" "closed"] (stream/listen s))
    (is (= :end (stream/read-char peer nil :end)))))

;; ---- time ---------------------------------------------------------------------------------------

(deftest a-read-that-times-out-has-consumed-nothing
  (with-pair [s peer]
    (stream/set-read-timeout! s 1/20)
    (send-text peer "half é")
    (fails SocketTimeoutException ["read-line" "nothing was consumed"] (stream/read-line s))
    (fails SocketTimeoutException ["read-char-sequence"] (stream/read-char-sequence (char-array 20) s))
    (stream/set-stream-element-type! s :byte)
    (fails SocketTimeoutException ["read-byte-sequence"] (stream/read-byte-sequence (byte-array 20) s))
    (is (= (mapv int "half ") (bytes-of s 5)))
    (stream/set-stream-element-type! s :character)
    (send-text peer "!\n")
    (is (= "é!" (stream/read-line s)))))

(deftest a-deadline-that-has-passed-ends-all-but-what-moves-nothing
  (with-pair [s peer]
    (send-text peer "ab")
    (is (= \a (stream/read-char s)))
    (stream/set-read-deadline! s 0)
    (fails SocketTimeoutException ["read-char"] (stream/read-char s))
    (stream/unread-char \a s)
    (stream/set-read-deadline! s nil)
    (is (= \a (stream/read-char s)))
    (stream/set-write-deadline! s 0)
    (fails SocketTimeoutException ["write-char"] (stream/write-char \x s))
    (is (nil? (stream/clear-output s)))
    (is (nil? (stream/force-output s)))
    (fails IllegalArgumentException ["set-read-timeout!" "-1"] (stream/set-read-timeout! s -1))))

(deftest a-write-that-times-out-reports-how-much-was-sent
  (with-pair [s peer :element-type :byte]
    (stream/set-write-timeout! s 1/5)
    (let [e (failure #(stream/write-byte-sequence (byte-array 20000000) s))]
      (is (instance? SocketTimeoutException e))
      (is (< 0 (.bytesTransferred ^InterruptedIOException e) 20000000))
      (socket/socket-stream-shutdown s :output)
      (is (= (.bytesTransferred ^InterruptedIOException e)
            (count (.readAllBytes (stream/socket-input-stream peer))))))))

(deftest an-interrupted-read-leaves-the-stream-as-it-was
  (with-pair [s peer]
    (send-text peer "li")
    (.interrupt (Thread/currentThread))
    (let [e (failure #(stream/read-line s))
          flag (Thread/interrupted)]
      (is (instance? InterruptedIOException e))
      (is (str/includes? (ex-message e) "read-line: the thread was interrupted"))
      (is (true? flag)))
    (send-text peer "ne\n")
    (is (= "line" (stream/read-line s)))))

(deftest a-line-longer-than-the-limit-is-refused-whether-or-not-its-end-has-come
  (doseq [charset [:utf-8 :iso-8859-1 :utf-16le :iso-2022-jp]
          end ["" "\n" "\r\nmore\n" :eof]]
    (testing [charset end]
      (with-pair [s peer :line-limit 10]
        (run! #(stream/set-stream-external-format! % charset) [s peer])
        (send-text peer (str "0123456789\n0123456789a" (when (string? end) end)))
        (when (= :eof end)
          (socket/socket-stream-shutdown peer :output))
        (is (= "0123456789" (stream/read-line s)))
        (dotimes [_ 2]
          (fails StreamInput$LineTooLongException ["10"] (stream/read-line s)))
        (is (= \0 (stream/read-char s)))
        (when-not (= "" end)
          (is (= "123456789a" (stream/read-line s))))))))

;; ---- views --------------------------------------------------------------------------------------

(deftest views-share-the-buffer-with-everything-else
  (with-pair [s peer]
    (send-text peer "(+ 1 2) [:edn \"x\"] rest\nline\nA")
    (let [reader (stream/socket-reader s)]
      (is (instance? PushbackReader reader))
      (is (= '(+ 1 2) (read reader)))
      (is (= [:edn "x"] (edn/read reader)))
      (is (= " rest" (stream/read-line s)))
      (is (= "line" (.readLine ^java.io.BufferedReader (java.io.BufferedReader. (stream/socket-reader s) 1))))
      (is (= 65 (.read (stream/socket-input-stream s))))
      (is (false? (.ready reader)))
      (send-text peer "xyz")
      (is (= 2 (.skip reader 2)))
      (.unread reader (int \q))
      (is (= [\q \z] [(stream/read-char s) (stream/read-char s)]))
      (fails IOException ["mark"] (.mark reader 1)))))

(deftest writing-views-share-the-buffer
  (with-pair [s peer]
    (let [writer (stream/socket-writer s)]
      (.write writer "a")
      (stream/write-string "b" s)
      (.append writer \c)
      (pprint/cl-format writer "~R~%" 3)
      (.write (stream/socket-output-stream s) 68)
      (binding [*out* writer]
        (println "!"))
      (.flush writer)
      (is (= ["abcthree" "D!"] [(stream/read-line peer) (stream/read-line peer)])))))

(deftest clojure-java-io-takes-streams
  (with-pair [s peer]
    (with-open [out (io/output-stream s)]
      (io/copy (ByteArrayInputStream. (byte-array 100000 (byte 7))) out))
    (let [copied (ByteArrayOutputStream.)]
      (is (= 100000 (.transferTo (stream/socket-input-stream peer) copied)))
      (is (= 100000 (.size copied))))
    (is (false? (stream/open-stream? s)) "closing a view closes the stream"))
  (with-pair [s peer]
    (send-text peer "über\n")
    (stream/close peer)
    (let [copied (StringWriter.)]
      (io/copy (io/reader s) copied)
      (is (= "über\n" (str copied))))))

(deftest views-keep-the-contracts-of-java-io
  (with-pair [s peer]
    (let [reader (stream/socket-reader s)
          input (stream/socket-input-stream s)]
      (is (= 0 (.read reader (char-array 3) 1 0)))
      (is (= 0 (.read input (byte-array 3) 1 0)))
      (is (= 0 (.available input)))
      (is (instance? IndexOutOfBoundsException (failure #(.read input (byte-array 3) 2 2))))
      (send-bytes peer 97 98 0xff)
      (arrives s)
      (is (true? (.ready reader)))
      (is (= 2 (.read reader (char-array 5))) "bad bytes are left to the next read")
      (is (instance? ExternalFormat$CodingException (failure #(.read ^Reader reader))))
      (stream/close peer)
      (is (= [-1 -1 -1] [(.read ^Reader reader) (.read reader (char-array 2)) (.read input (byte-array 2))]))
      (.close reader)
      (fails ClosedChannelException ["read" "is closed"] (.read input))
      (fails ClosedChannelException ["writeString" "is closed"] (.write (stream/socket-writer s) "x")))))
