(ns parley.stream
  "Reading and writing socket streams: characters, bytes, and switching between them in mid-stream.
  Argument order and results follow Common Lisp; eof-error? is true by default and raises
  java.io.EOFException. Newlines read are \\newline, however they were sent.

  Every operation on a closed stream, or on one whose element type does not fit, is an
  IllegalStateException that says what to do. Timeouts of parley's streams raise
  java.net.SocketTimeoutException: a read has consumed nothing, a write tells in bytesTransferred how
  many of its bytes went. Readers are serialised with readers and writers with writers, operation by
  operation; one reader and one writer never block each other."
  (:refer-clojure :exclude [read-line])
  (:require
   [clojure.java.io :as io]
   [parley.impl.object :as object]
   [parley.impl.options :as options]
   [parley.impl.print])
  (:import
   (java.io EOFException InputStream OutputStream PushbackReader Writer)
   (java.nio ByteOrder)
   (java.util.function IntPredicate)
   (parley.net Blocking DescriptorStreams Direction ElementType Line Pollable SocketOptions SocketStream StreamInput StreamOutput)))

(set! *warn-on-reflection* true)

(defn- in ^StreamInput [op s]
  (.in (object/stream op s)))

(defn- out ^StreamOutput [op s]
  (.out (object/stream op s)))

(defn- at-end [op s eof-error? eof-value]
  (if eof-error?
    (throw (EOFException. (str op ": end of file on " s "; pass eof-error? false for a value instead")))
    eof-value))

