(ns parley.impl.bencode
  "A checkpoint in front of a bencode reader that allocates and recurses as its input demands. Passes messages
  that are whole, well formed and within limits, and ends the input before the first other message.
  doc/architecture.md has the reasons."
  {:no-doc true}
  (:require
   [parley.impl.guard :as guard]
   [parley.impl.input :as input])
  (:import
   (java.io ByteArrayInputStream ByteArrayOutputStream InputStream)
   (java.net SocketException)
   (java.util ArrayDeque)
   (java.util.concurrent.atomic AtomicLong)))

(set! *warn-on-reflection* true)

(def limits
  "Limits of a message: its bytes, the nesting of lists and maps, the digits of an integer, the number of
  values and keys, the bytes of a key."
  {:max-message 16777216
   :max-depth 64
   :max-digits 20
   :max-elements 65536
   :max-key 1024})

(def ^:private ^:const ends (int \e)) ; a list, a map, an integer

(defn- digit? [^long b]
  (<= 48 b 57))

(defn- show-byte [^long b]
  (if (< 32 b 127) (str "'" (char b) "'") (str "0x" (Long/toHexString b))))

(defn- expected [what ^long b]
  (str "malformed bencode: " (show-byte b) " where " what " was expected"))

;; ---- one byte after the other -------------------------------------------------------------------

(defn- scan
  "Returns where a message stands: a plain map, so that it outlives a reload of this namespace. :open is a stack
  of :list, :key (a map whose next is a value) and :map (a map whose next is a key). :number is the length of a
  text so far, what is left of it, or how many digits an integer has. :key? says that the text is a key. :used
  and :elements are those of this message."
  [limits]
  {:limits limits
   :open (ArrayDeque.)
   :state (volatile! :message)
   :number (volatile! 0)
   :sign? (volatile! false)
   :key? (volatile! false)
   :used (volatile! 0)
   :elements (volatile! 0)})

(defn- limit ^long [s which]
  (long (which (:limits s))))

(defn- begin [s state n]
  (vreset! (:state s) state)
  (vreset! (:number s) n)
  0)

(defn- push [s kind state]
  (if (< (.size ^ArrayDeque (:open s)) (limit s :max-depth))
    (do (.push ^ArrayDeque (:open s) kind)
        (begin s state 0))
    (str "a message with more than " (limit s :max-depth) " lists and maps within each other")))

(defn- replace-top [s kind]
  (doto ^ArrayDeque (:open s) .pop (.push kind)))

(defn- value-ended [s]
  (case (.peek ^ArrayDeque (:open s))
    nil (begin s :message 0)
    :list (begin s :value 0)
    :key (do (replace-top s :map)
             (begin s :key 0))))

(defn- list-or-map-ended [s]
  (.pop ^ArrayDeque (:open s))
  (value-ended s))

(defn- too-big [s]
  (str "a message of more than " (limit s :max-message) " bytes"))

(defn- count-element [s]
  (when (< (limit s :max-elements) (long (vswap! (:elements s) inc)))
    (str "a message with more than " (limit s :max-elements) " values and keys")))

(defn- text-begins
  "Takes the first digit of the length of a text, which is a key where a map expects one."
  [s ^long b]
  (when (vreset! (:key? s) (= :map (.peek ^ArrayDeque (:open s))))
    (replace-top s :key))
  (begin s :length (- b 48)))

(defn- text-ended [s]
  (if @(:key? s)
    (begin s :value 0)
    (value-ended s)))

(defn- pass-text
  "Returns how many of the bytes at hand are the text's."
  [s ^long at-hand]
  (let [n (long @(:number s))
        now (min n at-hand)]
    (vswap! (:used s) + now)
    (vreset! (:number s) (- n now))
    (if (= n now)
      (text-ended s)
      (vreset! (:state s) :text))
    now))

(defn- of-message [s ^long b]
  (if (= b (int \d))
    (push s :map :key)
    (str (expected "the d of a message" b) (when (= b 0x16) (str ": " guard/tls-hello)))))

(defn- of-key [s ^long b]
  (cond
    (digit? b) (or (count-element s) (text-begins s b))
    (= b ends) (list-or-map-ended s)
    :else (expected "a key or the end of a map" b)))

(defn- of-value [s ^long b]
  (cond
    (and (= b ends) (= :list (.peek ^ArrayDeque (:open s)))) (list-or-map-ended s)
    (= b (int \i)) (or (count-element s) (do (vreset! (:sign? s) false) (begin s :integer 0)))
    (= b (int \l)) (or (count-element s) (push s :list :value))
    (= b (int \d)) (or (count-element s) (push s :map :key))
    (digit? b) (or (count-element s) (text-begins s b))
    :else (expected "a value" b)))

(defn- of-length [s ^long b at-hand]
  (let [n (long @(:number s))
        longer (+ (* 10 n) (- b 48))]
    (cond
      (digit? b) (cond
                   (and @(:key? s) (< (limit s :max-key) longer)) (str "a key of more than " (limit s :max-key) " bytes")
                   (< (limit s :max-message) longer) (too-big s)
                   :else (begin s :length longer))
      (not= b (int \:)) (expected "a digit or the : of a length" b)
      (< (limit s :max-message) (+ (long @(:used s)) n)) (too-big s)
      (zero? n) (do (text-ended s) 0)
      :else (pass-text s at-hand))))

