(ns parley.impl.text
  "A client's characters as an evaluator wants them: a Reader of lines as they arrive, ends quietly
  when the client does, and a Writer; both turn an interrupt into one exception, after which the
  connection is as good as before."
  {:no-doc true}
  (:require
   [parley.impl.guard :as guard]
   [parley.impl.turn :as turn])
  (:import
   (clojure.lang LineNumberingPushbackReader)
   (java.io IOException InterruptedIOException Reader UncheckedIOException Writer)
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

(defn- until-end
  "Calls `read`; returns -1 at the end, also when the connection has failed or idled too long: there is
  nothing more to evaluate."
  [{:keys [ended turn]} read]
  (try
    (turn/waiting turn read)
    (catch SocketTimeoutException e
      (ended e)
      end)
    (catch InterruptedIOException e
      (throw e))
    (catch IOException e
      (ended e)
      end)
    (catch IllegalStateException e ; closed by the server
      (ended e)
      end)))

(defn- next-char-no-hang
  "The next character if it has come, else nil; the next blocking read throws what went wrong."
  [^StreamInput in]
  (try
    (let [c (.readCharNoHang in)]
      (when-not (= c StreamInput/NOTHING)
        c))
    (catch IOException _
      nil)
    (catch IllegalStateException _
      nil)))

(defn- ready? [^StreamInput in]
  (try
    (.listen in)
    (catch IOException _ true) ; the next read ends
    (catch IllegalStateException _ true)))

(defn- reader-over ^Reader [^SocketStream s options {:keys [fill]
                                                     sure :ready?}]
  (let [in (.in s)
        read-some (fn [^chars into ^long offset ^long length]
                    (let [end (long (until-end options #(.readCharsOfLine in into (int offset) (int (+ offset length)))))]
                      (if (< offset end)
                        [(- end offset) (= \newline (aget into (dec end)))]
                        [-1 false])))
        fill-part (fn [^chars into offset length]
                    (int (if (zero? (int length))
                           0
                           (fill length
                             (fn [^StringBuilder units n]
                               (.getChars units 0 (int n) into (int offset)))
                             #(read-some into offset length)))))]
    (proxy [Reader] []
      (read
        ([] (let [one (char-array 1)]
              (int (if (neg? (int (fill-part one 0 1))) end (aget one 0)))))
        ([into] (fill-part into 0 (alength ^chars into)))
        ([into offset length] (fill-part into offset length)))
      (ready [] (let [n (sure)]
                  (boolean (or (nil? n) (pos? (long n)) (ready? (.in s))))))
      (close [] (.close s)))))

(defn reader
  "Returns [reader look]: a LineNumberingPushbackReader over a stream, and a function that looks at what
  has come, if anything has, and returns false when that was enough to end the client. Options are those
  of parley.impl.guard/source, :ended, called with the exception that ended the input, if one did, and :turn
  of the session."
  [^SocketStream s options]
  (let [in (.in s)
        {:keys [look]
         :as source} (guard/source (assoc options
                                     :next (fn [wait?]
                                             (if wait?
                                               (until-end options #(.readChar in))
                                               (next-char-no-hang in)))))]
    [(LineNumberingPushbackReader. (reader-over s options source)) look]))

;; ---- writing ------------------------------------------------------------------------------------

(def ^:private dropped-at-most
  "Characters of output that are dropped for a client that has gone."
  65536)

(def ^:private dropping-at-most
  "Nanoseconds from the first dropped output to the last."
  1000000000)

(def ^:private sent-after
  "Nanoseconds after which output is sent unasked. A client that has gone is noticed by sending only."
  200000000)

(defn allowance
  "Returns functions that bound the output dropped for a client that has gone: enough for what it sent to be
  evaluated, not enough for code that prints for ever. :spend takes a number of characters and returns true
  within the bounds. :renew begins anew, for the next form."
  []
  (let [spent (atom nil)]
    {:spend (fn [n]
              (let [now (System/nanoTime)
                    {:keys [characters since]} (swap! spent (fn [{:keys [characters since]}]
                                                              {:characters (+ (long n) (long (or characters 0)))
                                                               :since (or since now)}))]
                (and (<= (long characters) (long dropped-at-most))
                     (<= (- now (long since)) (long dropping-at-most)))))
     :renew #(reset! spent nil)}))

(def ^:private checked-at-least
  "Characters after which an interrupt is looked for in the middle of a line, too."
  65536)

(defn- gone
  "Returns the exception that ends printing. It is unchecked because java.io.PrintWriter swallows an
  IOException, and code that prints through one would run for ever."
  ^UncheckedIOException [^Throwable e]
  (UncheckedIOException. (if (instance? IOException e) e (IOException. (ex-message e) e))))

(defn- failed
  "Drops output of a client that has gone, within bounds, or throws."
  [^SocketStream s {:keys [spend]} n e]
  (when-not (and (.isOpen s) (spend (inc (long n))))
    (throw (gone e))))

(defn- interruption
  "Returns the exception that ends an evaluation which prints. REPLs show the first frame of its stack, which is
  that of the code which printed."
  ^InterruptedException []
  (let [e (InterruptedException. "the evaluation was interrupted")
        ours? (fn [^StackTraceElement frame] (re-find #"^(?:parley[.](?:impl|net)|java)[.]" (.getClassName frame)))]
    (.setStackTrace e (into-array StackTraceElement (drop-while ours? (.getStackTrace e))))
    e))

(defn- write-whole
  "Calls `write`, which writes n characters. An interrupt ends it by an InterruptedException, which no
  writer in between swallows."
  [s allowance n write]
  (try
    (write)
    (catch SocketTimeoutException e
      (throw (gone e)))
    (catch InterruptedIOException _
      (Thread/interrupted)
      (throw (interruption)))
    (catch IOException e
      (failed s allowance n e))
    (catch IllegalStateException e ; closed by the server
      (failed s allowance n e))))

(defn- interrupt-check
  "Returns a function of the length of a piece and of its last character. It throws when the thread was
  interrupted: also a write that need not wait is interrupted, or code that prints for ever would never be.
  Looks at the beginnings of lines, so that lines (the messages of a prepl) stay whole."
  []
  (let [since (long-array 1)]
    (fn [^long n ^long last-char]
      (let [before (aget since 0)]
        (when (and (or (zero? before) (< (long checked-at-least) before))
                (turn/interrupted?))
          (aset since 0 0)
          (throw (interruption)))
        (aset since 0 (if (= 10 last-char) 0 (+ before n)))
        nil))))

(defn writer
  "Returns a Writer over a stream. `allowance` bounds the output that is dropped when the client has gone."
  ^Writer [^SocketStream s allowance]
  (let [out (.writer s)
        check (interrupt-check)
        sent (long-array [(System/nanoTime)])
        send-held (fn []
                    (aset sent 0 (System/nanoTime))
                    (.flush out))
        held-long? #(< (long sent-after) (- (System/nanoTime) (aget sent 0)))
        put-string (fn [^String x ^long offset ^long length]
                     (when (pos? length)
                       (check length (long (int (.charAt x (int (dec (+ offset length))))))))
                     (write-whole s allowance length
                       (fn []
                         (.write out x (int offset) (int length))
                         (when (held-long?)
                           (send-held)))))
        put-chars (fn [^chars x ^long offset ^long length]
                    (put-string (String. x (int offset) (int length)) 0 length))]
    (proxy [Writer] []
      (write
        ([x]
         (cond
           (string? x) (put-string x 0 (count x))
           (int? x) (put-string (String/valueOf (char x)) 0 1)
           :else (put-chars x 0 (alength ^chars x))))
        ([x offset length]
         (if (string? x)
           (put-string x offset length)
           (put-chars x offset length))))
      (flush [] (write-whole s allowance 0 send-held))
      (close [] (.close out)))))
