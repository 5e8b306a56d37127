(ns parley.testing.loading
  "The main program of a process of its own that loads namespaces, nothing of which was loaded
  before, so that the compiler tells all it has to tell about each. Run by parley.build-test."
  (:require
   [clojure.string :as str]
   [parley.testing.deftests :as deftests]))

(set! *warn-on-reflection* true)

(defn- load-one
  [name]
  (try (require (symbol name))
       true
       (catch Throwable e
         (println (str "Cannot load " name ": "
                       (str/join "\n  caused by " (take-while some? (iterate ex-cause e)))))
         false)))

(defn -main
  "Loads every namespace whose source lies in one of `directories`; exits with 1 when one fails."
  [& directories]
  (let [loaded (mapv load-one (mapcat deftests/namespaces-under directories))]
    (println "Loaded" (count (filter true? loaded)) "of" (count loaded))
    (shutdown-agents)
    (System/exit (if (every? true? loaded) 0 1))))
