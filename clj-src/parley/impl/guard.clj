(ns parley.impl.guard
  "Tells from the first characters of a connection that its sender is no user of a REPL but a web
  browser, a TLS client or the like: a page in a browser can send any text to any local port, and a
  reader that skips what it cannot read would evaluate the form in the request's body. This is no
  authentication, only the end of an accident."
  {:no-doc true}
  (:require
   [clojure.string :as str])
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

(defn- guarded
  "A function of no arguments that gives byte after byte of `in`, -1 at the end, and one that tells how
  many it can give without waiting. What the watcher is not sure of is held back."
  [^InputStream in hostile]
  (let [watch (watcher)
        held (java.util.ArrayDeque.)
        sure (volatile! 0) ; how many of those may be given out
        over (volatile! false)
        finish (fn []
                 (vreset! over true)
                 (vreset! sure (.size held)))
        pull (fn []
               (let [b (.read in)
                     found (if (neg? b) :end (watch b))]
                 (if (string? found)
                   (do (.clear held) (finish) (hostile found))
                   (case found
                     :end (finish)
                     :held (.add held b)
                     :clean (do (.add held b) (vreset! sure (.size held)))))))]
    [(fn []
       (while (and (zero? (long @sure)) (not @over))
         (pull))
       (if (zero? (long @sure))
         -1
         (do (vswap! sure dec) (.poll held))))
     (fn []
       (if @over @sure (+ (long @sure) (.available in))))]))

(defn- read-into [next-byte available ^bytes into offset length]
  (let [offset (int offset)]
    (loop [n 0]
      (let [b (if (and (< n (int length)) (or (zero? n) (pos? (long (available)))))
                (int (next-byte))
                -2)]
        (if (neg? b)
          (int (if (and (zero? n) (= -1 b)) -1 n))
          (do (aset into (+ offset n) (unchecked-byte b))
              (recur (inc n))))))))

(defn input-stream
  "The input `in` as long as its watcher finds nothing; then `hostile` is called with what the sender is,
  and the input is at its end."
  ^InputStream [^InputStream in hostile]
  (let [[next-byte available] (guarded in hostile)]
    (proxy [InputStream] []
      (read
        ([] (int (next-byte)))
        ([into] (read-into next-byte available into 0 (alength ^bytes into)))
        ([into offset length] (read-into next-byte available into offset length)))
      (available [] (int (available)))
      (close [] (.close in)))))

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
