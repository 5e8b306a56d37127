(ns parley.testing.input-model
  "A model of the input of a stream, which holds all the bytes and decodes them with the JDK."
  (:import
   (java.nio ByteBuffer CharBuffer)
   (java.nio.charset Charset)
   (java.util Arrays)))

(set! *warn-on-reflection* true)

;; ---- the model of the input ---------------------------------------------------------------------

;; :bytes all that will ever come, :fed how many have been sent, :ended? whether the end was;
;; :position of the next byte; :skip? a return was read last, whose line feed belongs to it;
;; :owed the second half of a surrogate pair; :last the place of the character read last;
;; :told the place behind bad bytes that an error has told of; :again, after both halves of a newline
;; were unread, the place behind them; :former the charset of the return read last, when it was changed
;; since: the line feed is looked for in that one's bytes.

(defn decode-at
  "The character at a place, looking at as few bytes as possible: [:char string length], [:bad length],
  :more or :end."
  [{:keys [^bytes bytes fed ended? ^Charset charset]} from]
  (let [visible (- (long fed) (long from))]
    (loop [n 1]
      (if (< visible n)
        (cond
          (not ended?) :more
          (zero? visible) :end
          :else [:bad visible])
        (let [out (CharBuffer/allocate 4)
              result (.decode (.newDecoder charset) (ByteBuffer/wrap bytes from n) out false)]
          (cond
            (pos? (.position out)) [:char (str (.flip out)) n]
            (.isError result) [:bad (.length result)]
            :else (recur (inc n))))))))

(defn newline-bytes ^bytes [{:keys [former charset]}]
  (let [^Charset charset (or former charset)]
    (.getBytes "\n" charset)))

(defn settle
  "The model when bytes are read next, or a charset is left; nil while a line feed to skip may still
  come."
  [{:keys [skip? position ^bytes bytes fed ended?] :as m}]
  (if-not skip?
    m
    (let [position (long position)
          line-feed (newline-bytes m)
          there (min (alength line-feed) (- (long fed) position))
          same? (Arrays/equals bytes position (+ position there) line-feed 0 there)]
      (cond
        (not same?) (assoc m :skip? false :former nil)
        (= there (alength line-feed)) (assoc m :skip? false :former nil :position (+ position there) :last nil)
        ended? (assoc m :skip? false :former nil :last nil)))))

