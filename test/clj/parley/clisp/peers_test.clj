(ns parley.clisp.peers-test
  "CLISP and Parley as each other's peers, in two processes: a CLISP server with a Parley client
  and the reverse. What arrives is checked byte for byte."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [parley.clisp.lisp :as lisp]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.util Random)))

(set! *warn-on-reflection* true)

(def ^:private clisp (lisp/interpreter))

(use-fixtures :each (fn [run] (try (run) (finally (lisp/dispose clisp)))))

(def ^:private patience
  "Seconds that anything may take."
  20)

;; --- two peers, connected -----------------------------------------------------------------------

(defn- steps
  "What CLISP answers to the steps, the last of them; every answer before it must be :done."
  [& steps]
  (let [answers (lisp/ask clisp (vec steps) patience)]
    (is (every? #{:done} (butlast answers)) (pr-str steps answers))
    (last answers)))

(defn- bounded
  "The stream, each of whose operations ends within the deadline."
  [s]
  (stream/set-read-timeout! s patience)
  (stream/set-write-timeout! s patience)
  s)

(defn- with-clisp-server
  [options-of-clisp options-of-parley f]
  (steps [:reset])
  (let [port (steps [:server] [:listening-port])]
    (socket/with-open-stream [s (bounded (socket/socket-connect port
                                                                "127.0.0.1"
                                                                (assoc options-of-parley
                                                                       :timeout patience)))]
      (steps [:accept :peer options-of-clisp])
      (f s))))

(defn- with-parley-server
  [options-of-clisp options-of-parley f]
  (steps [:reset])
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (steps [:connect-to :peer (socket/socket-server-port server) options-of-clisp])
    (socket/with-open-stream [s (bounded (socket/socket-accept server
                                                               (assoc options-of-parley
                                                                      :timeout patience)))]
      (f s))))

(defn- both-ways
  "Calls f with Parley's stream to a CLISP server, and again with one that CLISP has connected. On
  the side of CLISP the other end is called :peer."
  [options-of-clisp options-of-parley f]
  (doseq [[who connect] [["CLISP serves" with-clisp-server]
                         ["Parley serves" with-parley-server]]]
    (testing who
      (connect options-of-clisp options-of-parley f))))

;; --- what is sent -------------------------------------------------------------------------------

(def ^:private texts
  {"UTF-8" ["plain" "" "Grüße, мир, λόγος" "こんにちは 世界" "beyond: 😀"]
   "ISO-8859-1" ["plain" "" "Grüße, garçon" "¿qué? ½ ÿ"]
   "UTF-16BE" ["plain" "" "Grüße, мир, λόγος" "こんにちは 世界"]
   "UTF-16LE" ["plain" "" "Grüße, мир, λόγος" "こんにちは 世界"]
   "EUC-JP" ["plain" "" "мир, λόγος" "こんにちは 世界"]})

(def ^:private terminators {:unix "\n", :dos "\r\n", :mac "\r"})

(defn- format-of
  [charset terminator]
  {:external-format {:charset charset :line-terminator terminator}})

(defn- encoded
  "The bytes of lines, as integers."
  [lines ^String charset terminator]
  (mapv #(bit-and 0xff (long %))
        (.getBytes ^String (str/join (map #(str % (terminators terminator)) lines)) charset)))

(defn- read-bytes
  "`n` bytes of the stream, and whether it ends there, as integers."
  [s n]
  (let [bytes (byte-array (inc (long n)))
        index (stream/read-byte-sequence bytes s)]
    (mapv #(bit-and 0xff (long %)) (take index bytes))))

(defn- every-format
  [f]
  (doseq [[charset lines] texts
          terminator (keys terminators)]
    (testing (str charset " " terminator)
      (f charset terminator lines))))

(def ^:private bytes-only {:element-type :unsigned-byte-8})

;; --- text ---------------------------------------------------------------------------------------

(deftest text-that-clisp-writes-is-bytes-that-parley-reads
  (when (lisp/wanted?)
    (every-format
      (fn [charset terminator lines]
        (both-ways (format-of charset terminator)
                   bytes-only
                   (fn [s]
                     (is (= lines
                           (lisp/ask clisp (mapv #(vector :write-line :peer %) lines) patience)))
                     (steps [:close :peer])
                     (let [expected (encoded lines charset terminator)]
                       (is (= expected (read-bytes s (count expected)))))))))))

(deftest text-that-parley-writes-is-bytes-that-clisp-reads
  (when (lisp/wanted?)
    (every-format
      (fn [charset terminator lines]
        (both-ways bytes-only
                   (format-of charset terminator)
                   (fn [s]
                     (run! #(stream/write-line % s) lines)
                     (stream/close s)
                     (let [expected (encoded lines charset terminator)]
                       (is (= [(count expected) expected]
                              (steps [:read-bytes :peer (inc (count expected))]))))))))))

(deftest lines-come-back-from-clisp-as-they-went
  (when (lisp/wanted?)
    (every-format
      (fn [charset terminator lines]
        (both-ways (format-of charset terminator)
                   (format-of charset terminator)
                   (fn [s]
                     (doseq [line lines]
                       (stream/write-line line s)
                       (stream/force-output s)
                       (let [[heard] (steps [:read-line :peer])]
                         (is (= line heard))
                         (lisp/ask clisp [[:write-line :peer heard] [:force :peer]] patience)
                         (is (= [line nil] (stream/read-line-values s)))))
                     (steps [:close :peer])
                     (is (= :end (stream/read-line s false :end)))))))))

;; --- bytes --------------------------------------------------------------------------------------

(defn- some-bytes
  [n]
  (let [bytes (byte-array n)]
    (.nextBytes (Random. 42) bytes)
    bytes))

(defn- integers
  [bytes]
  (mapv #(bit-and 0xff (long %)) bytes))

(deftest bytes-arrive-as-they-were-sent
  (when (lisp/wanted?)
    (let [bytes (some-bytes 20000)]
      (both-ways bytes-only
                 bytes-only
                 (fn [s]
                   (stream/write-byte-sequence bytes s)
                   (stream/force-output s)
                   (is (= [20000 (integers bytes)] (steps [:read-bytes :peer 20000])))
                   (is (= [20000 nil]
                          (lisp/ask clisp [[:write-bytes :peer (integers bytes)] [:force :peer]]
                                    patience)))
                   (let [back (byte-array 20000)]
                     (is (= 20000 (stream/read-byte-sequence back s)))
                     (is (= (integers bytes) (integers back)))))))))

(deftest half-a-connection-closes-while-the-other-half-works
  (when (lisp/wanted?)
    (both-ways {}
               {}
               (fn [s]
                 (stream/write-string "a question" s)
                 (socket/socket-stream-shutdown s :output)
                 (is (= ["a question" true] (steps [:read-line :peer])))
                 (is (= :end (steps [:read-char :peer :end])))
                 (is (= ["an answer" nil]
                        (lisp/ask clisp [[:write-line :peer "an answer"] [:shutdown :peer :output]]
                                  patience)))
                 (is (= ["an answer" nil] (stream/read-line-values s)))
                 (is (= :end (stream/read-char s false :end)))
                 (is (= :eof (socket/socket-status [s :input] patience)))))))

(deftest text-and-bytes-take-turns
  (when (lisp/wanted?)
    (both-ways {:external-format {:line-terminator :dos}}
               {:external-format {:line-terminator :dos}}
               (fn [s]
                 (testing "from Parley to CLISP"
                   (stream/write-line "5 bytes" s)
                   (stream/set-stream-element-type! s :unsigned-byte-8)
                   (stream/write-byte-sequence (byte-array [10 13 10 0 -1]) s)
                   (stream/set-stream-element-type! s :character)
                   (stream/write-line "after" s)
                   (stream/force-output s)
                   (is (= ["5 bytes" nil] (steps [:read-line :peer])))
                   (is (= [5 [10 13 10 0 255]]
                          (steps [:set-element-type :peer :unsigned-byte-8] [:read-bytes :peer 5])))
                   (is (= ["after" nil]
                          (steps [:set-element-type :peer :character] [:read-line :peer]))))
                 (testing "from CLISP to Parley"
                   (is (= ["5 bytes" :done 5 :done "after" nil]
                          (lisp/ask clisp [[:write-line :peer "5 bytes"]
                                           [:set-element-type :peer :unsigned-byte-8]
                                           [:write-bytes :peer [10 13 10 0 255]]
                                           [:set-element-type :peer :character]
                                           [:write-line :peer "after"]
                                           [:force :peer]]
                                    patience)))
                   (is (= "5 bytes" (stream/read-line s)))
                   (stream/set-stream-element-type! s :unsigned-byte-8)
                   (let [bytes (byte-array 5)]
                     (is (= 5 (stream/read-byte-sequence bytes s)))
                     (is (= [10 13 10 0 255] (integers bytes))))
                   (stream/set-stream-element-type! s :character)
                   (is (= "after" (stream/read-line s))))))))
