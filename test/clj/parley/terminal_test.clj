(ns parley.terminal-test
  "Lines that are typed at the REPL of a checkout, with a LineReader that has a script."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is]]
   [parley.terminal :as terminal])
  (:import
   (java.io StringWriter)
   (org.jline.reader EndOfFileException LineReader UserInterruptException)))

(set! *warn-on-reflection* true)

(defn- typed
  "Returns what a person sees who types lines; an exception stands for a key, such as Ctrl-C."
  [& script]
  (let [left (atom script)
        out (StringWriter.)
        reader (reify LineReader
                 (^String readLine [_ ^String prompt]
                   (let [[line & more] @left]
                     (reset! left more)
                     (.write out (str prompt line "\n"))
                     (cond
                       (string? line) line
                       line (throw line)
                       :else (throw (EndOfFileException.))))))]
    (binding [*out* out
              *err* out
              *ns* *ns*]
      (#'terminal/at-terminal reader (fn [options] (#'terminal/run options #(in-ns 'parley.terminal-test)))))
    (str/split-lines (str out))))

(deftest forms-take-lines-and-lines-take-forms
  (is (= ["parley.terminal-test=> (+ 1" "  #_=> 2) (* 2 3)" "3" "6" "parley.terminal-test=> "]
         (typed "(+ 1" "2) (* 2 3)"))))

(deftest ctrl-c-drops-the-lines-of-a-form
  (is (= ["parley.terminal-test=> (+ 1"
          "  #_=> org.jline.reader.UserInterruptException"
          "parley.terminal-test=> 7" "7" "parley.terminal-test=> "]
         (typed "(+ 1" (UserInterruptException. "2") "7"))))

(deftest a-form-reads-lines-without-a-prompt
  (is (= ["parley.terminal-test=> (read-line)" "a line" "\"a line\"" "parley.terminal-test=> "]
         (typed "(read-line)" "a line"))))

(deftest errors-are-shown-and-the-session-goes-on
  (let [[_ error message prompt] (typed "(parley.stream/read-line 5)")]
    (is (str/starts-with? error "Execution error"))
    (is (str/starts-with? message "read-line: the stream is 5"))
    (is (= "parley.terminal-test=> " prompt))))
