(ns parley.testing.calls
  "What calls fail with, and calls in other threads.")

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
