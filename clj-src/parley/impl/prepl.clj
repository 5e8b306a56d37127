(ns parley.impl.prepl
  "Clojure's io-prepl for sessions of a repl-server. Clojure's own sends each value of tap> from the one tap
  thread of the process, under the lock of the session's output: a client that does not read would block
  the taps of the whole process."
  {:no-doc true}
  (:require
   [clojure.core.server :as core-server])
  (:import
   (java.util.concurrent ArrayBlockingQueue)
   (java.util.concurrent.locks ReentrantLock)))

(set! *warn-on-reflection* true)

(def ^:private taps-at-most
  "Values of tap> that wait for a client; as many as wait in Clojure's own queue. Further ones are dropped."
  1024)

(defn- shown
  "Returns a message with its value as text."
  [{:keys [tag val]
    :as message} valf]
  (if (#{:ret :tap} tag)
    (try
      (assoc message :val (valf val))
      (catch Throwable e
        (assoc message
          :val (valf (assoc (Throwable->map e) :phase :print-eval-result))
          :exception true)))
    message))

(defn- sender
  "Returns a function that prints a message to *out* as it is now, one at a time."
  [valf]
  (let [out *out*
        lock (ReentrantLock.)]
    (fn [{:keys [tag]
          :as message}]
      (if (= :ret tag)
        (.lock lock) ; an interrupt is too late to end the evaluation, and must not end the session
        (.lockInterruptibly lock))
      (try
        (binding [*out* out
                  *flush-on-newline* true
                  *print-readably* true]
          (prn (shown message valf)))
        (finally
          (.unlock lock))))))

(defn- tap-thread
  "Returns a thread, not started yet, that sends taps until it is interrupted or the client has gone."
  ^Thread [^ArrayBlockingQueue taps send]
  (let [send-all (bound-fn []
                   (try
                     (while true
                       (send (.take taps)))
                     (catch Exception _))) ; the session has ended, or its client has gone, which the session notices
        name (str (.getName (Thread/currentThread)) "-taps")]
    (doto (Thread. ^Runnable send-all name)
      (.setDaemon true))))

(defn io-prepl
  "As clojure.core.server/io-prepl. A thread of the session sends the values of tap>; it starts with the
  first."
  [& {:keys [valf]
      :or {valf pr-str}}]
  (let [send (sender (#'core-server/resolve-fn valf))
        taps (ArrayBlockingQueue. (int taps-at-most))
        thread (tap-thread taps send)
        start (delay (.start thread))]
    (try
      (core-server/prepl *in*
        (fn [{:keys [tag]
              :as message}]
          (if (= :tap tag)
            (do @start
                (.offer taps message))
            (send message))))
      (finally
        (.interrupt thread)))))
