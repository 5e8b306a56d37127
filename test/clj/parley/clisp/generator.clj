(ns parley.clisp.generator
  "Makes scripts at random that CLISP and Parley must answer alike. A small model of the two ends of
  one connection goes along and allows only steps whose outcome is certain: none that would wait for
  ever, none that meets an accident of CLISP's (a crash, a hang, a lost newline; doc/clisp.md has
  them). Steps that differ on purpose are tagged with the reason.

  The model of an end is a map:
  :type         :character or :unsigned-byte-8
  :buffered?    as it was opened
  :charset      a java.nio.charset.Charset, of both ends
  :newline      the bytes it writes for a newline
  :input        bytes that have arrived and were not read
  :unread       the character that was unread
  :last         the character last read, when it can be unread
  :peeked?      the next character was peeked at
  :skip?        the newline of a carriage return may come
  :returned?    CLISP is still waiting for that newline, whatever came in between
  :dropped?     that newline was the last that was there; CLISP still has it
  :end?         nothing will arrive after :input
  :output       bytes written and not sent
  :rest         bytes of a character begun that must be written next
  :line-end     what was written last of newlines: nil; :return, a carriage return just now;
                :lone, one that something else than a newline followed
  :column       0, :somewhere, or nil for not known
  :in-shut? :out-shut? :closed?"
  (:require
   [clojure.test.check.generators :as gen]
   [parley.clisp.ends :refer [alphabets bytes-of drop-pending-newline encoded flush-output may-write? other pick random-text take-char take-chars two-byte-units? write-bytes]])
  (:import
   (java.nio.charset Charset)))

(set! *warn-on-reflection* true)

;; --- steps --------------------------------------------------------------------------------------

