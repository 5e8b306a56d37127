(ns parley.testing.random
  "Runs properties of test.check with the seeds that parley.testing.Seeds chooses: the same in every
  usual run, fresh ones in the nightly run."
  (:require
   [clojure.test :as t]
   [clojure.test.check :as check])
  (:import
   (parley.testing Seeds)))

(set! *warn-on-reflection* true)

(defn- suite
  "The name of the deftest that is running, as the table of seeds has it."
  []
  (str (symbol (first t/*testing-vars*))))

(defn seeds
  "Returns the seeds for the deftest that is running."
  []
  (vec (Seeds/of (suite))))

(defn holds
  "Asserts that property holds for n cases from each seed. Options are those of quick-check."
  [n property & options]
  (doseq [seed (seeds)]
    (let [{:keys [pass? shrunk]} (apply check/quick-check n property :seed seed options)
          result (:result shrunk)]
      (t/is (true? pass?)
        (pr-str {:seed seed
                 :fail (:smallest shrunk)
                 :why (:result-data shrunk)
                 :thrown (when (instance? Throwable result) (str result))})))))
