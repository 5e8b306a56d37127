(ns parley.impl.call
  "The options of one read or one write: its own timeout, and the value that a read returns at the end of
  the file."
  {:no-doc true}
  (:require
   [parley.impl.object :as object]
   [parley.impl.options :as options])
  (:import
   (java.io InterruptedIOException)
   (java.net SocketTimeoutException)
   (java.time Duration)
   (java.util Collections Map WeakHashMap)
   (java.util.concurrent TimeUnit)
   (java.util.concurrent.locks ReentrantLock)
   (java.util.function Function)
   (parley.net SocketStream StreamInput StreamOutput)))

(set! *warn-on-reflection* true)

;; ---- a timeout for one call ---------------------------------------------------------------------

;; The core bounds each call of a side by the side's timeout, so a call with a timeout of its own sets that
;; and puts the old one back. The lock keeps two such calls from putting back each other's timeout.
(defonce ^:private ^Map locks (Collections/synchronizedMap (WeakHashMap.)))

(defn- lock-of ^ReentrantLock [side]
  (.computeIfAbsent locks side (reify Function (apply [_ _] (ReentrantLock. true)))))

(defn- remaining
  "Returns what is left of a timeout, at least zero; nil of nil."
  ^Duration [^Duration timeout ^long began]
  (when timeout
    (let [left (.minusNanos timeout (- (System/nanoTime) began))]
      (if (.isNegative left) Duration/ZERO left))))

(defn- nanos ^long [^Duration timeout]
  (if (< (.getSeconds timeout) 9000000000) (.toNanos timeout) Long/MAX_VALUE))

(defn- enter
  "Takes the lock within the timeout."
  [op s ^ReentrantLock lock ^Duration timeout]
  (try
    (if timeout
      (when-not (.tryLock lock (nanos timeout) TimeUnit/NANOSECONDS)
        (throw (SocketTimeoutException. (str op ": timed out waiting for " s ", which another thread uses; "
                                          "nothing was moved, the call can be made again"))))
      (.lockInterruptibly lock))
    (catch InterruptedException _
      (.interrupt (Thread/currentThread))
      (throw (InterruptedIOException. (str op ": interrupted while waiting for " s
                                        ", which another thread uses; nothing was moved"))))))

(defn- within
  "Calls f while the timeout of a side, read and set by `get` and `set`, is that of this call."
  [op s side timeout get set f]
  (let [began (System/nanoTime)
        timeout (options/->duration op timeout)
        lock (lock-of side)]
    (enter op s lock timeout)
    (try
      (let [before (get)]
        (set (remaining timeout began))
        (try
          (f)
          (finally
            (set before))))
      (finally
        (.unlock lock)))))

(defn reading-within
  "Calls f, which reads from s, under the :timeout of `opts` if it is there."
  [op s opts f]
  (if (contains? opts :timeout)
    (let [^StreamInput in (object/in op s)]
      (within op s in (:timeout opts) #(.timeout in) (fn [^Duration d] (.timeout in d)) f))
    (f)))

(defn writing-within
  "Calls f, which writes to s, under the :timeout of `opts` if it is there."
  [op s opts f]
  (if (contains? opts :timeout)
    (let [^StreamOutput out (object/out op s)]
      (within op s out (:timeout opts) #(.timeout out) (fn [^Duration d] (.timeout out d)) f))
    (f)))

;; ---- arguments ----------------------------------------------------------------------------------

(defmacro plain?
  "True when x is an eof-error? argument; otherwise options begin there."
  [x]
  `(let [x# ~x]
     (or (nil? x#) (true? x#) (false? x#))))

(defn- option?
  "Returns true when options may begin with x."
  [x]
  (or (keyword? x) (map? x)))

(defn reading
  "Calls f with eof-error? and eof-value. `args` are these two, or one or none of them, and then options;
  or only options."
  [op s args f]
  (let [[eof-error? eof-value] args]
    (cond
      (empty? args) (f true nil)

      (plain? eof-error?)
      (reading-within op s (options/option-map op #{:timeout} (drop 2 args)) #(f eof-error? eof-value))

      (option? eof-error?)
      (let [opts (options/option-map op #{:timeout :eof} args)]
        (reading-within op s opts #(f (not (contains? opts :eof)) (:eof opts))))

      :else
      (throw (options/misuse op (str "eof-error? is " (options/show eof-error?))
               "true, false or nil, or in its place options such as :timeout 5 :eof nil")))))

(defmacro reading-2
  "As `reading` of two arguments, of (f s eof-error? eof-value); costs nothing when these are meant."
  [op f s a b]
  `(if (plain? ~a)
     (~f ~s ~a ~b)
     (reading ~op ~s [~a ~b] (fn [e# v#] (~f ~s e# v#)))))

(defn writing
  "Calls f under the options `args` of a write that takes :timeout only."
  [op s args f]
  (writing-within op s (options/option-map op #{:timeout} args) f))

(defn endianness-first
  "Returns [endianness more] of the arguments that follow a type; an endianness that is left out is :little."
  [args]
  (if (or (empty? args) (map? (first args)) (contains? #{:timeout :eof} (first args)))
    [:little args]
    [(first args) (rest args)]))
