(ns parley.stream
  "Reads and writes socket streams: characters, bytes, and switching between them in mid-stream. The
  order of arguments and the results follow Common Lisp. eof-error? is true by default and throws
  java.io.EOFException. Every newline read is \\newline, whatever the peer sent.

  Functions that read take options in place of eof-error?, or at the end of their arguments.
  Functions that write take :timeout at the end:

  :timeout  limits this call instead of the stream's own timeout; seconds as of parley.socket
  :eof      a value to return at the end of file

  Every operation throws IllegalStateException on a closed stream, and on one whose element type
  does not fit. A timeout throws java.net.SocketTimeoutException: a read has consumed nothing;
  bytesTransferred of a write's exception is the number of bytes that were sent. Operations of
  several readers run one after the other, and so do those of several writers. A reader and a writer
  never block each other."
  (:refer-clojure :exclude [read-line])
  (:require
   [parley.impl.call-options :as call]
   [parley.impl.descriptor :as descriptor]
   [parley.impl.element :as element]
   [parley.impl.object :as object]
   [parley.impl.options :as options]
   [parley.impl.print]
   [parley.impl.publish :as publish]
   [parley.impl.sequences :as sequences]
   [parley.impl.stream-limits :as limits]
   [parley.impl.values :as values]
   [parley.impl.views])
  (:import
   (java.io InputStream OutputStream PushbackReader Writer)
   (parley.net Pollable SocketStream StreamInput StreamInput$Line)))

(set! *warn-on-reflection* true)

