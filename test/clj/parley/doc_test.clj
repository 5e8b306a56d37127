(ns parley.doc-test
  "The snippets of README.md and doc/ do what the pages say. doc/repl.md has a test of its own."
  (:require
   [clojure.java.io :as io]
   [clojure.set :as set]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [options-page]
   [parley.testing.doc :as doc])
  (:import
   (java.io File)
   (java.nio.file Files Path)
   (java.nio.file.attribute FileAttribute)
   (javax.tools ToolProvider)))

(set! *warn-on-reflection* true)

(def ^:private pages
  "Pages whose blocks of Clojure run as they stand, one after the other."
  ["README.md" "doc/getting-started.md" "doc/echo-one-thread.md" "doc/errors.md" "doc/migrating.md" "doc/async.md"
   "doc/status.md" "doc/streams.md" "doc/descriptors.md"])

(deftest the-snippets-of-pages-run
  (doseq [page pages]
    (testing page
      (is (pos? (long (doc/run-page page)))))))

(deftest the-page-of-options-is-current
  (is (= (options-page/page) (slurp "doc/options.md"))
    "write it again: clojure.main -m options-page, with dev on the class path"))

(deftest the-page-of-options-has-every-key
  (let [page (options-page/page)
        shown (into #{} (comp (mapcat #(re-seq #":[\w?!*-]+" (second %))) (map #(keyword (subs % 1))))
                (re-seq #"(?m)^\| `([^`]+)`" page))]
    (doseq [n (options-page/namespaces)
            [_ v] (ns-publics n)]
      (is (= #{} (set/difference (options-page/option-keys v) shown)) (str v)))))

;; ---- Java -----------------------------------------------------------------------------------------

(defn- program
  "A class around the statements of a snippet."
  [n statements]
  (let [[imports body] ((juxt filter remove) #(str/starts-with? % "import ") (str/split-lines statements))]
    (str (str/join "\n" imports) "\nimport parley.net.*;\nimport java.time.Duration;\n"
      "public class Snippet" n " { public static void main(String[] arguments) throws Exception {\n"
      (str/join "\n" body) "\n} }\n")))

(defn- compile-java [^Path directory n text]
  (let [file (.resolve directory (str "Snippet" n ".java"))
        compiler (ToolProvider/getSystemJavaCompiler)]
    (spit (.toFile file) (program n text))
    (is (zero? (.run compiler nil nil nil (into-array String ["-proc:none" "-cp" (System/getProperty "java.class.path")
                                                              "-d" (str directory) (str file)])))
      text)))

(deftest the-java-of-pages-compiles
  (let [directory (Files/createTempDirectory "parley-java" (make-array FileAttribute 0))]
    (doseq [[n text] (map-indexed vector (mapcat #(doc/blocks % "java") ["README.md" "doc/java.md"]))]
      (compile-java directory n text))))

;; ---- links ----------------------------------------------------------------------------------------

(deftest links-between-pages-lead-somewhere
  (doseq [^File page (concat (map io/file ["README.md" "CONTRIBUTING.md" "RELEASING.md" "SECURITY.md" "CHANGELOG.md"])
                       (filter #(str/ends-with? (str %) ".md") (file-seq (io/file "doc"))))
          [_ target] (re-seq #"\]\(([^)#:]+)(?:#[^)]*)?\)" (slurp page))]
    (is (.exists (io/file (.getParentFile (.getAbsoluteFile page)) target)) (str page " links to " target))))
