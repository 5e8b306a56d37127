(ns parley.testing.doc
  "Runs the snippets of documentation pages. Below a form, a comment states what it does:

    ; => VALUE         its value; … stands for any text of the printed value
    ; throws MESSAGE   it throws an exception with this message; … stands for any text"
  (:require
   [clojure.set :as set]
   [clojure.string :as str]
   [clojure.test :refer [is testing]]
   [parley.socket :as socket])
  (:import
   (java.io StringWriter)
   (java.time Duration)
   (java.util.regex Pattern)
   (parley.testing Await)))

(set! *warn-on-reflection* true)

(defn blocks
  "Returns the code blocks of a language in a page, in order."
  [page language]
  (map second (re-seq (re-pattern (str "(?s)```" language "\n(.*?)```")) (slurp page))))

(defn- matches? [expected text]
  (re-matches (re-pattern (str/join "(?s:.*)" (map #(Pattern/quote %) (str/split expected #"…" -1))))
    (str text)))

(defn- check [code kind expected]
  (case kind
    "throws" (let [e (is (thrown? Throwable (load-string code)) code)
                   message (ex-message (last (take-while some? (iterate ex-cause e))))]
               (is (matches? expected message) (str code "\n" message)))
    (let [value (load-string code)]
      (if (str/includes? expected "…")
        (is (matches? expected (pr-str value)) (str code "\n" (pr-str value)))
        (is (= (read-string expected) value) code)))))

(defn run
  "Evaluates a snippet in the current namespace and checks its comments. Returns how many parts it had."
  [text]
  (let [parts (re-seq #"(?s)(.*?)(?:; ?(=>|throws) ([^\n]*)(?:\n|\z)|\z)" text)]
    (doseq [[_ code kind expected] parts
            :when (not (str/blank? code))]
      (if kind
        (check code kind expected)
        (load-string code)))
    (count parts)))

(defn- open-now []
  (set (map :object (socket/open-objects))))

(defn run-page
  "Runs all blocks of Clojure of a page in one new namespace, whose output is dropped; they close what
  they open. `rewrite` may replace ports and files of the text by those of this machine. Returns the
  number of blocks."
  ([page] (run-page page identity))
  ([page rewrite]
   (let [here (create-ns (gensym "parley.page"))
         texts (blocks page "clojure")
         before (open-now)
         left #(set/difference (open-now) before)]
     (try
       (binding [*ns* here
                 *out* (StringWriter.)
                 *warn-on-reflection* false]
         (refer-clojure)
         (doseq [text texts]
           (testing text
             (run (rewrite text)))))
       (Await/holds (Duration/ofSeconds 20) #(= #{} (left)))
       (is (= #{} (left)))
       (count texts)
       (finally
         (remove-ns (ns-name here)))))))
