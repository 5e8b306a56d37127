(ns parley.impl.admission
  "Gates of parley.impl.service: what who has connected must do to be let in."
  {:no-doc true}
  (:require
   [parley.impl.endpoint :as endpoint]
   [parley.impl.guard :as guard]
   [parley.impl.options :as options])
  (:import
   (java.io ByteArrayOutputStream)
   (parley.net SocketStream StreamInput)))

(set! *warn-on-reflection* true)

(defn after-input
  "Opens when something has come, the end included. What comes after `timeout` is the service's :late."
  [timeout]
  (fn []
    {:timeout timeout
     :look (constantly :admit)}))

(def ^:private tries 3)

(def ^:private longest-line 256)

(defn- judge
  "A login line: true, or how many tries are left."
  [^bytes token ^ByteArrayOutputStream line left]
  (let [text (.toByteArray line)
        n (alength text)
        given (if (and (pos? n) (= 13 (aget text (dec n))))
                (java.util.Arrays/copyOf text (dec n))
                text)]
    (.reset line)
    (or (endpoint/same-token? token given) (dec (long left)))))

(defn- login
  "Reads lines, as far as they have come, until one is the token; nothing is ever sent."
  [^bytes token]
  (let [line (ByteArrayOutputStream.)
        watch (guard/watcher)
        left (volatile! tries)]
    (fn [{:keys [^SocketStream stream]}]
      (loop []
        (let [b (.readByteNoHang (.in stream))
              found (if (neg? b) :clean (watch b))]
          (cond
            (= b StreamInput/NOTHING) :wait
            (neg? b) [:login-failed "it left before it had given the token"]
            (string? found) [:guarded (str found ": it is not for this port")]
            (= b 10) (let [verdict (judge token line @left)]
                       (cond
                         (true? verdict) :admit
                         (zero? (long verdict)) [:login-failed (str tries " wrong tokens")]
                         :else (do (vreset! left verdict) (recur))))
            (<= (long longest-line) (.size line)) [:login-failed "a line too long for a token"]
            :else (do (.write line b) (recur))))))))

(defn after-token
  "Opens when a line was the token, within `timeout`, at the third try at last."
  [^bytes token timeout]
  (fn []
    {:timeout timeout
     :look (login token)}))

(defn duration
  "A Duration of seconds, nil for none."
  [op option x]
  (try
    (options/->duration op x)
    (catch IllegalArgumentException _
      (throw (options/misuse op (str option " is " (options/show x))
               "seconds as a non-negative number, a Duration, or nil for no limit")))))
