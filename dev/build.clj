(ns build
  "Compiles the Java core and makes the jar for users of `clj`, first of all for projects that have
  Parley as a git dependency (`clj -X:deps prep`). Maven builds and tests Parley. parley.build-test
  compares the facts that pom.xml and this file both state."
  (:require
   [clojure.tools.build.api :as b]
   [clojure.xml :as xml]))

(set! *warn-on-reflection* true)

(def release
  "The Java release that the core is compiled for."
  "17")

(def module
  "The name of the jar as a Java module."
  "parley")

(defn version
  "Parley's version, as pom.xml states it."
  []
  (->> (:content (xml/parse (b/resolve-path "pom.xml")))
       (filter (comp #{:version} :tag))
       (first)
       (:content)
       (apply str)))

(defn compile-java
  "Compiles java-src into `:class-dir` (target/classes) with the libraries of `:basis` (those of
  deps.edn). Warnings do not count here: this runs with whatever JDK a user of Parley has, and
  Maven has been strict before."
  [{:keys [class-dir basis]
    :or {class-dir "target/classes"}}]
  (b/javac {:src-dirs ["java-src"]
            :class-dir class-dir
            :basis (or basis (b/create-basis {:project "deps.edn"}))
            :javac-opts ["--release" release "-encoding" "UTF-8" "-proc:none"]}))

(defn clean
  "Removes what was built."
  [_]
  (b/delete {:path "target"}))

(defn jar
  "Makes `:jar-file` (target/parley-VERSION.jar) by way of `:class-dir` (target/classes): classes of
  Java, sources of Clojure, the clj-kondo configuration. Returns the file's name."
  [{:keys [class-dir jar-file]
    :or {class-dir "target/classes"}
    :as options}]
  (let [jar-file (or jar-file (str "target/parley-" (version) ".jar"))]
    (compile-java options)
    (b/copy-dir {:src-dirs ["clj-src"]
                 :target-dir class-dir})
    (b/copy-file {:src "LICENSE"
                  :target (str class-dir "/META-INF/LICENSE")})
    (b/jar {:class-dir class-dir
            :jar-file jar-file
            :manifest {"Automatic-Module-Name" module}})
    jar-file))