(defn look
  "[model found]: what the next character operation finds, `found` being [:char c from to owed],
  [:owed c], [:bad from length], :more or :end. A line feed to be skipped is gone from the model."
  [{:keys [owed action position skip? former] :as m}]
  (cond
    owed
    [m [:owed owed]]

    (and skip? former)
    (if-let [m (settle m)]
      (recur m)
      [m :more])

    :else
    (loop [m m
           at (long position)]
      (let [found (decode-at m at)
            [kind x n] (if (vector? found) found [found])]
        (case kind
          :more [m :more]
          :end [m :end]
          :bad (let [behind (+ at (long x))]
                 (cond
                   (= :ignore action) (recur m behind)
                   (char? action) [(assoc m :skip? false) [:char action at behind nil]]
                   (< at (long (:told m))) (recur m behind)
                   :else [(assoc m :skip? false) [:bad at x]]))
          :char (let [behind (+ at (long n))]
                  (if (and (:skip? m) (= "\n" x))
                    (recur (-> (assoc m :skip? false :position behind)
                               (update :last #(some-> % (assoc :both? true))))
                      behind)
                    [(assoc m :skip? false) [:char (first x) at behind (second x)]])))))))

(defn newline-for [c]
  (if (= \return c) \newline c))

(defn take-char
  "[model result]: reads what `look` has found."
  [m [kind x from to owed]]
  (case kind
    :owed [(assoc m :owed nil :last {:owed x :char x}) x]
    :bad [(assoc m :position (+ (long x) (long from)) :told (+ (long x) (long from)) :last nil) [:error x]]
    :char (let [again (:again m)
                m (assoc m :again nil :owed owed :last {:from from :char (newline-for x) :both? (some? again)})]
            [(assoc m :position (or again to) :skip? (and (= \return x) (nil? again)) :former nil)
             (newline-for x)])))

(defn end-of [m]
  [m :eof])

(defn model-read-char [m]
  (let [[m found] (look m)]
    (case found
      :more [m :block]
      :end (end-of m)
      (take-char m found))))

(defn model-peek [m]
  (let [[m [kind x :as found]] (let [[m found] (look m)] [m (if (vector? found) found [found])])]
    (case kind
      :more [m :block]
      :end (end-of m)
      :bad (take-char m found)
      [m (newline-for x)])))

(defn without-waiting [[m result]]
  [m (when-not (= :block result) result)])

(defn model-unread [m]
  (if-let [{:keys [owed from]} (:last m)]
    [(if owed
       (assoc m :owed owed :last nil)
       (assoc m :position from :owed nil :skip? false :last nil
         :again (when (:both? (:last m)) (:position m))))
     nil]
    [m :illegal]))

(defn line-end-there?
  "Whether a line of a charset whose newlines are bytes is whole: only then it is decoded."
  [{:keys [^bytes bytes position fed skip? ended?]}]
  (let [position (long position)
        from (if (and skip? (< position (long fed)) (= 10 (aget bytes position))) (inc position) position)]
    (or ended? (some #(contains? #{10 13} (aget bytes (int %))) (range from fed)))))

(defn decoded-as-it-comes? [m]
  (or (:owed m) (not (#{"UTF-8" "ISO-8859-1"} (str (:charset m))))))

(declare model-decoded-line model-decoded)

(defn model-line [m]
  (let [m (if (:former m) (settle m) m)]
    (if (and m (or (decoded-as-it-comes? m) (line-end-there? m)))
      (model-decoded-line m)
      [m :block])))

(defn model-decoded-line [m]
  (let [[m] (look m)]
    (model-decoded m)))

(defn model-decoded [m]
  (loop [v m
         text []]
    (let [[v [kind x n :as found]] (let [[v found] (look v)] [v (if (vector? found) found [found])])]
      (case kind
        :more [m :block]
        :end (if (seq text)
               [(assoc v :last nil) [(apply str (map :char text)) true]]
               (end-of v))
        :bad (if (every? :owed text)
               (let [[after result] (take-char (assoc v :owed (:owed m)) found)]
                 [after result])
               [(assoc m :told (+ (long x) (long n))) [:error x]])
        (let [[v c] (take-char v found)]
          (if (= \newline c)
            [v [(apply str (map :char text)) nil]]
            (recur v (conj text {:char c :owed (= :owed kind)}))))))))

(defn line-text [[m result]]
  [m (if (and (vector? result) (string? (first result)) (second result))
       [(first result) true]
       result)])

(defn model-chars [m n mode]
  (loop [v m
         text []]
    (if (= n (count text))
      [v (apply str text)]
      (let [[v [kind x length :as found]] (let [[v found] (look v)] [v (if (vector? found) found [found])])]
        (case kind
          :more (if (or (= :full mode) (and (= :interactive mode) (empty? text)))
                  [(if (empty? text) v m) :block]
                  [v (apply str text)])
          :end [v (apply str text)]
          :bad (cond
                 (= :full mode) [(assoc m :told (+ (long x) (long length))) [:error x]]
                 (seq text) [v (apply str text)]
                 :else (take-char v found))
          (let [[v c] (take-char v found)]
            (recur v (conj text c))))))))

(defn width [m]
  (if (= [:unsigned-byte 16] (:type m)) 2 1))

(defn left [m]
  (- (long (:fed m)) (long (:position m))))

(defn byte-at [m at]
  (bit-and 255 (aget ^bytes (:bytes m) at)))

(defn model-read-byte [m]
  (if-let [m (some-> (settle m) (assoc :last nil :again nil))]
    (let [n (long (width m))
          at (long (:position m))]
      (cond
        (<= n (long (left m))) [(assoc m :position (+ at n))
                                (reduce + (map #(bit-shift-left (long (byte-at m (+ at (long %)))) (* 8 (long %)))
                                            (range n)))]
        (:ended? m) (end-of m)
        :else [m :block]))
    [m :block]))

(defn model-bytes [m n mode]
  (if (zero? (long n))
    [m []]
    (if-let [m (some-> (settle m) (assoc :last nil :again nil))]
      (let [there (min (long n) (long (left m)))
            at (long (:position m))]
        (if (and (< there (long n)) (not (:ended? m))
              (or (= :full mode) (and (= :interactive mode) (zero? there))))
          [m :block]
          [(assoc m :position (+ at there)) (mapv #(byte-at m (+ at (long %))) (range there))]))
      [m (if (= :no-hang mode) [] :block)])))

(defn model-bytes-look [m]
  (let [settled (settle m)
        m (or settled m)]
    [m (cond
         (and settled (<= (long (width m)) (long (left m)))) true
         (:ended? m) :eof
         :else nil)]))

(defn characters? [m]
  (contains? #{:character :bivalent} (:type m)))

(defn byte-stream? [m]
  (not= :character (:type m)))

(defn model-char-look [m]
  (let [[m found] (look m)]
    [m (case found :more nil :end :eof true)]))

(defn model-status [m]
  (let [[m found] (cond
                    (and (= :bivalent (:type m)) (:owed m)) [m true]
                    (byte-stream? m) (model-bytes-look m)
                    :else (model-char-look m))]
    [m (case found nil :output true :io :eof :append)]))

(defn set-charset [m name]
  (let [charset (Charset/forName name)]
    [(if (= charset (:charset m))
       m
       (assoc m :charset charset :told 0 :last nil :again nil
         :former (when (:skip? m) (or (:former m) (:charset m)))))
     nil]))

(def legal
  {:read-char characters?
   :no-hang characters?
   :peek characters?
   :unread characters?
   :line characters?
   :chars characters?
   :reader characters?
   :listen characters?
   :will-hang characters?
   :read-byte byte-stream?
   :byte-no-hang byte-stream?
   :bytes #(and (byte-stream? %) (= 1 (width %)))
   :lookahead byte-stream?
   :byte-will-hang byte-stream?})

(defn model-step
  "[model result] of an operation; :block as the result when it would wait."
  [m [op x y]]
  (case op
    :read-char (model-read-char m)
    :no-hang (without-waiting (model-read-char m))
    :peek (model-peek m)
    :unread (model-unread m)
    :line (line-text (model-line m))
    :chars (model-chars m x y)
    :reader (model-chars m x :interactive)
    :listen (let [[m found] (model-char-look m)] [m (when (true? found) true)])
    :will-hang (let [[m found] (model-char-look m)] [m (nil? found)])
    :read-byte (model-read-byte m)
    :byte-no-hang (without-waiting (model-read-byte m))
    :bytes (model-bytes m x y)
    :input-stream (model-bytes m x :interactive)
    :lookahead (model-bytes-look m)
    :byte-will-hang (let [[m found] (model-bytes-look m)] [m (nil? found)])
    :status (model-status m)
    :type [(assoc m :type x) nil]
    :charset (set-charset m x)
    :terminator [m nil]))
