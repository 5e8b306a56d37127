(ns parley.impl.guard
  "Tells from the first characters of a connection that its sender is no user of a REPL but a web
  browser, a TLS client or the like: a page in a browser can send any text to any local port, and a
  reader that skips what it cannot read would evaluate the form in the request's body. This is no
  authentication, only the end of an accident."
  {:no-doc true}
  (:require
   [clojure.string :as str]
   [parley.impl.input :as input])
  (:import
   (java.io InputStream)
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(def ^:private first-words
  "What the first line of a stranger begins with, and what that tells."
  (into {"SSH-" "an SSH banner"
         "\u0016\u0003" "the hello of TLS"}
    (map (fn [method] [(str method " ") "an HTTP request"]))
    ["GET" "HEAD" "POST" "PUT" "DELETE" "CONNECT" "OPTIONS" "TRACE" "PATCH" "PRI"
     "PROPFIND" "PROPPATCH" "MKCOL" "COPY" "MOVE" "LOCK" "UNLOCK" "SEARCH" "REPORT"]))

(def ^:private any-method
  "What the first line of a request begins with whose method is none of those."
  #"[A-Z][A-Z-]* [/*].*")

(def ^:private perhaps-method
  "What such a line may begin with so far."
  #"[A-Z][A-Z-]* ?")

(def ^:private headers
  "What a line of a request's head begins with, in lower case."
  {"host:" "the head of an HTTP request"
   "origin:" "the head of an HTTP request"})

(def ^:private watched
  "How many characters are looked at; the head of a request is within them."
  8192)

(def ^:private longest 16)

(defn- match
  "What a line that begins with `text` is: a string that tells, :held when more is needed, :clean."
  [words ^String text]
  (or (some (fn [[word what]] (when (str/starts-with? text word) what)) words)
      (when (some (fn [[^String word]] (.startsWith word text)) words) :held)))

(defn- match-first [text]
  (let [found (match first-words text)]
    (cond
      (string? found) found
      (re-matches any-method text) "an HTTP request"
      (re-matches perhaps-method text) :held
      :else found)))

(defn- verdict [first-line? ^String text]
  (let [as-header (match headers (str/lower-case text))
        as-first (when first-line? (match-first text))]
    (or (when (string? as-first) as-first)
        (when (string? as-header) as-header)
        as-first
        as-header
        :clean)))

(defn watcher
  "A function of one character (an int) after the other: :clean, :held while it cannot be told yet, or
  a string that says what the sender is. It looks at the beginnings of lines until the first blank line
  that follows another, then at nothing."
  []
  (let [line (StringBuilder.)
        state (volatile! {:first? true
                          :seen 0})]
    (fn [c]
      (let [{:keys [first? seen off?]} @state]
        (cond
          off? :clean
          (< watched (long seen)) (do (vswap! state assoc :off? true) :clean)
          (= 10 c) (let [blank? (contains? #{"" "\r"} (str line))]
                     (.setLength line 0)
                     (vswap! state assoc
                       :seen (inc (long seen))
                       :first? (and first? blank?)
                       :off? (and blank? (not first?)))
                     :clean)
          :else (do (vswap! state assoc :seen (inc (long seen)))
                    (if (< (.length line) (long longest))
                      (verdict first? (str (.append line (char c))))
                      :clean)))))))

(defn source
  "Returns functions over the units (characters or bytes) of a client's input. A unit that the watcher is
  not sure of is held back.

    :next      a function of `wait?` that returns a unit, -1 at the end, nil when none has come
    :watch     a watcher, or nil
    :hostile   called with what the sender is; the input is at its end then
    :max-line  how many units a line may have; :too-long is called with the number when it has more

  The result has :look, which takes what has come and returns false when the input is at its end; :fill, a
  function of a limit and of `give`, which waits for the first unit, calls `give` with a StringBuilder and
  a number of units, at most up to the end of a line, and returns the number, -1 at the end; :ready?, the
  number of units that are sure, nil at the end."
  [{:keys [next watch max-line hostile too-long]}]
  (let [passed (StringBuilder.) ; sure and not given out yet
        held (StringBuilder.) ; not sure yet
        length (volatile! 0)
        over (volatile! false)
        finish (fn []
                 (.setLength held 0)
                 (vreset! over true))
        pass (fn []
               (.append passed held)
               (.setLength held 0))
        take-unit (fn [c]
                    (let [found (if watch (watch c) :clean)
                          n (long (vreset! length (if (= 10 c) 0 (inc (long @length)))))]
                      (.append held (char c))
                      (cond
                        (string? found) (do (finish) (hostile found))
                        (and max-line (< (long max-line) n)) (do (finish) (too-long n))
                        (= :clean found) (pass))))
        more (fn [wait?]
               (let [c (next wait?)]
                 (cond
                   (nil? c) false
                   (neg? (long c)) (do (pass) (finish) false)
                   :else (do (take-unit c) (not @over)))))
        empty? #(zero? (.length passed))
        line-complete? #(and (not (empty?)) (= \newline (.charAt passed (dec (.length passed)))))]
    {:look (fn [] ; a client that has begun to send is waited for until its kind is sure
             (while (and (empty?) (more (pos? (.length held)))))
             (not @over))
     :fill (fn [limit give]
             (while (and (empty?) (not @over))
               (more true))
             (while (and (< (.length passed) (long limit)) (not (line-complete?)) (not @over) (more false)))
             (let [n (min (.length passed) (long limit))]
               (if (zero? n)
                 -1
                 (do (give passed n)
                     (.delete passed 0 (int n))
                     n))))
     :ready? (fn [] (when-not (and (empty?) @over) (.length passed)))}))

(defn input-stream
  "Returns the input `in` as long as its watcher finds nothing; then `hostile` is called with what the
  sender is, and the input is at its end."
  ^InputStream [^InputStream in hostile]
  (let [{:keys [fill ready?]} (source {:next (fn [wait?]
                                               (when (or wait? (pos? (.available in)))
                                                 (.read in)))
                                       :watch (watcher)
                                       :hostile hostile})]
    (input/input-stream
      (fn [^bytes into offset length]
        (fill length (fn [^StringBuilder units n]
                       (dotimes [i n]
                         (aset into (+ (int offset) i) (unchecked-byte (int (.charAt units i))))))))
      {:available #(if-let [n (ready?)] (+ (long n) (.available in)) 0)
       :close #(.close in)})))

(defn drain
  "Takes what a stranger has sent, at most 64 KiB and without waiting, so that closing tells it nothing
  but the end, and closes the stream without sending anything."
  [^SocketStream s]
  (try
    (let [in (.inputStream s)
          chunk (byte-array 8192)]
      (loop [left 65536]
        (when (and (pos? left) (pos? (.available in)))
          (let [n (.read in chunk)]
            (when (pos? n)
              (recur (- left n)))))))
    (catch java.io.IOException _
      nil) ; it is gone already, or was reset: nothing is left to take
    (finally
      (.abort s))))
