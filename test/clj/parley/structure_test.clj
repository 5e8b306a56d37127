(ns parley.structure-test
  "The rules that doc/architecture.md states for the Clojure sources: arrows point down, an optional
  dependency has one entrance, files stay short."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is]]
   [parley.impl.journal :as journal]
   [parley.impl.options :as options]
   [parley.impl.values :as values])
  (:import
   (java.io File PushbackReader)
   (java.util Locale)))

(set! *warn-on-reflection* true)

(defn- files [& directories]
  (for [directory directories
        ^File file (file-seq (io/file directory))
        :when (str/ends-with? (.getName file) ".clj")]
    file))

(defn- ns-form [file]
  (with-open [in (PushbackReader. (io/reader file))]
    (read in)))

(defn- required
  "The names of the namespaces that a file requires in its ns form."
  [[_ _ & clauses]]
  (for [[kind & specs] (filter seq? clauses)
        :when (= :require kind)
        spec specs]
    (str (if (vector? spec) (first spec) spec))))

(def ^:private namespaces
  "Name to the names that it requires."
  (into {}
    (map (fn [file]
           (let [form (ns-form file)]
             [(str (second form)) (required form)])))
    (files "clj-src/parley")))

(defn- ours? [name]
  (str/starts-with? name "parley."))

(defn- internal? [name]
  (str/starts-with? name "parley.impl."))

(deftest arrows-point-down
  (doseq [[name needs] namespaces
          need (filter ours? needs)]
    (is (internal? need) (str name " requires " need))))

