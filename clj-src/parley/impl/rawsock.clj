(ns parley.impl.rawsock
  "What parley.rawsock's functions share: checking handles, buffers and addresses, and turning the
  values of parley.posix into Clojure's and back."
  {:no-doc true}
  (:require
   [clojure.string :as str]
   [parley.impl.options :as options])
  (:import
   (java.io Writer)
   (java.net InetAddress)
   (java.nio.file Path)
   (java.time Duration)
   (java.util List)
   (parley.posix BlockingIo Datagrams$Part DescriptorOption DescriptorOption$Kind Handles Handles$Call MessageFlags Protocols SockAddr)))

(set! *warn-on-reflection* true)

(defmethod print-method SockAddr [x ^Writer w]
  (.write w (str "#<sockaddr " x ">")))

;; ---- handles ------------------------------------------------------------------------------------

(defn handle-number
  "The int of a handle, or an error."
  [op x]
  (if (and (int? x) (<= 0 x Integer/MAX_VALUE))
    (int x)
    (throw (options/misuse op (str "the handle is " (options/show x))
             "a non-negative integer, as socket, accept and stream-handles return it"))))

(defn call-on
  "Calls f with the parley.posix.Descriptor of a handle."
  [op handle f]
  (Handles/with op (handle-number op handle)
    (reify Handles$Call (on [_ descriptor] (f descriptor)))))

