(ns parley.testing.deftests-test
  "A test of how tests are run: a namespace made here, with fixtures and deftests that go wrong in
  each way, is run as the build runs its own."
  (:require
   [clojure.string :as str]
   [clojure.test :as t :refer [deftest is]]
   [parley.testing.deftests :as deftests])
  (:import
   (java.util.function BiConsumer Consumer)))

(set! *warn-on-reflection* true)

(defn- run-source
  "Evaluates the forms in a new namespace and runs its deftests. Answers a map: the outcome of each
  deftest by name, `:order` of what was told, `:answer` of the run."
  [& forms]
  (let [ns-symbol (gensym "parley.testing.sample")
        order (atom [])
        outcomes (atom {})
        tell (fn [what v] (swap! order conj [what (:name (meta v))]))]
    (try
      (binding [*ns* (create-ns ns-symbol)
                *file* "parley/testing/sample.clj"]
        (refer-clojure)
        (require '[clojure.test :refer [deftest is testing use-fixtures]])
        (run! eval forms))
      (dosync (commute @#'clojure.core/*loaded-libs* conj ns-symbol))
      (let [answer (deftests/run ns-symbol
                                 (deftests/deftests-in ns-symbol)
                                 (reify Consumer
                                   (accept [_ v] (tell :started v)))
                                 (reify BiConsumer
                                   (accept [_ v problem]
                                     (tell :finished v)
                                     (swap! outcomes assoc (:name (meta v)) problem))))]
        (assoc @outcomes :order @order :answer answer))
      (finally
        (dosync (commute @#'clojure.core/*loaded-libs* disj ns-symbol))
        (remove-ns ns-symbol)))))

(defn- message
  [problem]
  (.getMessage ^Throwable problem))

(deftest a-true-assertion-passes
  (is (= {'good nil
          :order [[:started 'good] [:finished 'good]]
          :answer nil}
         (run-source '(deftest good (is true))))))

(deftest a-false-assertion-fails-with-all-its-details
  (let [problem (get (run-source '(deftest bad
                                    (testing "sums"
                                      (is (= 3 (+ 1 1)) "of one and one"))))
                     'bad)]
    (is (instance? AssertionError problem))
    (doseq [part ["FAIL in parley.testing.sample" "/bad (" "sums" "of one and one"
                  "expected: (= 3 (+ 1 1))" "actual: (not (= 3 2))"]]
      (is (str/includes? (message problem) part)))))

(deftest every-failed-assertion-of-a-test-is-reported
  (let [problem (get (run-source '(deftest bad (is (= 1 2)) (is true) (is (= 3 4)))) 'bad)]
    (is (str/includes? (message problem) "(= 1 2)"))
    (is (str/includes? (message problem) "(= 3 4)"))))

(deftest an-exception-is-an-error-with-its-cause
  (let [problem (get (run-source '(deftest bad (throw (ex-info "boo" {})))) 'bad)]
    (is (not (instance? AssertionError problem)))
    (is (= "boo" (message (ex-cause problem))))
    (is (str/includes? (message problem) "ERROR in "))))

(deftest an-assertion-of-java-that-fails-is-a-failure
  (is (instance? AssertionError (get (run-source '(deftest bad (throw (AssertionError. "no"))))
                                     'bad))))

(deftest a-test-without-an-assertion-fails
  (is (instance? AssertionError (get (run-source '(deftest idle (+ 1 1))) 'idle))))

(deftest an-assertion-in-a-thread-of-the-test-counts
  (is (instance? AssertionError
                 (get (run-source '(deftest bad
                                     (doto (Thread. (fn [] (is (= 1 2)))) (.start) (.join))))
                      'bad))))

(def trace
  "What the fixtures of a sample did, in order."
  (atom []))

(deftest the-thread-of-the-tests-keeps-its-context-class-loader
  (let [before (.getContextClassLoader (Thread/currentThread))]
    (is (nil? (get (run-source '(deftest changes
                                  (.setContextClassLoader (Thread/currentThread) nil)
                                  (is true)))
                   'changes)))
    (is (identical? before (.getContextClassLoader (Thread/currentThread))))))

(deftest fixtures-surround-the-namespace-once-and-each-test
  (reset! trace [])
  (run-source '(defn around [before after]
                 (fn [f]
                   (swap! parley.testing.deftests-test/trace conj before)
                   (f)
                   (swap! parley.testing.deftests-test/trace conj after)))
              '(use-fixtures :once (around :once-in :once-out))
              '(use-fixtures :each (around :in :out))
              '(deftest a (is true))
              '(deftest b (is true)))
  (is (= [:once-in :in :out :in :out :once-out] @trace)))

(deftest a-fixture-that-throws-before-the-tests-fails-them-all
  (let [outcomes (run-source '(use-fixtures :once (fn [_] (throw (ex-info "no server" {}))))
                             '(deftest a (is true))
                             '(deftest b (is true)))]
    (is (= "no server" (message (ex-cause (outcomes 'a)))))
    (is (= "no server" (message (ex-cause (outcomes 'b)))))
    (is (nil? (:answer outcomes)))))

(deftest a-fixture-that-does-not-run-the-tests-fails-them
  (let [outcomes (run-source '(use-fixtures :once (fn [_] nil))
                             '(deftest a (is true)))]
    (is (some? (outcomes 'a)))))

(deftest a-fixture-that-throws-after-the-tests-is-reported
  (let [outcomes (run-source '(use-fixtures :once (fn [f] (f) (throw (ex-info "leak" {}))))
                             '(deftest a (is true)))]
    (is (nil? (outcomes 'a)))
    (is (= "leak" (message (:answer outcomes))))))

(deftest a-namespace-with-reflection-in-a-file-of-ours-does-not-load
  (let [warn "Reflection warning, %s:1:1 - reference to field x can't be resolved."]
    (with-redefs [require (fn [n] (binding [*out* *err*] (println (format warn n))))]
      (is (thrown-with-msg? AssertionError #"^Reflection warning, parley/socket.clj:1"
            (deftests/load-namespace "parley/socket.clj")))
      (is (str/includes? (let [err (java.io.StringWriter.)]
                           (binding [*err* err] (deftests/load-namespace "clojure/pprint.clj"))
                           (str err))
                         "clojure/pprint.clj")
        "those of other libraries are printed"))))

(deftest tests-are-found-in-the-text-and-told-apart-once-loaded
  (let [ns-symbol (gensym "parley.testing.sample")
        outcomes (atom {})
        answer (atom nil)]
    (try
      (binding [*ns* (create-ns ns-symbol)]
        (refer-clojure)
        (require '[clojure.test :refer [deftest is]])
        (eval '(deftest seen (is true)))
        (eval '(deftest hidden (is true))))
      (dosync (commute @#'clojure.core/*loaded-libs* conj ns-symbol))
      (reset! answer (deftests/load-and-run ns-symbol ["seen" "gone"] ["seen" "gone"]
                       (reify java.util.function.Consumer (accept [_ _]))
                       (reify java.util.function.BiConsumer
                         (accept [_ n why] (swap! outcomes assoc n why)))))
      (is (= #{"seen" "gone"} (set (keys @outcomes))))
      (is (nil? (@outcomes "seen")))
      (is (instance? AssertionError (@outcomes "gone")))
      (is (str/ends-with? (message @answer) ": hidden"))
      (finally
        (dosync (commute @#'clojure.core/*loaded-libs* disj ns-symbol))
        (remove-ns ns-symbol)))))
