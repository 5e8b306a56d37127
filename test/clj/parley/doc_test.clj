(ns parley.doc-test
  "The snippets of README.md and doc/ do what the pages say. doc/repl.md has a test of its own."
  (:require
   [clojure.java.io :as io]
   [clojure.set :as set]
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [options-page]
   [parley.impl.options :as options]
   [parley.socket :as socket]
   [parley.testing.doc :as doc])
  (:import
   (java.io Closeable File)
   (java.nio.file Files Path)
   (java.nio.file.attribute FileAttribute)
   (java.util Locale)
   (javax.tools Diagnostic Diagnostic$Kind DiagnosticCollector FileObject ToolProvider)))

(set! *warn-on-reflection* true)

(def ^:private pages
  "Pages whose blocks of Clojure run as they stand, one after the other."
  ["README.md" "doc/getting-started.md" "doc/echo-one-thread.md" "doc/chat.md" "doc/errors.md" "doc/migrating.md" "doc/async.md"
   "doc/status.md" "doc/streams.md" "doc/descriptors.md" "doc/observing.md"])

(deftest the-snippets-of-pages-run
  (doseq [page pages]
    (testing page
      (is (pos? (long (doc/run-page page)))))))

(deftest the-servers-of-scale-out-start
  (with-open [^Closeable listening (socket/socket-server 0 :interface "127.0.0.1")]
    (let [names {"7001" "0"
                 ":handle 3" (str ":handle " (first (socket/stream-handles listening)))
                 "10.0.0.11" "127.0.0.1"}
          rewrite (fn [text] (reduce (fn [text [name here]] (str/replace text name here)) text names))
          [first-block & servers] (map rewrite (doc/blocks "doc/scale-out.md" "clojure"))]
      (is (= 3 (count servers)))
      (binding [*ns* (create-ns 'parley.doc-test.scale-out)]
        (refer-clojure)
        (doc/run first-block)
        (doseq [text servers]
          (.close ^Closeable (load-string text)))))))

(deftest snippets-require-what-they-use
  (doseq [page (map str (cons "README.md" (filter #(str/ends-with? (str %) ".md") (file-seq (io/file "doc")))))
          :let [code (str/replace (str/join "\n" (doc/blocks page "clojure")) #";.*" "")
                required (set (map second (re-seq #"\[((?:clojure|parley|nrepl)\.[\w.-]+)" code)))]]
    (is (= #{} (set/difference
                 (set (map second (re-seq #"(?<![\w.'])((?:clojure|parley|nrepl)\.[\w.-]+)/\w" code)))
                 required))
      page)))

(deftest the-chat-of-the-page-is-the-example
  (let [example (slurp "dev/examples/chat.clj")]
    (is (str/includes? (slurp "doc/chat.md") (str/trim (subs example (str/index-of example "(defn- say-to-others")))))))

(deftest the-page-of-options-is-current
  (is (= (options-page/page) (slurp "doc/options.md"))
    "write it again: clojure.main -m options-page, with dev on the class path"))

(deftest the-page-of-options-has-every-key-of-every-function
  (doseq [n (options-page/namespaces)
          :let [shared (options-page/documented-keys n (ns-publics n))]
          [_ v] (ns-publics n)]
    (is (= #{} (set/difference (options-page/option-keys v) shared (options-page/documented-keys v))) (str v))))

;; ---- Java -----------------------------------------------------------------------------------------

;; The examples of Javadoc use these names without making them.
(def ^:private fixture
  "abstract class Fixture {
     static SocketServer server; static SocketStream stream; static Server.Handler handler; static int port;
     static Executor executor; static SelectableChannel nioChannel; static TlsConnection connection;
     static SSLEngine engine; static TlsConnection.Carrier carrier; static Descriptor descriptor, socket;
     static byte[] bytes, head, frame; static Resolver.Question question;
     static void handle(Object... given) { }
     static void next() { }
     static boolean isKnown(Object peer) { return true; }
   }")

(def ^:private imports
  (str
    "import parley.net.SocketOptions;\n"
    (str/join
      (for [package ["java.io" "java.net" "java.nio" "java.nio.channels" "java.nio.charset" "java.nio.file" "java.time"
                     "java.util" "java.util.concurrent" "javax.net.ssl" "parley.net" "parley.net.tls" "parley.posix"]]
        (str "import " package ".*;\n")))))

(defn- program
  "Returns a class around a snippet: statements, or a member, with imports before them."
  [n snippet]
  (let [[imported body] ((juxt filter remove) #(str/starts-with? % "import ") (str/split-lines snippet))
        body (str/join "\n" body)]
    (str imports (str/join "\n" imported) "\nabstract class Snippet" n " extends Fixture {\n"
      (if (str/starts-with? body "public ")
        body
        (str "void run() throws Exception {\n" body "\n}"))
      "\n}\n")))

(defn- examples
  "Returns the examples in the Javadoc of a file."
  [file]
  (for [[_ text] (re-seq #"(?s)<pre>\{@code\n(.*?)\n(?: *\* )?\}</pre>" (slurp file))]
    (str/replace text #"(?m)^ *\* ?" "")))

(defn- complaints
  "Compiles the texts of classes, class name -> text, and returns what the compiler says, as it stands in its text."
  [texts]
  (let [directory (Files/createTempDirectory "parley-java" (make-array FileAttribute 0))
        compiler (ToolProvider/getSystemJavaCompiler)
        found (DiagnosticCollector.)
        paths (for [[class text] texts]
                (let [file (.toFile (.resolve ^Path directory (str class ".java")))]
                  (spit file text)
                  file))]
    (with-open [files (.getStandardFileManager compiler found Locale/ENGLISH nil)]
      (.call (.getTask compiler nil files found
               ["-proc:none" "-nowarn" "-cp" (System/getProperty "java.class.path") "-d" (str directory)] nil
               (.getJavaFileObjectsFromFiles files paths))))
    (for [^Diagnostic each (.getDiagnostics found)
          :when (= Diagnostic$Kind/ERROR (.getKind each))]
      (str (.getMessage each Locale/ENGLISH) "\n"
        (nth (str/split-lines (slurp (.openInputStream ^FileObject (.getSource each)))) (dec (.getLineNumber each)))))))

(deftest the-java-of-pages-and-of-javadoc-compiles
  (let [snippets (concat (mapcat #(doc/blocks % "java") ["README.md" "doc/java.md" "doc/async.md"])
                   (mapcat examples (filter #(re-find #"\.(java|html)$" (str %)) (file-seq (io/file "java-src")))))]
    (is (< 60 (count snippets)))
    (is (= [] (complaints (into {"Fixture" (str imports fixture)}
                            (map-indexed (fn [n snippet] [(str "Snippet" n) (program n snippet)]))
                            snippets))))))

;; ---- links ----------------------------------------------------------------------------------------

(defn- anchors
  "Returns the anchors of the headings of a page, as GitHub makes them."
  [file]
  (set (for [[_ heading] (re-seq #"(?m)^#+ (.*)$" (slurp file))]
         (-> heading options/lower-case (str/replace #"[^\w -]" "") (str/replace " " "-")))))

(deftest links-between-pages-lead-somewhere
  (doseq [^File page (concat (map io/file ["README.md" "CONTRIBUTING.md" "RELEASING.md" "SECURITY.md" "CHANGELOG.md"])
                       (filter #(str/ends-with? (str %) ".md") (mapcat #(file-seq (io/file %)) ["doc" "test" ".github"])))
          [_ target anchor] (re-seq #"\]\(([^)#: ]*)(?:#([^)]*))?\)" (slurp page))
          :let [file (if (= "" target) page (io/file (.getParentFile (.getAbsoluteFile page)) target))]]
    (is (.exists ^File file) (str page " links to " target))
    (when anchor
      (is (contains? (anchors file) anchor) (str page " links to " target "#" anchor)))))
