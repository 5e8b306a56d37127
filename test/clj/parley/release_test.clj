(ns parley.release-test
  "What users of a release meet: Parley's jar alone, one coordinate, one version."
  (:require
   [build]
   [clojure.edn :as edn]
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is]]
   [clojure.xml :as xml]
   [parley.socket :as socket]
   [release])
  (:import
   (java.io File)
   (parley.net Parley)
   (parley.testing Child)))

(set! *warn-on-reflection* true)

;; ---- libraries that Parley does not bring -------------------------------------------------------

(defn- evaluate
  "Evaluates forms in another JVM without the jars whose names the pattern finds. Returns what the last one
  prints as \"answer …\"."
  [without & forms]
  (let [path (remove #(re-find without (.getName (io/file %))) (Child/compiledPath))]
    (with-open [child (Child/clojure [] (vec path) (into-array String ["-e" (pr-str (list* 'do forms))]))]
      (.answer child "answer"))))

(deftest without-optional-jars-the-namespaces-load-and-errors-name-the-jar
  (let [messages (edn/read-string
                   (evaluate #"core.async|jna|jnr|nrepl"
                     '(run! require '[parley.socket parley.stream parley.rawsock parley.repl parley.nrepl parley.http])
                     '(defmacro message [form]
                        `(try ~form (catch Throwable e# (ex-message (last (take-while some? (iterate ex-cause e#)))))))
                     '(println "answer" (pr-str [(message (require 'parley.async))
                                                 (message (parley.nrepl/nrepl-server))
                                                 (message (parley.stream/make-stream 1))]))))
        said (str/replace (slurp "doc/errors.md") "\n" " ")]
    (is (= 3 (count messages)))
    (doseq [message messages]
      (is (str/includes? said (str message "`"))))))

;; ---- one coordinate, one version ----------------------------------------------------------------

(def ^:private pom (delay (xml/parse (io/file "pom.xml"))))

(deftest the-pom-has-what-maven-central-demands-and-no-dependency-that-is-not-optional
  (is (= [] (release/pom-faults @pom))))

(deftest the-version-at-run-time-is-that-of-the-pom
  (is (= (build/version) (Parley/version) (socket/version))))

(deftest pages-name-one-coordinate-and-the-version-to-be-released
  (let [version (str/replace (build/version) "-SNAPSHOT" "")]
    (doseq [page ["README.md" "doc/java.md"]
            [_ found] (re-seq #"(?::mvn/version \"|<version>)([^\"<]+)[\"<]" (slurp page))]
      (is (= version found) page))
    (is (str/includes? (slurp "CHANGELOG.md") (str "## " version " "))))
  (doseq [page ["README.md" "doc/java.md" "doc/getting-started.md"]]
    (is (not (re-find #"(?<![\w.])parley/parley \{" (slurp page))) page)))

(deftest the-changelog-of-a-first-release-has-no-fixes
  (is (not (re-find #"(?m)^### (Fixed|Changed)" (slurp "CHANGELOG.md")))))

(deftest every-page-is-in-the-tree-of-cljdoc
  (let [listed (set (keep #(:file (second %)) (:cljdoc.doc/tree (edn/read-string (slurp "doc/cljdoc.edn")))))]
    (doseq [^File file (.listFiles (io/file "doc"))
            :when (str/ends-with? (.getName file) ".md")]
      (is (contains? listed (str "doc/" (.getName file)))))))
