(ns parley.impl.options
  "Where keywords meet enums, and every option and timeout is checked; endpoints are in parley.impl.address.
  A mistake is an IllegalArgumentException that names the function, the argument, and what was expected."
  {:no-doc true}
  (:require
   [clojure.string :as str])
  (:import
   (java.io File)
   (java.lang.reflect Array)
   (java.math RoundingMode)
   (java.nio.charset Charset IllegalCharsetNameException UnsupportedCharsetException)
   (java.nio.file InvalidPathException Path)
   (java.security KeyStore)
   (java.time Duration)
   (java.util Locale)
   (javax.net.ssl SSLContext)
   (parley.net ElementType ExternalFormat ExternalFormat$CodingAction ExternalFormat$LineTerminator StreamOptions StreamOptions$Builder)
   (parley.net.tls TlsOptions TlsOptions$Builder)))

(set! *warn-on-reflection* true)

(defn misuse
  "An IllegalArgumentException saying what `op` was called with and what it expects."
  ^IllegalArgumentException [op what expected]
  (IllegalArgumentException. (str op ": " what ", expected " expected)))

(defn lower-case
  "Returns text in lower case, the same in every locale."
  ^String [text]
  (.toLowerCase (str text) Locale/ROOT))

(defn- text-of
  "Returns x as the printer writes it. An object that Clojure has no way to print is its toString, if it has one
  of its own, a function its name, and an array its length: #object and a hash mean nothing to the reader of a
  message."
  [x]
  (cond
    (fn? x) (str "the function " (str/replace (Compiler/demunge (.getName (class x))) #"--\d+" ""))
    (and (some? x) (.isArray (class x))) (str "an array of " (Array/getLength x))
    (and (some? x) (identical? (get-method print-method Object) (get-method print-method (class x))))
    (if (str/starts-with? (str x) (str (.getName (class x)) "@")) "an object" (str x))
    :else (binding [*print-length* 8 *print-level* 3] (pr-str x))))

(defn- without-secrets
  "Returns text without what a log must not hold: private keys, and the values of options that are secret."
  [text]
  (if (str/includes? text "PRIVATE KEY")
    "a private key"
    (str/replace text #"(:(?:token|\S*password)) \"(?:[^\"\\]|\\.)*\"" "$1 …")))

(defn show
  "A value as messages show it: its class too, unless the compiler named it, cut to a bearable length, without
  secrets."
  [x]
  (let [text (try (without-secrets (text-of x)) (catch Exception _ (str (class x))))
        cut (if (< 120 (count text)) (str (subs text 0 120) "…") text)
        class-name (if (nil? x) "" (.getSimpleName (class x)))]
    (if (or (nil? x) (str/includes? class-name "$"))
      cut
      (str cut " (" class-name ")"))))

(defn counted
  "A number of things, such as 1 byte and 2 bytes."
  [n thing]
  (str n " " thing (when-not (= 1 n) "s")))

(defn- edits
  "Returns the number of characters of `a` to replace, leave out or put in to make it `b` (Levenshtein)."
  ^long [a b]
  (peek (reduce (fn [row x]
                  (reduce (fn [new [y replaced dropped]]
                            (conj new (min (inc (long dropped)) (inc (long (peek new)))
                                        (+ (long replaced) (if (= x y) 0 1)))))
                    [(inc (long (first row)))]
                    (map vector b row (rest row))))
          (vec (range (inc (count b))))
          a)))

(def ^:private synonyms
  "Names of the same thing, in other libraries and in other functions of this one."
  [#{:interface :bind :host :hostname :address :ip}
   #{:path :socket :file}
   #{:eof :eof-value}
   #{:external-format :encoding :charset}
   #{:max-connections :max-clients}
   #{:timeout :timeout-ms :connect-timeout}
   #{:tls :ssl}])

(defn- distance
  "How far a key is from a known one, nil for too far: another name for the same is nearest, one of the same
  letters, too; one with few other letters or the same beginning is near, and one with it inside is far."
  [known key]
  (let [letters #(str/replace (lower-case (name %)) #"[-_]" "")
        a (letters key)
        b (letters known)
        n (edits a b)]
    (cond
      (some #(and (% known) (% key)) synonyms) -1
      (zero? n) 0
      (<= n 2 (* 2 n) (max (count a) (count b))) n
      (and (< 1 (count a)) (str/starts-with? b a)) 1
      (str/includes? b a) 3)))

(defn- nearest
  "Returns the known keys that `key` was perhaps meant to be: one, or all that have it inside."
  [known key]
  (when (keyword? key)
    (let [found (sort (for [k (filter keyword? known)
                            :let [n (distance k key)]
                            :when n]
                        [n k]))
          far? (= 3 (first (first found)))]
      (map second (take (if far? 3 1) found)))))

(defn- did-you-mean
  "The end of a message with the known keys that `key` was perhaps meant to be."
  [known key]
  (when-let [meant (seq (nearest known key))]
    (str "; did you mean " (str/join " or " meant) "?")))

(defn- one-of
  "The legal keys, as messages list them, with that which was perhaps meant."
  [known key]
  (let [known (sort-by str known)]
    (str "one of " (str/join " " (map pr-str known)) (did-you-mean known key))))

(defn choose
  "The value of `key` in the map `table`, or an error naming the option and the legal keys."
  [op option table key]
  (if-let [found (find table key)]
    (val found)
    (throw (misuse op (str option " is " (show key))
             (one-of (keys table) key)))))

(defn option-map
  "Returns the map of trailing options `args`: keywords and values, or one map at the end, which may be nil.
  `known` is the set of legal keys; another key is an error that names it."
  [op known args]
  (let [tail (last args)
        args (if (and (odd? (count args)) (or (nil? tail) (map? tail)))
               (concat (butlast args) (mapcat identity tail))
               args)]
    (doseq [[key :as entry] (partition-all 2 args)]
      (when-not (contains? known key)
        (throw (misuse op (str "unknown option " (show key))
                 (str (one-of known key)
                   (when-not (keyword? key)
                     "; options are keywords and values, or one map, at the end")))))
      (when-not (next entry)
        (throw (misuse op (str "the option " key " has no value") "keys and values"))))
    (apply array-map args)))

(defn arglists
  "Returns the :arglists of a function that takes nothing but options with these keys; `tag` names the class
  of what it returns."
  [tag known]
  (list (with-meta ['& {:keys (mapv (comp symbol name) (sort known))}] {:tag tag})))

(defn flag
  "The truth of an option that takes true, false or nil."
  [op option x]
  (choose op option {true true false false nil false} x))

(defn text
  "Returns x, a string or nil; throws an error that names the option otherwise."
  [op option x]
  (if (or (nil? x) (string? x))
    x
    (throw (misuse op (str option " is " (show x)) "a string"))))

(defn path-of
  "Returns the Path of a string or a File, or throws an error when this process cannot have such a path."
  ^Path [op x]
  (try
    (.toPath (File. (str x)))
    (catch InvalidPathException e
      (throw (doto (misuse op (str "the path is " (show (str x)) ": " (.getReason e))
                     (str "one that this process can spell; for characters outside of its locale, start Java in another "
                       "locale, such as LC_ALL=C.UTF-8"))
               (.addSuppressed e))))))

;; ---- integers -----------------------------------------------------------------------------------

(defn within?
  "Returns true when x is an integer from `low` to `high`."
  [low high x]
  (if (int? x)
    (<= (long low) (long x) (long high))
    (and (integer? x) (<= low x high))))

(defn integer
  "Returns x when it is an integer from `low` to `high`; throws an error that names `what` otherwise.
  `expected` describes the range in the caller's words."
  ([op what low high x]
   (integer op what low high x (str "an integer from " low " to " high)))
  ([op what low high x expected]
   (if (within? low high x)
     (long x)
     (throw (misuse op (str what " is " (show x)) expected)))))

(defn int32
  "As `integer`, from `low` to the largest of 32 bits."
  [op what low x expected]
  (integer op what low Integer/MAX_VALUE x expected))

(defn port
  "Returns the port x, from 0 to 65535; `what` names it in an error."
  [op what x expected]
  (integer op what 0 65535 x expected))

(defn bounds
  "Returns [start end] of the options :start and :end, checked against a length."
  [op length {:keys [start end]}]
  (let [from (if (nil? start) 0 start)
        to (if (nil? end) length end)]
    (when-not (and (within? 0 length to) (within? 0 to from))
      (throw (misuse op (str ":start is " (show start) " and :end " (show end))
               (str "0 <= :start <= :end <= " length))))
    [from to]))

(defn function
  "Returns f, a function or nil; throws an error that names the option otherwise. Keywords, symbols and
  collections are refused: they can be called, but a caller who passes one means something else."
  [op option f expected]
  (if (or (nil? f) (and (ifn? f) (not (or (ident? f) (coll? f)))))
    f
    (throw (misuse op (str option " is " (show f)) expected))))

;; ---- time ---------------------------------------------------------------------------------------

(def ^:private far 9000000000000000000N)

(defn- bad-timeout [op x]
  (misuse op (str "the timeout is " (show x))
    "nil (wait for ever), 0 (poll), seconds as a non-negative number, [seconds microseconds] or a Duration"))

(defn- seconds->duration ^Duration [op x]
  (when (or (and (float? x) (or (Double/isNaN (double x)) (neg? (double x))))
            (neg? x))
    (throw (bad-timeout op x)))
  (if (and (float? x) (Double/isInfinite (double x)))
    nil
    (let [nanos (min far (bigint (.setScale (bigdec (* (if (float? x) (bigdec x) (rationalize x))
                                                       1000000000M))
                                            0 RoundingMode/CEILING)))]
      (Duration/ofNanos (long nanos)))))

(defn- natural? [x]
  (and (integer? x) (not (neg? x))))

(defn ->duration
  "The java.time.Duration of a timeout, or nil for none: see the ns docstring of parley.socket."
  (^Duration [op x]
   (cond
     (nil? x) nil
     (and (int? x) (zero? (long x))) Duration/ZERO
     (and (ratio? x) (pos? x)) (seconds->duration op (with-precision 40 (bigdec x)))
     (number? x) (seconds->duration op x)
     (and (vector? x) (= 2 (count x)) (every? #(or (nil? %) (natural? %)) x) (or (x 0) (nil? (x 1))))
     (->duration op (x 0) (x 1))

     (instance? Duration x) (if (.isNegative ^Duration x) (throw (bad-timeout op x)) x)
     :else (throw (bad-timeout op x))))
  (^Duration [op seconds microseconds]
   (when-not (and (or (nil? seconds) (number? seconds)) (or (nil? microseconds) (natural? microseconds)))
     (throw (misuse op (str "the seconds are " (show seconds) " and the microseconds " (show microseconds))
              "a non-negative number, or nil to wait for ever, and a non-negative integer")))
   (when-let [whole (->duration op seconds)]
     (.plus whole (Duration/ofNanos (* 1000 (long (min (or microseconds 0) 9000000000000000))))))))

(defn seconds
  "Returns the Duration of an option's seconds, nil for none; an error names the option."
  ^Duration [op option x]
  (try
    (->duration op x)
    (catch IllegalArgumentException _
      (throw (misuse op (str option " is " (show x))
               "seconds as a non-negative number, a Duration, or nil for no limit")))))

(defn duration->seconds
  "Returns the seconds of a Duration, an integer when they are whole, else a double; nil of nil."
  [^Duration d]
  (when d
    (if (zero? (.getNano d))
      (.getSeconds d)
      (+ (double (.getSeconds d)) (/ (.getNano d) 1e9)))))

;; ---- element types ------------------------------------------------------------------------------

(def element-types
  "The element types of all keywords and vectors."
  {:character ElementType/CHARACTER
   :bivalent ElementType/BIVALENT
   :unsigned-byte-8 ElementType/UNSIGNED_BYTE_8
   :byte ElementType/UNSIGNED_BYTE_8
   :signed-byte-8 ElementType/SIGNED_BYTE_8
   [:unsigned-byte 8] ElementType/UNSIGNED_BYTE_8
   [:unsigned-byte 16] ElementType/UNSIGNED_BYTE_16
   [:unsigned-byte 32] ElementType/UNSIGNED_BYTE_32
   [:unsigned-byte 64] ElementType/UNSIGNED_BYTE_64
   [:signed-byte 8] ElementType/SIGNED_BYTE_8
   [:signed-byte 16] ElementType/SIGNED_BYTE_16
   [:signed-byte 32] ElementType/SIGNED_BYTE_32
   [:signed-byte 64] ElementType/SIGNED_BYTE_64})

(defn ->element-type
  "The ElementType of a keyword or [:unsigned-byte n]."
  ^ElementType [op x]
  (choose op "the element type" element-types x))

;; ---- external formats ---------------------------------------------------------------------------

(def ^:private line-terminators
  {:unix ExternalFormat$LineTerminator/UNIX :dos ExternalFormat$LineTerminator/DOS :mac ExternalFormat$LineTerminator/MAC})

(defn ->charset
  "Returns the Charset of a name, a keyword or a Charset."
  ^Charset [op x]
  (if (instance? Charset x)
    x
    (try
      (Charset/forName (name x))
      (catch IllegalCharsetNameException _
        (throw (misuse op (str "the charset is " (show x)) "the name of one, such as :utf-8")))
      (catch UnsupportedCharsetException _
        (throw (misuse op (str "this JDK has no charset " (show x))
                 (str "one of java.nio.charset.Charset/availableCharsets, such as :utf-8"
                   (did-you-mean (for [^Charset known (vals (Charset/availableCharsets))
                                       each (cons (.name known) (.aliases known))]
                                   (keyword (lower-case each)))
                     (keyword (lower-case (name x)))))))))))

(defn- ->action ^ExternalFormat$CodingAction [op option x]
  (cond
    (= :error x) ExternalFormat$CodingAction/ERROR
    (= :ignore x) ExternalFormat$CodingAction/IGNORE
    (and (char? x) (not (Character/isSurrogate x))) (ExternalFormat$CodingAction/replaceWith x)
    :else (throw (misuse op (str option " is " (show x)) "one of :error :ignore or a character"))))

(defn- from-map ^ExternalFormat [op m]
  (option-map op #{:charset :line-terminator :input-error-action :output-error-action}
    (mapcat identity m))
  (let [{:keys [charset line-terminator input-error-action output-error-action]
         :or {charset :utf-8
              line-terminator :unix
              input-error-action :error
              output-error-action :error}} m]
    (when-not (or (instance? Charset charset) (keyword? charset) (string? charset))
      (throw (misuse op (str ":charset is " (show charset)) "a name, a keyword or a Charset")))
    (-> (ExternalFormat/of (->charset op charset))
        (.withLineTerminator (choose op ":line-terminator" line-terminators line-terminator))
        (.withInputErrorAction (->action op ":input-error-action" input-error-action))
        (.withOutputErrorAction (->action op ":output-error-action" output-error-action)))))

(defn ->external-format
  "The ExternalFormat of a charset, a line terminator (:unix :dos :mac) or a map of both and actions."
  ^ExternalFormat [op x]
  (cond
    (instance? ExternalFormat x) x
    (contains? line-terminators x) (from-map op {:line-terminator x})
    (or (keyword? x) (string? x) (instance? Charset x)) (from-map op {:charset x})
    (map? x) (from-map op x)
    :else (throw (misuse op (str "the external format is " (show x))
                   "a charset, one of :unix :dos :mac, or a map"))))

;; ---- TLS ----------------------------------------------------------------------------------------

(def tls-keys
  "The keys of a map as :tls."
  #{:cert :key :key-password :ca :keystore :keystore-password :client-auth :server-name :verify-host :alpn
    :protocols :ciphers :handshake-timeout :sni :context})

(defn- source
  "Returns a Path, or the String of a PEM text."
  [op option x]
  (cond
    (and (string? x) (str/includes? x "-----BEGIN ")) x
    (or (instance? File x) (and (string? x) (not (str/includes? x "\n")))) (path-of op x)
    (instance? Path x) x
    :else (throw (misuse op (str option " is " (if (string? x) "a text without -----BEGIN" (show x))) "a file, as a string, a File or a Path, or a text in PEM"))))

(defn- secret ^chars [op option x]
  (cond
    (string? x) (char-array x)
    (or (nil? x) (instance? (class (char-array 0)) x)) x
    :else (throw (misuse op (str option " is a " (.getSimpleName (class x))) "a string or a char array"))))

(defn- names [op option x]
  (if (and (sequential? x) (seq x) (every? string? x))
    (vec x)
    (throw (misuse op (str option " is " (show x)) "a vector of strings"))))

(declare ->tls)

(defn- certificates! [op ^TlsOptions$Builder builder m]
  (doseq [[key x] (select-keys m [:cert :key :ca])
          :let [from (when-not (nil? x) (source op key x))
                text? (string? from)]
          :when from]
    (case key
      :cert (if text? (.cert builder ^String from) (.cert builder ^Path from))
      :key (if text? (.key builder ^String from) (.key builder ^Path from))
      :ca (if text? (.ca builder ^String from) (.ca builder ^Path from))))
  (when-let [password (secret op ":key-password" (:key-password m))]
    (.keyPassword builder password))
  (when-let [store (:keystore m)]
    (let [password (secret op ":keystore-password" (:keystore-password m))]
      (if (instance? KeyStore store)
        (.keystore builder ^KeyStore store password)
        (.keystore builder ^Path (source op ":keystore" store) password)))))

(defn- sni! [op ^TlsOptions$Builder builder x]
  (when-not (or (nil? x) (map? x))
    (throw (misuse op (str ":sni is " (show x)) "a map of host names to maps of :cert and :key")))
  (doseq [[host certificate] x]
    (when-not (and (string? host) certificate)
      (throw (misuse op (str ":sni has " (show host) " " (show certificate)) "a host name and its certificate")))
    (.sni builder host (->tls op (if (map? certificate) certificate {:cert certificate})))))

(defn- tls-map ^TlsOptions [op m]
  (option-map op tls-keys (mapcat identity m))
  (let [builder (TlsOptions/builder op)
        {:keys [client-auth server-name alpn protocols ciphers context]} m]
    (certificates! op builder m)
    (sni! op builder (:sni m))
    (case (choose op ":client-auth" {nil nil :need :need :want :want} client-auth)
      :need (.needClientAuth builder)
      :want (.wantClientAuth builder)
      nil)
    (doseq [[key ^Class type] {:server-name String
                               :context SSLContext}]
      (when-not (or (nil? (m key)) (instance? type (m key)))
        (throw (misuse op (str key " is " (show (m key))) (str "a " (.getName type))))))
    (some->> context (.context builder))
    (some->> server-name (.serverName builder))
    (.verifyHost builder (flag op ":verify-host" (:verify-host m true)))
    (some->> alpn (names op ":alpn") (.alpn builder))
    (some->> protocols (names op ":protocols") (.protocols builder))
    (some->> ciphers (names op ":ciphers") (.ciphers builder))
    (let [limit (:handshake-timeout m 10)
          ^Duration duration (seconds op ":handshake-timeout" limit)]
      (when (some-> duration .isZero)
        (throw (misuse op (str ":handshake-timeout is " (show limit)) "a positive number of seconds, a Duration, or nil for no limit")))
      (.handshakeTimeout builder duration))
    (.build builder)))

(def ^:private platform
  (delay (.build (TlsOptions/builder "tls"))))

(defn ->tls
  "Returns the TlsOptions of the option :tls, nil of nil and false."
  ^TlsOptions [op x]
  (cond
    (or (nil? x) (false? x)) nil
    (true? x) @platform
    (instance? TlsOptions x) x
    (instance? SSLContext x) (tls-map op {:context x})
    (map? x) (tls-map op x)
    :else (throw (misuse op (str ":tls is " (show x))
                   "true, a javax.net.ssl.SSLContext, what parley.tls/tls-options returned, or a map with keys such as :cert :key :ca"))))

;; ---- streams ------------------------------------------------------------------------------------

(def stream-options
  "The keys that every function which makes a stream takes."
  #{:element-type :external-format :buffered :timeout :read-timeout :write-timeout :close-timeout :line-limit :tls})

(def unconnected-options
  "Those of `stream-options` that do not concern connecting or accepting."
  (disj stream-options :timeout :tls))

(defn- buffered! [op ^StreamOptions$Builder builder x]
  (let [[in out] (choose op ":buffered"
                   {true [true true] nil [false false] false [false false]
                    :input [true false] :output [false true]}
                   x)]
    (.inputBuffered builder (boolean in))
    (.outputBuffered builder (boolean out))))

(defn line-limit
  "Returns the number of characters that `what`, an option or an argument, limits a line to."
  ^long [op what x]
  (int32 op what 1 x "a positive number of characters"))

(defn ->stream-options
  "The StreamOptions of a map with keys out of `stream-options`."
  ^StreamOptions [op m]
  (let [builder (StreamOptions/builder)]
    (doseq [[key x] m]
      (case key
        :element-type (.elementType builder (->element-type op x))
        :external-format (.externalFormat builder (->external-format op x))
        :buffered (buffered! op builder x)
        :timeout (.timeout builder (->duration op x))
        :read-timeout (.readTimeout builder (seconds op ":read-timeout" x))
        :write-timeout (.writeTimeout builder (seconds op ":write-timeout" x))
        :close-timeout (.closeTimeout builder (seconds op ":close-timeout" x))
        :line-limit (.lineLimit builder (int (line-limit op ":line-limit" x)))
        :tls (.tls builder (->tls op x))))
    (.build builder)))
