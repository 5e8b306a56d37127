(ns parley.clisp.scripts
  "The hand-written scripts (scripts.edn among the resources) and how scripts are put together and
  answers compared."
  (:require
   [clojure.edn :as edn]
   [clojure.java.io :as io]
   [clojure.string :as str]))

(set! *warn-on-reflection* true)

(defn hand-written
  "The scripts of scripts.edn."
  []
  (with-open [in (java.io.PushbackReader.
                   (io/reader (io/resource "parley/clisp/scripts.edn") :encoding "UTF-8"))]
    (edn/read in)))

(defn- opening
  "The steps that open the first connection of a script."
  [script]
  (if-let [[of-a of-b] (:open script [{} {}])]
    [[:server] [:connect :a of-a] [:accept :b of-b]]
    []))

(defn tagged-steps
  "All steps of a script as maps of :step and, where both differ on purpose, :why, :clisp, :parley."
  [script]
  (mapv #(if (map? %) % {:step %})
        (concat (opening script) (:steps script))))

(defn reasons
  "The reasons given in scripts for answers that differ on purpose."
  [scripts]
  (set (keep :why (mapcat tagged-steps scripts))))

(defn- mistake
  "What is wrong with one step's two answers, or nil."
  [{:keys [why] :as tagged} clisp parley]
  (cond
    (and (nil? why) (not= clisp parley))
    "they differ, and nothing says that they should"
    (and why (= clisp parley))
    (str "they are the same, though " why " says that they differ")
    (and (contains? tagged :clisp) (not= (:clisp tagged) clisp))
    (str "for " why " CLISP should have said " (pr-str (:clisp tagged)))
    (and (contains? tagged :parley) (not= (:parley tagged) parley))
    (str "for " why " Parley should have said " (pr-str (:parley tagged)))))

(defn mistakes
  "One account, a string, for every step of the script whose answers should not be what they are."
  [script clisp-answers parley-answers]
  (let [steps (tagged-steps script)]
    (vec (for [[n tagged clisp parley] (map vector (range) steps clisp-answers parley-answers)
               :let [problem (mistake tagged clisp parley)]
               :when problem]
           (str "step " n " " (pr-str (:step tagged)) ": " problem
                "\n  CLISP:  " (pr-str clisp)
                "\n  Parley: " (pr-str parley)
                "\n  before: " (str/join " " (map (comp pr-str :step) (take n steps))))))))
