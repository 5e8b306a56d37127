(ns parley.build-test
  "Facts about the project's files that no compiler checks: pom.xml and deps.edn agree, the jar
  holds what it should, every Clojure file loads without reflection."
  (:require
   [build]
   [clojure.edn :as edn]
   [clojure.java.io :as io]
   [clojure.set :as set]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing use-fixtures]]
   [clojure.tools.build.api :as b]
   [clojure.tools.deps :as deps]
   [clojure.xml :as xml]
   [parley.testing.deftests :as deftests])
  (:import
   (java.io File)
   (java.util Locale)
   (java.util.jar JarFile)
   (javax.tools DiagnosticCollector ToolProvider)
   (parley.testing TemporaryPaths)))

(set! *warn-on-reflection* true)

;; --- pom.xml ------------------------------------------------------------------------------------

(defn- children
  "The elements below `element` that a path of tags leads to."
  [element & path]
  (reduce (fn [elements tag]
            (filter #(= tag (:tag %)) (mapcat :content elements)))
          [element]
          path))

(defn- text
  [element & path]
  (apply str (:content (first (apply children element path)))))

(def ^:private pom (delay (xml/parse (io/file "pom.xml"))))

(def ^:private properties
  (delay (into {}
               (for [property (:content (first (children @pom :properties)))]
                 [(name (:tag property)) (apply str (:content property))]))))

(defn- filled-in
  "The text with each ${property} replaced by its value."
  [s]
  (str/replace s #"\$\{([^}]+)\}" (fn [[whole key]] (get @properties key whole))))

(defn- dependencies
  "Library symbol -> version of the dependencies in pom.xml whose scope is one of `scopes`."
  [& scopes]
  (into {}
        (for [dependency (children @pom :dependencies :dependency)
              :let [version (filled-in (text dependency :version))
                    scope (text dependency :scope)]
              :when (and (seq version) (contains? (set scopes) scope))]
          [(symbol (text dependency :groupId) (text dependency :artifactId)) version])))

(defn- plugin
  [artifact]
  (first (filter #(= artifact (text % :artifactId)) (children @pom :build :plugins :plugin))))

(defn- additional-paths
  "What pom.xml adds to a plugin's class path, relative to the project."
  [artifact]
  (for [element (children (plugin artifact)
                          :configuration
                          :additionalClasspathElements
                          :additionalClasspathElement)]
    (str/replace (text element) "${project.basedir}/" "")))

;; --- pom.xml and deps.edn -----------------------------------------------------------------------

(def ^:private project (delay (deps/slurp-deps (io/file "deps.edn"))))

(defn- versions
  [deps]
  (update-vals deps :mvn/version))

(deftest deps-edn-has-the-dependencies-of-the-pom
  (is (= (dependencies "" "compile") (versions (:deps @project)))))

(def ^:private maven-repository
  "The local repository of the Maven that runs this, nil without Maven."
  (System/getProperty "localRepository"))

(defn- basis
  "What tools.build makes of deps.edn, from Maven's own repository when Maven runs this: all is there
  already."
  []
  (b/create-basis {:project "deps.edn"
                   :extra (if maven-repository
                            {:mvn/local-repo maven-repository}
                            {})}))

(deftest tests-run-with-the-libraries-that-deps-edn-leads-to
  (let [tested (set (map #(.getName (io/file %))
                         (str/split (System/getProperty "java.class.path")
                                    (re-pattern File/pathSeparator))))]
    (doseq [[library {:keys [paths]}] (:libs (basis))
            path paths]
      (is (contains? tested (.getName (io/file path))) library))))

(defn- profile-dependencies
  "Those that the profiles of pom.xml add."
  []
  (into {}
        (for [profile (children @pom :profiles :profile)
              dependency (children profile :dependencies :dependency)]
          [(symbol (text dependency :groupId) (text dependency :artifactId))
           (filled-in (text dependency :version))])))

(def ^:private from-clojars
  "Libraries that only deps.edn names, since the pom uses no repository but Maven Central."
  '#{clj-kondo/clj-kondo lambdaisland/kaocha nrepl/nrepl})

(deftest aliases-have-the-versions-of-the-pom
  (let [known (merge (dependencies "" "compile" "test") (profile-dependencies))]
    (doseq [[alias {:keys [deps extra-deps replace-deps]}] (:aliases @project)
            [library version] (versions (merge deps extra-deps replace-deps))
            :when (not (from-clojars library))]
      (is (= (known library) version) (str library " in " alias)))))

(deftest aliases-bring-what-the-tests-of-the-pom-need
  (let [aliases (deps/combine-aliases @project [:dev :test])
        java-only '#{org.junit.jupiter/junit-jupiter org.junit.platform/junit-platform-launcher}]
    (is (= (apply dissoc (dependencies "test") java-only)
           (versions (apply dissoc (:extra-deps aliases) from-clojars))))))

(deftest tests-have-the-same-checks-of-core-async-in-both-builds
  (let [property "clojure.core.async.go-checking"
        value (text (plugin "maven-surefire-plugin")
                    :configuration
                    :systemPropertyVariables
                    (keyword property))]
    (is (= [(str "-D" property "=" value)] (get-in @project [:aliases :test :jvm-opts])))))

(deftest both-files-have-the-same-paths
  (is (= [(text @pom :build :resources :resource :directory) "target/classes"] (:paths @project)))
  (is (= ["test/clj" "dev"] (additional-paths "exec-maven-plugin")))
  (is (= ["test/clj" "dev" "${project.build.directory}/core-async"] (additional-paths "maven-surefire-plugin")))
  (is (= ["test/clj" "dev" "target/test-classes"]
         (get-in @project [:aliases :test :extra-paths])))
  (is (= "java-src" (text @pom :build :sourceDirectory)))
  (is (= ["test/clj"] (mapcat :test-paths (:tests (edn/read-string {:default (fn [_ v] v)}
                                                                   (slurp "tests.edn"))))))
  (testing "and they exist"
    (doseq [path ["clj-src" "java-src" "test/clj" "test/java" "dev"]]
      (is (.isDirectory (io/file path)) path))))

(deftest both-builds-compile-for-the-same-jdk
  (is (= (@properties "maven.compiler.release") build/release)))

(deftest both-builds-name-the-same-module-and-version
  (is (= (text (plugin "maven-jar-plugin")
               :configuration
               :archive
               :manifestEntries
               :Automatic-Module-Name)
         build/module))
  (is (= (text @pom :version) (build/version))))

(deftest prep-lib-names-a-function-of-the-build-alias
  (let [{:keys [alias fn ensure]} (:deps/prep-lib @project)]
    (is (= 'build (get-in @project [:aliases alias :ns-default])))
    (is (some? (ns-resolve 'build fn)))
    (is (some #{ensure} (:paths @project)))))

;; --- the jar ------------------------------------------------------------------------------------

(defn- entries
  "The names of the files in a jar."
  [file]
  (with-open [jar (JarFile. (io/file file))]
    (->> (enumeration-seq (.entries jar))
         (map str)
         (remove #(str/ends-with? % "/"))
         (set))))

(defn- manifest
  [file key]
  (with-open [jar (JarFile. (io/file file))]
    (.getValue (.getMainAttributes (.getManifest jar)) ^String key)))

(defn- files-under
  "The names of the files in a directory, relative to it."
  [directory]
  (let [root (.toPath (io/file directory))]
    (->> (file-seq (io/file directory))
         (filter #(.isFile ^File %))
         (map #(str (.relativize root (.toPath ^File %))))
         (set))))

(defn- with-directory
  "Calls `f` with a new directory and removes that afterwards."
  [f]
  (let [directory (.toFile (TemporaryPaths/directory))]
    (try (f directory)
         (finally
           (run! io/delete-file (reverse (file-seq directory)))))))

(def ^:private ^:dynamic *jars*
  "Delays a map, builder -> jar. Maven makes its jar before it runs the tests. Without Maven, a jar under
  target/ may be older than the sources, so the tests ignore it."
  nil)

(defn- copied-classes
  "Stands for the compiler, which has made the classes already."
  [{:keys [src-dirs class-dir javac-opts]}]
  (is (= ["java-src"] src-dirs))
  (is (= ["--release" (@properties "maven.compiler.release")] (take 2 javac-opts)))
  (b/copy-dir {:src-dirs ["target/classes"]
               :include "**.class"
               :target-dir class-dir}))

(defn- make-jars
  [directory]
  (cond-> {:tools.build (with-redefs [b/javac copied-classes]
                          (build/jar {:class-dir (str (io/file directory "classes"))
                                      :jar-file (str (io/file directory "parley.jar"))
                                      :basis (basis)}))}
    maven-repository
    (assoc :maven (str "target/parley-" (build/version) ".jar"))))

(use-fixtures :once
  (fn [tests]
    (with-directory
      (fn [directory]
        (binding [*jars* (delay (make-jars directory))]
          (tests))))))

(deftest jars-hold-sources-of-clojure-and-classes-of-java
  (doseq [[builder jar] @*jars*]
    (testing builder
      (let [files (entries jar)
            classes (filter #(str/ends-with? % ".class") files)]
        (is (set/subset? (files-under "clj-src") files))
        (is (seq classes))
        (is (every? #(re-find #"^parley/(net|posix)/[^_]*\.class$" %) classes))
        (is (contains? files "META-INF/LICENSE"))
        (is (= "parley" (manifest jar "Automatic-Module-Name")))))))

(deftest every-builder-makes-the-same-jar
  (let [mavens-own (fn [name] (re-find #"^META-INF/(maven/|INDEX)" name))]
    (is (apply = (map #(set (remove mavens-own (entries %))) (vals @*jars*))))))

;; --- sources ------------------------------------------------------------------------------------

(def ^:private clojure-directories deftests/sources)

(defn- sources
  "The files in the directories whose names the pattern finds."
  [pattern & directories]
  (for [directory directories
        ^File file (file-seq (io/file directory))
        :when (and (.isFile file) (re-find pattern (.getName file)))]
    file))

(defn- java-code
  "The text of a Java file without its comments."
  [file]
  (str/replace (slurp file) #"(?s)/\*.*?\*/|(?m)//.*$" ""))

(deftest every-clojure-file-warns-on-reflection
  (doseq [file (apply sources #"\.cljc?$" clojure-directories)
          :when (not= "data_readers.clj" (.getName ^File file))]
    (is (re-find #"(?m)^\(set! \*warn-on-reflection\* true\)$" (slurp file)) file)))

(deftest the-java-core-knows-nothing-of-clojure
  (doseq [file (sources #"\.java$" "java-src")]
    (is (not (re-find #"\bclojure\.\w" (java-code file))) file)))

(deftest the-java-core-never-uses-the-default-locale
  (doseq [file (sources #"\.java$" "java-src")]
    (is (not (re-find #"to(Lower|Upper)Case\(\)|\bString\.format\(\s*\"|\.formatted\(|printf\(\s*\"" (java-code file)))
      file)))

(deftest dl-16-no-deadline-reads-the-wall-clock
  ;; Of the Java sources DeadlineTest says so. What is shown to people does carry the time of day.
  (is (empty? (filter #(re-find #"currentTimeMillis|(?<!:at \(|:since \()Instant/now|\(Date\.\)"
                         (slurp %))
                (sources #"\.cljc?$" "clj-src")))))

(defn- macros-in
  "Returns the macros that a file defines: qualified symbol -> whether it is public."
  [file]
  (let [source (slurp file)
        [_ ns-name] (re-find #"(?m)^\(ns ([\w.-]+)" source)]
    (into {}
          (for [[_ hints name] (re-seq #"(?m)^\(defmacro\s+((?:\^\S+\s+)*)(\S+)" source)]
            [(symbol ns-name name) (not (str/includes? hints ":private"))]))))

(def ^:private exported "clj-src/clj-kondo.exports/io.github.parley/parley/config.edn")

(defn- macros-of
  "Returns the macros that a clj-kondo configuration describes."
  [file]
  (let [{:keys [lint-as hooks]} (edn/read-string (slurp file))]
    (set (concat (keys lint-as) (mapcat keys (vals hooks))))))

(deftest clj-kondo-knows-every-public-macro
  (let [files (filter #(.isFile ^File %) (.listFiles (io/file "clj-src/parley")))
        macros (into {} (map macros-in) files)]
    (is (contains? macros 'parley.socket/with-open-stream))
    (is (= [] (remove (macros-of exported) (keys (filter val macros)))))))

(deftest every-macro-in-a-clj-kondo-configuration-exists
  (let [macros (into {} (mapcat macros-in) (apply sources #"\.cljc?$" clojure-directories))]
    (doseq [file [exported ".clj-kondo/config.edn"]
            macro (macros-of file)
            :when (str/starts-with? (namespace macro) "parley.")]
      (is (contains? macros macro) file))))

(defn- javadoc-warnings
  "Returns what the javadoc tool says of the documented packages, as in the profile release of pom.xml."
  [directory]
  (let [tool (ToolProvider/getSystemDocumentationTool)
        found (DiagnosticCollector.)
        options ["-quiet" "-Xdoclint:all,-missing" "-protected" "-d" (str directory) "-overview" "java-src/overview.html"
                 "-sourcepath" "java-src" "-cp" (System/getProperty "java.class.path")
                 "-subpackages" "parley" "-exclude" "parley.net.text:parley.net.wait"]]
    (with-open [files (.getStandardFileManager tool found Locale/ENGLISH nil)]
      (is (true? (.call (.getTask tool nil files found nil options nil)))))
    (mapv str (.getDiagnostics found))))

(deftest javadoc-of-the-java-core-has-no-warning
  (with-directory
    (fn [directory]
      (is (= [] (javadoc-warnings directory))))))

(deftest every-public-class-has-an-example
  (let [public #"(?m)^public (?:abstract |final |sealed )*(?:class|interface|enum|record|@interface) (\w+)"]
    (doseq [package ["parley/net" "parley/net/tls" "parley/posix"]
            ^File file (.listFiles (io/file "java-src" package))
            :let [[head] (when (.isFile file) (str/split (slurp file) public))]
            :when (and head (re-find public (slurp file)) (not (#{"OwnThreads.java" "StackSafeLock.java"} (.getName file))))]
      (is (str/includes? head "<pre>{@code") (str file)))))

(def ^:private with-libraries-of-the-bench-profile
  "Namespaces that need JMH and XChart, which only the profile bench of the pom brings."
  #{"bench.jmh" "bench.performance" "bench.plot" "bench.tls"})

(deftest every-other-namespace-loads-without-a-reflection-warning
  ;; Those of the tests do, since they are loaded by load-namespace, too, when they are run.
  (doseq [n (mapcat deftests/namespaces-under clojure-directories)
          :when (not (or (str/ends-with? n "-test") (with-libraries-of-the-bench-profile n)))]
    ;; Clojure has loaded the namespace user when it started, and shown no warning to anybody.
    (is (nil? (if (= "user" n)
                (deftests/load-namespace (symbol n) :reload)
                (deftests/load-namespace (symbol n))))
      n)))
