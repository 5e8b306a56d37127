(ns parley.impl.text
  "A client's characters as an evaluator wants them: a Reader that gives lines as they come, ends quietly
  when the client does, and a Writer; both turn an interrupt into one exception, after which the
  connection is as good as before."
  {:no-doc true}
  (:import
   (clojure.lang LineNumberingPushbackReader)
   (java.io IOException InterruptedIOException Reader Writer)
   (java.net SocketTimeoutException)
   (parley.net SocketStream StreamInput)))

(set! *warn-on-reflection* true)

(defn print-limits
  "The bindings that end the printing of what has no end, where the process has none of its own. High,
  since they hold for pr-str, too, by which people save data."
  []
  {#'*print-length* (or *print-length* 100000)
   #'*print-level* (or *print-level* 256)})

(def ^:private end -1)

(defn- interrupted
  "The interrupt is over: it ended what was under way, and must not end what follows."
  ^InterruptedIOException []
  (Thread/interrupted)
  (InterruptedIOException. "interrupted"))

(defn- next-char
  "The next character; -1 at the end, also when the connection has failed or idled too long: there is
  nothing more to evaluate."
  ^long [^StreamInput in ended]
  (when (Thread/interrupted)
    (throw (interrupted)))
  (try
    (long (.readChar in))
    (catch SocketTimeoutException e
      (ended e)
      end)
    (catch InterruptedIOException _
      (throw (interrupted)))
    (catch IOException e
      (ended e)
      end)
    (catch IllegalStateException e ; closed by the server
      (ended e)
      end)))

(defn- next-char-no-hang ^long [^StreamInput in]
  (try
    (long (.readCharNoHang in))
    (catch IOException _ ; the next blocking read tells
      (long StreamInput/NOTHING))
    (catch IllegalStateException _
      (long StreamInput/NOTHING))))

(defn- source
  "A function that fills a char array from the stream, up to the end of a line, and tells how many
  characters that was, -1 at the end; what a watcher holds back is not given out before it is sure."
  [^SocketStream s {:keys [watch max-line hostile too-long ended]}]
  (let [in (.in s)
        passed (StringBuilder.) ; sure and not given out yet
        held (StringBuilder.) ; not sure yet
        state (volatile! {:length 0
                          :over? false})
        finish (fn [] (vswap! state assoc :over? true))
        pass (fn []
               (.append passed held)
               (.setLength held 0))
        take-char (fn [^long c]
                    (let [found (if watch (watch c) :clean)
                          length (if (= 10 c) 0 (inc (long (:length @state))))]
                      (vswap! state assoc :length length)
                      (.append held (char c))
                      (cond
                        (string? found) (do (.setLength held 0) (finish) (hostile found))
                        (< (long max-line) length) (do (.setLength held 0) (finish) (too-long length))
                        (= :clean found) (pass))))
        more (fn [wait?]
               (let [c (if wait? (next-char in ended) (next-char-no-hang in))]
                 (cond
                   (= c StreamInput/NOTHING) false
                   (neg? c) (do (pass) (finish) false)
                   :else (do (take-char c) (not (:over? @state))))))
        line-complete? (fn [] (and (pos? (.length passed))
                                   (= \newline (.charAt passed (dec (.length passed))))))]
    {:look (fn [] ; takes what is there; who has begun to send is waited for until the sender can be told
             (while (and (zero? (.length passed)) (more (pos? (.length held)))))
             (not (:over? @state)))
     :fill (fn [^chars into offset length]
             (while (and (zero? (.length passed)) (not (:over? @state)))
               (more true))
             (while (and (< (.length passed) (long length)) (not (line-complete?))
                      (not (:over? @state)) (more false)))
             (let [n (min (.length passed) (long length))]
               (if (zero? n)
                 end
                 (do (.getChars passed 0 (int n) into (int offset))
                     (.delete passed 0 (int n))
                     n))))
     :ready? (fn [] (or (pos? (.length passed)) (:over? @state)
                        (try (.listen in) (catch IOException _ true) (catch IllegalStateException _ true))))}))

(defn- reader-over ^Reader [^SocketStream s {:keys [fill ready?]}]
  (proxy [Reader] []
    (read
      ([] (let [one (char-array 1)]
            (int (if (neg? (long (fill one 0 1))) end (aget one 0)))))
      ([into] (let [^chars into into]
                (int (fill into 0 (alength into)))))
      ([into offset length]
       (if (zero? (int length))
         (int 0)
         (int (fill into offset length)))))
    (ready [] (boolean (ready?)))
    (close [] (.close s))))

(defn reader
  "[reader look]: a LineNumberingPushbackReader over a stream, and a function that looks at what has come,
  if anything has, and is false when that was enough to end the client.
    :watch     a watcher of parley.impl.guard, or nil
    :hostile   called with what the watcher has found: the input is at its end then
    :max-line  how many characters a line may have; :too-long is called with the number when it has more
    :ended     called with the exception that ended the input, if one did"
  [s options]
  (let [{:keys [look]
         :as source} (source s options)]
    [(LineNumberingPushbackReader. (reader-over s source)) look]))

(defn- write-or-interrupted
  "Also a write that need not wait is interrupted: code that prints for ever would never be otherwise."
  [write]
  (when (Thread/interrupted)
    (throw (interrupted)))
  (try
    (write)
    (catch SocketTimeoutException e
      (throw e))
    (catch InterruptedIOException _
      (throw (interrupted)))))

(defn writer
  "A Writer over a stream."
  ^Writer [^SocketStream s]
  (let [out (.writer s)]
    (proxy [Writer] []
      (write
        ([x]
         (write-or-interrupted
           #(cond
              (string? x) (.write out ^String x)
              (instance? char/1 x) (.write out ^chars x)
              :else (.write out (int x)))))
        ([x offset length]
         (write-or-interrupted
           #(if (string? x)
              (.write out ^String x (int offset) (int length))
              (.write out ^chars x (int offset) (int length))))))
      (flush [] (write-or-interrupted #(.flush out)))
      (close [] (.close out)))))
