(ns bench.performance
  "Measures Parley beside what would be used instead, and makes doc/performance.md of the figures:

    mvn -q -Pbench compile exec:exec                                everything; about half an hour
    mvn -q -Pbench compile exec:exec -Dbench.args=\"quick\"           everything, for a look
    mvn -q -Pbench compile exec:exec -Dbench.args=\"jmh:readChar\"    some operations
    mvn -q -Pbench compile exec:exec -Dbench.args=\"status channels\" parts
    mvn -q -Pbench compile exec:exec -Dbench.args=\"page\"            only the page

  Raw figures go to doc/figures, a file for each part, with the conditions under which they were measured.
  Needs 20,000 descriptors in a process."
  (:require
   [bench.child :as child]
   [clojure.java.io :as io]
   [clojure.pprint :as pprint]
   [clojure.string :as str])
  (:import
   (java.io File)
   (java.lang.management ManagementFactory)))

(set! *warn-on-reflection* true)

(def ^:private settings
  {"full" {:rounds 3 :warm-up 5 :iterations 5 :milliseconds 400 :turns 31
           :connections [100 1000 3000 9000] :active 100 :seconds 1 :channel-rounds 6}
   "quick" {:rounds 1 :warm-up 5 :iterations 3 :milliseconds 200 :turns 7
            :connections [100 1000 9000] :active 100 :seconds 0.3 :channel-rounds 2}})

(def ^:private directory (io/file "doc" "figures"))

(defn- progress [text]
  (binding [*out* *err*]
    (printf "\r\u001b[K%s" text)
    (flush)))

(defn- load-average []
  (.getSystemLoadAverage (ManagementFactory/getOperatingSystemMXBean)))

(defn- conditions [setting]
  {:setting setting
   :jdk (System/getProperty "java.vm.version")
   :os (str (System/getProperty "os.name") " " (System/getProperty "os.version"))
   :processors (.availableProcessors (Runtime/getRuntime))
   :load-before (load-average)})

(def ^:private parts
  "Namespaces are loaded when their part runs, so that making the page needs none of them."
  {"jmh" (fn [setting pattern]
           ((requiring-resolve 'bench.jmh/run) setting pattern progress))
   "fresh" (fn [setting _]
             ((requiring-resolve 'bench.fresh/run) setting progress))
   "status" (fn [setting _]
              ((requiring-resolve 'bench.status/run) setting progress))
   "channels" (fn [setting _]
                ((requiring-resolve 'bench.async/run) (assoc setting :rounds (:channel-rounds setting)) progress))
   "tls" (fn [setting _]
           ((requiring-resolve 'bench.tls/run) setting progress))
   "serve" (fn [setting _]
             ((requiring-resolve 'bench.serve/run) setting progress))
   "virtual" (fn [setting _]
               ((requiring-resolve 'bench.virtual/run) setting progress))
   "connections" (fn [setting _]
                   ((requiring-resolve 'bench.connections/run) setting progress))})

(defn- write! [part measured]
  (.mkdirs ^File directory)
  (with-open [out (io/writer (io/file directory (str part ".edn")))]
    (pprint/pprint measured out)))

(defn- measure! [setting arg]
  (let [[part pattern] (str/split arg #":" 2)
        f (or (parts part) (throw (IllegalArgumentException. (str "no part " part ", expected " (str/join ", " (keys parts))))))
        before (conditions setting)
        figures (f (settings setting) (re-pattern (or pattern "")))]
    (when figures ; nil of a part that this JDK cannot measure
      (write! part {:conditions (assoc before :load-after (load-average))
                    :figures figures}))))

(def ^:private ^File benchmarks (io/file "target" "bench"))

(defn- restart!
  "Runs the same again in a new process, whose class loader sees a directory of benchmarks that was just made."
  [args]
  (.mkdirs benchmarks)
  (System/exit (.waitFor (.start (.inheritIO ^ProcessBuilder (apply child/process 'bench.performance args))))))

(defn -main
  "Arguments: quick, parts (a pattern of operations may follow jmh: ), page."
  [& args]
  (when-not (.isDirectory benchmarks)
    (restart! args))
  (let [setting (if (some #{"quick"} args) "quick" "full")
        wanted (remove #{"quick" "full" "page"} args)
        wanted (if (or (seq wanted) (some #{"page"} args)) wanted (sort (keys parts)))]
    (run! #(measure! setting %) wanted)
    (progress "")
    ((requiring-resolve 'bench.page/write!) directory (requiring-resolve 'bench.plot/write!))
    (shutdown-agents)
    (System/exit 0)))
