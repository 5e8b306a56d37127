(ns parley.clisp.oracle-test
  "CLISP as the living reference: scripts of socket steps are run by CLISP and by Parley, and every
  answer must be the same, or differ as the script says it does on purpose."
  (:require
   [clojure.set :as set]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [clojure.test.check.properties :as prop]
   [parley.clisp.generator :as generator]
   [parley.clisp.interpreter :as interpreter]
   [parley.clisp.lisp :as lisp]
   [parley.clisp.manual :as manual]
   [parley.clisp.scripts :as scripts]
   [parley.testing.random :as random]))

(set! *warn-on-reflection* true)

(def ^:private clisp (lisp/interpreter))

(use-fixtures :once (fn [run] (try (run) (finally (lisp/dispose clisp)))))

(def ^:private patience
  "Seconds that a step, or a whole script of Parley's, may take."
  10)

(defn- account
  "What is wrong with the answers to a script: a string, or nil."
  [script]
  (let [steps (mapv :step (scripts/tagged-steps script))
        of-clisp (rest (lisp/ask clisp (into [[:reset]] steps) (:patience script patience)))
        of-parley (interpreter/ask-within steps patience)]
    (when (:ruins-clisp script)
      (lisp/dispose clisp))
    (not-empty (str/join "\n" (scripts/mistakes script of-clisp of-parley)))))

(deftest hand-written-scripts-are-answered-as-clisp-answers-them
  (when (lisp/wanted?)
    (doseq [script (scripts/hand-written)]
      (testing (:name script)
        (is (nil? (account script)))))))

(deftest there-are-scripts-enough-and-each-has-a-name-of-its-own
  (let [names (map :name (scripts/hand-written))]
    (is (<= 40 (count names)))
    (is (apply distinct? names))))

(deftest an-answer-that-differs-needs-a-reason-and-a-reason-an-answer-that-differs
  (let [mistakes (fn [step clisp parley]
                   (scripts/mistakes {:open nil, :steps [step]} [clisp] [parley]))
        tagged {:step [:status :a], :why :reset}
        pinned (assoc tagged :clisp :io :parley :error)]
    (testing "none"
      (is (= [] (mistakes [:status :a] :io :io)))
      (is (= [] (mistakes tagged :io nil)))
      (is (= [] (mistakes pinned :io :error))))
    (testing "some"
      (doseq [[step clisp parley part] [[[:status :a] :io nil "nothing says that they should"]
                                        [tagged :io :io "though :reset says that they differ"]
                                        [pinned :eof :error "CLISP should have said :io"]
                                        [pinned :io nil "Parley should have said :error"]]]
        (let [[account :as all] (mistakes step clisp parley)]
          (is (= 1 (count all)))
          (is (str/includes? (str account) part)))))))

;; --- generated ----------------------------------------------------------------------------------

(def ^:private runs
  "How many scripts are generated."
  500)

(def ^:private shrinking
  "Seconds that the search for a smaller script that fails may take."
  60)

(defn- answered-alike
  "The property; once it has failed for longer than the search for a smaller failure may take, it
  holds for everything, which ends the search."
  []
  (let [failed (atom nil)]
    (prop/for-all [script generator/scripts]
      (let [since @failed
            account (when-not (and since
                                   (< (* shrinking 1000000000) (- (System/nanoTime) (long since))))
                      (account script))]
        (when account
          (compare-and-set! failed nil (System/nanoTime))
          (throw (ex-info account {:script script})))
        true))))

(deftest generated-scripts-are-answered-as-clisp-answers-them
  (when (lisp/wanted?)
    (random/holds runs (answered-alike) :max-size 60)))

;; --- the differences ----------------------------------------------------------------------------

(deftest every-deliberate-difference-is-explained-and-none-that-is-not-there
  (let [tagged (set/union (scripts/reasons (scripts/hand-written)) generator/reasons)
        explained (manual/differences)]
    (is (= tagged explained))))
