(ns parley.impl.element
  "Elements of streams, alone and in sequences: characters, integers of a type, floats; their ranges, their
  bits, and the arguments that describe them."
  {:no-doc true}
  (:require
   [parley.impl.call-options :as call]
   [parley.impl.object :as object]
   [parley.impl.options :as options])
  (:import
   (java.nio ByteOrder)
   (java.util.function IntPredicate)
   (parley.net ElementType SocketStream StreamInput WaitMode)))

(set! *warn-on-reflection* true)

(def ^:private sequence-options #{:start :end :no-hang :interactive :timeout})

;; Clojure before 1.12 has no char/1.
(def ^:private ^Class char-array-class (class (char-array 0)))
(def ^:private ^Class long-array-class (class (long-array 0)))

(defn blocking
  "Returns the WaitMode that :no-hang and :interactive ask for."
  ^WaitMode [op {:keys [no-hang interactive]}]
  (cond
    (options/flag op ":no-hang" no-hang) WaitMode/NO_HANG
    (options/flag op ":interactive" interactive) WaitMode/INTERACTIVE
    :else WaitMode/FULL))

;; ---- characters ---------------------------------------------------------------------------------

(defn char-or
  "Returns the character of a unit that a read returned, nil for nothing, eof-value at the end."
  [op s unit eof-error? eof-value]
  (let [unit (long unit)]
    (cond
      (<= 0 unit) (char unit)
      (= unit StreamInput/NOTHING) nil
      :else (object/at-end op s eof-error? eof-value))))

(defn skipping
  "Returns the predicate of the characters that a peek type skips."
  ^IntPredicate [peek-type]
  (cond
    (true? peek-type) (reify IntPredicate (test [_ c] (Character/isWhitespace c)))
    (char? peek-type) (let [wanted (int (char peek-type))]
                        (reify IntPredicate (test [_ c] (not= c wanted))))
    :else (throw (options/misuse "peek-char" (str "the peek type is " (options/show peek-type))
                   "nil, true or a character"))))

(defn next-char
  "As read-char."
  [s eof-error? eof-value]
  (let [unit (.readChar (object/in "read-char" s))]
    (if (<= 0 unit)
      (unchecked-char unit)
      (object/at-end "read-char" s eof-error? eof-value))))

(defn next-char-no-hang
  "As read-char-no-hang."
  [s eof-error? eof-value]
  (char-or "read-char-no-hang" s (.readCharNoHang (object/in "read-char-no-hang" s)) eof-error? eof-value))

(defn peek-past
  "As peek-char."
  [peek-type s eof-error? eof-value]
  (let [input (object/in "peek-char" s)
        unit (if (nil? peek-type)
               (.peekChar input)
               (.peekChar input (skipping peek-type)))]
    (char-or "peek-char" s unit eof-error? eof-value)))

(defn peek-with
  "Calls peek-past with [peek-type s & args] or [s & args]."
  [all]
  (let [[peek-type s & args] (if (instance? SocketStream (first all)) (cons nil all) all)]
    (call/reading "peek-char" s args #(peek-past peek-type s %1 %2))))

(defn next-line
  "As read-line."
  [s eof-error? eof-value]
  (or (.readLine (object/in "read-line" s))
      (object/at-end "read-line" s eof-error? eof-value)))

(defn part
  "Returns the part of a string that :start and :end in a map name."
  ^String [op text opts]
  (when-not (string? text)
    (throw (options/misuse op (str "the string is " (options/show text)) "a string")))
  (if (seq opts)
    (let [[from to] (options/bounds op (count text) opts)]
      (subs text from to))
    text))

(defn ->string
  "Returns the text of a string, a char array or a sequence of characters."
  ^String [op chars]
  (cond
    (string? chars) chars
    (instance? char-array-class chars) (String. ^chars chars)
    (and (sequential? chars) (every? char? chars)) (apply str chars)
    :else (throw (options/misuse op (str "the sequence is " (options/show chars))
                   "a string, a char array or a sequence of characters"))))

(defn read-chars
  "Fills a char array and returns the index of the first character not filled."
  [op chars s opts]
  (let [opts (options/option-map op sequence-options opts)]
    (when-not (instance? char-array-class chars)
      (throw (options/misuse op (str "the sequence is " (options/show chars)) "a char array")))
    (let [[from to] (options/bounds op (alength ^chars chars) opts)]
      (call/reading-within op s opts
        #(long (.readChars (object/in op s) ^chars chars (int from) (int to) (blocking op opts)))))))

;; ---- numbers ------------------------------------------------------------------------------------

(defn unsigned
  "The bits of a long as an unsigned integer."
  [n]
  (let [n (long n)]
    (if (neg? n)
      (+ (bigint n) 18446744073709551616N)
      n)))

(defn wide-unsigned?
  "Returns true when the elements of s are unsigned and have 64 bits."
  [s]
  (= ElementType/UNSIGNED_BYTE_64 (.elementType ^SocketStream s)))

(defn element
  "Returns the number that a caller sees for the bits n of an element of s."
  [s n]
  (if (wide-unsigned? s) (unsigned n) n))

(defn- integer [op n]
  (when-not (integer? n)
    (throw (options/misuse op (str "the integer is " (options/show n)) "an integer")))
  n)

(defn bits
  "The 64 bits of an integer of `width` bytes, or an error when it does not fit."
  [op n width signed?]
  (let [n (bigint (integer op n))
        span (reduce * 1N (repeat (* 8 (long width)) 2N))
        [low high] (if signed? [(- (/ span 2)) (/ span 2)] [0N span])]
    (when-not (and (<= low n) (< n high))
      (throw (options/misuse op (str "the integer is " n)
               (str "one from " low " to " (dec high) ", as the type says"))))
    (.longValue (biginteger n))))

(defn endianness
  "Returns the ByteOrder of :little or :big."
  ^ByteOrder [op x]
  (options/choose op "the endianness" {:little ByteOrder/LITTLE_ENDIAN :big ByteOrder/BIG_ENDIAN} x))

(defn integer-type
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

(defn double-type?
  "Returns true for a double, false for a single float."
  [op x]
  (options/choose op "the float type"
    {:single-float false :float false :double-float true :double true}
    x))

(defn next-byte
  "As read-byte."
  [s eof-error? eof-value]
  (if-some [n (.readElement (object/in "read-byte" s) WaitMode/FULL)]
    (element s n)
    (object/at-end "read-byte" s eof-error? eof-value)))

(defn next-byte-no-hang
  "As read-byte-no-hang."
  [s eof-error? eof-value]
  (let [input (object/in "read-byte-no-hang" s)]
    (if-some [n (.readElement input WaitMode/NO_HANG)]
      (element s n)
      (when (= StreamInput/END (.byteLookahead input))
        (object/at-end "read-byte-no-hang" s eof-error? eof-value)))))

(defn next-integer
  "As read-integer."
  [s type order eof-error? eof-value]
  (let [[width signed?] (integer-type "read-integer" type)]
    (if-some [n (.readInteger (object/in "read-integer" s) (int width) (boolean signed?)
                  (endianness "read-integer" order) WaitMode/FULL)]
      (if (and (= 8 width) (not signed?)) (unsigned n) n)
      (object/at-end "read-integer" s eof-error? eof-value))))

(defn put-integer
  "As write-integer."
  [n s type order]
  (let [[width signed?] (integer-type "write-integer" type)]
    (.writeInteger (object/out "write-integer" s) (long (bits "write-integer" n width signed?)) (int width)
      (endianness "write-integer" order))
    n))

(defn next-float
  "As read-float."
  [s type order eof-error? eof-value]
  (let [double? (double-type? "read-float" type)]
    (if-some [n (.readInteger (object/in "read-float" s) (if double? 8 4) false
                  (endianness "read-float" order) WaitMode/FULL)]
      (if double?
        (Double/longBitsToDouble (long n))
        (Float/intBitsToFloat (unchecked-int (long n))))
      (object/at-end "read-float" s eof-error? eof-value))))

(defn- check-range
  "Throws an error when a finite number becomes infinite as a float of the type."
  [x double?]
  (let [infinite? #(Double/isInfinite (double %))]
    (when (and (infinite? (if double? x (unchecked-float x))) (not (and (float? x) (infinite? x))))
      (throw (options/misuse "write-float" (str "the number is " (options/show x))
               (if double?
                 (str "one within a :double-float, up to " Double/MAX_VALUE " either way")
                 (str "one within a :single-float, up to " Float/MAX_VALUE " either way, or the type :double-float")))))))

(defn put-float
  "As write-float."
  [x s type order]
  (when-not (number? x)
    (throw (options/misuse "write-float" (str "the number is " (options/show x)) "a number")))
  (let [double? (double-type? "write-float" type)]
    (check-range x double?)
    (.writeInteger (object/out "write-float" s)
      (if double?
        (Double/doubleToRawLongBits (double x))
        (long (Float/floatToRawIntBits (unchecked-float x))))
      (if double? 8 4)
      (endianness "write-float" order))
    x))

;; ---- arrays -------------------------------------------------------------------------------------

(defn- eight-bits? [s]
  (= 8 (.bits (.elementType ^SocketStream s))))

(defn- byte-array!
  "Returns the byte array x, or throws an error that names the arrays that elements of s go into."
  ^bytes [op s x]
  (let [input (object/stream op s)]
    (when-not (and (bytes? x) (or (eight-bits? input) (not (.hasBytes (.elementType input)))))
      (throw (options/misuse op (str "the sequence is " (options/show x))
               (if (eight-bits? input)
                 "a byte array"
                 "a long array, or an object array, for elements of more than eight bits"))))
    x))

(defn- wide-array?
  "Returns true when x is an array for elements of s that have more than eight bits."
  [s x]
  (and (instance? SocketStream s)
       (not (bytes? x))
       (some? x)
       (.isArray (class x))
       (.hasBytes (.elementType ^SocketStream s))))

(defn- read-elements
  "As read-byte-sequence, integers of the element type into an array of longs or of objects."
  [op array s opts]
  (let [input (object/in op s)]
    (when-not (or (instance? long-array-class array) (#{Object Number} (.getComponentType (class array))))
      (throw (options/misuse op (str "the sequence is " (options/show array))
               "a long array, or an object array")))
    (let [[from to] (options/bounds op (java.lang.reflect.Array/getLength array) opts)
          mode (blocking op opts)]
      (if (instance? long-array-class array)
        (long (.readElements input ^longs array (int from) (int to) mode))
        (let [longs (long-array (- (long to) (long from)))
              n (.readElements input longs 0 (alength longs) mode)]
          (dotimes [i n]
            (aset ^objects array (+ (long from) i) (element s (aget longs i))))
          (+ (long from) n))))))

(defn- ->longs
  "The bits of the numbers of an array, those of a long array as they are."
  ^longs [op array ^ElementType type from to]
  (if (instance? long-array-class array)
    (java.util.Arrays/copyOfRange ^longs array (int from) (int to))
    (let [longs (long-array (- (long to) (long from)))]
      (dotimes [i (alength longs)]
        (aset longs i (long (bits op (java.lang.reflect.Array/get array (+ (long from) i))
                              (quot (.bits type) 8) (.isSigned type)))))
      longs)))

(defn- write-elements
  "As write-byte-sequence-values, integers of the element type from an array of numbers."
  [op array s opts]
  (let [output (object/out op s)
        [from to] (options/bounds op (java.lang.reflect.Array/getLength array) opts)
        longs (->longs op array (.elementType ^SocketStream s) from to)]
    [array (+ (long from) (.writeElements output longs 0 (alength longs) (blocking op opts)))]))

(defn read-array
  "Fills an array and returns the index of the first element not filled."
  [op array s opts]
  (let [opts (options/option-map op sequence-options opts)]
    (call/reading-within op s opts
      #(if (wide-array? s array)
         (read-elements op array s opts)
         (let [array (byte-array! op s array)
               [from to] (options/bounds op (alength array) opts)]
           (long (.readBytes (object/in op s) array (int from) (int to) (blocking op opts))))))))

(defn write-array
  "Writes an array and returns [array index], the index of the first element not written."
  [op array s opts]
  (let [opts (options/option-map op sequence-options opts)]
    (call/writing-within op s opts
      #(if (wide-array? s array)
         (write-elements op array s opts)
         (let [bytes (byte-array! op s array)
               [from to] (options/bounds op (alength bytes) opts)]
           [array (long (.writeBytes (object/out op s) bytes (int from) (int to) (blocking op opts)))])))))
