(ns parley.impl.rawsock
  "Arguments and results of parley.rawsock: handles, types, buffers, flags and socket options."
  {:no-doc true}
  (:require
   [clojure.string :as str]
   [parley.impl.options :as options]
   [parley.impl.sockaddr :as sockaddr])
  (:import
   (java.net SocketTimeoutException)
   (java.time Duration)
   (java.util List)
   (parley.net SocketOptions)
   (parley.posix BlockingIo Datagrams$Part Descriptor DescriptorOption DescriptorOption$Kind Handles Handles$Call MessageFlags Posix PosixException Protocols Sockets)))

(set! *warn-on-reflection* true)

;; ---- handles ------------------------------------------------------------------------------------

(defn handle-number
  "The int of a handle, or an error."
  [op x]
  (int (options/int32 op "the handle" 0 x "a non-negative integer, as socket, accept and stream-handles return it")))

(defn call-on
  "Calls f with the parley.posix.Descriptor of a handle."
  [op handle f]
  (Handles/with op (handle-number op handle)
    (reify Handles$Call (on [_ descriptor] (f descriptor)))))

(defmacro on
  "Evaluates body with d bound to the Descriptor of a handle, which cannot be recycled meanwhile."
  [[d op handle] & body]
  `(call-on ~op ~handle (fn [~(with-meta d {:tag 'parley.posix.Descriptor})] ~@body)))

(defn register
  "Returns the handle of a new descriptor."
  [^Descriptor descriptor]
  (long (Handles/register descriptor)))

(defn register-all
  "Returns the handles of an array of new descriptors."
  [descriptors]
  (mapv long (Handles/register ^"[Lparley.posix.Descriptor;" descriptors)))

;; ---- names --------------------------------------------------------------------------------------

(defn type-name
  "The name of a socket type: a keyword, an integer, nil for 0."
  ^String [op x]
  (cond
    (nil? x) "0"
    (keyword? x) (options/choose op "the type"
                   {:stream "stream" :dgram "dgram" :raw "raw" :rdm "rdm" :seqpacket "seqpacket"} x)
    (nat-int? x) (str x)
    :else (throw (options/misuse op (str "the type is " (options/show x))
                   "a keyword such as :stream :dgram :raw :seqpacket, or its number"))))

(defn protocol-number
  "The int of a protocol: nil is 0, an integer, a keyword, or a string by look-up."
  [op x look-up]
  (cond
    (nil? x) (int 0)
    (options/within? 0 65535 x) (int x)
    (keyword? x) (try
                   (int (Protocols/number (name x)))
                   (catch IllegalArgumentException _
                     (throw (options/misuse op (str "the protocol is " (options/show x))
                              "one such as :ipproto-icmp, :icmp, :eth-p-arp, or a number"))))
    (string? x) (int (or (:proto (look-up x))
                         (throw (options/misuse op (str "the protocol is " (options/show x))
                                  "a name that (protocol) lists"))))
    :else (throw (options/misuse op (str "the protocol is " (options/show x))
                   "nil, an integer, a keyword such as :ipproto-icmp, or a name such as \"icmp\""))))

;; ---- buffers ------------------------------------------------------------------------------------

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
        [start end] (options/bounds op (alength array) opts)]
    [array (int start) (int (- (long end) (long start)))]))

(defn vectored?
  "Returns true when a buffer argument is a vector of buffers."
  [x]
  (and (sequential? x) (not (bytes? x))))

(defn parts
  "The Datagrams$Parts of a vector of buffers; :start and :end count buffers."
  ^List [op x opts]
  (when-not (sequential? x)
    (throw (options/misuse op (str "the buffers are " (options/show x)) "a vector of byte arrays")))
  (let [[start end] (options/bounds op (count x) opts)]
    (mapv (fn [b] (Datagrams$Part. (buffer op b) 0 (alength ^bytes b)))
      (subvec (vec x) start end))))

(defn moved
  "Sums what `f` moves of the parts, one after the other, until one is not moved whole."
  [parts f]
  (loop [total 0
         [^Datagrams$Part part & more] parts]
    (if (nil? part)
      total
      (let [n (long (f part))
            total (+ total n)]
        (if (and more (= n (.length part)))
          (recur total more)
          total)))))

(defn file-parts
  "Returns the parts that sock-read and sock-write move."
  [op buffer opts]
  (if (vectored? buffer)
    (let [parts (parts op buffer opts)]
      ;; an empty array moves nothing, which is not the end; but it may be an empty datagram
      (or (seq (remove (fn [^Datagrams$Part part] (zero? (.length part))) parts)) parts))
    (let [[array start length] (part op buffer opts)]
      [(Datagrams$Part. ^bytes array (int start) (int length))])))

(defn message-map
  "Returns the message that `op` was given, a map whose keys are checked."
  [op message]
  (when-not (map? message)
    (throw (options/misuse op (str "the message is " (options/show message))
             "a map whose :iovec is a vector of byte arrays")))
  (options/option-map op #{:addr :iovec :control :flags} [message]))

;; ---- options of the calls -----------------------------------------------------------------------

(defn without-address
  "Returns the trailing options, after the address that CLISP would fill in, if there is one."
  [args]
  (if (or (keyword? (first args)) (map? (first args))) args (rest args)))

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
  "Returns the nanoseconds of :timeout, by default those of the socket's option."
  [op opts]
  (if (contains? opts :timeout)
    (if-let [^Duration d (options/->duration op (:timeout opts))]
      (if (< (.getSeconds d) 9000000000) (.toNanos d) Long/MAX_VALUE)
      Long/MAX_VALUE)
    BlockingIo/OPTION))

(defn timed-out
  "Returns the exception of a call that has waited for `nanos`, a result of `timeout-nanos`."
  ^SocketTimeoutException [call option nanos why]
  (SocketTimeoutException. (str call ": timed out after "
                             (if (= BlockingIo/OPTION nanos) option (str (options/duration->seconds (Duration/ofNanos nanos)) " s"))
                             "; " why)))

(defn flag-names
  "The keywords of the flags of a message received."
  [flags]
  (into #{} (keep (fn [[k bit]] (when-not (zero? (bit-and (long flags) (long bit))) k)))
        {:oob MessageFlags/OOB :eor MessageFlags/EOR :trunc MessageFlags/TRUNC :ctrunc MessageFlags/CTRUNC}))

;; ---- socket options -----------------------------------------------------------------------------

(defn option-value
  "The value of a socket option as Clojure has it."
  [^DescriptorOption option x]
  (condp = (.kind option)
    DescriptorOption$Kind/FLAG (if x true nil)
    DescriptorOption$Kind/TYPE (sockaddr/name-value x)
    DescriptorOption$Kind/ERROR (some-> x options/lower-case keyword)
    DescriptorOption$Kind/SECONDS (let [^Duration d x
                                        nanos (.getNano d)]
                                    (if (zero? nanos)
                                      (.getSeconds d)
                                      (+ (.getSeconds d) (/ nanos 1e9))))
    (if (int? x) (long x) x)))

(defn option-argument
  "A value for a socket option as parley.posix has it."
  [op ^DescriptorOption option x]
  (if (= DescriptorOption$Kind/SECONDS (.kind option))
    (options/->duration op x)
    x))

(def ^:private options-by-keyword
  (into {} (map (fn [^DescriptorOption o] [(keyword (.key o)) o])) (DescriptorOption/values)))

(defn option
  "Returns the DescriptorOption of a keyword."
  ^DescriptorOption [op x]
  (options/choose op "the option" options-by-keyword x))

(defn checked-argument
  "As option-argument, and throws an error that names the option when it cannot have the value."
  [op ^DescriptorOption option x]
  (let [what (str ":" (.key option))
        number #(options/int32 op what 0 x %)
        argument (condp = (.kind option)
                   DescriptorOption$Kind/FLAG (options/flag op what x)
                   DescriptorOption$Kind/NUMBER (number "an integer from 0 to 2147483647")
                   DescriptorOption$Kind/LINGER (when (some? x) (number "nil or seconds, an integer from 0 to 2147483647"))
                   DescriptorOption$Kind/SECONDS (options/seconds op what x)
                   x)]
    (.check option argument)
    argument))

(defn option-requests
  "Returns the arguments of socket-options as [option] or [option value], checked."
  [op args]
  (loop [requests []
         [key & more :as args] args]
    (if (empty? args)
      requests
      (let [found (option op key)
            value? (and more (not (keyword? (first more))))]
        (recur (conj requests (if value? [found (checked-argument op found (first more))] [found]))
          (if value? (rest more) more))))))

(defn value-to-restore
  "Returns what to set an option to so that it is `before` again: Linux doubles the sizes of buffers."
  [^DescriptorOption option before]
  (if (and (#{DescriptorOption/SO_RCVBUF DescriptorOption/SO_SNDBUF} option) (= "Linux" (Posix/platform)))
    (int (quot (long before) 2))
    before))

(defn- apply-option
  "Reads an option of `target`, or of the handle s where that is nil; sets it when there is a new value.
  Returns the value before."
  [op target s [^DescriptorOption option & [value :as set?]]]
  (if target
    (if set?
      (SocketOptions/set target option value)
      (SocketOptions/get target option))
    (on [d op s]
      (if set? (.set option d value) (.get option d)))))

(defn- take-back
  "Sets options to what they were before, in the reverse order, after the exception e."
  [^Throwable e op target s done]
  (doseq [[^DescriptorOption option before] (rseq done)]
    (try
      (apply-option op target s [option (value-to-restore option before)])
      (catch Exception second
        (.addSuppressed e second)))))

(defn apply-options
  "Reads and sets options of `target`, or of the handle s where that is nil, in the order of the requests
  [option] or [option value]; returns their values before. When the system refuses one, those set before it
  are taken back."
  [op target s requests]
  (loop [requests requests
         values []
         done []]
    (if-let [[[option :as request] & more] (seq requests)]
      (let [before (try
                     (apply-option op target s request)
                     (catch Throwable e
                       (take-back e op target s done)
                       (throw e)))]
        (recur more
          (conj values (option-value option before))
          (if (next request) (conj done [option before]) done)))
      values)))

(def ^:private levels
  "Levels of options that have no name of their own here."
  {:sol-ip 0 :ipproto-ip 0 :sol-tcp 6 :ipproto-tcp 6 :sol-udp 17 :ipproto-udp 17 :ipproto-ipv6 41
   :ipproto-icmp 1 :ipproto-raw 255 :ipproto-icmpv6 58})

(def ^:private option-levels
  {:sol-socket #"so-.*" :sol-tcp #"tcp-.*" :ipproto-tcp #"tcp-.*" :sol-ip #"ip-.*" :ipproto-ip #"ip-.*"
   :ipproto-ipv6 #"ipv6-.*"})

(defn- level-options [level]
  (filter (fn [^DescriptorOption o] (re-matches (option-levels level) (.key o)))
          (DescriptorOption/values)))

(defn- named-option
  "The option of a name with or without its prefix: :so-rcvbuf or, as in CLISP, :rcvbuf."
  ^DescriptorOption [op level option-name]
  (let [full (name option-name)
        prefixed (str ({:sol-tcp "tcp-" :ipproto-tcp "tcp-" :sol-ip "ip-" :ipproto-ip "ip-"
                        :ipproto-ipv6 "ipv6-"} level "so-")
                      full)]
    (or (some (fn [^DescriptorOption o] (when (contains? #{full prefixed} (.key o)) o))
              (DescriptorOption/values))
        (option op option-name))))

(defn c-int
  "Returns x, an integer of 32 bits."
  [op what x]
  (int (options/integer op what Integer/MIN_VALUE Integer/MAX_VALUE x "an integer of 32 bits")))

(defn- level-number [op level]
  (let [level (if (= :sol-socket level)
                (if (= "Linux" (Posix/platform)) 1 0xffff)
                (get levels level level))]
    (if (int? level)
      (c-int op ":level" level)
      (throw (options/misuse op (str ":level is " (options/show level))
               (str "a number, :sol-socket or one of " (pr-str (sort (keys levels)))))))))

(defn- read-option [^Descriptor d ^DescriptorOption option]
  (option-value option (.get option d)))

(defn- readable-options [^Descriptor d options]
  (into (array-map)
        (map (fn [^DescriptorOption option]
               [(keyword (.key option))
                (try (read-option d option)
                     (catch PosixException _ :error)
                     (catch UnsupportedOperationException _ :error))]))
        options))

(defn get-option
  "Returns the value of an option, or of all options of a level for nil."
  [op ^Descriptor d option level size]
  (cond
    (int? option) (Sockets/option d (int (level-number op level)) (int (c-int op "the option" option))
                    (int (c-int op ":size" size)))
    (keyword? option) (read-option d (named-option op level option))
    (some? option) (throw (options/misuse op (str "the option is " (options/show option))
                            "a keyword, an integer or nil"))
    (= :all level) (readable-options d (DescriptorOption/values))
    (contains? option-levels level) (readable-options d (level-options level))
    :else (throw (options/misuse op (str ":level is " (options/show level)) "one whose options have names"))))

(defn set-option
  "Sets an option, or each of a map for nil."
  [op ^Descriptor d option value level]
  (let [set-one (fn [option-name x]
                  (let [option (named-option op level option-name)]
                    (.set option d (option-argument op option x))))]
    (cond
      (int? option) (Sockets/option d (int (level-number op level)) (int (c-int op "the option" option))
                      (buffer op value))
      (keyword? option) (set-one option value)
      (and (nil? option) (map? value)) (run! (fn [[k x]] (set-one k x)) value)
      :else (throw (options/misuse op (str "the option is " (options/show option))
                     "a keyword, an integer, or nil and a map of options")))))
