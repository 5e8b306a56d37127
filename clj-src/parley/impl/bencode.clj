(ns parley.impl.bencode
  "A checkpoint in front of a reader of bencode that trusts what it reads: passes on the bytes of
  messages that are well formed and within limits, and ends the input before the first byte that is not,
  so that nothing is allocated or recursed into on a stranger's word."
  {:no-doc true}
  (:require
   [parley.impl.input :as input])
  (:import
   (java.io InputStream)
   (java.net SocketException)
   (java.util ArrayDeque)))

(set! *warn-on-reflection* true)

(def limits
  "Bytes of a message, lists and maps within each other, digits of an integer."
  {:max-message 16777216
   :max-depth 64
   :max-digits 20})

(def ^:private ends-map (int \e))

(defn- digit? [^long b]
  (<= 48 b 57))

(defn- show-byte [^long b]
  (if (< 32 b 127) (str "'" (char b) "'") (str "0x" (Long/toHexString b))))

(defn- expected [what ^long b]
  (str "malformed bencode: " (show-byte b) " where " what " was expected"))

(defn- after-value
  "What is expected when a value has ended, at the depth of `open`: a stack of :list, :key (a map whose
  next is a value) and :map (a map whose next is a key)."
  [^ArrayDeque open]
  (case (.peek open)
    nil :message
    :list :value
    :key (do (.pop open) (.push open :map) :key)
    :map :key))

(defn checkpoint
  "A function of a byte (0 to 255) and of how many bytes follow it at hand: how many of those to pass
  along with it unseen, or a string that says what is wrong with it."
  [{:keys [max-message max-depth max-digits]}]
  (let [open (ArrayDeque.)
        state (volatile! :message)
        number (volatile! 0) ; the length so far; of an integer, its digits
        sign? (volatile! false) ; of an integer
        key? (volatile! false) ; of a text
        used (volatile! 0) ; bytes of this message
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
    (fn [b at-hand]
      (let [b (long b)]
        (if (= :text @state)
          ;; The byte itself is one of the text's.
          (do (vswap! used inc)
              (vswap! number dec)
              (if (zero? (long @number))
                (end-of-text)
                (text at-hand)))
          (if (<= (long max-message) (long (if (= :message @state) (vreset! used 0) @used)))
            too-big
            (do
              (vswap! used inc)
              (case @state
                :message (if (= b (int \d)) (push :map :key) (expected "the d of a message" b))
                :key (cond
                       (digit? b) (text-begins b)
                       (= b ends-map) (do (.pop open) (done))
                       :else (expected "a key or the end of a map" b))
                :value (value b)
                :length (cond
                          (digit? b) (let [n (+ (* 10 (long @number)) (- b 48))]
                                       (if (< (long max-message) n)
                                         too-big
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
                           :else (expected "a digit or the e of an integer" b))))))))))

(defn- check
  "Up to where the bytes from `from` to `to` may pass: [index problem]."
  [point ^bytes bytes from to]
  (loop [at (int from)]
    (if (< at (int to))
      (let [n (point (bit-and 0xff (aget bytes at)) (- (int to) at 1))]
        (if (string? n)
          [at n]
          (recur (int (+ at 1 (long n))))))
      [at nil])))

(defn input-stream
  "The input `in` as far as its bytes are well formed; `bad` is called, once, with what is wrong, and reads
  after that throw a SocketException."
  ^InputStream [^InputStream in limits bad]
  (let [point (checkpoint limits)
        problem (volatile! nil)
        fail (fn []
               (throw (SocketException. (str "closed after " @problem))))
        fill (fn [^bytes into offset length]
               (when @problem
                 (fail))
               (let [n (.read in into (int offset) (int length))]
                 (if (pos? n)
                   (let [[end what] (check point into offset (+ (int offset) n))]
                     (when what
                       (vreset! problem what)
                       (bad what))
                     (if (= end (int offset))
                       (fail)
                       (int (- (int end) (int offset)))))
                   n)))]
    (input/input-stream fill {:available #(.available in)
                              :close #(.close in)})))