(deftest no-two-namespaces-need-each-other
  (letfn [(reach [seen name]
            (reduce (fn [seen need] (if (seen need) seen (reach (conj seen need) need)))
              seen
              (filter ours? (namespaces name))))]
    (doseq [name (keys namespaces)]
      (is (not (contains? (reach #{} name) name)) name))))

(deftest an-optional-dependency-has-one-entrance
  (is (= {"clojure.core.async" #{"parley.impl.async"}}
        (reduce (fn [found [name needs]]
                  (reduce (fn [found need]
                            (if-let [library (re-find #"^(?:clojure\.core\.async|nrepl|com\.sun\.jna)\b" need)]
                              (update found library (fnil conj #{}) name)
                              found))
                    found needs))
          {} namespaces)))
  (is (= ["parley.async"]
        (for [[name needs] namespaces
              :when (some #{"parley.impl.async"} needs)]
          name)))
  (is (= ["parley.nrepl"]
        (for [file (files "clj-src/parley")
              :when (re-find #"'nrepl\.\w" (slurp file))]
          (str (second (ns-form file)))))))

(deftest what-is-not-for-callers-is-marked
  (doseq [file (files "clj-src/parley/impl")]
    (is (:no-doc (first (filter map? (ns-form file)))) file)))

(deftest every-public-var-is-documented
  (doseq [file (files "clj-src/parley")
          :let [name (second (ns-form file))]
          :when (not (internal? (str name)))]
    (require name)
    (doseq [[_ v] (ns-publics name)]
      (is (:doc (meta v)) (str v)))))

(deftest no-clojure-file-is-long
  (doseq [file (concat (files "clj-src") (files "test/clj"))]
    (is (<= (count (str/split-lines (slurp file))) 500) file)))

(deftest no-java-file-is-long
  (doseq [root ["java-src" "test/java"]
          ^File file (file-seq (io/file root))
          :when (str/ends-with? (.getName file) ".java")]
    (is (<= (count (str/split-lines (slurp file))) 500) file)))

(deftest the-pages-name-tests-that-exist
  (doseq [page ["README.md" "CONTRIBUTING.md" "test/README.md"]
          [_ kind test] (re-seq #"-D(test|parley\.test)=([\w./*-]+)" (slurp page))
          :let [[namespace deftest] (str/split test #"/")
                file (if (= "test" kind)
                       (first (filter #(= (str test ".java") (.getName ^File %)) (file-seq (io/file "test/java"))))
                       (io/file "test/clj" (str (-> namespace (str/replace "." "/") (str/replace "-" "_")) ".clj")))]]
    (is (and file (.isFile ^File file)) (str page ": " test))
    (when deftest
      (is (re-find (re-pattern (str "\\(deftest " (str/replace deftest "*" ".*") "(?=\\s)")) (slurp file))
          (str page ": " test)))))

(defn- source-of
  "Returns the text of a class of tests or a namespace of tests, nil if there is none."
  [name]
  (let [path (if (str/ends-with? name "-test")
               (str (-> name (str/replace #"^parley[.]" "") (str/replace "." "/") (str/replace "-" "_")) ".clj")
               (str (last (str/split name #"[.]")) ".java"))]
    (some-> (first (filter #(str/ends-with? (str %) (str "/" path)) (file-seq (io/file "test")))) slurp)))

(deftest the-pages-prove-promises-by-tests-that-exist
  (doseq [page (cons (io/file "README.md") (filter #(str/ends-with? (str %) ".md") (file-seq (io/file "doc"))))
          [shown name test] (re-seq #"`((?:parley[.])?(?:[\w-]+[.])*(?:[a-z-]+-test|[A-Z]\w+Test))(?:[#/]([\w-]+))?`" (slurp page))
          :let [source (source-of name)]]
    (is source (str page ": " shown))
    (when test
      (is (re-find (re-pattern (str "(?:deftest |void )" test "\\b")) (str source)) (str page ": " shown)))))

;; ---- names in the pages ---------------------------------------------------------------------------

(def ^:private pages
  (concat (map io/file ["README.md" "CONTRIBUTING.md" "RELEASING.md" "SECURITY.md" "CHANGELOG.md" "test/README.md"])
    (filter #(str/ends-with? (str %) ".md") (file-seq (io/file "doc")))))

(def ^:private java-types
  "The name of each type of our Java sources -> the text of the files that declare it."
  (delay
    (reduce (fn [types ^File file]
              (let [text (slurp file)]
                (reduce #(update %1 (second %2) str text) types
                  (re-seq #"\b(?:class|interface|enum|record) ([A-Z]\w*)" text))))
      {} (filter #(str/ends-with? (str %) ".java") (mapcat #(file-seq (io/file %)) ["java-src" "test/java"])))))

(defn- of-the-jdk? [name]
  (some #(try (Class/forName (str % "." name)) (catch ClassNotFoundException _ nil))
    ["java.lang" "java.lang.ref" "java.io" "java.nio.file" "java.net" "java.nio.channels" "java.time" "java.util.concurrent"
     "javax.net.ssl" "clojure.lang"]))

(def ^:private foreign
  "Names that the pages mention and that are neither ours nor the JDK's."
  #{"NeedsReadException" "NeedsWriteException" "SslHandler"})

(defn- unknown-names
  "Returns the class names in the text of a page, as `Type`, `Outer.Inner`, `Type.method` or in a drawing, that no
  source declares."
  [text]
  (let [fenced #"(?sm)^```(\w*)$\n(.*?)^```$"
        drawings (str/join (for [[_ language block] (re-seq fenced text) :when (= "" language)] block))]
    (concat
      (for [[shown types member] (re-seq #"`(?:\w+/)*((?:[A-Z][a-z]\w*)(?:\.[A-Z][a-z]\w*)*)(?:[.#]([a-z]\w*)(?:\(\))?)?`"
                                   (str/replace text fenced ""))
            :let [names (str/split types #"\.")
                  source (@java-types (last names))]
            :when (not (and (or (every? #(or (@java-types %) (foreign %)) names) (of-the-jdk? (str/join "$" names)))
                         (or (nil? member) (nil? source) (re-find (re-pattern (str "\\b" member "\\b")) source))))]
        shown)
      (for [name (re-seq #"\b[A-Z][a-z]+[A-Z]\w*\b" drawings)
            :when (not (or (@java-types name) (of-the-jdk? name)))]
        name))))

(defn- missing-files
  "Returns the files that the text of a page names and that do not exist."
  [text]
  (for [[_ path] (re-seq #"`([\w./-]+\.(?:clj|java|md|py|xml))`" text)
        :when (not-any? #(.isFile (io/file (str % path)))
                ["" "clj-src/parley/" "test/" "test/clj/parley/" "dev/" "doc/"])]
    path))

(deftest the-pages-name-classes-and-files-that-exist
  (is (= ["`Sweep`" "`Errors.noSuch`" "OldBuffer"]
        (unknown-names "`Sweep` `Errors` `Errors.noSuch` `Duration`\n```\n OldBuffer -> Encoder\n```\n")))
  (doseq [page pages
          :let [text (slurp page)]]
    (is (= [] (concat (unknown-names text) (missing-files text))) page)))

;; ---- the default locale ---------------------------------------------------------------------------

(def ^:private locale-dependent
  "Calls whose result depends on the default locale: in Turkish, \"I\" in lower case is not \"i\"."
  {"clj-src" #"\(str/(?:lower-case|upper-case|capitalize)|\((?:format|printf)\s|\.to(?:Lower|Upper)Case(?!.*Locale/ROOT)|String/format"
   "java-src" #"to(?:Lower|Upper)Case\(\)|String\.format\((?!Locale\.)|\.formatted\(|printf\((?!Locale\.)"})

(deftest nothing-depends-on-the-default-locale
  (doseq [[directory pattern] locale-dependent
          ^File file (file-seq (io/file directory))
          :when (re-find #"\.(clj|java)$" (.getName file))
          [n line] (map-indexed vector (str/split-lines (slurp file)))]
    (is (not (re-find pattern line)) (str file ":" (inc (long n))))))

(deftest names-are-the-same-in-every-locale
  (let [default (Locale/getDefault)]
    (try
      (Locale/setDefault (Locale/forLanguageTag "tr-TR"))
      (is (= :iso-8859-1 (:charset (values/external-format->value (options/->external-format "test" :iso-8859-1)))))
      (is (= "transfer-encoding: i" (options/lower-case "TRANSFER-ENCODING: I")))
      (is (= "\\u0007" (journal/peer-text "\u0007")))
      (finally
        (Locale/setDefault default)))))
