(ns parley.clisp.manual
  "Reads doc/clisp.md: the examples of its two columns and the deliberate differences that it
  lists."
  (:require
   [clojure.string :as str])
  (:import
   (java.util.regex Pattern)))

(set! *warn-on-reflection* true)

(defn- lines
  []
  (str/split-lines (slurp "doc/clisp.md" :encoding "UTF-8")))

(defn- chunks
  "What the lines of one fenced block say: [{:code text :expected text :line number}…], :expected
  nil for code after the last `;=>`."
  [numbered]
  (loop [numbered numbered
         code []
         result []]
    (if-let [[n ^String line] (first numbered)]
      (if (str/starts-with? line ";=>")
        (recur (rest numbered)
               []
               (conj result {:code (str/join "\n" code)
                             :expected (str/trim (subs line 3))
                             :line n}))
        (recur (rest numbered) (conj code line) result))
      (cond-> result
        (seq code) (conj {:code (str/join "\n" code)})))))

(defn examples
  "The examples of a language, \"lisp\" or \"clojure\", in the order of the page."
  [language]
  (loop [numbered (map vector (iterate inc 1) (lines))
         result []]
    (let [[_ & block] (drop-while #(not= (str "```" language) (second %)) numbered)
          [inside outside] (split-with #(not= "```" (second %)) block)]
      (if (seq inside)
        (recur outside (into result (chunks inside)))
        result))))

(defn shows?
  "Whether a printed value is what an example expects, in which … stands for anything."
  [expected printed]
  (boolean (re-matches (re-pattern (str/join ".*" (map #(Pattern/quote %)
                                                       (str/split expected #"…" -1))))
                       printed)))

(defn differences
  "The keywords in the table of deliberate differences."
  []
  (set (keep #(some-> (re-find #"^\| `:([a-z-]+)` \|" %) second keyword) (lines))))