(defmacro on
  "Evaluates body with d bound to the Descriptor of a handle, which cannot be recycled meanwhile."
  [[d op handle] & body]
  `(call-on ~op ~handle (fn [~(with-meta d {:tag 'parley.posix.Descriptor})] ~@body)))

;; ---- names --------------------------------------------------------------------------------------

(defn domain-name
  "The name of a domain: a keyword, an integer, nil for :unspec."
  ^String [op x]
  (cond
    (nil? x) "unspec"
    (keyword? x) (name x)
    (nat-int? x) (str x)
    :else (throw (options/misuse op (str "the domain is " (options/show x))
                   "a keyword such as :inet :inet6 :unix :packet, or its number"))))

(defn type-name
  "The name of a socket type: a keyword, an integer, nil for 0."
  ^String [op x]
  (cond
    (nil? x) "0"
    (keyword? x) (name x)
    (nat-int? x) (str x)
    :else (throw (options/misuse op (str "the type is " (options/show x))
                   "a keyword such as :stream :dgram :raw :seqpacket, or its number"))))

(defn name-value
  "A name that parley.posix gave as a keyword; a number that it wrote as text as that number."
  [^String s]
  (cond
    (nil? s) nil
    (re-matches #"\d+" s) (parse-long s)
    :else (keyword s)))

(defn protocol-number
  "The int of a protocol: nil is 0, an integer, a keyword, or a string by look-up."
  [op x look-up]
  (cond
    (nil? x) (int 0)
    (and (int? x) (<= 0 x 65535)) (int x)
    (keyword? x) (int (Protocols/number (name x)))
    (string? x) (int (or (:proto (look-up x))
                         (throw (options/misuse op (str "the protocol is " (options/show x))
                                  "a name that (protocol) lists"))))
    :else (throw (options/misuse op (str "the protocol is " (options/show x))
                   "nil, an integer, a keyword such as :ipproto-icmp, or a name such as \"icmp\""))))

;; ---- buffers ------------------------------------------------------------------------------------

(defn range-of
  "[start end] of options against a length, checked."
  [op length {:keys [start end]}]
  (let [start (if (nil? start) 0 start)
        end (if (nil? end) length end)]
    (when-not (and (int? start) (int? end) (<= 0 start end length))
      (throw (options/misuse op (str ":start " (options/show start) " and :end " (options/show end)
                                  " are not a part of " length " elements")
               (str "0 <= start <= end <= " length))))
    [start end]))

(defn buffer
  "The byte array that `op` was given."
  ^bytes [op x]
  (if (bytes? x)
    x
    (throw (options/misuse op (str "the buffer is " (options/show x)) "a byte array"))))

(defn part
  "[array offset length] of a buffer and :start and :end."
  [op x opts]
  (let [array (buffer op x)
        [start end] (range-of op (alength array) opts)]
    [array (int start) (int (- (long end) (long start)))]))

(defn vectored?
  "Whether a buffer argument is a vector of buffers."
  [x]
  (and (sequential? x) (not (bytes? x))))

(defn parts
  "The Datagrams$Parts of a vector of buffers; :start and :end count buffers."
  ^List [op x opts]
  (when-not (sequential? x)
    (throw (options/misuse op (str "the buffers are " (options/show x)) "a vector of byte arrays")))
  (let [[start end] (range-of op (count x) opts)]
    (mapv (fn [b] (Datagrams$Part. (buffer op b) 0 (alength ^bytes b)))
      (subvec (vec x) start end))))

;; ---- options of the calls -----------------------------------------------------------------------

(def receive-keys "Options of what receives." #{:start :end :peek :oob :waitall :timeout})
(def send-keys "Options of what sends." #{:start :end :oob :eor :timeout})

(defn message-flags
  "The sum of the flags that are on in a map of options."
  [op opts]
  (reduce-kv (fn [sum option bit]
               (if (options/flag op option (get opts option))
                 (bit-or (long sum) (long bit))
                 sum))
             0
             {:peek MessageFlags/PEEK :oob MessageFlags/OOB :eor MessageFlags/EOR}))

(defn timeout-nanos
  "The nanoseconds of :timeout; when it is not there, the time that the socket's option says."
  [op opts]
  (if (contains? opts :timeout)
    (if-let [^Duration d (options/->duration op (:timeout opts))]
      (if (< (.getSeconds d) 9000000000) (.toNanos d) Long/MAX_VALUE)
      Long/MAX_VALUE)
    BlockingIo/OPTION))

(defn flag-names
  "The keywords of the flags of a message received."
  [flags]
  (into #{} (keep (fn [[k bit]] (when-not (zero? (bit-and (long flags) (long bit))) k)))
        {:oob MessageFlags/OOB :eor MessageFlags/EOR :trunc MessageFlags/TRUNC :ctrunc MessageFlags/CTRUNC}))

;; ---- addresses ----------------------------------------------------------------------------------

(defn sockaddr
  "The SockAddr that `op` was given."
  ^SockAddr [op x]
  (if (instance? SockAddr x)
    x
    (throw (options/misuse op (str "the address is " (options/show x))
             "a sockaddr, as make-sockaddr and getsockname return it"))))

(defn literal-address
  "The InetAddress of numbers in the usual form, never asking a name server."
  ^InetAddress [op x]
  (if (and (string? x)
           (or (re-matches #"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})" x)
               (re-matches #"[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[\w.-]+)?" x)))
    (try (InetAddress/getByName x)
         (catch java.net.UnknownHostException _
           (throw (options/misuse op (str "the address is " (options/show x))
                    "one in numbers, such as \"127.0.0.1\" or \"::1\""))))
    (throw (options/misuse op (str "the address is " (options/show x))
             "one in numbers, such as \"127.0.0.1\" or \"::1\""))))

(defn literal-bytes
  "The bytes of an address in numbers, 16 of one that has a colon: Java makes one of IPv4 of
  \"::ffff:1.2.3.4\"."
  ^bytes [op x]
  (let [data (.getAddress (literal-address op x))]
    (if (and (= 4 (alength data)) (str/includes? x ":"))
      (byte-array (concat (repeat 10 0) [-1 -1] data))
      data)))

(defn number
  "An int from 0 to `most` that `op` was given."
  [op what most x]
  (if (and (int? x) (<= 0 x most))
    (int x)
    (throw (options/misuse op (str what " is " (options/show x)) (str "an integer from 0 to " most)))))

(defn ->bytes
  "A fresh byte array of an array, or of a sequence of integers from -128 to 255."
  ^bytes [op x]
  (cond
    (bytes? x) (aclone ^bytes x)
    (and (or (nil? x) (sequential? x)) (every? #(and (int? %) (<= -128 % 255)) x))
    (byte-array (map unchecked-byte x))
    :else (throw (options/misuse op (str "the data is " (options/show x))
                   "a byte array or a sequence of bytes"))))

(defn path-string
  "Returns the absolute path of a Unix-domain socket's file. A string that begins with a zero character
  names an abstract socket, an empty one a socket without a name: both are left alone."
  ^String [op x]
  (cond
    (and (string? x) (or (= "" x) (str/starts-with? x "\u0000"))) x
    (string? x) (.getAbsolutePath (java.io.File. ^String x)) ; a Path refuses what its charset lacks
    (instance? Path x) (str (.toAbsolutePath ^Path x))
    (instance? java.io.File x) (.getAbsolutePath ^java.io.File x)
    :else (throw (options/misuse op (str "the path is " (options/show x))
                   "a string, a Path or a File"))))

;; ---- socket options -----------------------------------------------------------------------------

(defn option-value
  "The value of a socket option as Clojure has it."
  [^DescriptorOption option x]
  (condp = (.kind option)
    DescriptorOption$Kind/FLAG (if x true nil)
    DescriptorOption$Kind/TYPE (name-value x)
    DescriptorOption$Kind/ERROR (some-> ^String x str/lower-case keyword)
    DescriptorOption$Kind/SECONDS (let [^Duration d x
                                        nanos (.getNano d)]
                                    (if (zero? nanos)
                                      (.getSeconds d)
                                      (+ (.getSeconds d) (/ nanos 1e9))))
    x))

(defn option-argument
  "A value for a socket option as parley.posix has it."
  [op ^DescriptorOption option x]
  (if (= DescriptorOption$Kind/SECONDS (.kind option))
    (options/->duration op x)
    x))

(def levels
  "Levels of options that have no name of their own here."
  {:sol-ip 0 :ipproto-ip 0 :sol-tcp 6 :ipproto-tcp 6 :sol-udp 17 :ipproto-udp 17 :ipproto-ipv6 41
   :ipproto-icmp 1 :ipproto-raw 255 :ipproto-icmpv6 58})
