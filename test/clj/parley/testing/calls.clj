(ns parley.testing.calls
  "What calls fail with, calls in other threads, and what tests leave open."
  (:import
   (parley.testing Leaks)))

(set! *warn-on-reflection* true)

(defn failure
  "The exception that f throws, or nil."
  [f]
  (try
    (f)
    nil
    (catch Exception e
      e)))

(defn message-of
  "The message of the IllegalArgumentException that f throws, or nil."
  [f]
  (try
    (f)
    nil
    (catch IllegalArgumentException e
      (.getMessage e))))

(defn in-thread
  "Runs f in a daemon thread: [the thread, a promise of what f returns or throws]."
  [f]
  (let [result (promise)
        thread (doto (Thread. ^Runnable #(deliver result (try (f) (catch Throwable e e))) "test")
                 (.setDaemon true)
                 (.start))]
    [thread result]))

(defn leaves-nothing
  "Returns a fixture: what is open after the tests is what was open before, once `warm-up` has had the JDK and
  Clojure open what they keep."
  [warm-up]
  (fn [tests]
    (warm-up)
    (let [before (Leaks/snapshot)]
      (tests)
      (.assertBack before))))
