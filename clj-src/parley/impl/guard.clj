(ns parley.impl.guard
  "Recognizes from the first characters of a connection that its sender is no user of a REPL but a web
  browser, a TLS client or the like: a page in a browser can send any text to any local port, and a
  reader that skips what it cannot read would evaluate the form in the request's body. This is no
  authentication, only the end of an accident."
  {:no-doc true}
  (:require
   [clojure.string :as str]
   [parley.impl.input :as input])
  (:import
   (java.io InputStream)
   (java.net SocketTimeoutException)
   (java.time Duration)
   (parley.net SocketStream)
   (parley.net.tls TlsException)))

(set! *warn-on-reflection* true)

(def tls-hello
  "Describes a client that begins with the hello of TLS."
  (TlsException/plainServer ":tls"))

(def ^:private first-words
  "Beginnings of the first line of other protocols, and their names."
  (into {"SSH-" "an SSH banner"
         "\u0016\u0003" tls-hello}
    (map (fn [method] [(str method " ") "an HTTP request"]))
    ["GET" "HEAD" "POST" "PUT" "DELETE" "CONNECT" "OPTIONS" "TRACE" "PATCH" "PRI"
     "PROPFIND" "PROPPATCH" "MKCOL" "COPY" "MOVE" "LOCK" "UNLOCK" "SEARCH" "REPORT"]))

(def ^:private upper-case-method
  "The beginning of a request line whose method is none of those."
  #"[A-Z][A-Z-]* [/*].*")

(def ^:private perhaps-request
  "A text that may become a request line, also with a method in lower case."
  #"[\w!#$%&'*+.^`|~-]{1,32}(?: (?:[/*]|h(?:t(?:t(?:p.*)?)?)?)?.*)?")

(def ^:private request
  "The first line of a request."
  #"\S+ \S+ HTTP/\d.*")

(def ^:private longest
  "Number of characters of a possible request line that are held back."
  1024)

(defn- match
  "Classifies a line that begins with `text`: the name of a protocol, :held when more is needed, or :clean."
  [^String text]
  (or (some (fn [[word what]] (when (str/starts-with? text word) what)) first-words)
      (when (re-matches upper-case-method text) "an HTTP request")
      (when (some (fn [[^String word]] (.startsWith word text)) first-words) :held)
      (when (re-matches perhaps-request text)
        (if (< (count text) (long longest)) :held "a line that may be an HTTP request, without an end"))
      :clean))

(defn watcher
  "Returns a function of one character (an int) after the other, which returns :held while more is needed,
  the name of the sender's protocol, :clean, or :sure when no later character matters. It looks at the first line
  that is not blank, as a server of HTTP does, and only until that line cannot be a request's: later input is
  code."
  []
  (let [line (StringBuilder.)
        sure (volatile! false)]
    (letfn [(end-of-line []
              (let [text (str line)]
                (.setLength line 0)
                (cond
                  (str/blank? text) :clean
                  (re-matches request text) "an HTTP request"
                  :else :sure)))
            (next-character [c]
              (let [found (match (str (.append line (char c))))]
                (if (and (= :clean found) (not (str/blank? (str line))))
                  :sure
                  found)))]
      (fn [c]
        (if @sure
          :sure
          (let [found (if (= 10 c) (end-of-line) (next-character c))]
            (vreset! sure (= :sure found))
            found))))))

(defn source
  "Returns functions over the units (characters or bytes) of a client's input. A unit that the watcher is
  not sure of is held back.

    :next      a function of `wait?` that returns a unit, -1 at the end, nil when none has come
    :watch     a watcher, or nil. When it is sure, units are read many at a time
    :hostile   called with what the sender is; the input is at its end then
    :taken     called before units are given out
    :max-line  how many units a line may have; :too-long is called with the number when it has more

  The result has :look, which takes what has come and returns false when the input is at its end; :fill, a
  function of a limit, of `give` and of `read`, which waits for the first unit, puts units in their place, at
  most up to the end of a line, and returns their number, -1 at the end; :ready?, the number of units that
  are sure, nil at the end. `give` is called with a StringBuilder and a number of units; `read` reads units
  that need no watcher and returns their number, -1 at the end, and whether they end a line."
  [{:keys [next watch max-line hostile too-long taken] :or {taken (fn [])}}]
  (let [passed (StringBuilder.) ; sure and not given out yet
        held (StringBuilder.) ; not sure yet
        length (volatile! 0)
        over (volatile! false)
        sure (volatile! (nil? watch))
        finish (fn []
                 (.setLength held 0)
                 (vreset! over true))
        pass (fn []
               (.append passed held)
               (.setLength held 0))
        count-units (fn [n ends-line?] ; false when the line has too many
                      (let [n (long (vreset! length (if ends-line? 0 (+ (long @length) (long n)))))]
                        (if (and max-line (< (long max-line) n))
                          (do (finish) (too-long n) false)
                          true)))
        take-unit (fn [c]
                    (let [found (if @sure :sure (watch c))]
                      (.append held (char c))
                      (cond
                        (string? found) (do (finish) (hostile found))
                        (not (count-units 1 (= 10 c))) nil
                        (= :held found) nil
                        :else (do (pass)
                                  (vreset! sure (= :sure found))))))
        more (fn [wait?]
               (let [c (next wait?)]
                 (cond
                   (nil? c) false
                   (neg? (long c)) (do (pass) (finish) false)
                   :else (do (take-unit c) (not @over)))))
        empty? #(zero? (.length passed))
        line-complete? #(and (not (empty?)) (= \newline (.charAt passed (dec (.length passed)))))
        read-sure (fn [read]
                    (let [[n ends-line?] (read)]
                      (cond
                        (neg? (long n)) (do (finish) -1)
                        (count-units n ends-line?) (do (taken) n)
                        :else -1)))
        give-passed (fn [limit give]
                      (while (and (empty?) (not @over))
                        (more true))
                      (while (and (< (.length passed) (long limit)) (not (line-complete?)) (not @over) (more false)))
                      (let [n (min (.length passed) (long limit))]
                        (if (zero? n)
                          -1
                          (do (taken)
                              (give passed n)
                              (.delete passed 0 (int n))
                              n))))]
    {:look (fn [] ; a client that has begun to send is waited for until its kind is sure
             (while (and (empty?) (more (pos? (.length held)))))
             (not @over))
     :fill (fn [limit give read]
             (if (and @sure (empty?) (not @over))
               (read-sure read)
               (give-passed limit give)))
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
        (fill length
          (fn [^StringBuilder units n]
            (dotimes [i n]
              (aset into (+ (int offset) i) (unchecked-byte (int (.charAt units i))))))
          (fn []
            [(.read in into (int offset) (int length)) false])))
      {:available #(if-let [n (ready?)] (+ (long n) (.available in)) 0)
       :close #(.close in)})))

(def ^:private skipped-at-most 1048576)

(defn skip-input
  "Takes what still comes from a client until its end, or until it has been silent for a moment; for two
  seconds and 1 MiB at most."
  [^SocketStream s]
  (let [in (.inputStream s)
        chunk (byte-array 8192)]
    (.readTimeout s (Duration/ofMillis 300))
    (.readDeadline s (Duration/ofSeconds 2))
    (try
      (loop [left (long skipped-at-most)]
        (let [n (.read in chunk)]
          (when (and (pos? n) (< n left))
            (recur (- left n)))))
      (catch SocketTimeoutException _
        nil)))) ; it is silent, or was waited for long enough

(defn drain
  "Reads the input of a refused client, at most 64 KiB and without waiting, so that closing sends it nothing
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
