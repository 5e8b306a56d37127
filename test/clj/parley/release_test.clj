(ns parley.release-test
  "What users of a release meet: Parley's jar alone, one coordinate, one version."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is]])
  (:import
   (java.io File)
   (java.nio.file Path)
   (parley.testing Child)))

(set! *warn-on-reflection* true)

;; ---- libraries that Parley does not bring -------------------------------------------------------

(defn- class-path
  "The class path of the tests without the jars whose names the pattern finds."
  [without]
  (->> (str/split (System/getProperty "surefire.test.class.path" (System/getProperty "java.class.path"))
                  (re-pattern File/pathSeparator))
       (remove #(and (str/ends-with? % ".jar") (re-find without (.getName (io/file %)))))
       (str/join File/pathSeparator)))

(defn- evaluate
  "Evaluates forms in another JVM without some jars. Returns what the last one prints as \"answer …\"."
  [without & forms]
  (let [java (str (Path/of (System/getProperty "java.home") (into-array ["bin" "java"])))]
    (with-open [child (Child/command (into-array String
                                       [java "-XX:TieredStopAtLevel=1" "-XX:+UseSerialGC"
                                        "-cp" (class-path without) "clojure.main" "-e"
                                        (pr-str (list* 'do forms))]))]
      (.answer child "answer"))))

(deftest without-core-async-the-namespaces-load-and-parley-async-names-the-jar
  (is (= (str "parley.async: core.async is not on the class path; add org.clojure/core.async to the dependencies of"
           " your project, {:mvn/version \"1.6.681\"} or later, since Parley does not bring it to users of its jar")
        (evaluate #"core\.async|jna|jnr|nrepl"
          '(run! require '[parley.socket parley.stream parley.rawsock parley.repl parley.nrepl parley.http])
          '(println "answer" (try (require 'parley.async)
                               (catch Throwable e (ex-message (last (take-while some? (iterate ex-cause e)))))))))))
