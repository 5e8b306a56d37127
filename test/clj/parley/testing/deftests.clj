(ns parley.testing.deftests
  "Finds and runs deftests for the JUnit bridge (the Java package parley.testing.clojure), which
  shows each of them by name in the build's report. Knows clojure.test, nothing of JUnit."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :as t])
  (:import
   (clojure.lang Var)
   (java.io File StringWriter)
   (java.util.function BiConsumer Consumer)))

(set! *warn-on-reflection* true)

;; --- finding ------------------------------------------------------------------------------------

(defn- namespace-name
  [^File root ^File file]
  (-> (str (.relativize (.toPath root) (.toPath file)))
      (str/replace #"\.cljc?$" "")
      (str/replace File/separator ".")
      (str/replace "_" "-")))

(defn namespaces-under
  "The names, as strings, of the namespaces whose sources lie in `directory`, sorted."
  [directory]
  (let [root (io/file directory)]
    (->> (file-seq root)
         (filter #(re-find #"\.cljc?$" (.getName ^File %)))
         (map #(namespace-name root %))
         (sort)
         (vec))))

(def sources
  "The directories of our own Clojure files."
  ["clj-src" "test/clj" "dev"])

(defn- reflects?
  "Whether a line of the compiler's is a warning about a file of ours."
  [line]
  (when-let [[_ file] (re-find #"^Reflection warning, (.+?):\d+" line)]
    (some #(.isFile (io/file % file)) sources)))

(defn load-namespace
  "Loads a namespace as `require` does. Throws when the compiler has warned of reflection in a file of
  ours."
  [ns-symbol & flags]
  (let [out (StringWriter.)]
    (try
      (binding [*err* out]
        (apply require ns-symbol flags))
      (finally
        (let [{warnings true
               others false} (group-by (comp boolean reflects?) (str/split-lines (str out)))]
          (binding [*out* *err*]
            (run! println (remove str/blank? others)))
          (when warnings
            (throw (AssertionError. (str/join "\n" warnings)))))))))

(defn deftests-in
  "Loads the namespace and returns the vars of its deftests in the order of the file."
  [ns-symbol]
  (load-namespace ns-symbol)
  (->> (vals (ns-interns ns-symbol))
       (filter (comp :test meta))
       (sort-by (comp (juxt :line :column) meta))
       (vec)))

;; --- telling what went wrong --------------------------------------------------------------------

(defn- shown
  [value]
  (binding [*print-length* 100
            *print-level* 12]
    (pr-str value)))

(defn- located
  "The event with the line of the test's own file, if its exception passed through there; what
  clojure.test says is where the exception was made, often deep in another library."
  [v {:keys [actual] :as event}]
  (let [own (.getName (io/file (str (:file (meta v)))))
        frame (when (instance? Throwable actual)
                (->> (.getStackTrace ^Throwable actual)
                     (filter #(= own (.getFileName ^StackTraceElement %)))
                     (first)))]
    (if frame
      (assoc event :file own :line (.getLineNumber ^StackTraceElement frame))
      event)))

(defn- account
  "What one failed assertion or error has to say, in clojure.test's words."
  [v {:keys [type file line message expected actual contexts]}]
  (str/join "\n"
            (concat
              [(str (if (= :fail type) "FAIL" "ERROR") " in " (symbol v) " (" file ":" line ")")]
              (when-not (str/blank? contexts) [contexts])
              (when message [(str message)])
              [(str "expected: " (shown expected))
               (str "  actual: " (if (instance? Throwable actual) (str actual) (shown actual)))])))

(defn- place
  "A stack trace of one frame: the line of the test's file that the problem belongs to."
  [^Var v {:keys [file line]}]
  (into-array StackTraceElement
              [(StackTraceElement. (str (.ns v)) (str (.sym v)) (str file) (int (or line -1)))]))

(defn- uncaught
  "An Error that is no AssertionError: build tools count it as an error, not as a failure."
  ^Throwable [message cause]
  (Error. ^String message ^Throwable cause))

(defn- verdict
  "nil when all is well; else a Throwable whose message is the account of every problem and whose
  cause is the first exception among them."
  [v events]
  (when-let [problems (->> events
                           (filter (comp #{:fail :error} :type))
                           (map #(located v %))
                           (seq))]
    (let [message (str/join "\n\n" (map #(account v %) problems))
          cause (first (filter #(instance? Throwable %) (map :actual problems)))
          failed? (or (some (comp #{:fail} :type) problems) (instance? AssertionError cause))
          problem (if failed?
                    (AssertionError. message cause)
                    (uncaught message cause))]
      (doto ^Throwable problem (.setStackTrace (place v (first problems)))))))

;; --- running ------------------------------------------------------------------------------------

(def ^:private no-assertion
  {:type :fail
   :message "The test made no assertion, so it cannot fail; say what must hold with `is`."
   :expected "at least one assertion"
   :actual "none"})

(def ^:private not-run
  {:type :fail
   :message "A :once fixture returned without calling the function that runs the tests."
   :expected "the test is run"
   :actual "it was not"})

(defn- place-of
  [v]
  (select-keys (meta v) [:file :line]))

(defn- recording
  "A `clojure.test/report` that keeps outcomes in the atom `events` and leaves the rest, for
  example what test.check tells of its seed, to `report`."
  [report events]
  (fn [{:keys [type] :as event}]
    (if (#{:pass :fail :error} type)
      (swap! events conj (assoc event :contexts (t/testing-contexts-str)))
      (when-not (#{:begin-test-var :end-test-var} type)
        (report event)))))

(defn- thrown
  "The event for an exception that came out of the fixtures around a test."
  [^Throwable e]
  (let [^StackTraceElement frame (first (.getStackTrace e))]
    {:type :error
     :message "Uncaught exception, from a fixture"
     :file (some-> frame .getFileName)
     :line (some-> frame .getLineNumber)
     :expected nil
     :actual e}))

(defn- run-deftest
  "Runs one test within the fixture; nil or what went wrong. The *root* of `report` is replaced,
  not a binding, so that assertions made in threads of the test's own count too. The thread keeps
  its context class loader: `clojure.main/repl` changes it, and threads made later inherit it."
  [each v]
  (let [events (atom [])
        own (Thread/currentThread)
        loader (.getContextClassLoader own)]
    (with-redefs [t/report (recording t/report events)]
      (binding [t/*report-counters* nil]
        (try (each #(t/test-var v))
             (catch Throwable e
               (swap! events conj (thrown e)))
             (finally
               (.setContextClassLoader own loader)))))
    (verdict v (or (seq @events)
                   [(merge no-assertion (place-of v))]))))

(defn run
  "Runs the deftests `vars` of one namespace, in order, within its fixtures. `started` is told of
  each var when it begins, `finished` of each with nil or the Throwable to blame. Tests that a
  broken :once fixture kept from running fail; what it throws after them is the answer, else nil."
  [ns-symbol vars ^Consumer started ^BiConsumer finished]
  (let [fixtures (meta (the-ns ns-symbol))
        once (t/join-fixtures (::t/once-fixtures fixtures))
        each (t/join-fixtures (::t/each-fixtures fixtures))
        waiting (atom (vec vars))
        finish (fn [v problem]
                 (swap! waiting subvec 1)
                 (.accept finished v problem))
        problem (try
                  (once (fn []
                          (doseq [v vars]
                            (.accept started v)
                            (finish v (run-deftest each v)))))
                  nil
                  (catch Throwable e e))]
    (if (empty? @waiting)
      problem
      (doseq [v @waiting]
        (.accept started v)
        (finish v (verdict v [(if problem (thrown problem) (merge not-run (place-of v)))]))))))

(defn- unseen
  "The problem of a namespace whose deftests are not those that its text shows, or nil."
  [vars all]
  (let [hidden (remove (set all) (map #(name (symbol %)) vars))]
    (when (seq hidden)
      (AssertionError. (str "these deftests do not begin a line, so they are not run: "
                            (str/join " " hidden))))))

(defn load-and-run
  "Loads the namespace and runs its deftests with the names `chosen`, as `run` does, of `all` that the
  text of the file shows. `started` and `finished` get names."
  [ns-symbol all chosen ^Consumer started ^BiConsumer finished]
  (let [[vars problem] (try
                         [(deftests-in ns-symbol)]
                         (catch Throwable e
                           [nil e]))
        by-name (into {} (map (juxt #(name (symbol %)) identity)) vars)
        known (filter by-name chosen)]
    (doseq [n (remove by-name chosen)]
      (.accept started n)
      (.accept finished n (or problem (AssertionError. "the namespace does not have it once it is loaded"))))
    (or (when (seq known)
          (run ns-symbol
            (map by-name known)
            (reify Consumer
              (accept [_ v] (.accept started (name (symbol v)))))
            (reify BiConsumer
              (accept [_ v why] (.accept finished (name (symbol v)) why)))))
        (unseen vars all))))
