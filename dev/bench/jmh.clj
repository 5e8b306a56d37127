(ns bench.jmh
  "Single operations, measured by JMH: compiles dev/bench/java to target/bench and runs the benchmarks there.

  A benchmark method is named operation_contender. Each round starts a new JVM for each contender of an
  operation, one after the other, so that contenders take turns and differ in what they do, not in when
  they did it or in what was compiled before."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str])
  (:import
   (java.io ByteArrayOutputStream File)
   (java.util Collection)
   (java.util.concurrent TimeUnit)
   (javax.tools ToolProvider)
   (org.openjdk.jmh.infra BenchmarkParams)
   (org.openjdk.jmh.profile GCProfiler)
   (org.openjdk.jmh.results Result RunResult)
   (org.openjdk.jmh.runner Runner)
   (org.openjdk.jmh.runner.options ChainedOptionsBuilder OptionsBuilder TimeValue VerboseMode)))

(set! *warn-on-reflection* true)

(def ^:private ^File sources (io/file "dev" "bench" "java"))
(def ^:private ^File classes (io/file "target" "bench"))

(def ^:private operations
  "What is measured: the operation, and its parameters."
  [["readChar" {"text" ["ascii"]}]
   ["readLine" {"text" ["ascii" "accents"]}]
   ["writeChar" {"text" ["ascii"]}]
   ["writeLine" {"text" ["ascii" "accents"]}]
   ["blockIn" {}]
   ["blockOut" {}]
   ["pingPong" {}]
   ["single" {}]
   ["list480" {}]
   ["check" {"members" ["1" "100" "9000"]
             "percentReady" ["0" "10"]}]])

(defn compile!
  "Compiles the benchmarks. The class path must have target/bench in it, since forks inherit it."
  []
  (.mkdirs classes)
  (let [files (for [^File f (file-seq sources)
                    :when (str/ends-with? (.getName f) ".java")]
                (str f))
        args (into ["-d" (str classes) "-Xlint:all,-processing,-classfile,-path" "-Werror"
                    "-cp" (System/getProperty "java.class.path")
                    "-processor" "org.openjdk.jmh.generators.BenchmarkProcessor"]
               files)
        said (ByteArrayOutputStream.)
        code (.run (ToolProvider/getSystemJavaCompiler) nil said said (into-array String args))]
    (when-not (zero? code)
      (throw (ex-info (str "dev/bench/java does not compile:\n" said) {:arguments args})))))

(defn- with-params [^ChainedOptionsBuilder builder params]
  (doseq [[name values] params]
    (.param builder name (into-array String values)))
  builder)

(defn- options [operation params {:keys [warm-up iterations milliseconds]}]
  (let [time (TimeValue/milliseconds milliseconds)]
    (-> (OptionsBuilder.)
      ^ChainedOptionsBuilder (.include (str "\\." operation "_"))
      (.forks (int 1))
      (.warmupIterations (int warm-up))
      (.warmupTime time)
      (.measurementIterations (int iterations))
      (.measurementTime time)
      (.mode org.openjdk.jmh.annotations.Mode/AverageTime)
      (.timeUnit TimeUnit/NANOSECONDS)
      (.addProfiler GCProfiler)
      (.jvmArgsAppend (into-array String ["-XX:+UseSerialGC"]))
      (.shouldFailOnError true)
      (.verbosity VerboseMode/SILENT)
      ^ChainedOptionsBuilder (with-params params)
      (.build))))

(defn- score [^RunResult run wanted]
  (some (fn [[label ^Result r]]
          (when (str/ends-with? label wanted) (.getScore r)))
    (.getSecondaryResults run)))

(defn- figures [^RunResult run]
  (let [^BenchmarkParams params (.getParams run)
        method (peek (str/split (.getBenchmark params) #"\."))
        [operation contender] (str/split method #"_")
        done (double (score run "operations"))]
    {:operation operation
     :contender (keyword contender)
     :params (into (sorted-map) (for [name (.getParamsKeys params)]
                                  [(keyword name) (.getParam params name)]))
     :wall-ns (.getScore (.getPrimaryResult run))
     :cpu-ns (/ (double (score run "nanos")) done)
     :allocated (score run "gc.alloc.rate.norm")}))

(defn run
  "Runs operations whose name `pattern` finds; returns a map for each contender in each round. Calls
  `(progress text)` before each step."
  [{:keys [rounds]
    :as setting} pattern progress]
  (compile!)
  (let [chosen (filter #(re-find pattern (first %)) operations)
        steps (for [round (range rounds)
                    operation chosen]
                [round operation])]
    (vec
      (mapcat
        (fn [i [round [operation params]]]
          (progress (format "JMH %d of %d: round %d, %s" (inc (long i)) (count steps) (inc (long round)) operation))
          (for [run ^Collection (.run (Runner. (options operation params setting)))]
            (assoc (figures run) :round round)))
        (range) steps))))