(defmacro ^:private true-or-nil [test]
  `(when ~test true))

;; ---- characters ---------------------------------------------------------------------------------

(defn- char-or [op s unit eof-error? eof-value]
  (let [unit (long unit)]
    (cond
      (<= 0 unit) (char unit)
      (= unit StreamInput/NOTHING) nil
      :else (at-end op s eof-error? eof-value))))

(defn read-char
  "Reads a character; eof-value at the end. Common Lisp READ-CHAR."
  ([s] (read-char s true nil))
  ([s eof-error?] (read-char s eof-error? nil))
  ([s eof-error? eof-value]
   (let [unit (.readChar (in "read-char" s))]
     (if (<= 0 unit)
       (unchecked-char unit)
       (at-end "read-char" s eof-error? eof-value)))))

(defn read-char-no-hang
  "Reads a character if one is there, else nil; eof-value at the end. Common Lisp READ-CHAR-NO-HANG."
  ([s] (read-char-no-hang s true nil))
  ([s eof-error?] (read-char-no-hang s eof-error? nil))
  ([s eof-error? eof-value]
   (char-or "read-char-no-hang" s (.readCharNoHang (in "read-char-no-hang" s)) eof-error? eof-value)))

(defn unread-char
  "Puts the character read last back. Returns nil. Common Lisp UNREAD-CHAR."
  [c s]
  (when-not (char? c)
    (throw (options/misuse "unread-char" (str "the character is " (options/show c)) "the character read last")))
  (.unreadChar (in "unread-char" s) (int (char c))))

(defn- skipping
  "The predicate of the characters that a peek type skips."
  ^IntPredicate [peek-type]
  (cond
    (true? peek-type) (reify IntPredicate (test [_ c] (Character/isWhitespace c)))
    (char? peek-type) (let [wanted (int (char peek-type))]
                        (reify IntPredicate (test [_ c] (not= c wanted))))
    :else (throw (options/misuse "peek-char" (str "the peek type is " (options/show peek-type))
                   "nil, true or a character"))))

(defn peek-char
  "Tells the next character and leaves it there; eof-value at the end. Common Lisp PEEK-CHAR: a first
  argument of nil says just that, true skips whitespace first, a character skips to it. Also without it:
  (peek-char s), (peek-char s eof-error? eof-value)."
  ([s] (peek-char nil s true nil))
  ([a b]
   (if (instance? SocketStream a)
     (peek-char nil a b nil)
     (peek-char a b true nil)))
  ([a b c]
   (if (instance? SocketStream a)
     (peek-char nil a b c)
     (peek-char a b c nil)))
  ([peek-type s eof-error? eof-value]
   (let [input (in "peek-char" s)
         unit (if (nil? peek-type)
                (.peekChar input)
                (.peekChar input (skipping peek-type)))]
     (char-or "peek-char" s unit eof-error? eof-value))))

(defn read-line
  "Reads a line and returns it without its end; eof-value when there is none. Common Lisp READ-LINE, its
  first value; see read-line-values."
  ([s] (read-line s true nil))
  ([s eof-error?] (read-line s eof-error? nil))
  ([s eof-error? eof-value]
   (or (.readLine (in "read-line" s))
       (at-end "read-line" s eof-error? eof-value))))

(defn read-line-values
  "Reads a line: [line missing-newline?], missing-newline? being true when the end of file ended it, else
  nil; [eof-value true] when there is none. Common Lisp READ-LINE, both values."
  ([s] (read-line-values s true nil))
  ([s eof-error?] (read-line-values s eof-error? nil))
  ([s eof-error? eof-value]
   (if-let [^Line line (.readLineValues (in "read-line" s))]
     [(.text line) (true-or-nil (.missingNewline line))]
     [(at-end "read-line" s eof-error? eof-value) true])))

(defn listen
  "true when a character can be read without waiting, else nil, at the end of file too. Common Lisp LISTEN."
  [s]
  (true-or-nil (.listen (in "listen" s))))

(defn read-char-will-hang?
  "true when read-char would wait, else nil, at the end of file too. CLISP EXT:READ-CHAR-WILL-HANG-P."
  [s]
  (true-or-nil (.readCharWillHang (in "read-char-will-hang?" s))))

(defn clear-input
  "Drops all input that has arrived. Returns nil. Common Lisp CLEAR-INPUT."
  [s]
  (.clear (in "clear-input" s)))

(defn write-char
  "Writes a character and returns it; \\newline becomes the stream's line terminator. Common Lisp WRITE-CHAR."
  [c s]
  (when-not (char? c)
    (throw (options/misuse "write-char" (str "the character is " (options/show c)) "a character")))
  (.writeChar (out "write-char" s) (int (char c)))
  c)

(defn- bounds
  "[start end] of the options :start and :end, checked against a length."
  [op length {:keys [start end]}]
  (let [from (or start 0)
        to (or end length)]
    (when-not (and (int? from) (int? to) (<= 0 from to length))
      (throw (options/misuse op (str ":start is " (options/show start) " and :end " (options/show end))
               (str "0 <= :start <= :end <= " length))))
    [from to]))

(defn- part ^String [op text opts]
  (when-not (string? text)
    (throw (options/misuse op (str "the string is " (options/show text)) "a string")))
  (if (seq opts)
    (let [[from to] (bounds op (count text) (options/option-map op #{:start :end} opts))]
      (subs text from to))
    text))

(defn write-string
  "Writes a string, or its part from :start to :end, and returns the string. Common Lisp WRITE-STRING."
  [text s & opts]
  (.writeString (out "write-string" s) (part "write-string" text opts))
  text)

(defn write-line
  "Writes a string, or its part from :start to :end, and a newline; returns the string. Common Lisp
  WRITE-LINE."
  [text s & opts]
  (.writeLine (out "write-line" s) (part "write-line" text opts))
  text)

(defn terpri
  "Writes a newline. Returns nil. Common Lisp TERPRI."
  [s]
  (.newLine (out "terpri" s)))

(defn fresh-line
  "Writes a newline unless the last character written was one, or none was. true when it did, else nil.
  Common Lisp FRESH-LINE."
  [s]
  (true-or-nil (.freshLine (out "fresh-line" s))))

(defn- blocking ^Blocking [op {:keys [no-hang interactive]}]
  (cond
    (options/flag op ":no-hang" no-hang) Blocking/NO_HANG
    (options/flag op ":interactive" interactive) Blocking/INTERACTIVE
    :else Blocking/FULL))

(def ^:private sequence-options #{:start :end :no-hang :interactive})

(defn read-char-sequence
  "Fills a char array from :start to :end and returns the index of the first character not filled; less
  than :end only at the end of file, or with :no-hang true (never waits) or :interactive true (waits for
  the first one only). CLISP EXT:READ-CHAR-SEQUENCE."
  [chars s & opts]
  (let [op "read-char-sequence"
        opts (options/option-map op sequence-options opts)]
    (when-not (instance? char/1 chars)
      (throw (options/misuse op (str "the sequence is " (options/show chars)) "a char array")))
    (let [[from to] (bounds op (alength ^chars chars) opts)]
      (long (.readChars (in op s) ^chars chars (int from) (int to) (blocking op opts))))))

(defn write-char-sequence
  "Writes a string, a char array or a sequence of characters, or its part from :start to :end, and returns
  it. CLISP EXT:WRITE-CHAR-SEQUENCE."
  [chars s & opts]
  (let [op "write-char-sequence"
        text (cond
               (string? chars) chars
               (instance? char/1 chars) (String. ^chars chars)
               (and (sequential? chars) (every? char? chars)) (apply str chars)
               :else (throw (options/misuse op (str "the sequence is " (options/show chars))
                              "a string, a char array or a sequence of characters")))]
    (.writeString (out op s) (part op text opts))
    chars))

;; ---- bytes --------------------------------------------------------------------------------------

(defn- unsigned
  "The bits of a long as an unsigned integer."
  [n]
  (let [n (long n)]
    (if (neg? n)
      (+ (bigint n) 18446744073709551616N)
      n)))

(defn- wide-unsigned? [s]
  (= ElementType/UNSIGNED_BYTE_64 (.elementType ^SocketStream s)))

(defn- element [s n]
  (if (wide-unsigned? s) (unsigned n) n))

(defn read-byte
  "Reads an integer of the stream's element type; eof-value at the end. Common Lisp READ-BYTE."
  ([s] (read-byte s true nil))
  ([s eof-error?] (read-byte s eof-error? nil))
  ([s eof-error? eof-value]
   (if-some [n (.readElement (in "read-byte" s) Blocking/FULL)]
     (element s n)
     (at-end "read-byte" s eof-error? eof-value))))

(defn read-byte-lookahead
  "What read-byte would find: true, nil when it would wait, :eof at the end. CLISP EXT:READ-BYTE-LOOKAHEAD."
  [s]
  (let [found (.byteLookahead (in "read-byte-lookahead" s))]
    (cond
      (= found StreamInput/NOTHING) nil
      (= found StreamInput/END) :eof
      :else true)))

(defn read-byte-will-hang?
  "true when read-byte would wait, else nil, at the end of file too. CLISP EXT:READ-BYTE-WILL-HANG-P."
  [s]
  (true-or-nil (= StreamInput/NOTHING (.byteLookahead (in "read-byte-will-hang?" s)))))

(defn read-byte-no-hang
  "Reads an integer of the stream's element type if it is there, else nil; eof-value at the end. CLISP
  EXT:READ-BYTE-NO-HANG."
  ([s] (read-byte-no-hang s true nil))
  ([s eof-error?] (read-byte-no-hang s eof-error? nil))
  ([s eof-error? eof-value]
   (let [input (in "read-byte-no-hang" s)]
     (if-some [n (.readElement input Blocking/NO_HANG)]
       (element s n)
       (when (= StreamInput/END (.byteLookahead input))
         (at-end "read-byte-no-hang" s eof-error? eof-value))))))

(defn- integer [op n]
  (when-not (integer? n)
    (throw (options/misuse op (str "the integer is " (options/show n)) "an integer")))
  n)

(defn- bits
  "The 64 bits of an integer of `width` bytes, or an error when it does not fit."
  [op n width signed?]
  (let [n (bigint (integer op n))
        span (reduce * 1N (repeat (* 8 (long width)) 2N))
        [low high] (if signed? [(- (/ span 2)) (/ span 2)] [0N span])]
    (when-not (and (<= low n) (< n high))
      (throw (options/misuse op (str "the integer is " n)
               (str "one from " low " to " (dec high) ", as the type says"))))
    (.longValue (biginteger n))))

(defn write-byte
  "Writes an integer of the stream's element type and returns it. Common Lisp WRITE-BYTE."
  [n s]
  (let [output (out "write-byte" s)
        type (.elementType ^SocketStream s)]
    (if (and (int? n) (not (wide-unsigned? s)))
      (.writeElement output (long n))
      (if (.hasBytes type)
        (.writeElement output (bits "write-byte" n (quot (.bits type) 8) (.isSigned type)))
        (.writeElement output 0)))
    n))

(defn- endianness ^ByteOrder [op x]
  (options/choose op "the endianness" {:little ByteOrder/LITTLE_ENDIAN :big ByteOrder/BIG_ENDIAN} x))

(defn- integer-type
  "[width signed?] of [:unsigned-byte n], [:signed-byte n] or a keyword."
  [op x]
  (let [[kind n] (case x
                   (:unsigned-byte-8 :byte) [:unsigned-byte 8]
                   :signed-byte-8 [:signed-byte 8]
                   (if (vector? x) x [nil nil]))]
    (if (and (#{:unsigned-byte :signed-byte} kind) (int? n) (<= 8 n 64) (zero? (rem n 8)))
      [(quot n 8) (= kind :signed-byte)]
      (throw (options/misuse op (str "the integer type is " (options/show x))
               "[:unsigned-byte n] or [:signed-byte n], n a multiple of 8 up to 64")))))

(defn read-integer
  "Reads an integer of a type, [:unsigned-byte n] or [:signed-byte n] with n a multiple of 8 up to 64, in
  :little (default) or :big endianness; eof-value at the end. CLISP EXT:READ-INTEGER."
  ([s type] (read-integer s type :little true nil))
  ([s type endianness] (read-integer s type endianness true nil))
  ([s type endianness eof-error?] (read-integer s type endianness eof-error? nil))
  ([s type order eof-error? eof-value]
   (let [[width signed?] (integer-type "read-integer" type)]
     (if-some [n (.readInteger (in "read-integer" s) (int width) (boolean signed?)
                   (endianness "read-integer" order) Blocking/FULL)]
       (if (and (= 8 width) (not signed?)) (unsigned n) n)
       (at-end "read-integer" s eof-error? eof-value)))))

(defn write-integer
  "Writes an integer of a type, as read-integer reads it, and returns it. CLISP EXT:WRITE-INTEGER."
  ([n s type] (write-integer n s type :little))
  ([n s type order]
   (let [[width signed?] (integer-type "write-integer" type)]
     (.writeInteger (out "write-integer" s) (long (bits "write-integer" n width signed?)) (int width)
       (endianness "write-integer" order))
     n)))

(defn- double-type? [op x]
  (options/choose op "the float type"
    {:single-float false :float false :double-float true :double true}
    x))

(defn read-float
  "Reads a :single-float or :double-float (IEEE 754), in :little (default) or :big endianness; eof-value at
  the end. CLISP EXT:READ-FLOAT."
  ([s type] (read-float s type :little true nil))
  ([s type endianness] (read-float s type endianness true nil))
  ([s type endianness eof-error?] (read-float s type endianness eof-error? nil))
  ([s type order eof-error? eof-value]
   (let [double? (double-type? "read-float" type)]
     (if-some [n (.readInteger (in "read-float" s) (if double? 8 4) false
                   (endianness "read-float" order) Blocking/FULL)]
       (if double?
         (Double/longBitsToDouble (long n))
         (Float/intBitsToFloat (unchecked-int (long n))))
       (at-end "read-float" s eof-error? eof-value)))))

(defn write-float
  "Writes a number as a :single-float or :double-float, as read-float reads it, and returns it. CLISP
  EXT:WRITE-FLOAT."
  ([x s type] (write-float x s type :little))
  ([x s type order]
   (when-not (number? x)
     (throw (options/misuse "write-float" (str "the number is " (options/show x)) "a number")))
   (let [double? (double-type? "write-float" type)]
     (.writeInteger (out "write-float" s)
       (if double?
         (Double/doubleToRawLongBits (double x))
         (long (Float/floatToRawIntBits (unchecked-float x))))
       (if double? 8 4)
       (endianness "write-float" order))
     x)))

(defn- eight-bits? [s]
  (= 8 (.bits (.elementType ^SocketStream s))))

(defn- byte-array! ^bytes [op s x]
  (let [input (object/stream op s)]
    (when-not (and (bytes? x) (or (eight-bits? input) (not (.hasBytes (.elementType input)))))
      (throw (options/misuse op (str "the sequence is " (options/show x))
               (if (eight-bits? input)
                 "a byte array"
                 "a long array, or an object array, for elements of more than eight bits"))))
    x))

(defn- wide-array? [s x]
  (and (instance? SocketStream s)
       (not (bytes? x))
       (some? x)
       (.isArray (class x))
       (.hasBytes (.elementType ^SocketStream s))))

(defn- read-elements
  "As read-byte-sequence, integers of the element type into an array of longs or of objects."
  [op array s opts]
  (let [input (in op s)]
    (when-not (or (instance? long/1 array) (#{Object Number} (.getComponentType (class array))))
      (throw (options/misuse op (str "the sequence is " (options/show array))
               "a long array, or an object array")))
    (let [[from to] (bounds op (java.lang.reflect.Array/getLength array) opts)
          mode (blocking op opts)]
      (if (instance? long/1 array)
        (long (.readElements input ^longs array (int from) (int to) mode))
        (let [longs (long-array (- (long to) (long from)))
              n (.readElements input longs 0 (alength longs) mode)]
          (dotimes [i n]
            (aset ^objects array (+ (long from) i) (element s (aget longs i))))
          (+ (long from) n))))))

(defn read-byte-sequence
  "Fills a byte array from :start to :end and returns the index of the first byte not filled; less than
  :end only at the end of file, or with :no-hang true (never waits: nothing there counts as the end) or
  :interactive true (waits for the first one only). For elements of more than eight bits: a long array or
  an object array; an unsigned element of 64 bits is in a long array as its bits. CLISP
  EXT:READ-BYTE-SEQUENCE."
  [array s & opts]
  (let [op "read-byte-sequence"
        opts (options/option-map op sequence-options opts)]
    (if (wide-array? s array)
      (read-elements op array s opts)
      (let [array (byte-array! op s array)
            [from to] (bounds op (alength array) opts)]
        (long (.readBytes (in op s) array (int from) (int to) (blocking op opts)))))))

(defn- ->longs
  "The bits of the numbers of an array, those of a long array as they are."
  ^longs [op array ^ElementType type from to]
  (if (instance? long/1 array)
    (java.util.Arrays/copyOfRange ^longs array (int from) (int to))
    (let [longs (long-array (- (long to) (long from)))]
      (dotimes [i (alength longs)]
        (aset longs i (long (bits op (java.lang.reflect.Array/get array (+ (long from) i))
                              (quot (.bits type) 8) (.isSigned type)))))
      longs)))

(defn- write-elements
  "As write-byte-sequence-values, integers of the element type from an array of numbers."
  [op array s opts]
  (let [output (out op s)
        [from to] (bounds op (java.lang.reflect.Array/getLength array) opts)
        longs (->longs op array (.elementType ^SocketStream s) from to)]
    [array (+ (long from) (.writeElements output longs 0 (alength longs) (blocking op opts)))]))

(defn write-byte-sequence-values
  "Writes a byte array from :start to :end: [array index], the index of the first byte not written; less
  than :end only with :no-hang true (hands over what the system takes now) or :interactive true (after
  waiting until it takes anything). For elements of more than eight bits: a long array, of which an unsigned
  one of 64 bits takes the bits, or another array of integers. CLISP EXT:WRITE-BYTE-SEQUENCE, both values."
  [array s & opts]
  (let [op "write-byte-sequence"
        opts (options/option-map op sequence-options opts)]
    (if (wide-array? s array)
      (write-elements op array s opts)
      (let [bytes (byte-array! op s array)
            [from to] (bounds op (alength bytes) opts)]
        [array (long (.writeBytes (out op s) bytes (int from) (int to) (blocking op opts)))]))))

(defn write-byte-sequence
  "Writes a byte array from :start to :end and returns it; see write-byte-sequence-values for :no-hang and
  :interactive. CLISP EXT:WRITE-BYTE-SEQUENCE."
  [array s & opts]
  (first (apply write-byte-sequence-values array s opts)))

;; ---- both ---------------------------------------------------------------------------------------

(defn finish-output
  "Hands everything buffered to the system and returns when it has taken it. Returns nil. Common Lisp
  FINISH-OUTPUT."
  [s]
  (.flush (out "finish-output" s)))

(defn force-output
  "The same as finish-output: nothing but the calling thread could send the rest. Returns nil. Common
  Lisp FORCE-OUTPUT."
  [s]
  (.flush (out "force-output" s)))

(defn clear-output
  "Drops what is buffered and was not handed to the system yet. Returns nil. Common Lisp CLEAR-OUTPUT."
  [s]
  (.clear (out "clear-output" s)))

(defn close
  "Closes a stream, a server or a status set, a stream's output being flushed first; with :abort true what
  is buffered is dropped and nothing blocks. Closing again does nothing. Returns true. Common Lisp CLOSE."
  [s & opts]
  (let [{:keys [abort]} (options/option-map "close" #{:abort} opts)]
    (cond
      (and (instance? SocketStream s) (options/flag "close" ":abort" abort)) (.abort ^SocketStream s)
      (instance? java.lang.AutoCloseable s) (.close ^java.lang.AutoCloseable s)
      :else (throw (options/misuse "close" (str "the stream is " (options/show s))
                     "a stream, a server or a status set")))
    true))

(defn open-stream?
  "true while the stream, or server, was not closed, else nil. Common Lisp OPEN-STREAM-P."
  [s]
  (if (instance? Pollable s)
    (true-or-nil (.isOpen ^Pollable s))
    (true-or-nil (.isOpen (object/stream "open-stream?" s)))))

(defn input-stream?
  "true while the stream can be read from, nil once its input was shut down or it was closed. Common Lisp
  INPUT-STREAM-P."
  [s]
  (true-or-nil (.isInput (object/stream "input-stream?" s))))

(defn output-stream?
  "true while the stream can be written to, nil once its output was shut down or it was closed. Common
  Lisp OUTPUT-STREAM-P."
  [s]
  (true-or-nil (.isOutput (object/stream "output-stream?" s))))

(defn stream-element-type
  ":character, :unsigned-byte-8, :signed-byte-8, [:unsigned-byte n], [:signed-byte n] or :bivalent. Common Lisp
  STREAM-ELEMENT-TYPE."
  [s]
  (options/element-type->value (.elementType (object/stream "stream-element-type" s))))

(defn set-stream-element-type!
  "Changes the element type from the next operation on; what was not read is still there, byte for byte.
  Returns the type. CLISP (SETF STREAM-ELEMENT-TYPE)."
  [s type]
  (let [stream (object/stream "set-stream-element-type!" s)]
    (.elementType stream (options/->element-type "set-stream-element-type!" type))
    type))

(defn stream-external-format
  "A map of :charset :line-terminator :input-error-action :output-error-action. Common Lisp
  STREAM-EXTERNAL-FORMAT."
  [s]
  (options/external-format->value (.externalFormat (object/stream "stream-external-format" s))))

(defn set-stream-external-format!
  "Changes the external format from the next character on: a charset, :unix, :dos, :mac or a map, see
  parley.socket/socket-accept. Returns it. CLISP (SETF STREAM-EXTERNAL-FORMAT)."
  [s external-format]
  (let [stream (object/stream "set-stream-external-format!" s)]
    (.externalFormat stream (options/->external-format "set-stream-external-format!" external-format))
    external-format))

;; ---- time ---------------------------------------------------------------------------------------

(defn set-read-timeout!
  "Bounds each later read of the stream, see parley.socket for timeouts; nil takes the bound away. Returns
  nil."
  [s seconds]
  (.readTimeout (object/stream "set-read-timeout!" s) (options/->duration "set-read-timeout!" seconds)))

(defn set-write-timeout!
  "Bounds each later write of the stream; nil takes the bound away. Returns nil."
  [s seconds]
  (.writeTimeout (object/stream "set-write-timeout!" s) (options/->duration "set-write-timeout!" seconds)))

(defn set-read-deadline!
  "Ends all reading that long from now: a read under way then, in whatever thread, and each begun later
  times out. nil takes the deadline away. Returns nil."
  [s seconds]
  (.readDeadline (object/stream "set-read-deadline!" s) (options/->duration "set-read-deadline!" seconds)))

(defn set-write-deadline!
  "Ends all writing that long from now, as set-read-deadline! does reading. Returns nil."
  [s seconds]
  (.writeDeadline (object/stream "set-write-deadline!" s) (options/->duration "set-write-deadline!" seconds)))

;; ---- views --------------------------------------------------------------------------------------

;; io/reader and the like would put a buffer of their own in between: these hand out the view itself.
(extend SocketStream
  io/IOFactory
  (assoc io/default-streams-impl
    :make-reader (fn [s _] (.reader ^SocketStream s))
    :make-writer (fn [s _] (.writer ^SocketStream s))
    :make-input-stream (fn [s _] (.inputStream ^SocketStream s))
    :make-output-stream (fn [s _] (.outputStream ^SocketStream s))))

(defn socket-reader
  "The input as a java.io.PushbackReader over the stream's own buffer, so that clojure.core/read and the
  functions here can be mixed with nothing lost. Closing it closes the stream."
  ^PushbackReader [s]
  (.reader (object/stream "socket-reader" s)))

(defn socket-writer
  "The output as a java.io.Writer over the stream's own buffer. Closing it closes the stream."
  ^Writer [s]
  (.writer (object/stream "socket-writer" s)))

(defn socket-input-stream
  "The input as a java.io.InputStream over the stream's own buffer, whatever the element type. Closing it
  closes the stream."
  ^InputStream [s]
  (.inputStream (object/stream "socket-input-stream" s)))

(defn socket-output-stream
  "The output as a java.io.OutputStream over the stream's own buffer, whatever the element type. Closing it
  closes the stream."
  ^OutputStream [s]
  (.outputStream (object/stream "socket-output-stream" s)))

;; ---- streams over descriptors -------------------------------------------------------------------

(def ^:private standard-handles
  {:input 0 :output 1 :error 2})

(defn make-stream
  "Makes a stream over a duplicate of a descriptor, with everything that a socket stream can do; the
  original stays open and its owner's. CLISP EXT:MAKE-STREAM.

  handle      the number of a socket, a pipe or a terminal; :input, :output or :error for the
              process's own; or a stream, whose descriptor is meant
  :direction  :input, :output or :io; by default what the descriptor was opened for

  and the options of parley.socket/socket-accept but :timeout. The stream's reads and writes are bounded
  by what :so-rcvtimeo and :so-sndtimeo of a socket say."
  ^SocketStream [handle & opts]
  (let [op "make-stream"
        opts (options/option-map op (-> options/stream-options (disj :timeout) (conj :direction)) opts)
        number (cond
                 (object/handle? handle) handle
                 (contains? standard-handles handle) (standard-handles handle)
                 (instance? Pollable handle) (let [[in out] (SocketOptions/handles handle)]
                                               (if (neg? (long in)) out in))
                 :else (throw (options/misuse op (str "the handle is " (options/show handle))
                                "a number, :input, :output, :error or a stream")))]
    (DescriptorStreams/of (int number)
      (some->> (:direction opts) (options/->direction op))
      (options/->stream-options op (dissoc opts :direction)))))

(defn- pipe-stream ^SocketStream [op command ^Direction direction opts]
  (when-not (string? command)
    (throw (options/misuse op (str "the command is " (options/show command)) "a string for the shell")))
  (DescriptorStreams/pipe command direction
    (options/->stream-options op
      (options/option-map op (disj options/stream-options :timeout) opts))))

(defn make-pipe-input-stream
  "Runs a shell command and returns a stream of what it writes to its standard output: a real pipe, so
  that no-hang reads and socket-status work on it. Its standard input and standard error are this
  process's. Options as of parley.socket/socket-accept but :timeout. CLISP EXT:MAKE-PIPE-INPUT-STREAM.

  Closing the stream closes the pipe and does not end the command by itself: it ends when it finds the
  end of its input, or writes to a pipe that nobody reads. It is reaped when it ends; see
  pipe-exit-status and pipe-kill."
  ^SocketStream [command & opts]
  (pipe-stream "make-pipe-input-stream" command Direction/INPUT opts))

(defn make-pipe-output-stream
  "As make-pipe-input-stream, a stream to the command's standard input; its standard output is this
  process's. CLISP EXT:MAKE-PIPE-OUTPUT-STREAM."
  ^SocketStream [command & opts]
  (pipe-stream "make-pipe-output-stream" command Direction/OUTPUT opts))

(defn make-pipe-io-stream
  "As make-pipe-input-stream, a stream to the command's standard input and from its standard output. To
  give the command the end of its input and still read, use parley.socket/socket-stream-shutdown. CLISP
  EXT:MAKE-PIPE-IO-STREAM."
  ^SocketStream [command & opts]
  (pipe-stream "make-pipe-io-stream" command Direction/IO opts))

(defn pipe-exit-status
  "The exit status of a pipe's command, 128 and the signal's number when a signal ended it, or nil while
  it runs. Waits for its end at most so many seconds, without them not at all; nil waits for ever. Also
  once the stream is closed."
  ([s] (pipe-exit-status s 0))
  ([s seconds]
   (let [op "pipe-exit-status"]
     (some-> (DescriptorStreams/exitStatus (object/stream op s) (options/->duration op seconds)) long))))

(defn pipe-kill
  "Ends a pipe's command by a signal if it still runs: SIGTERM, or SIGKILL with :force true. Returns nil."
  [s & opts]
  (let [op "pipe-kill"
        {:keys [force]} (options/option-map op #{:force} opts)]
    (DescriptorStreams/kill (object/stream op s) (options/flag op :force force))))

(defn keyboard-input
  "Standard input as a stream, be it a pipe, a file or a terminal: always the same one until it is
  closed, which leaves standard input itself open. Nothing is taken from it before the stream is read or
  checked; then *in* and System/in miss what this stream has in its buffer. CLISP EXT:*KEYBOARD-INPUT*."
  ^SocketStream []
  (DescriptorStreams/keyboard))