(defmacro ^:private true-or-nil [test]
  `(when ~test true))

;; ---- characters ---------------------------------------------------------------------------------

(defn read-char
  "Reads and returns a character, or eof-value at the end of file. Common Lisp READ-CHAR. Options:
  :timeout and :eof, see (doc parley.stream)."
  {:arglists '([s] [s eof-error?] [s eof-error? eof-value] [s & {:keys [timeout eof]}])}
  ([s] (element/next-char s true nil))
  ([s eof-error?] (call/reading "read-char" s [eof-error?] #(element/next-char s %1 %2)))
  ([s eof-error? eof-value] (call/reading-2 "read-char" element/next-char s eof-error? eof-value))
  ([s option value & more]
   (call/reading "read-char" s (list* option value more) #(element/next-char s %1 %2))))

(defn read-char-no-hang
  "Reads and returns a character if one has arrived, else nil; eof-value at the end of file. Common
  Lisp READ-CHAR-NO-HANG. Options: :timeout and :eof, see (doc parley.stream)."
  {:arglists '([s] [s eof-error?] [s eof-error? eof-value] [s & {:keys [timeout eof]}])}
  ([s] (element/next-char-no-hang s true nil))
  ([s eof-error?] (call/reading "read-char-no-hang" s [eof-error?] #(element/next-char-no-hang s %1 %2)))
  ([s eof-error? eof-value] (call/reading-2 "read-char-no-hang" element/next-char-no-hang s eof-error? eof-value))
  ([s option value & more]
   (call/reading "read-char-no-hang" s (list* option value more) #(element/next-char-no-hang s %1 %2))))

(defn unread-char
  "Puts the last character read back. Returns nil. Common Lisp UNREAD-CHAR."
  [c s]
  (when-not (char? c)
    (throw (options/misuse "unread-char" (str "the character is " (options/show c)) "the character read last")))
  (.unreadChar (object/in "unread-char" s) (int (char c))))

(defn peek-char
  "Returns the next character and leaves it in the input; eof-value at the end of file. Common Lisp
  PEEK-CHAR. peek-type nil skips nothing, true skips whitespace first, and a character skips to
  that character. It may be left out: (peek-char s), (peek-char s eof-error? eof-value).
  Options: :timeout and :eof, see (doc parley.stream)."
  {:arglists '([s] [s eof-error? eof-value] [peek-type s] [peek-type s eof-error? eof-value]
               [peek-type s & {:keys [timeout eof]}])}
  ([s] (element/peek-past nil s true nil))
  ([a b] (element/peek-with [a b]))
  ([a b c]
   (if (and (instance? SocketStream a) (call/plain? b))
     (element/peek-past nil a b c)
     (element/peek-with [a b c])))
  ([peek-type s eof-error? eof-value]
   (if (and (call/plain? eof-error?) (not (instance? SocketStream peek-type)))
     (element/peek-past peek-type s eof-error? eof-value)
     (element/peek-with [peek-type s eof-error? eof-value])))
  ([a b c d & more] (element/peek-with (list* a b c d more))))

(defn read-line
  "Reads a line and returns it without its end, or eof-value at the end of file. Common Lisp
  READ-LINE, its first value; see read-line-values. Options: :timeout and :eof, see
  (doc parley.stream)."
  {:arglists '([s] [s eof-error?] [s eof-error? eof-value] [s & {:keys [timeout eof]}])}
  ([s] (element/next-line s true nil))
  ([s eof-error?] (call/reading "read-line" s [eof-error?] #(element/next-line s %1 %2)))
  ([s eof-error? eof-value] (call/reading-2 "read-line" element/next-line s eof-error? eof-value))
  ([s option value & more]
   (call/reading "read-line" s (list* option value more) #(element/next-line s %1 %2))))

(defn read-line-values
  "Reads a line and returns [line missing-newline?], or [eof-value true] at the end of file.
  missing-newline? is true when the end of file ended the line, else nil. Common Lisp READ-LINE,
  both values. Options: :timeout and :eof, see (doc parley.stream)."
  {:arglists '([s] [s eof-error?] [s eof-error? eof-value] [s & {:keys [timeout eof]}])}
  [s & args]
  (call/reading "read-line-values" s args
    (fn [eof-error? eof-value]
      (if-let [^StreamInput$Line line (.readLineValues (object/in "read-line-values" s))]
        [(.text line) (true-or-nil (.missingNewline line))]
        [(object/at-end "read-line-values" s eof-error? eof-value) true]))))

(defn listen
  "Returns true when a character can be read without waiting, else nil, at the end of file too.
  Common Lisp LISTEN."
  [s]
  (true-or-nil (.listen (object/in "listen" s))))

(defn read-char-will-hang?
  "Returns true when read-char would wait, else false, at the end of file too. CLISP
  EXT:READ-CHAR-WILL-HANG-P."
  [s]
  (.readCharWillHang (object/in "read-char-will-hang?" s)))

(defn clear-input
  "Drops all input that has arrived. Returns nil. Common Lisp CLEAR-INPUT."
  [s]
  (.clear (object/in "clear-input" s)))

(defn write-char
  "Writes a character and returns it; \\newline becomes the stream's line terminator. Common Lisp WRITE-CHAR."
  {:arglists '([c s] [c s & {:keys [timeout]}])}
  ([c s]
   (when-not (char? c)
     (throw (options/misuse "write-char" (str "the character is " (options/show c)) "a character")))
   (.writeChar (object/out "write-char" s) (int (char c)))
   c)
  ([c s & opts]
   (call/writing "write-char" s opts #(write-char c s))))

(defn write-string
  "Writes a string and returns it. Common Lisp WRITE-STRING.

  :start :end  part of the string to write, by default all
  :timeout     see (doc parley.stream)"
  {:arglists '([text s] [text s & {:keys [start end timeout]}])}
  ([text s]
   (.writeString (object/out "write-string" s) (element/part "write-string" text nil))
   text)
  ([text s & opts]
   (let [opts (options/option-map "write-string" #{:start :end :timeout} opts)
         part (element/part "write-string" text opts)]
     (call/writing-within "write-string" s opts #(.writeString (object/out "write-string" s) part))
     text)))

(defn write-line
  "Writes a string and a newline, and returns the string. Common Lisp WRITE-LINE.

  :start :end  part of the string to write, by default all
  :timeout     see (doc parley.stream)"
  {:arglists '([text s] [text s & {:keys [start end timeout]}])}
  ([text s]
   (.writeLine (object/out "write-line" s) (element/part "write-line" text nil))
   text)
  ([text s & opts]
   (let [opts (options/option-map "write-line" #{:start :end :timeout} opts)
         part (element/part "write-line" text opts)]
     (call/writing-within "write-line" s opts #(.writeLine (object/out "write-line" s) part))
     text)))

(defn terpri
  "Writes a newline. Returns nil. Common Lisp TERPRI."
  {:arglists '([s] [s & {:keys [timeout]}])}
  ([s] (.newLine (object/out "terpri" s)))
  ([s & opts] (call/writing "terpri" s opts #(terpri s))))

(defn fresh-line
  "Writes a newline unless the last character written was a newline or nothing was written. Returns
  true when it wrote one, else nil. Common Lisp FRESH-LINE."
  {:arglists '([s] [s & {:keys [timeout]}])}
  ([s] (true-or-nil (.freshLine (object/out "fresh-line" s))))
  ([s & opts] (call/writing "fresh-line" s opts #(fresh-line s))))

(defn read-char-sequence
  "Fills a char array and returns the index of the first character not filled. It is less than :end
  at the end of file, and with :no-hang or :interactive. CLISP EXT:READ-CHAR-SEQUENCE.

  :start :end   part of the array to fill, by default all
  :no-hang      true: never waits; returns :start without input
  :interactive  true: waits for the first character only
  :timeout      see (doc parley.stream)"
  {:arglists '([chars s & {:keys [start end no-hang interactive timeout]}])}
  [chars s & opts]
  (element/read-chars "read-char-sequence" chars s opts))

(defn write-char-sequence
  "Writes a string, a char array or a sequence of characters, and returns it. CLISP
  EXT:WRITE-CHAR-SEQUENCE.

  :start :end  part of it to write, by default all
  :timeout     see (doc parley.stream)"
  {:arglists '([chars s & {:keys [start end timeout]}])}
  [chars s & opts]
  (let [op "write-char-sequence"
        opts (options/option-map op #{:start :end :timeout} opts)
        part (element/part op (element/->string op chars) opts)]
    (call/writing-within op s opts #(.writeString (object/out op s) part))
    chars))

;; ---- bytes --------------------------------------------------------------------------------------

(defn read-byte
  "Reads and returns an integer of the stream's element type, or eof-value at the end of file.
  Common Lisp READ-BYTE. Options: :timeout and :eof, see (doc parley.stream)."
  {:arglists '([s] [s eof-error?] [s eof-error? eof-value] [s & {:keys [timeout eof]}])}
  ([s] (element/next-byte s true nil))
  ([s eof-error?] (call/reading "read-byte" s [eof-error?] #(element/next-byte s %1 %2)))
  ([s eof-error? eof-value] (call/reading-2 "read-byte" element/next-byte s eof-error? eof-value))
  ([s option value & more]
   (call/reading "read-byte" s (list* option value more) #(element/next-byte s %1 %2))))

(defn read-byte-lookahead
  "Returns the prospect of read-byte: true for an element, nil when it would wait, :eof at the end
  of file. CLISP EXT:READ-BYTE-LOOKAHEAD."
  [s]
  (let [found (.byteLookahead (object/in "read-byte-lookahead" s))]
    (cond
      (= found StreamInput/NOTHING) nil
      (= found StreamInput/END) :eof
      :else true)))

(defn read-byte-will-hang?
  "Returns true when read-byte would wait, else false, at the end of file too. CLISP
  EXT:READ-BYTE-WILL-HANG-P."
  [s]
  (= StreamInput/NOTHING (.byteLookahead (object/in "read-byte-will-hang?" s))))

(defn read-byte-no-hang
  "Reads and returns an integer of the stream's element type if it has arrived, else nil; eof-value
  at the end of file. CLISP EXT:READ-BYTE-NO-HANG. Options: :timeout and :eof, see
  (doc parley.stream)."
  {:arglists '([s] [s eof-error?] [s eof-error? eof-value] [s & {:keys [timeout eof]}])}
  ([s] (element/next-byte-no-hang s true nil))
  ([s eof-error?] (call/reading "read-byte-no-hang" s [eof-error?] #(element/next-byte-no-hang s %1 %2)))
  ([s eof-error? eof-value] (call/reading-2 "read-byte-no-hang" element/next-byte-no-hang s eof-error? eof-value))
  ([s option value & more]
   (call/reading "read-byte-no-hang" s (list* option value more) #(element/next-byte-no-hang s %1 %2))))

(defn write-byte
  "Writes an integer of the stream's element type and returns it. Common Lisp WRITE-BYTE."
  {:arglists '([n s] [n s & {:keys [timeout]}])}
  ([n s]
   (let [output (object/out "write-byte" s)
         type (.elementType ^SocketStream s)]
     (if (and (int? n) (not (element/wide-unsigned? s)))
       (.writeElement output (long n))
       (if (.hasBytes type)
         (.writeElement output (element/bits "write-byte" n (quot (.bits type) 8) (.isSigned type)))
         (.writeElement output 0)))
     n))
  ([n s & opts]
   (call/writing "write-byte" s opts #(write-byte n s))))

(defn read-integer
  "Reads and returns an integer, or eof-value at the end of file. CLISP EXT:READ-INTEGER.

  type        [:unsigned-byte n] or [:signed-byte n], n a multiple of 8 up to 64
  endianness  :little (default) or :big

  Options: :timeout and :eof, see (doc parley.stream)."
  {:arglists '([s type] [s type endianness] [s type endianness eof-error? eof-value]
               [s type endianness & {:keys [timeout eof]}])}
  ([s type] (element/next-integer s type :little true nil))
  ([s type endianness & more]
   (let [[order args] (call/endianness-first (cons endianness more))]
     (call/reading "read-integer" s args #(element/next-integer s type order %1 %2)))))

(defn write-integer
  "Writes an integer, with type and endianness as of read-integer, and returns it. CLISP
  EXT:WRITE-INTEGER."
  {:arglists '([n s type] [n s type endianness] [n s type endianness & {:keys [timeout]}])}
  ([n s type] (element/put-integer n s type :little))
  ([n s type endianness & more]
   (let [[order opts] (call/endianness-first (cons endianness more))]
     (call/writing "write-integer" s opts #(element/put-integer n s type order)))))

(defn read-float
  "Reads and returns a number in IEEE 754, or eof-value at the end of file. CLISP EXT:READ-FLOAT.

  type        :single-float or :double-float
  endianness  :little (default) or :big

  Options: :timeout and :eof, see (doc parley.stream)."
  {:arglists '([s type] [s type endianness] [s type endianness eof-error? eof-value]
               [s type endianness & {:keys [timeout eof]}])}
  ([s type] (element/next-float s type :little true nil))
  ([s type endianness & more]
   (let [[order args] (call/endianness-first (cons endianness more))]
     (call/reading "read-float" s args #(element/next-float s type order %1 %2)))))

(defn write-float
  "Writes a number, with type and endianness as of read-float, and returns it. CLISP
  EXT:WRITE-FLOAT."
  {:arglists '([x s type] [x s type endianness] [x s type endianness & {:keys [timeout]}])}
  ([x s type] (element/put-float x s type :little))
  ([x s type endianness & more]
   (let [[order opts] (call/endianness-first (cons endianness more))]
     (call/writing "write-float" s opts #(element/put-float x s type order)))))

(defn read-byte-sequence
  "Fills a byte array and returns the index of the first byte not filled. It is less than :end at the
  end of file, and with :no-hang or :interactive. For elements of more than eight bits give a long
  array or an object array; a long array holds the bits of an unsigned element of 64 bits. CLISP
  EXT:READ-BYTE-SEQUENCE.

  :start :end   part of the array to fill, by default all
  :no-hang      true: never waits; returns :start without input
  :interactive  true: waits for the first byte only
  :timeout      see (doc parley.stream)"
  {:arglists '([array s & {:keys [start end no-hang interactive timeout]}])}
  [array s & opts]
  (element/read-array "read-byte-sequence" array s opts))

(defn write-byte-sequence-values
  "Writes a byte array and returns [array index], the index of the first byte not written. It is less
  than :end only with :no-hang or :interactive. For elements of more than eight bits give a long
  array, which holds the bits of an unsigned element of 64 bits, or another array of integers. CLISP
  EXT:WRITE-BYTE-SEQUENCE, both values.

  :start :end   part of the array, by default all
  :no-hang      true: sends the bytes that the system takes now
  :interactive  true: waits until the system takes some
  :timeout      see (doc parley.stream)"
  {:arglists '([array s & {:keys [start end no-hang interactive timeout]}])}
  [array s & opts]
  (element/write-array "write-byte-sequence-values" array s opts))

(defn write-byte-sequence
  "Writes a byte array and returns it. CLISP EXT:WRITE-BYTE-SEQUENCE.

  :start :end :no-hang :interactive :timeout  as of write-byte-sequence-values"
  {:arglists '([array s & {:keys [start end no-hang interactive timeout]}])}
  [array s & opts]
  (first (element/write-array "write-byte-sequence" array s opts)))

;; ---- both ---------------------------------------------------------------------------------------

(defn finish-output
  "Sends everything that is buffered to the system and waits until the system has taken it. Returns
  nil. Common Lisp FINISH-OUTPUT."
  {:arglists '([s] [s & {:keys [timeout]}])}
  ([s] (.flush (object/out "finish-output" s)))
  ([s & opts] (call/writing "finish-output" s opts #(finish-output s))))

(defn force-output
  "Does the same as finish-output, since only the calling thread can send the rest. Returns nil.
  Common Lisp FORCE-OUTPUT."
  {:arglists '([s] [s & {:keys [timeout]}])}
  ([s] (.flush (object/out "force-output" s)))
  ([s & opts] (call/writing "force-output" s opts #(force-output s))))

(defn clear-output
  "Drops buffered output that was not sent to the system. When part of a character was sent, its rest
  stays; so does the shift sequence that ends the text. Returns nil. Common Lisp CLEAR-OUTPUT."
  [s]
  (.clear (object/out "clear-output" s)))

(defn close
  "Closes a stream, a server or a status set. A stream's output is flushed first. Closing again has
  no effect. Returns true. Common Lisp CLOSE.

  :abort  true: drops output that is buffered, and never blocks; default nil"
  {:arglists '([s & {:keys [abort]}])}
  [s & opts]
  (let [{:keys [abort]} (options/option-map "close" #{:abort} opts)]
    (cond
      (and (instance? SocketStream s) (options/flag "close" ":abort" abort)) (.abort ^SocketStream s)
      (instance? java.lang.AutoCloseable s) (.close ^java.lang.AutoCloseable s)
      :else (throw (options/misuse "close" (str "the stream is " (options/show s))
                     "a stream, a server or a status set")))
    true))

(defn open-stream?
  "Returns true until the stream or server is closed, then false. Common Lisp OPEN-STREAM-P."
  [s]
  (if (instance? Pollable s)
    (.isOpen ^Pollable s)
    (.isOpen (object/stream "open-stream?" s))))

(defn input-stream?
  "Returns true while the stream can be read, false after its input was shut down or it was closed.
  Common Lisp INPUT-STREAM-P."
  [s]
  (.isInput (object/stream "input-stream?" s)))

(defn output-stream?
  "Returns true while the stream can be written, false after its output was shut down or it was
  closed. Common Lisp OUTPUT-STREAM-P."
  [s]
  (.isOutput (object/stream "output-stream?" s)))

(defn stream-element-type
  "Returns :character, :unsigned-byte-8, :signed-byte-8, [:unsigned-byte n], [:signed-byte n] or
  :bivalent. Common Lisp STREAM-ELEMENT-TYPE."
  [s]
  (values/element-type->value (.elementType (object/stream "stream-element-type" s))))

(defn set-stream-element-type!
  "Changes the element type for later operations. Unread input stays available, byte for byte.
  Returns the type. CLISP (SETF STREAM-ELEMENT-TYPE)."
  [s type]
  (let [stream (object/stream "set-stream-element-type!" s)]
    (.elementType stream (options/->element-type "set-stream-element-type!" type))
    type))

(defn stream-external-format
  "Returns a map of :charset :line-terminator :input-error-action :output-error-action. Common Lisp
  STREAM-EXTERNAL-FORMAT."
  [s]
  (values/external-format->value (.externalFormat (object/stream "stream-external-format" s))))

(defn set-stream-external-format!
  "Changes the external format for later characters: a charset, :unix, :dos, :mac or a map, see
  parley.socket/socket-accept. Returns it. CLISP (SETF STREAM-EXTERNAL-FORMAT)."
  [s external-format]
  (let [stream (object/stream "set-stream-external-format!" s)]
    (.externalFormat stream (options/->external-format "set-stream-external-format!" external-format))
    external-format))

;; ---- limits -------------------------------------------------------------------------------------

(publish/vars limits/set-read-timeout! limits/read-timeout limits/set-write-timeout! limits/write-timeout
  limits/set-read-deadline! limits/set-write-deadline! limits/set-close-timeout! limits/close-timeout
  limits/set-line-limit! limits/line-limit)

;; ---- what the input brings -----------------------------------------------------------------------

(publish/vars sequences/lines sequences/chunks sequences/frames sequences/forms)

;; ---- views --------------------------------------------------------------------------------------

(defn socket-reader
  "Returns the input as a java.io.PushbackReader over the stream's own buffer, so that
  clojure.core/read and the functions here can be mixed and nothing is lost. Closing it closes the
  stream."
  ^PushbackReader [s]
  (.reader (object/stream "socket-reader" s)))

(defn socket-writer
  "Returns the output as a java.io.Writer over the stream's own buffer. Closing it closes the
  stream."
  ^Writer [s]
  (.writer (object/stream "socket-writer" s)))

(defn socket-input-stream
  "Returns the input as a java.io.InputStream over the stream's own buffer, whatever the element
  type. Closing it closes the stream."
  ^InputStream [s]
  (.inputStream (object/stream "socket-input-stream" s)))

(defn socket-output-stream
  "Returns the output as a java.io.OutputStream over the stream's own buffer, whatever the element
  type. Closing it closes the stream."
  ^OutputStream [s]
  (.outputStream (object/stream "socket-output-stream" s)))

;; ---- a pair -------------------------------------------------------------------------------------

(defn stream-pair
  "Makes two streams that are connected to each other, over a Unix-domain socket without a port or a
  file, and returns [a b]. Useful in tests. Both streams have the same options:

  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit
       as of parley.socket/socket-accept"
  {:arglists '([& {:keys [element-type external-format buffered read-timeout write-timeout close-timeout
                          line-limit]}])}
  [& opts]
  (vec (SocketStream/pair (descriptor/stream-options "stream-pair" opts))))

;; ---- streams over descriptors -------------------------------------------------------------------

(publish/vars descriptor/make-stream descriptor/make-pipe-input-stream descriptor/make-pipe-output-stream
  descriptor/make-pipe-io-stream descriptor/pipe-exit-status descriptor/pipe-kill descriptor/keyboard-input)
