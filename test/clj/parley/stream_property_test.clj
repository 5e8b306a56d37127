(ns parley.stream-property-test
  "Random programs of stream operations, over a real connection whose other end is a raw channel, beside
  a model that holds all the bytes and decodes them with the JDK. The model knows which bytes have
  arrived, so it says exactly what each operation returns, what can be read without waiting, and which
  operation would block: then more bytes are sent first. Failures print their seed and a small program."
  (:require
   [clojure.test :refer [deftest is]]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as prop]
   [clojure.test.check.results :as results]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.input-model :refer [legal model-step]]
   [parley.testing.random :as random])
  (:import
   (java.io ByteArrayOutputStream File Reader Writer)
   (java.net StandardProtocolFamily UnixDomainSocketAddress)
   (java.nio ByteBuffer CharBuffer)
   (java.nio.channels ServerSocketChannel SocketChannel)
   (java.nio.charset Charset CharsetEncoder)
   (java.util Arrays Random)
   (parley.net ExternalFormat$CodingException)
   (parley.testing Race$Rounds TemporaryPaths)))

(set! *warn-on-reflection* true)

(def ^:private runs
  "How many programs each property tries."
  (Race$Rounds/of 200 10000))

;; ---- connections --------------------------------------------------------------------------------

(defn- with-pairs
  "Calls `f` with a function that makes [stream raw-channel] over a Unix-domain socket: what one side
  has written, the other side can read at once."
  [f]
  (let [directory (TemporaryPaths/directory)
        path (.resolve directory "socket")]
    (try
      (with-open [server (ServerSocketChannel/open StandardProtocolFamily/UNIX)]
        (.bind server (UnixDomainSocketAddress/of path))
        (f (fn [& opts]
             (let [client (SocketChannel/open (UnixDomainSocketAddress/of path))]
               [(apply socket/socket-stream client opts) (.accept server)]))))
      (finally
        (run! #(.delete ^File %) [(.toFile path) (.toFile directory)])))))

;; ---- the real thing -----------------------------------------------------------------------------

(defn- telling
  "What `f` returns, [:error offset] for bytes that are no character."
  [f]
  (try (f)
       (catch ExternalFormat$CodingException e
         [:error (.offset e)])
       (catch java.net.SocketTimeoutException e
         [:blocked (ex-message e)])))

(defn- chars-read [n f]
  (let [into (char-array n)]
    (telling #(String. into 0 (max 0 (int (f into)))))))

(defn- bytes-read [n f]
  (let [into (byte-array n)
        end (long (f into))]
    (mapv #(bit-and 255 (aget into %)) (range (max 0 end)))))

(defn- mode-options [mode]
  (case mode
    :full []
    :no-hang [:no-hang true]
    :interactive [:interactive true]))

(defn- real-line [s]
  (let [[line missing?] (stream/read-line-values s nil :eof)]
    (if (= :eof line) :eof [line missing?])))

(defn- format-of [m]
  {:charset (:charset m)
   :line-terminator (:terminator m :unix)
   :input-error-action (:action m)})

(defn- real-step [s m [op x y]]
  (case op
    :read-char (telling #(stream/read-char s nil :eof))
    :no-hang (telling #(stream/read-char-no-hang s nil :eof))
    :peek (telling #(stream/peek-char s nil :eof))
    :unread (stream/unread-char (:char (:last m)) s)
    :line (telling #(real-line s))
    :chars (chars-read x #(apply stream/read-char-sequence % s (mode-options y)))
    :reader (chars-read x #(.read ^Reader (stream/socket-reader s) ^chars % 0 (int x)))
    :listen (stream/listen s)
    :will-hang (stream/read-char-will-hang? s)
    :read-byte (stream/read-byte s nil :eof)
    :byte-no-hang (stream/read-byte-no-hang s nil :eof)
    :bytes (bytes-read x #(apply stream/read-byte-sequence % s (mode-options y)))
    :input-stream (bytes-read x #(.read (stream/socket-input-stream s) ^bytes % 0 (int x)))
    :lookahead (stream/read-byte-lookahead s)
    :byte-will-hang (stream/read-byte-will-hang? s)
    :status (socket/socket-status s 0)
    :type (do (stream/set-stream-element-type! s x) nil)
    :charset (do (stream/set-stream-external-format! s (assoc (format-of m) :charset x)) nil)
    :terminator (do (stream/set-stream-external-format! s (assoc (format-of m) :line-terminator x)) nil)))

(defn- feed
  "Sends so many more bytes, and the end when there are none."
  [m ^SocketChannel peer n]
  (let [fed (long (:fed m))
        bytes ^bytes (:bytes m)
        unsent (- (alength bytes) fed)
        n (min (long n) unsent)]
    (if (zero? unsent)
      (do (when-not (:ended? m) (.shutdownOutput peer))
          (assoc m :ended? true))
      (do (.write peer (ByteBuffer/wrap bytes fed n))
          (assoc m :fed (+ fed n))))))

(defn- ready
  "[model after result]: `m` with as much sent as the operation needs not to wait."
  [m peer op]
  (let [[after result] (model-step m op)]
    (if (= :block result)
      (recur (feed m peer 3) peer op)
      [m after result])))

(defn- step
  "The model after an operation, or after a failure with :wrong."
  [s peer m [op x :as whole]]
  (cond
    (= :feed op) (feed m peer x)
    (not ((legal op any?) m)) m
    (and (= :unread op) (nil? (:last m))) m
    :else (let [[before after expected] (ready m peer whole)
                got (telling #(real-step s before whole))]
            (if (= expected got)
              after
              (reduced (assoc after :wrong {:op whole :expected expected :got got
                                            :before (update (dissoc before :bytes) :charset str)}))))))

(defn- finish-reading
  "Reads on to the end, so that nothing is left unlooked at."
  [s peer m]
  (loop [m (feed (feed (unreduced (step s peer m [:type :bivalent])) peer 100000) peer 1)]
    (let [m (unreduced (step s peer m [:read-char]))
          more? (not= :eof (second (model-step m [:read-char])))]
      (if (or (:wrong m) (not more?)) m (recur m)))))

(defn- run-input [pair {:keys [pieces ops buffered charset action]}]
  (let [[s ^SocketChannel peer] (pair :buffered buffered
                                  :external-format {:charset charset :input-error-action action})
        model {:bytes (byte-array (mapcat seq pieces)) :fed 0 :ended? false :position 0 :skip? false
               :owed nil :last nil :told 0 :charset (Charset/forName charset) :action action
               :type :character}]
    (try
      (stream/set-read-timeout! s 1)
      (let [m (reduce #(step s peer %1 %2) model ops)]
        (:wrong (if (:wrong m) m (finish-reading s peer m))))
      (finally
        (.close peer)
        (stream/close s :abort true)))))

;; ---- random programs ----------------------------------------------------------------------------

(def ^:private charsets ["UTF-8" "ISO-8859-1" "UTF-16BE" "UTF-16LE" "Shift_JIS" "GB18030" "IBM1047"])

(def ^:private gen-piece
  (gen/frequency
    [[8 (gen/let [text (gen/vector (gen/elements ["a" "b" " " "\n" "\r" "\r\n" "é" "漢" "𝄞" "\t" "0"]) 0 8)
                  charset (gen/elements charsets)]
          (seq (.getBytes ^String (apply str text) ^String charset)))]
     [8 (gen/fmap #(seq (.getBytes ^String (apply str %) "UTF-8"))
          (gen/vector (gen/elements ["line of text" "\n" "\r" "\r\n" "é" "漢" "𝄞"]) 0 8))]
     [2 (gen/vector (gen/fmap unchecked-byte (gen/elements [0xff 0xc3 0xe2 0x82 0xed 0xa0 0x80 0xf0 0 10 13])) 0 4)]
     [1 (gen/vector gen/byte 0 5)]]))

(def ^:private gen-mode (gen/elements [:full :no-hang :interactive]))

(def ^:private gen-input-op
  (gen/frequency
    [[10 (gen/fmap #(vector :feed %) (gen/choose 1 9))]
     [8 (gen/return [:read-char])]
     [4 (gen/return [:no-hang])]
     [3 (gen/return [:peek])]
     [4 (gen/return [:unread])]
     [4 (gen/return [:line])]
     [3 (gen/let [n (gen/choose 0 7) mode gen-mode] [:chars n mode])]
     [2 (gen/fmap #(vector :reader %) (gen/choose 1 7))]
     [4 (gen/elements [[:listen] [:will-hang] [:lookahead] [:byte-will-hang]])]
     [3 (gen/return [:status])]
     [4 (gen/return [:read-byte])]
     [3 (gen/return [:byte-no-hang])]
     [3 (gen/let [n (gen/choose 0 7) mode gen-mode] [:bytes n mode])]
     [1 (gen/fmap #(vector :input-stream %) (gen/choose 1 7))]
     [5 (gen/fmap #(vector :type %)
          (gen/elements [:character :character :unsigned-byte-8 :bivalent :bivalent [:unsigned-byte 16]]))]
     [3 (gen/fmap #(vector :charset %) (gen/elements charsets))]
     [1 (gen/fmap #(vector :terminator %) (gen/elements [:unix :dos :mac]))]]))

(def ^:private gen-input
  (gen/hash-map
    :pieces (gen/vector gen-piece 0 8)
    :ops (gen/vector gen-input-op 0 40)
    :buffered (gen/elements [true nil])
    :charset (gen/elements charsets)
    :action (gen/elements [:error :error :ignore \?])))

;; ---- the output ---------------------------------------------------------------------------------

;; The model encodes everything with the JDK's encoder, which it changes with the charset.

(def ^:private output-charsets ["UTF-8" "ISO-8859-1" "US-ASCII" "UTF-16" "UTF-16LE" "ISO-2022-JP" "windows-1252"])

(defn- encoder ^CharsetEncoder [charset]
  (.newEncoder (Charset/forName charset)))

(defn- encodable
  "The text with what the charset does not have replaced or left out."
  [charset action ^String text]
  (let [probe (encoder charset)]
    (apply str
      (for [code-point (iterator-seq (.iterator (.boxed (.codePoints text))))
            :let [c (Character/toString (int code-point))]]
        (cond
          (.canEncode probe c) c
          (char? action) action)))))

(defn- encode! [^ByteArrayOutputStream out ^CharsetEncoder encoder ^String text]
  (let [bytes (ByteBuffer/allocate (+ 16 (* 12 (count text))))]
    (.encode encoder (CharBuffer/wrap text) bytes false)
    (.write out (.array bytes) 0 (.position bytes))))

(defn- leave-charset! [^ByteArrayOutputStream out ^CharsetEncoder encoder used?]
  (when used?
    (let [bytes (ByteBuffer/allocate 32)]
      (.encode encoder (CharBuffer/wrap "") bytes true)
      (.flush encoder bytes)
      (.write out (.array bytes) 0 (.position bytes)))))

(def ^:private terminators {:unix "\n" :dos "\r\n" :mac "\r"})

(defn- model-write [{:keys [out encoder terminator charset action] :as m} ^String text]
  (if (empty? text)
    m
    (do (encode! out encoder (encodable charset action (.replace text "\n" ^String (terminators terminator))))
        (assoc m :used? true :line-start? (= \newline (last text))))))

(defn- finish-text
  "The model after a flush or a switch to bytes: what went out ends in the charset's initial state."
  [{:keys [charset out used?] :as m}]
  (if (and used? (= "ISO-2022-JP" charset))
    (do (leave-charset! out (:encoder m) used?)
        (assoc m :encoder (encoder charset) :used? false))
    m))

(defn- model-write-bytes [m bytes]
  (let [m (finish-text m)]
    (.write ^ByteArrayOutputStream (:out m) (byte-array bytes))
    m))

(defn- model-operation [m [op x]]
  (case op
    (:string :char :writer :sequence) (model-write m (str x))
    :halves (model-write m x)
    :line (model-write m (str x "\n"))
    :terpri (model-write m "\n")
    :fresh-line (if (:line-start? m) m (model-write m "\n"))
    (:byte :bytes :output-stream :bytes-now) (model-write-bytes m (if (= :byte op) [(unchecked-byte x)] x))
    :integer (model-write-bytes m [(unchecked-byte x) (unchecked-byte (bit-shift-right (long x) 8))])
    :charset (if (= x (:charset m))
               m
               (do (leave-charset! (:out m) (:encoder m) (:used? m))
                   (assoc m :charset x :encoder (encoder x) :used? false)))
    :terminator (assoc m :terminator x)
    :force (finish-text m)))

(defn- model-output [m operation]
  (cond-> (model-operation m operation)
    (not (:buffered m)) finish-text))

(defn- real-output [s m [op x]]
  (case op
    :string (stream/write-string x s)
    :char (stream/write-char x s)
    :halves (run! #(stream/write-char % s) x)
    :writer (.write ^Writer (stream/socket-writer s) ^String x)
    :sequence (stream/write-char-sequence (char-array x) s)
    :line (stream/write-line x s)
    :terpri (stream/terpri s)
    :fresh-line (is (= (stream/fresh-line s) (when-not (:line-start? m) true)))
    :byte (stream/write-byte x s)
    :bytes (stream/write-byte-sequence (byte-array x) s)
    :bytes-now (stream/write-byte-sequence-values (byte-array x) s :no-hang true)
    :output-stream (.write (stream/socket-output-stream s) (byte-array x))
    :integer (stream/write-integer x s [:unsigned-byte 16])
    (:charset :terminator) (stream/set-stream-external-format! s
                             {:charset (if (= :charset op) x (:charset m))
                              :line-terminator (if (= :terminator op) x (:terminator m))
                              :output-error-action (:action m)})
    :force (stream/force-output s)))

(defn- received ^bytes [^SocketChannel peer]
  (let [out (ByteArrayOutputStream.)
        buffer (ByteBuffer/allocate 65536)]
    (loop []
      (let [n (.read peer (.clear buffer))]
        (when (pos? n)
          (.write out (.array buffer) 0 n)
          (recur))))
    (.toByteArray out)))

(defn- arrived? [m ^SocketChannel peer sent]
  (.configureBlocking peer false)
  (.write ^ByteArrayOutputStream sent (received peer))
  (.configureBlocking peer true)
  (= (.size ^ByteArrayOutputStream sent) (.size ^ByteArrayOutputStream (:out m))))

(defn- output-step
  "The model after an operation; :wrong when bytes that must have arrived have not."
  [s peer sent m [op :as whole]]
  (real-output s m whole)
  (let [m (model-output m whole)
        there? (arrived? m peer sent)]
    (if (and (not there?) (or (= :force op) (not (:buffered m))))
      (reduced (assoc m :wrong [whole :not-arrived]))
      m)))

(defn- run-output [pair {:keys [ops buffered charset action]}]
  (let [[s ^SocketChannel peer] (pair :buffered buffered :element-type :bivalent
                                  :external-format {:charset charset :output-error-action action})
        sent (ByteArrayOutputStream.)
        model {:out (ByteArrayOutputStream.) :charset charset :encoder (encoder charset) :action action
               :terminator :unix :line-start? true :used? false :buffered buffered}]
    (try
      (stream/set-write-timeout! s 1)
      (let [m (reduce #(output-step s peer sent %1 %2) model ops)]
        (leave-charset! (:out m) (:encoder m) (:used? m))
        (stream/close s)
        (.write sent (received peer))
        (or (:wrong m)
          (when-not (Arrays/equals (.toByteArray sent) (.toByteArray ^ByteArrayOutputStream (:out m)))
            {:sent (vec (.toByteArray sent)) :expected (vec (.toByteArray ^ByteArrayOutputStream (:out m)))})))
      (finally
        (.close peer)
        (stream/close s :abort true)))))

(def ^:private gen-text
  (gen/fmap #(apply str %)
    (gen/frequency
      [[9 (gen/vector (gen/elements ["a" "b c" "\n" "\r" "é" "漢字" "𝄞" "€" "\t"]) 0 8)]
       [1 (gen/fmap #(repeat 700 %) (gen/elements ["a long line " "ß𝄞漢\n" "é"]))]])))

(def ^:private gen-output-op
  (gen/frequency
    [[5 (gen/fmap #(vector :string %) gen-text)]
     [3 (gen/fmap #(vector :char %) (gen/elements [\a \newline \é \漢 \tab]))]
     [1 (gen/return [:halves "𝄞"])]
     [2 (gen/fmap #(vector :writer %) gen-text)]
     [1 (gen/fmap #(vector :sequence %) gen-text)]
     [3 (gen/fmap #(vector :line %) gen-text)]
     [2 (gen/elements [[:terpri] [:fresh-line]])]
     [3 (gen/elements [[:force]])]
     [2 (gen/fmap #(vector :byte %) (gen/choose 0 255))]
     [2 (gen/let [kind (gen/elements [:bytes :bytes-now :output-stream]) bytes (gen/vector gen/byte 0 20)]
          [kind bytes])]
     [1 (gen/return [:bytes (vec (range -100 100))])]
     [1 (gen/fmap #(vector :integer %) (gen/choose 0 65535))]
     [2 (gen/fmap #(vector :charset %) (gen/elements output-charsets))]
     [1 (gen/fmap #(vector :terminator %) (gen/elements [:unix :dos :mac]))]]))

(def ^:private gen-output
  (gen/hash-map
    :ops (gen/vector gen-output-op 0 25)
    :buffered (gen/elements [true nil])
    :charset (gen/elements output-charsets)
    :action (gen/elements [:ignore \?])))

(defn- right-or-data
  "A result for test.check: right unless there is something to tell."
  [wrong]
  (if wrong
    (reify results/Result
      (pass? [_] false)
      (result-data [_] wrong))
    true))

(deftest what-was-written-arrives-as-the-jdk-encodes-it-in-order-and-when-it-must
  (with-pairs
    (fn [pair]
      (random/holds runs
        (prop/for-all [program gen-output]
          (right-or-data (run-output pair program)))))))

;; ---- several threads ----------------------------------------------------------------------------

(defn- write-records [s ^long tag seed]
  (let [random (Random. seed)]
    (dotimes [_ 200]
      (let [length (inc (.nextInt random (if (zero? (.nextInt random 10)) 40000 60)))
            record (byte-array length (unchecked-byte tag))]
        (aset record (dec length) (byte -1))
        (stream/write-byte-sequence record s)
        (when (zero? (.nextInt random 5))
          (stream/force-output s))))
    (stream/force-output s)))

(defn- torn
  "The first place where a record is broken into by another, or nil."
  [^bytes all]
  (loop [at 1]
    (when (< at (alength all))
      (if (or (= -1 (aget all (dec at))) (= -1 (aget all at)) (= (aget all at) (aget all (dec at))))
        (recur (inc at))
        at))))

(deftest a-record-written-by-one-call-is-never-torn-by-another-thread
  (with-pairs
    (fn [pair]
      (doseq [seed (random/seeds)
              :let [[s ^SocketChannel peer] (pair :element-type :unsigned-byte-8)]]
        (stream/set-write-timeout! s 20)
        (with-open [peer peer]
          (let [reading (future (received peer))
                writers (mapv #(future (write-records s % (+ (long seed) (long %)))) (range 1 5))]
            (run! deref writers)
            (stream/close s)
            (let [all ^bytes (deref reading 20000 nil)]
              (is (= 800 (count (filter #(= -1 %) all))) (str "seed " seed))
              (is (nil? (torn all)) (str "seed " seed)))))))))

(deftest what-is-read-is-what-was-sent-however-it-came-and-is-asked-for
  (with-pairs
    (fn [pair]
      (random/holds runs
        (prop/for-all [program gen-input]
          (right-or-data (run-input pair program)))))))
