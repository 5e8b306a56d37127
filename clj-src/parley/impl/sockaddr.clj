(ns parley.impl.sockaddr
  "Addresses of sockets: how callers write them, and how they print."
  {:no-doc true}
  (:require
   [clojure.string :as str]
   [parley.impl.options :as options])
  (:import
   (java.io File Writer)
   (java.net Inet4Address InetAddress)
   (java.nio.file Path)
   (parley.posix Protocols SockAddr)))

(set! *warn-on-reflection* true)

(defmethod print-method SockAddr [x ^Writer w]
  (.write w (str "#<sockaddr " x ">")))

(defn domain-name
  "The name of a domain: a keyword, an integer, nil for :unspec."
  ^String [op x]
  (cond
    (nil? x) "unspec"
    (keyword? x) (options/choose op "the domain"
                   {:unspec "unspec" :inet "inet" :inet6 "inet6" :unix "unix" :packet "packet"} x)
    (nat-int? x) (str x)
    :else (throw (options/misuse op (str "the domain is " (options/show x))
                   "a keyword such as :inet :inet6 :unix :packet, or its number"))))

(defn name-value
  "A name that parley.posix gave as a keyword; a number that it wrote as text as that number."
  [^String s]
  (cond
    (nil? s) nil
    (re-matches #"\d+" s) (parse-long s)
    :else (keyword s)))

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
    (string? x) (.getAbsolutePath (File. ^String x)) ; a Path refuses what its charset lacks
    (instance? Path x) (str (.toAbsolutePath ^Path x))
    (instance? File x) (.getAbsolutePath ^File x)
    :else (throw (options/misuse op (str "the path is " (options/show x))
                   "a string, a Path or a File"))))

(defn- of-packet ^SockAddr [op data]
  (let [{:keys [protocol index address]} (options/option-map op #{:protocol :index :address} [data])]
    (SockAddr/ofPacket (int (options/integer op ":protocol" 0 65535 (or protocol 0)))
      (int (options/integer op ":index" 0 Integer/MAX_VALUE (or index 0)))
      (->bytes op address))))

(defn- of-any ^SockAddr [op family data]
  (cond
    (and (= :unix family) (not (bytes? data)) (not (int? data)) (not (sequential? data)))
    (SockAddr/ofPath (path-string op data))

    (and (= :packet family) (map? data))
    (of-packet op data)

    (options/within? 0 126 data)
    (SockAddr/of (domain-name op family) (byte-array data))

    :else (SockAddr/of (domain-name op family) (->bytes op data))))

(defn of-data
  "Returns the address of a family made of a path, a map, a size or bytes."
  ^SockAddr [op family data]
  (try
    (of-any op family data)
    (catch IllegalArgumentException e ; the core names its own method
      (throw (IllegalArgumentException. (str/replace-first (ex-message e) #"^SockAddr[.]\w+" op))))))

(defn- mapped
  "Returns the address of :inet6 that stands for an address of IPv4, which Java makes one of IPv4."
  ^SockAddr [op host port]
  (SockAddr/of "inet6"
    (byte-array (concat (take 6 (.data (SockAddr/of (literal-address op "::") (int port))))
                  (literal-bytes op host)
                  [0 0 0 0]))))

(defn of-host
  "Returns the address of a host in numbers, or of any host for nil, and a port."
  ^SockAddr [op family host port]
  (let [any (case family :inet "0.0.0.0" :inet6 "::"
                  (throw (options/misuse op (str "the family is " (options/show family)
                                              ", although a host and a port are given")
                           ":inet or :inet6")))
        address (if (instance? InetAddress host) host (literal-address op (or host any)))
        port (options/port op "the port" port "an integer from 0 to 65535")]
    (cond
      (and (= :inet6 family) (string? host) (instance? Inet4Address address) (str/includes? host ":"))
      (mapped op host port)

      (= family (if (instance? Inet4Address address) :inet :inet6))
      (SockAddr/of ^InetAddress address (int port))

      :else (throw (options/misuse op (str "the host is " (options/show host)) (str "an address of family " family))))))

(defn convert
  "Returns the bytes of an address in numbers, or the text of its bytes or of a number."
  [op family address]
  (let [size (case family :inet 4 :inet6 16
                   (throw (options/misuse op (str "the family is " (options/show family)) ":inet or :inet6")))
        data (cond
               (string? address) (literal-bytes op address)
               (and (integer? address) (<= 0 address (dec (.shiftLeft BigInteger/ONE (* 8 size)))))
               (byte-array (map #(unchecked-byte (.intValue (.shiftRight (biginteger address) (* 8 %))))
                             (range (dec size) -1 -1)))
               :else (->bytes op address))]
    (when-not (= size (alength ^bytes data))
      (throw (options/misuse op (str "the address is " (options/show address)) (str "one of family " family))))
    (if (string? address)
      data
      (.host (SockAddr/of (name family)
               (byte-array (concat (repeat (if (= 4 size) 2 6) 0) data (repeat (if (= 4 size) 8 4) 0))))))))

;; ---- byte order -----------------------------------------------------------------------------------

(defn- unsigned [op n bits]
  (options/integer op "the number" 0 (dec (bit-shift-left 1 (long bits))) n (str "one of " bits " bits, not negative")))

(defn htons
  "Converts a 16-bit number to network byte order. CLISP RAWSOCK:HTONS."
  [n]
  (Short/toUnsignedLong (Protocols/networkOrder (unchecked-short (unsigned "htons" n 16)))))

(defn ntohs
  "Converts a 16-bit number from network byte order. CLISP RAWSOCK:NTOHS."
  [n]
  (Short/toUnsignedLong (Protocols/networkOrder (unchecked-short (unsigned "ntohs" n 16)))))

(defn htonl
  "Converts a 32-bit number to network byte order. CLISP RAWSOCK:HTONL."
  [n]
  (Integer/toUnsignedLong (Protocols/networkOrder (unchecked-int (unsigned "htonl" n 32)))))

(defn ntohl
  "Converts a 32-bit number from network byte order. CLISP RAWSOCK:NTOHL."
  [n]
  (Integer/toUnsignedLong (Protocols/networkOrder (unchecked-int (unsigned "ntohl" n 32)))))
