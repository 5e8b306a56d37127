(ns parley.testing.missing
  "Skips tests that need what this machine does not have."
  (:require
   [clojure.test :refer [is]]))

(set! *warn-on-reflection* true)

(defn missing
  "Passes and prints that the test is skipped because `what` is missing. Fails where the system property
  parley.ci is \"true\": everything must be installed there."
  [what]
  (println "skipped: missing on this machine:" what)
  (is (not (Boolean/getBoolean "parley.ci")) (str "missing on this machine: " what)))
