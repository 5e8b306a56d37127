(ns user
  "For the REPL, which `mvn -q test-compile exec:java -Dexec.args=repl` or `clj -M:dev:test` starts:

    (start)       an echo server on a port of the system's choice; (start 7007) on that one
    (stop)        closes it and everything that came of it
    (reload)      stops, then loads every Clojure file that changed; Java needs a new REPL
    (run-tests)   all of test/clj but the nightly ones; (run-tests 'parley.socket-test) only those
    (nrepl)       an nREPL server for an editor, which finds it by .nrepl-port
    (write-options)  makes doc/options.md anew, after options or their docstrings have changed

  A day: (start), connect, try something, change a file, (reload), (run-tests 'parley.the-test), and
  when all is well `mvn verify`. The forms in the comment at the end of this file show that.

  Loaded by every Clojure that has dev/ on its class path, so it requires nothing before it is
  needed."
  {:clojure.tools.namespace.repl/load false}
  (:require
   [clojure.string :as str]
   [clojure.test :as t])
  (:import
   (clojure.lang Namespace RT)
   (java.io File)
   (java.net URL URLClassLoader)
   (java.nio.file Path)))

(set! *warn-on-reflection* true)

;; The REPL begins in this namespace, where a person may define `echo`; hence the hyphens.

(defonce ^:private -echo (atom nil))

(defn stop
  "Stops what `start` started, if anything; no thread and no descriptor of it stays."
  []
  (when-let [running @-echo]
    (reset! -echo nil)
    ((requiring-resolve 'parley.echo/stop) running)))

(defn start
  "Starts an echo server on loopback and returns its port. One that runs already is stopped first."
  ([] (start 0))
  ([port]
   (stop)
   (:port (reset! -echo ((requiring-resolve 'parley.echo/start) port)))))

(defonce ^:private -nrepl-server (atom nil))

(defn nrepl
  "Starts an nREPL server for an editor and returns its port, which is also in .nrepl-port. It runs until
  the REPL ends. Maven finds nREPL in Debian's package libnrepl-clojure; clj -M:dev:test brings it."
  []
  (:port (or @-nrepl-server
             (reset! -nrepl-server ((requiring-resolve 'parley.nrepl/nrepl-server) :port-file ".nrepl-port" :log println)))))

(defn- renew-aliases
  "Lets a namespace that was not loaded again see those that were, under the names it has for them."
  [^Namespace here]
  (doseq [[alias there] (ns-aliases here)
          :let [loaded (find-ns (ns-name there))]
          :when (and loaded (not (identical? loaded there)))]
    (ns-unalias here alias)
    (.addAlias here alias loaded)))

(defn reload
  "Stops, then loads the changed namespaces of clj-src and dev/parley again; all of them the first time.
  The aliases of the current namespace are of the new ones."
  []
  (stop)
  ((requiring-resolve 'clojure.tools.namespace.repl/set-refresh-dirs) "clj-src" "dev/parley")
  (let [result ((requiring-resolve 'clojure.tools.namespace.repl/refresh))]
    (renew-aliases *ns*)
    result))

(defn- class-path
  "Returns the class path from which this code was loaded."
  []
  (->> (iterate #(.getParent ^ClassLoader %) (.getContextClassLoader (Thread/currentThread)))
       (take-while some?)
       (filter #(instance? URLClassLoader %))
       (mapcat #(.getURLs ^URLClassLoader %))
       (map #(str (Path/of (.toURI ^URL %))))
       (str/join File/pathSeparator)))

(defn- publish-class-path
  "Tests start other processes on the class path of this one, which the property does not have where Maven
  has loaded the code into its own."
  []
  (when-not (identical? (ClassLoader/getSystemClassLoader) (.getClassLoader RT))
    (System/setProperty "java.class.path" (class-path))))

(defn run-tests
  "Loads and runs the tests of the given namespaces, or of all, and returns the counts."
  [& namespaces]
  (publish-class-path)
  (let [namespaces-under (requiring-resolve 'parley.testing.deftests/namespaces-under)
        deftests-in (requiring-resolve 'parley.testing.deftests/deftests-in)
        nightly? (fn [v] (or (:nightly (meta v)) (:nightly (meta (:ns (meta v))))))]
    (binding [t/*report-counters* (ref t/*initial-report-counters*)]
      (doseq [n (or namespaces (map symbol (namespaces-under "test/clj")))]
        (require n :reload)
        (when-let [tests (seq (remove nightly? (deftests-in n)))]
          (t/do-report {:type :begin-test-ns
                        :ns (the-ns n)})
          (t/test-vars tests)))
      (doto @t/*report-counters*
        (-> (assoc :type :summary)
            (t/do-report))))))

(defn write-options
  "Makes doc/options.md anew from the code."
  []
  ((requiring-resolve 'options-page/-main)))

(comment
  ;; Morning: an echo server, and a client by hand.
  (def port (start))
  (require '[parley.socket :as socket] '[parley.stream :as stream])
  (def s (socket/socket-connect port "127.0.0.1" :timeout 5))
  (stream/write-line "hello" s)
  (stream/finish-output s)
  (socket/socket-status s 1) ; => :io, when the answer has arrived
  (stream/read-line s)
  ;; Noon: after a change of a Clojure file.
  (reload)
  (run-tests 'parley.socket-test)
  ;; Evening: nothing stays.
  (stop))