;; A move takes the state, the name of an end and a random number; it answers nil when it is not
;; allowed, else [tagged-step state'].

(defn- move
  ([state step] [{:step step} state])
  ([state step why] [(if why {:step step :why why} {:step step}) state]))

(defn- characters?
  [end]
  (and (= :character (:type end)) (not (:closed? end))))

(defn- octets?
  [end]
  (and (= :unsigned-byte-8 (:type end)) (not (:closed? end))))

(defn- head
  [end]
  (let [taken (take-char end)]
    (if (keyword? taken) taken :char)))

(defn- observable
  "The reason why a look at the end's input differs, :same when it does not, nil when it is best not
  taken."
  [end]
  (cond
    (:closed? end) nil
    ;; A look makes CLISP's unbuffered streams take what they see off the kernel's hands.
    (and (not (:buffered? end)) (or (:in-shut? end)
                                    (and (characters? end) (not= :empty (head end)))))
    nil
    (octets? end) :same
    :else (case (head end)
            :strange nil
            :half :half-character
            :same)))

(defn- reason
  [observable]
  (when (not= :same observable) observable))

(defn- status-move
  [state name n]
  (let [end (state name)
        direction (pick n [nil :io :input :output])
        seen (observable end)
        step (if direction [:status name direction] [:status name])]
    (when (and seen
               ;; CLISP contradicts itself here only while the peer is open.
               (not (and (:out-shut? end)
                         (not= :input direction)
                         (or (= :half-character seen) (:end? end)))))
      (move (update state name #(if (characters? %) (drop-pending-newline %) %))
            step
            (cond
              (and (:out-shut? end) (:buffered? end) (not= :input direction)) :own-output-shutdown
              (= :output direction) nil
              :else (reason seen))))))

(defn- statuses-move
  [state _ n]
  (let [looks (map observable (vals (select-keys state [:a :b])))]
    (when (and (every? #{:same} looks)
               (not-any? :out-shut? (vals (select-keys state [:a :b]))))
      (move (reduce (fn [state name]
                      (update state name #(if (characters? %) (drop-pending-newline %) %)))
                    state
                    [:a :b])
            [:statuses (pick n [[:a :b] [:b :s [:a :input]] [[:a :output] [:b :input]]])]))))

(defn- listen-move
  [state name n]
  (let [end (state name)
        seen (observable end)]
    (when (and seen (characters? end) (not (:in-shut? end)))
      (move (update state name drop-pending-newline)
            [(pick n [:listen :will-hang]) name]
            (reason seen)))))

(defn- read-char-move
  [state name n]
  (let [end (state name)
        operation (pick n [:read-char :peek-char :read-char :read-char-no-hang])
        taken (when (characters? end) (take-char end))
        no-hang? (= :read-char-no-hang operation)
        step [operation name :end]
        settled (drop-pending-newline end)
        to (fn [end] (move (assoc state name end) step))]
    (cond
      (or (nil? taken) (#{:half :strange} taken) (and no-hang? (:in-shut? end))) nil
      (= :empty taken) (when no-hang? (to (assoc settled :last nil)))
      (= :end taken) (to (assoc end :last nil))
      ;; What unreading after a peek does is unspecified (CLHS, UNREAD-CHAR).
      (= :peek-char operation) (when (:buffered? end) (to (assoc settled :peeked? true :last nil)))
      :else (to (assoc (second taken) :last (first taken) :peeked? false)))))

(defn- unread-move
  [state name _]
  (let [{:keys [last unread] :as end} (state name)]
    (when (and (characters? end) (:buffered? end) last (not unread))
      (move (update state name assoc :unread last :last nil)
            [:unread-char name (str last)]))))

(defn- read-line-move
  [state name _]
  (let [end (state name)]
    (when (characters? end)
      (let [[_ end' why] (take-chars end nil)]
        (when (#{:line :end} why)
          (move (assoc state name (assoc end' :last nil :peeked? false))
                [:read-line name :end]))))))

(defn- read-chars-move
  [state name n]
  (let [end (state name)
        size (inc (mod n 4))]
    (when (characters? end)
      (let [[_ end' why] (take-chars end size)]
        (when (#{:full :end} why)
          (move (assoc state name (assoc end' :last nil :peeked? false))
                [:read-chars name size]))))))

(defn- read-byte-move
  [state name n]
  (let [{:keys [input end? in-shut?] :as end} (state name)
        operation (pick n [:read-byte :read-byte-no-hang])]
    (when (and (octets? end)
               (not in-shut?)
               (or (seq input) end? (= :read-byte-no-hang operation)))
      (move (update-in state [name :input] #(if (seq %) (subvec % 1) %))
            [operation name :end]))))

(defn- look-for-byte-move
  [state name n]
  (let [end (state name)]
    (when (and (octets? end) (not (:in-shut? end)))
      (move state [(pick n [:lookahead :byte-will-hang]) name]))))

(defn- read-bytes-move
  [state name n]
  (let [{:keys [input end? in-shut?] :as end} (state name)
        size (+ 1 (mod n 5))
        mode (pick (quot n 5) [[] [:no-hang true] [:interactive true]])
        ;; How much more than one byte such a read finds is left to CLISP's buffer.
        size (if (seq mode) 1 size)
        enough (if (= :no-hang (first mode)) 0 size)]
    (when (and (octets? end) (not in-shut?) (or end? (>= (count input) enough)))
      (move (update-in state [name :input] #(subvec % (min size (count %))))
            (into [:read-bytes name size] mode)))))

(defn- column-after
  [column text]
  (cond
    (empty? text) column
    (= \newline (last text)) 0
    :else :somewhere))

(defn- write-text
  [state name text step]
  (when (and (characters? (state name))
             (may-write? state name (encoded (state name) text)))
    (move (-> state
              (write-bytes name (encoded (state name) text))
              (update-in [name :column] column-after text))
          step)))

(defn- write-text-move
  [state name n]
  (let [end (state name)
        text (random-text end (quot n 4) "")]
    (case (int (mod n 4))
      0 (write-text state name (subs text 0 1) [:write-char name (subs text 0 1)])
      1 (write-text state name text [:write-string name text])
      2 (write-text state name (str text "\n") [:write-line name text])
      3 (write-text state name "\n" [:terpri name]))))

(defn- fresh-line-move
  [state name _]
  (case (:column (state name))
    0 (when (and (characters? (state name)) (not (:out-shut? (state name))))
        (move state [:fresh-line name]))
    :somewhere (write-text state name "\n" [:fresh-line name])
    nil))

(defn- half-character-move
  "Writes all but the last byte of one character, and nothing else before that byte comes."
  [state name n]
  (let [{:keys [charset alphabet] :as end} (state name)
        bytes (bytes-of charset (str (pick n alphabet)))]
    (when (and (octets? end)
               (< 1 (count bytes))
               (:buffered? (state (other name)))
               (not (two-byte-units? end))
               (may-write? state name bytes))
      (move (-> state (write-bytes name (pop bytes)) (assoc-in [name :rest] [(peek bytes)]))
            [:write-bytes name (pop bytes)]))))

(defn- write-bytes-move
  "Writes text as bytes, carriage returns and newlines as they come; or the rest of a character,
  which more often than not waits until its first half has gone."
  [state name n]
  (let [{:keys [charset rest output] :as end} (state name)
        bytes (bytes-of charset (random-text end (quot n 6) "\r\r"))]
    (cond
      (not (octets? end)) nil
      (seq rest) (when (and (may-write? (assoc-in state [name :rest] []) name rest)
                            (zero? (mod n (if (seq output) 9 3))))
                   (move (-> state (write-bytes name rest) (assoc-in [name :rest] []))
                         [:write-bytes name rest]))
      (not (may-write? state name bytes)) nil
      (= 1 (count bytes)) (move (write-bytes state name bytes) [:write-byte name (first bytes)])
      :else (move (write-bytes state name bytes) [:write-bytes name bytes]))))

(defn- flush-move
  [state name n]
  (let [end (state name)]
    (when-not (or (:closed? end) (:out-shut? end) (:closed? (state (other name))))
      (move (flush-output state name) [(pick n [:force :force :finish]) name]))))

(defn- to-bytes
  "The end switched to bytes, nil when that is better left: CLISP loses characters that were peeked
  at or unread, and the newline of a carriage return is certain to be skipped only when it is there
  with something behind it."
  [{:keys [unread peeked?] :as end}]
  (let [left (drop-pending-newline end)]
    (when (and (not unread)
               (not peeked?)
               (not (:returned? left))
               (or (not (:dropped? left))
                   (seq (:input left))))
      (assoc left :type :unsigned-byte-8 :last nil :dropped? false :column nil))))

(defn- switch-move
  [state name _]
  (let [end (state name)]
    (cond
      (or (:closed? end) (:in-shut? end) (:out-shut? end) (seq (:rest end))
          (not (:buffered? end)) (two-byte-units? end))
      nil
      (characters? end) (when-let [end' (to-bytes end)]
                          (move (assoc state name end')
                                [:set-element-type name :unsigned-byte-8]))
      :else (move (assoc-in state [name :type] :character)
                  [:set-element-type name :character]))))

(defn- ask-move
  [state name n]
  (let [end (state name)]
    (when-not (:closed? end)
      (move state [(pick n [:element-type :open? :input? :output? :host :port :open?]) name]))))

(defn- can-leave?
  "Whether the end can close or shut down its input without the kernel telling its peer of lost
  bytes."
  [state name]
  (let [{:keys [input unread skip? closed?]} (state name)
        peer (state (other name))]
    (and (not closed?) (empty? input) (not unread) (not skip?)
         (empty? (:output peer)) (empty? (:rest peer)))))

(defn- end-output
  [state name]
  (-> (flush-output state name)
      (assoc-in [(other name) :end?] true)
      (assoc-in [name :out-shut?] true)))

(defn- can-end-output?
  [state name]
  (let [{:keys [rest closed?]} (state name)]
    (and (empty? rest) (not closed?) (not (:closed? (state (other name)))))))

(defn- shutdown-move
  [state name n]
  (if (zero? (mod n 2))
    (when (can-end-output? state name)
      (move (end-output state name) [:shutdown name :output]))
    (when (and (can-leave? state name)
               ;; A connection over in both directions has none left to shut down.
               (not (and (:end? (state name)) (:out-shut? (state name)))))
      (move (update state name assoc :in-shut? true :end? true :last nil)
            [:shutdown name :input]))))

(defn- close-move
  [state name n]
  (when (and (zero? (mod n 3))
             (can-leave? state name)
             (or (:closed? (state (other name))) (can-end-output? state name)))
    (move (-> (end-output state name)
              (assoc-in [name :closed?] true))
          [:close name])))

(def ^:private moves
  "Every kind of move, as often as it should be tried."
  [status-move status-move status-move statuses-move listen-move
   read-char-move read-char-move read-char-move read-char-move unread-move unread-move
   read-line-move read-line-move read-chars-move
   read-byte-move read-byte-move look-for-byte-move read-bytes-move read-bytes-move
   write-text-move write-text-move write-text-move write-text-move fresh-line-move
   write-bytes-move write-bytes-move write-bytes-move write-bytes-move
   half-character-move half-character-move half-character-move
   flush-move flush-move flush-move flush-move
   switch-move switch-move switch-move ask-move shutdown-move close-move])

;; --- scripts ------------------------------------------------------------------------------------

(defn- new-end
  [charset {:keys [element-type external-format buffered]}]
  (let [charset-object (Charset/forName charset)]
    {:type element-type
     :buffered? buffered
     :charset charset-object
     :alphabet (alphabets charset)
     :newline (bytes-of charset-object
                        ({:unix "\n", :dos "\r\n", :mac "\r"} (:line-terminator external-format)))
     :input []
     :output []
     :rest []
     :column 0}))

(defn- make-move
  "The first move allowed, tried in a circle from the one that the numbers name; then at the other
  end."
  [state [which end-number n]]
  (let [name (pick end-number [:a :b])]
    (or (some #((pick (+ which %) moves) state name n) (range (count moves)))
        (some #((pick (+ which %) moves) state (other name) n) (range (count moves))))))

(defn script
  "The script that comes of opening both ends with these options and trying these moves."
  [charset options-of-a options-of-b choices]
  (loop [state {:a (new-end charset options-of-a)
                :b (new-end charset options-of-b)}
         choices choices
         steps []]
    (let [[tagged state'] (when (seq choices) (make-move state (first choices)))]
      (if tagged
        (recur state' (rest choices) (conj steps tagged))
        {:name (str "generated, " charset)
         :open [options-of-a options-of-b]
         :steps steps}))))

(defn- gen-options
  [charset]
  (gen/let [type (gen/elements [:character :character :unsigned-byte-8])
            terminator (gen/elements [:unix :unix :dos :dos :mac])
            buffered (gen/elements [true true nil])]
    (if (= "UTF-16BE" charset)
      ;; Bytes, and newlines of two characters, of this one are beyond CLISP.
      {:element-type :character
       :external-format {:charset charset :line-terminator :unix}
       :buffered true}
      {:element-type type
       :external-format {:charset charset :line-terminator terminator}
       ;; CLISP's unbuffered streams lose their way in characters of several bytes.
       :buffered (if (= "ISO-8859-1" charset) buffered true)})))

(def reasons
  "The reasons that generated scripts give for answers that differ on purpose."
  #{:own-output-shutdown :half-character})

(def scripts
  "Generates scripts of up to 80 steps."
  (gen/let [charset (gen/elements ["UTF-8" "UTF-8" "ISO-8859-1" "UTF-16BE" "EUC-JP"])
            options-of-a (gen-options charset)
            options-of-b (gen-options charset)
            choices (gen/vector (gen/tuple (gen/choose 0 999) (gen/choose 0 1) (gen/choose 0 99999))
                                0
                                80)]
    (script charset options-of-a options-of-b choices)))
