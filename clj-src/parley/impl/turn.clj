(ns parley.impl.turn
  "The part of a session that an interrupt may end: an evaluation, its output, and the printing of its value. A
  session that waits for the next form, reads it, or sends a prompt or a reply is idle, and has nothing to interrupt.
  An interrupt that comes when the evaluation has just ended is dropped: it must not end the next one, or the
  session."
  {:no-doc true}
  (:require
   [clojure.string :as str])
  (:import
   (java.io InterruptedIOException)
   (parley.posix StackSafeLock)))

(set! *warn-on-reflection* true)

(defn turn
  "Returns what `waiting` and `interrupt` of one session share: the thread that waits for input, if one does,
  and the lock that guards it."
  []
  {:lock (StackSafeLock.)
   :waiting (volatile! nil)})

(defn- does
  "Returns what a frame of a thread's stack is part of: :evaluate, :read (a form), :print (a value, or calling
  the evaluation), :prompt (what else a REPL does), :reply (what else a prepl does), or nil."
  [^StackTraceElement frame]
  (let [name (.getClassName frame)]
    (cond
      (= "clojure.lang.LispReader" name) :read
      (and (= "clojure.lang.Compiler" name) (= "eval" (.getMethodName frame))) :evaluate
      (or (str/starts-with? name "clojure.main$repl$read_eval_print")
          (str/starts-with? name "parley.impl.prepl$shown")) :print
      (or (= "clojure.main$repl" name) (str/starts-with? name "clojure.main$repl$")) :prompt
      (str/starts-with? name "clojure.core.server$prepl") :reply
      :else nil)))

(defn- doing
  "Returns what a thread does, as `does`; nil for an accept function that is no evaluator of Clojure. The
  output of an evaluation passes through the prepl, too, so that :reply is what there is no evaluation in.
  An evaluation that reads forms is one all the same."
  [^Thread thread]
  (let [found (dedupe (keep does (.getStackTrace thread)))
        [inner outer] (remove #{:reply} found)]
    (cond
      (nil? inner) (first found)
      (and (= :read inner) (= :evaluate outer)) :evaluate
      :else inner)))

(defn- idle?
  "Returns true when a thread that waits for input does not wait within an evaluation."
  [thread]
  (not= :evaluate (doing thread)))

(defn interrupted?
  "Clears the interrupt flag of this thread. Returns true when it was set and may end the output under way;
  the output of an evaluator between two forms is not ended, since that would end the session."
  []
  (and (Thread/interrupted)
       (not (contains? #{:prompt :reply} (doing (Thread/currentThread))))))

(defn- locked [{:keys [^StackSafeLock lock]} f]
  (.lock lock)
  (try
    (f)
    (finally
      (.unlock lock))))

(defn waiting
  "Calls `read`, which waits for input, and returns what it returns. Throws InterruptedIOException when the
  thread is interrupted, unless it is idle."
  [{:keys [waiting]
    :as turn} read]
  (let [thread (Thread/currentThread)
        outer (locked turn #(let [outer @waiting]
                              (vreset! waiting thread)
                              outer))
        read-on (fn []
                  (try
                    (when (and (Thread/interrupted) (not (idle? thread)))
                      (throw (InterruptedIOException. "interrupted")))
                    [(read)]
                    (catch InterruptedIOException e
                      (when-not (and (Thread/interrupted) (idle? thread))
                        (throw e)))))] ; also when it timed out
    (try
      (loop []
        (if-let [[result] (read-on)]
          result
          (recur)))
      (finally
        (locked turn #(vreset! waiting outer))))))

(defn interrupt
  "Calls `f`, which interrupts the thread of the session, and returns what it returns; false when the
  session is idle."
  [{:keys [waiting]
    :as turn} thread f]
  (locked turn #(if (or (contains? #{:read :prompt :reply} (doing thread))
                        (and (identical? thread @waiting) (idle? thread)))
                  false
                  (f))))
