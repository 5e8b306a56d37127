(ns parley.clisp.ends
  "The text that scripts use, and what is known of the input and output of an end of a connection;\n  parley.clisp.generator tells of which parts the model of an end consists."
  (:import
   (java.nio ByteBuffer CharBuffer)
   (java.nio.charset Charset CodingErrorAction)))

(set! *warn-on-reflection* true)

;; --- text and bytes -----------------------------------------------------------------------------

(def alphabets
  {"UTF-8" "ab zéλ☃あ"
   "ISO-8859-1" "ab zéÿ"
   "UTF-16BE" "ab éλあ"
   "EUC-JP" "ab λあ漢"})

(defn bytes-of
  [^Charset charset ^String text]
  (mapv #(bit-and 0xff (long %)) (.getBytes text charset)))

(defn decode-one
  "The first character of the bytes: [character count], or :half, or :strange for anything that the
  alphabet has not."
  [^Charset charset alphabet bytes]
  (loop [n 1]
    (if (> n (count bytes))
      :half
      (let [decoder (-> (.newDecoder charset)
                        (.onMalformedInput CodingErrorAction/REPORT)
                        (.onUnmappableCharacter CodingErrorAction/REPORT))
            chars (CharBuffer/allocate 2)
            result (.decode decoder
                            (ByteBuffer/wrap (byte-array (map unchecked-byte (take n bytes))))
                            chars
                            false)]
        (cond
          (.isError result) :strange
          (zero? (.position chars)) (recur (inc n))
          (some #{(.get chars 0)} (concat "\r\n" alphabet)) [(.get chars 0) n]
          :else :strange)))))

(defn decode
  [{:keys [charset alphabet]} bytes]
  (decode-one charset alphabet bytes))

;; --- the input of an end ------------------------------------------------------------------------

(defn drop-pending-newline
  "The end without the newline that belongs to a carriage return read before."
  [{:keys [skip? input] :as end}]
  (let [head (when (and skip? (seq input)) (decode end input))]
    (if (and (vector? head) (= \newline (first head)))
      (assoc end :input (subvec input (second head)) :skip? false :returned? false :dropped? true)
      end)))

(defn two-byte-units?
  [{:keys [^Charset charset]}]
  (= "UTF-16BE" (.name charset)))

(defn take-char
  "[character end'] or :empty, :end, :half, :strange."
  [end]
  (let [{:keys [unread input end?] :as end} (drop-pending-newline end)]
    (cond
      unread [unread (assoc end :unread nil)]
      ;; CLISP finds fault with half a unit, even one behind what is asked for.
      (and (two-byte-units? end) (odd? (count input))) :strange
      :else
      (let [head (if (seq input) (decode end input) (if end? :end :empty))]
        (cond
          (and (= :half head) end?) :strange
          (keyword? head) head
          :else
          (let [[c n] head
                left (subvec input n)]
            (if (= \return c)
              [\newline (drop-pending-newline (assoc end :input left :skip? true :returned? true))]
              [c (assoc end :input left :skip? false :dropped? false)])))))))

(defn take-chars
  "[string end' why], why the reason for stopping: :full, :line (after a newline, which is left
  out), or what take-char says. `limit` nil is a line."
  [end limit]
  (loop [end end
         chars []]
    (if (= limit (count chars))
      [(apply str chars) end :full]
      (let [taken (take-char end)]
        (cond
          (keyword? taken) [(apply str chars) end taken]
          (and (nil? limit) (= \newline (first taken))) [(apply str chars) (second taken) :line]
          :else (recur (second taken) (conj chars (first taken))))))))

;; --- the output of an end -----------------------------------------------------------------------

(defn other
  [name]
  ({:a :b, :b :a} name))

(defn send-bytes
  [state name bytes]
  (if (empty? bytes)
    state
    (update-in state [(other name) :input] into bytes)))

(defn flush-output
  [state name]
  (-> state
      (send-bytes name (get-in state [name :output]))
      (assoc-in [name :output] [])))

(defn line-end-after
  "The :line-end of an end after these bytes; :trap when a newline is among them that CLISP loses,
  since it takes it for the one of a carriage return long before."
  [{:keys [charset line-end]} bytes]
  (let [return (bytes-of charset "\r")
        newline (bytes-of charset "\n")]
    (reduce (fn [line-end unit]
              (cond
                (= return unit) :return
                (= newline unit) (if (= :lone line-end) (reduced :trap) nil)
                (= :return line-end) :lone
                :else line-end))
            line-end
            (partition-all (count return) bytes))))

(defn write-bytes
  [state name bytes]
  (let [state (update state name #(assoc % :line-end (line-end-after % bytes)))]
    (if (get-in state [name :buffered?])
      (update-in state [name :output] into bytes)
      (send-bytes state name bytes))))

(defn may-write?
  "Whether the end can write these bytes."
  [state name bytes]
  (let [{:keys [out-shut? closed? rest] :as end} (state name)
        peer (state (other name))]
    (and (not out-shut?)
         (not closed?)
         (not (:closed? peer))
         (not (:in-shut? peer))
         (empty? rest)
         (not= :trap (line-end-after end bytes)))))

(defn encoded
  [{:keys [newline charset]} text]
  (vec (mapcat #(if (= \newline %) newline (bytes-of charset (str %))) text)))

(defn pick
  [n coll]
  (nth coll (mod n (count coll))))

(defn random-text
  "Up to five characters out of the end's alphabet, newlines and `more` among them."
  [{:keys [alphabet]} n more]
  (let [chars (vec (concat alphabet "\n" more))]
    (apply str (map #(pick (quot n (long (Math/pow 7 %))) chars)
                    (range (inc (mod n 5)))))))
