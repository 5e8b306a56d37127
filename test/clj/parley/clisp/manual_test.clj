(ns parley.clisp.manual-test
  "Runs the examples of doc/clisp.md, each column in its own language."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.clisp.lisp :as lisp]
   [parley.clisp.manual :as manual])
  (:import
   (java.io PushbackReader StringReader)))

(set! *warn-on-reflection* true)

(def ^:private patience
  "Seconds that an example may take."
  20)

(defn- same
  [{:keys [expected line code]} printed]
  (when expected
    (testing (str "doc/clisp.md:" line " " code)
      (is (manual/shows? expected printed) (str "expected " expected ", was " printed)))))

(deftest the-page-has-two-columns-of-the-same-length
  (is (< 60 (count (manual/examples "clojure"))))
  (is (= (count (filter :expected (manual/examples "lisp")))
         (count (filter :expected (manual/examples "clojure"))))))

;; --- Clojure ------------------------------------------------------------------------------------

(defn- evaluate
  "The last value of the text, printed."
  [text]
  (let [reader (PushbackReader. (StringReader. text))]
    (loop [value nil]
      (let [form (read {:eof ::end} reader)]
        (if (= ::end form)
          (pr-str value)
          (recur (eval form)))))))

(defn- in-time
  "What f answers in a thread of its own, or :late."
  [f]
  (let [answer (promise)]
    (doto (Thread. ^Runnable #(deliver answer (try (f) (catch Throwable e e)))
            "parley-test-example")
      (.setDaemon true)
      (.start))
    (let [value (deref answer (* 1000 (long patience)) :late)]
      (if (instance? Throwable value)
        (throw value)
        value))))

(deftest the-parley-column-does-what-it-says
  (let [here (create-ns (gensym "parley.clisp.example"))]
    (try
      (binding [*ns* here] (refer-clojure))
      (doseq [example (manual/examples "clojure")]
        (same example (in-time (fn []
                                 (binding [*ns* here
                                           *warn-on-reflection* false]
                                   (evaluate (:code example)))))))
      (finally (remove-ns (ns-name here))))))

;; --- CLISP --------------------------------------------------------------------------------------

(deftest the-clisp-column-does-what-it-says
  (when (lisp/wanted?)
    (let [clisp (lisp/start "examples.lisp")]
      (try
        (doseq [{:keys [code] :as example} (manual/examples "lisp")]
          (lisp/tell clisp (str "(progn " (str/replace code "\n" " ") ")"))
          (let [line (lisp/line clisp patience)]
            (is (string? line) code)
            (is (str/starts-with? (str line) "> ") (str code " " line))
            (when (str/starts-with? (str line) "> ")
              (same example (subs line 2)))))
        (finally (lisp/stop clisp))))))
