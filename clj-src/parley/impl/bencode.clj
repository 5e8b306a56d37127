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

(def ^:private ends-map (int \e))

(defn- digit? [^long b]
  (<= 48 b 57))

(defn- show-byte [^long b]
  (if (< 32 b 127) (str "'" (char b) "'") (str "0x" (Long/toHexString b))))

(defn- expected [what ^long b]
  (str "malformed bencode: " (show-byte b) " where " what " was expected"))

(defn- after-value
  "Returns what is expected when a value has ended, at the depth of `open`: a stack of :list, :key (a map whose
  next is a value) and :map (a map whose next is a key)."
  [^ArrayDeque open]
  (case (.peek open)
    nil :message
    :list :value
    :key (do (.pop open) (.push open :map) :key)
    :map :key))

(defn checkpoint
  "Returns [point whole?]. point is a function of a byte (0 to 255) and of how many bytes follow it at hand:
  it returns how many of those to pass along with it unseen, or a string that describes the error.
  whole? returns true when no message has begun and not ended."
  [{:keys [max-message max-depth max-digits max-elements max-key]}]
  (let [open (ArrayDeque.)
        state (volatile! :message)
        number (volatile! 0) ; the length so far; of an integer, its digits
        sign? (volatile! false) ; of an integer
        key? (volatile! false) ; of a text
        used (volatile! 0) ; bytes of this message
        elements (volatile! 0) ; of this message
        count-element (fn []
                        (when (< (long max-elements) (long (vswap! elements inc)))
                          (str "a message with more than " max-elements " values and keys")))
        begin (fn [next-state n]
                (vreset! state next-state)
                (vreset! number n)
                0)
        push (fn [kind next-state]
               (if (< (.size open) (long max-depth))
                 (do (.push open kind) (begin next-state 0))
                 (str "a message with more than " max-depth " lists and maps within each other")))
        done (fn [] (begin (after-value open) 0))
        too-big (str "a message of more than " max-message " bytes")
        text-begins (fn [b] ; the first digit of a length
                      (when (vreset! key? (= :map (.peek open)))
                        (.pop open)
                        (.push open :key))
                      (begin :length (- (long b) 48)))
        value (fn [^long b]
                (cond
                  (= b (int \i)) (do (vreset! sign? false) (begin :integer 0))
                  (= b (int \l)) (push :list :value)
                  (= b (int \d)) (push :map :key)
                  (digit? b) (text-begins b)
                  (and (= b ends-map) (= :list (.peek open))) (do (.pop open) (done))
                  :else (expected "a value" b)))
        end-of-text (fn []
                      (if @key? ; its value follows
                        (begin :value 0)
                        (done)))
        text (fn [at-hand]
               (let [n (long @number)
                     now (min n (long at-hand))]
                 (vswap! used + now)
                 (vreset! number (- n now))
                 (if (= n now)
                   (end-of-text)
                   (vreset! state :text))
                 now))]
    [(fn [b at-hand]
       (let [b (long b)]
         (if (= :text @state)
           ;; The byte itself is one of the text's.
           (do (vswap! used inc)
               (vswap! number dec)
               (if (zero? (long @number))
                 (end-of-text)
                 (text at-hand)))
           (if (<= (long max-message) (long (if (= :message @state) (do (vreset! elements 0) (vreset! used 0)) @used)))
             too-big
             (do
               (vswap! used inc)
               (case @state
                 :message (if (= b (int \d))
                            (push :map :key)
                            (str (expected "the d of a message" b) (when (= b 0x16) (str ": " guard/tls-hello))))
                 :key (cond
                        (digit? b) (or (count-element) (text-begins b))
                        (= b ends-map) (do (.pop open) (done))
                        :else (expected "a key or the end of a map" b))
                 :value (or (when-not (= b ends-map) (count-element))
                          (value b))
                 :length (cond
                           (digit? b) (let [n (+ (* 10 (long @number)) (- b 48))]
                                        (cond
                                          (and @key? (< (long max-key) n)) (str "a key of more than " max-key " bytes")
                                          (< (long max-message) n) too-big
                                          :else
                                          (do (vreset! number n) 0)))
                           (not= b (int \:)) (expected "a digit or the : of a length" b)
                           (< (long max-message) (+ (long @used) (long @number))) too-big
                           (zero? (long @number)) (do (end-of-text) 0)
                           :else (text at-hand))
                 :integer (cond
                            (digit? b) (if (< (long @number) (long max-digits))
                                         (do (vswap! number inc) 0)
                                         (str "an integer of more than " max-digits " digits"))
                            (and (= b (int \-)) (zero? (long @number)) (not @sign?)) (do (vreset! sign? true) 0)
                            (and (= b ends-map) (pos? (long @number))) (done)
                            :else (expected "a digit or the e of an integer" b))))))))
     #(= :message @state)]))

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
