(ns parley.impl.text
  "A client's characters as an evaluator wants them: a Reader that gives lines as they come, ends quietly
  when the client does, and a Writer; both turn an interrupt into one exception, after which the
  connection is as good as before."
  {:no-doc true}
  (:require
   [parley.impl.guard :as guard])
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

(defn- reader-over ^Reader [^SocketStream s {:keys [fill]
                                             sure :ready?}]
  (let [fill-part (fn [^chars into offset length]
                    (int (if (zero? (int length))
                           0
                           (fill length (fn [^StringBuilder units n]
                                          (.getChars units 0 (int n) into (int offset)))))))]
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
  of parley.impl.guard/source, and :ended, called with the exception that ended the input, if one did."
  [^SocketStream s {:keys [ended]
                    :as options}]
  (let [in (.in s)
        {:keys [look]
         :as source} (guard/source (assoc options
                                     :next (fn [wait?]
                                             (if wait? (next-char in ended) (next-char-no-hang in)))))]
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
              (int? x) (.write out (int x))
              :else (.write out ^chars x))))
        ([x offset length]
         (write-or-interrupted
           #(if (string? x)
              (.write out ^String x (int offset) (int length))
              (.write out ^chars x (int offset) (int length))))))
      (flush [] (write-or-interrupted #(.flush out)))
      (close [] (.close out)))))