(defn- of-integer [s ^long b]
  (let [digits (long @(:number s))]
    (cond
      (digit? b) (if (< digits (limit s :max-digits))
                   (begin s :integer (inc digits))
                   (str "an integer of more than " (limit s :max-digits) " digits"))
      (and (= b (int \-)) (zero? digits) (not @(:sign? s))) (do (vreset! (:sign? s) true) 0)
      (and (= b ends) (pos? digits)) (value-ended s)
      :else (expected "a digit or the e of an integer" b))))

(defn- of-text
  "Passes a byte of a text, and those at hand that are its, too."
  [s at-hand]
  (vswap! (:used s) inc)
  (if (zero? (long (vswap! (:number s) dec)))
    (text-ended s)
    (pass-text s at-hand)))

(defn- outside-text [s b at-hand]
  (when (= :message @(:state s))
    (vreset! (:elements s) 0)
    (vreset! (:used s) 0))
  (if (< (limit s :max-message) (long (vswap! (:used s) inc)))
    (too-big s)
    (case @(:state s)
      :message (of-message s b)
      :key (of-key s b)
      :value (of-value s b)
      :length (of-length s b at-hand)
      :integer (of-integer s b))))

(defn checkpoint
  "Returns [point whole?]. point is a function of a byte (0 to 255) and of how many bytes follow it at hand:
  it returns how many of those to pass along with it unseen, or a string that describes the error.
  whole? returns true when no message has begun and not ended."
  [limits]
  (let [s (scan limits)]
    [(fn [b at-hand]
       (if (= :text @(:state s))
         (of-text s at-hand)
         (outside-text s b at-hand)))
     #(= :message @(:state s))]))

;; ---- input --------------------------------------------------------------------------------------

(defn- check
  "Looks at n bytes: [whole end problem], `whole` being where the last message that is whole ends, `end` where
  the first byte that must not pass is."
  [[point whole?] ^bytes bytes n]
  (loop [at 0
         whole 0]
    (if (< at (long n))
      (let [more (point (bit-and 0xff (aget bytes at)) (- (long n) at 1))]
        (if (string? more)
          [whole at more]
          (let [at (+ at 1 (long more))]
            (recur at (if (whole?) at whole)))))
      [whole at nil])))

(defn- gatherer
  "Returns functions that keep bytes until their message is whole, within a budget of bytes that a server's
  clients share. Only what has come takes room."
  [^AtomicLong budget]
  (let [gathered (volatile! (ByteArrayOutputStream.))
        ready (volatile! (ByteArrayInputStream. (byte-array 0)))
        reserved (volatile! 0)
        release (fn [n]
                  (vswap! reserved - (long n))
                  (when budget
                    (.addAndGet budget (long n))))]
    {:reserve (fn [n]
                (vswap! reserved + (long n))
                (or (nil? budget) (<= 0 (.addAndGet budget (- (long n))))))
     :gather (fn [^bytes bytes whole end]
               (.write ^ByteArrayOutputStream @gathered bytes 0 (int whole))
               (when (pos? (long whole))
                 (vreset! ready (ByteArrayInputStream. (.toByteArray ^ByteArrayOutputStream @gathered)))
                 (vreset! gathered (ByteArrayOutputStream.))) ; a reset one would keep its room
               (.write ^ByteArrayOutputStream @gathered bytes (int whole) (int (- (long end) (long whole)))))
     :left (fn [] (.available ^ByteArrayInputStream @ready))
     :drop-rest (fn []
                  (vreset! gathered (ByteArrayOutputStream.))
                  (release (- (long @reserved) (.available ^ByteArrayInputStream @ready))))
     :take (fn [^bytes into offset length]
             (let [n (.read ^ByteArrayInputStream @ready into (int offset) (int length))]
               (release n)
               (when (zero? (.available ^ByteArrayInputStream @ready))
                 (vreset! ready (ByteArrayInputStream. (byte-array 0))))
               n))
     :release-all (fn [] (release @reserved))}))

(defn input-stream
  "Returns the messages of the input `in` that are whole, well formed and within the limits. `bad` is called,
  once, with what is wrong with one, and reads after that throw a SocketException. :budget of the limits is an
  AtomicLong of how many bytes may wait to be whole, of all clients of a server."
  ^InputStream [^InputStream in {:keys [budget]
                                 :as limits} bad]
  (let [point (checkpoint limits)
        {:keys [reserve gather left drop-rest release-all]
         take-some :take} (gatherer budget)
        chunk (byte-array 8192)
        problem (volatile! nil)
        fail (fn [what]
               (vreset! problem what)
               (drop-rest) ; others need the room while this client's connection is drained
               (bad what))
        more (fn [] ; false at the end
               (let [n (.read in chunk)
                     [whole end what] (when (pos? n)
                                        (if (reserve n)
                                          (check point chunk n)
                                          [0 0 "messages that are not whole take all the memory that they may (:max-buffered)"]))]
                 (when-not (neg? n)
                   (gather chunk whole end)
                   (when what
                     (fail what))
                   true)))]
    (input/input-stream
      (fn [into offset length]
        (loop []
          (cond
            (pos? (long (left))) (take-some into offset length)
            @problem (throw (SocketException. (str "closed after " @problem)))
            (more) (recur)
            :else -1)))
      {:available left
       :close (fn []
                (release-all)
                (.close in))})))
